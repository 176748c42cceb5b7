//! Skeleton of `store`.
