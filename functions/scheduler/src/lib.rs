//! Skeleton of `scheduler`.
