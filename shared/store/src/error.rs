//! What can go wrong with a table, by what the caller does about it.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A cause of any kind.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call of the store has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not now: throttled, timed out, or in conflict with another transaction. A write may have happened all the same.
    #[error("`{operation}` did not get through, it can be tried again")]
    Transient {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: Source,
    },
    /// Never in this form: a missing table or permission, or a request that breaks a limit.
    #[error("`{operation}` was refused, check the table's name, keys and permissions")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// Why.
        #[source]
        source: Source,
    },
    /// A stored item is not what its key promises.
    #[error("the stored item `{key}` cannot be read")]
    Corrupt {
        /// Partition and sort key.
        key: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// A value has no form that can be stored; nothing was sent.
    #[error("`{key}` cannot be stored")]
    Unstorable {
        /// Partition and sort key that it was meant for.
        key: String,
        /// Why.
        #[source]
        source: Source,
    },
    /// The cursor was not made by this list.
    #[error("the cursor does not belong to this list, start again from its first page")]
    InvalidCursor,
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transient { .. } => true,
            Self::Refused { .. } | Self::Corrupt { .. } | Self::Unstorable { .. } | Self::InvalidCursor => false,
        }
    }

    pub(crate) fn corrupt(key: &impl ToString, source: impl Into<Source>) -> Self {
        Self::Corrupt { key: key.to_string(), source: source.into() }
    }

    pub(crate) fn unstorable(key: &impl ToString, source: impl Into<Source>) -> Self {
        Self::Unstorable { key: key.to_string(), source: source.into() }
    }

    pub(crate) fn transient(operation: &'static str, source: impl Into<Source>) -> Self {
        Self::Transient { operation, source: source.into() }
    }

    /// Sorts what the SDK says by whether it can be tried again.
    ///
    /// The codes: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>.
    pub(crate) fn from_sdk<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let is_transient = match &error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
            SdkError::ServiceError(context) => {
                context.raw().status().is_server_error() || context.err().code().is_some_and(is_transient_code)
            }
            // The SDK's enum is open; what cannot even be built will not be built the next time.
            _ => false,
        };
        let source: Source = match &error {
            SdkError::ServiceError(context) => Box::new(Answer {
                code: context.err().code().unwrap_or("no error code").to_owned(),
                message: context.err().message().unwrap_or("no message").to_owned(),
            }),
            _ => Box::new(error),
        };
        if is_transient { Self::Transient { operation, source } } else { Self::Refused { operation, source } }
    }
}

/// What the table answered.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Answer {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// Whether an error code says "not now".
pub(crate) fn is_transient_code(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingException"
            | "ThrottlingError"
            | "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "RequestLimitExceeded"
            | "TransactionConflictException"
            | "TransactionConflict"
            | "TransactionInProgressException"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
    )
}
