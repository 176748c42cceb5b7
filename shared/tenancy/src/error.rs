//! Why a step was not taken, by what the caller does about it.

use crate::secret::NoEntropy;

/// What a step gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table refused or could not be reached.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// The machine gives no random numbers.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// Somebody else wrote first, again and again; worth another try.
    #[error("the {0} was changed by others many times in a row, try again")]
    Contended(&'static str),
    /// There is no such thing; to be told like a thing of another org.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It cannot be done as things are: why and what to do, for people.
    #[error("{0}")]
    Refused(String),
    /// What was entered cannot be: why, for people.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    pub(crate) fn refused(reason: impl ToString) -> Self {
        Self::Refused(reason.to_string())
    }

    pub(crate) fn invalid(reason: impl ToString) -> Self {
        Self::Invalid(reason.to_string())
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Contended(_) => true,
            Self::Entropy(_) | Self::NotFound(_) | Self::Refused(_) | Self::Invalid(_) => false,
        }
    }
}
