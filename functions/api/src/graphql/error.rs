//! What a resolver can fail with: the same errors as everywhere, as GraphQL spells them.

use async_graphql::{Error, ErrorExtensions, Response, ServerError};

use crate::error::ApiError;

/// An error of a resolver.
#[derive(Debug)]
pub(crate) struct Failure(ApiError);

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for Error {
    /// The error itself goes along, for [`finish`] to write its cause to the log.
    fn from(Failure(error): Failure) -> Self {
        let code = error.code().to_ascii_uppercase();
        Self::new_with_source(error).extend_with(|_, extensions| extensions.set("code", code.as_str()))
    }
}

/// An answer to a document that was not carried out.
pub(super) fn refused(error: ServerError) -> Response {
    Response::from_errors(vec![error])
}

/// Logs what failed here, and gives every error the code and the request id that clients and people know it by.
pub(super) fn finish(mut answer: Response, request_id: &str) -> Response {
    for error in &mut answer.errors {
        if let Some(failure) = error.source::<ApiError>() {
            failure.log(request_id);
        }
        let extensions = error.extensions.get_or_insert_with(Default::default);
        if extensions.get("code").is_none() {
            // No resolver raised it, so the document is at fault.
            extensions.set("code", "GRAPHQL_VALIDATION_FAILED");
        }
        extensions.set("requestId", request_id);
    }
    answer
}
