//! Error origins, checks, tests, the critical path and the flame view of a trace.
