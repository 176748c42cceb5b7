//! OTLP on the wire and in storage: bytes to what `quillon_core::trace` knows and back, within limits; no I/O.
