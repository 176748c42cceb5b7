//! Skeleton of `webhook`.
