//! From what the rooms below can fail with to what a caller is told.

use quillon_workflow::RerunError;

use crate::error::ApiError;

impl From<quillon_store::Error> for ApiError {
    fn from(error: quillon_store::Error) -> Self {
        use quillon_store::Error;
        match error {
            Error::Transient { .. } => Self::unavailable(&error),
            Error::InvalidCursor => Self::BadRequest(error.to_string()),
            Error::Refused { .. } | Error::Corrupt { .. } | Error::Unstorable { .. } => Self::internal(&error),
        }
    }
}

impl From<quillon_tenancy::Error> for ApiError {
    fn from(error: quillon_tenancy::Error) -> Self {
        use quillon_tenancy::Error;
        match error {
            Error::Store(error) => error.into(),
            Error::Entropy(error) => error.into(),
            Error::Contended(_) => Self::unavailable(&error),
            Error::NotFound(_) => Self::NotFound(error.to_string()),
            Error::Refused(text) => Self::Conflict(text),
            Error::Invalid(text) => Self::Unprocessable(text),
        }
    }
}

impl From<quillon_traces::Error> for ApiError {
    fn from(error: quillon_traces::Error) -> Self {
        use quillon_traces::Error;
        match error {
            Error::Store(error) => error.into(),
            Error::Moved | Error::Contended => Self::unavailable(&error),
            Error::InvalidCursor => Self::BadRequest(error.to_string()),
            Error::Chunk(_) | Error::Part(_) | Error::NoRow(_) => Self::internal(&error),
        }
    }
}

impl From<quillon_queue::Error> for ApiError {
    fn from(error: quillon_queue::Error) -> Self {
        use quillon_queue::Error;
        match error {
            Error::Transient { .. } => Self::unavailable(&error),
            Error::NotConfigured(_) | Error::Unserializable { .. } => Self::internal(&error),
        }
    }
}

impl From<quillon_workflow::Error> for ApiError {
    fn from(error: quillon_workflow::Error) -> Self {
        use quillon_workflow::Error;
        match error {
            Error::Store(error) => error.into(),
            Error::Queue(error) => error.into(),
            Error::Contended(_) => Self::unavailable(&error),
        }
    }
}

impl From<RerunError> for ApiError {
    fn from(error: RerunError) -> Self {
        match error {
            RerunError::Refused(refusal) => Self::Unprocessable(refusal.to_string()),
            RerunError::Unknown(_) => Self::NotFound(error.to_string()),
            RerunError::Failed(error) => error.into(),
        }
    }
}

impl From<quillon_secrets::Error> for ApiError {
    fn from(error: quillon_secrets::Error) -> Self {
        use quillon_secrets::Error;
        match error {
            Error::Transient { .. } => Self::unavailable(&error),
            Error::Malformed { .. } => Self::internal(&error),
        }
    }
}

impl From<quillon_billing::Error> for ApiError {
    fn from(error: quillon_billing::Error) -> Self {
        use quillon_billing::Error;
        match error {
            Error::Unavailable(_) => Self::unavailable(&error),
            Error::Refused(_) | Error::Malformed(_) => Self::internal(&error),
        }
    }
}

impl From<quillon_github::Error> for ApiError {
    fn from(error: quillon_github::Error) -> Self {
        use quillon_github::Error;
        match error {
            Error::RateLimited { .. } | Error::Transient { .. } => Self::unavailable(&error),
            Error::NotFound { .. } | Error::Forbidden { .. } | Error::Refused { .. } => {
                Self::Unprocessable(format!("GitHub gives no access to the repository: {error}"))
            }
            Error::Unauthorized { .. } | Error::StatusLimit | Error::Unreadable { .. } | Error::Settings { .. } => Self::internal(&error),
        }
    }
}
