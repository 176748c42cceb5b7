//! What Dagger's attributes say about showing a span.
