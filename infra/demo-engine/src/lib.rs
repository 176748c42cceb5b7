//! Skeleton of `demo-engine`.
