//! What the script of a trace page reads: the outline in columns, everything else as JSON.

pub mod document;
pub mod outline;
