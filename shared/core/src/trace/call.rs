//! The API call of a span, as people write it.
