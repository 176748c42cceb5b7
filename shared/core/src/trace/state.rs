//! Whether a span or a run is running, succeeded, failed or lost.
