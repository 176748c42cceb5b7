//! Skeleton of `tests`.
