//! Skeleton of `web`.
