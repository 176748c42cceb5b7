//! Skeleton of `github`.
