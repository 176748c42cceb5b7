//! Skeleton of `api`.
