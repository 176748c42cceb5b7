//! Skeleton of `workflow`.
