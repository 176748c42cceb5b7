//! Skeleton of `secrets`.
