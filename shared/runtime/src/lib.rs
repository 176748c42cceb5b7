//! Skeleton of `runtime`.
