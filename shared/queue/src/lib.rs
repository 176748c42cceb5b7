//! Skeleton of `queue`.
