//! What is new, gone, slower or lost its cache against another trace.
