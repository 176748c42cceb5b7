//! What a resolver can fail with: the same errors as everywhere, as GraphQL spells them.

use async_graphql::{Error, ErrorExtensions};

use crate::error::ApiError;

/// An error of a resolver. Converts to a GraphQL error with `extensions.code`; causes that are nobody's business go to the log.
#[derive(Debug)]
pub(crate) struct Failure(ApiError);

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for Error {
    fn from(Failure(error): Failure) -> Self {
        error.log("graphql");
        Error::new(error.to_string()).extend_with(|_, extensions| extensions.set("code", error.code().to_ascii_uppercase()))
    }
}
