//! Skeleton of `dispatcher`.
