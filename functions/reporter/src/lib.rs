//! Skeleton of `reporter`.
