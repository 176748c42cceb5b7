//! The rules of ARCHITECTURE.md that a test can check, read from the files themselves.
