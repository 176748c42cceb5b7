//! Traces: append, open, read, search, seal, delete; the one door to the table `traces`.
