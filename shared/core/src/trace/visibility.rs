//! Who may read a trace.
