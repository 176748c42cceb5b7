//! Skeleton of `runner`.
