//! What can go wrong with a trace, by what the caller does about it.

use crate::sealed;

/// What a call gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table refused or could not be reached.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// A chunk cannot be read.
    #[error("a chunk of the trace cannot be read")]
    Chunk(#[from] quillon_otlp::Damaged),
    /// A sealed part cannot be read.
    #[error("a sealed part of the trace cannot be read")]
    Part(#[from] sealed::Damaged),
    /// The trace was sealed or deleted while it was read, again and again.
    #[error("the trace changes faster than it can be read, try again")]
    Moved,
    /// Somebody else wrote first, again and again.
    #[error("the trace's card was changed by others many times in a row, try again")]
    Contended,
    /// The cursor was not made by this call.
    #[error("the cursor does not belong to this list, start again from its first page")]
    InvalidCursor,
    /// There are no rows of these numbers.
    #[error("the trace has no row `{0}`")]
    NoRow(u32),
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Moved | Self::Contended => true,
            Self::Chunk(_) | Self::Part(_) | Self::InvalidCursor | Self::NoRow(_) => false,
        }
    }
}
