//! What a caller is told when a request does not succeed: one shape, a stable code, cause and next step.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;

/// Why a request was not served, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Repair the request.
    #[error("{0}")]
    BadRequest(String),
    /// Bring a valid credential.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Bring a credential that may do this.
    #[error("{0}")]
    Forbidden(String),
    /// Ask for something that exists, or is yours: the two are not told apart.
    #[error("{0}")]
    NotFound(String),
    /// Use another method.
    #[error("this path takes `{allow}` only")]
    MethodNotAllowed {
        /// The methods that the path takes.
        allow: String,
    },
    /// Stop working on the job: it is somebody else's now, or over.
    #[error("the lease is no longer in force: stop the work and drop its result")]
    LeaseGone,
    /// Look at what is stored, then decide anew.
    #[error("{0}")]
    Conflict(String),
    /// Send less.
    #[error("the body has more than {limit} bytes: send less at once")]
    TooLarge {
        /// Most bytes that the route takes.
        limit: usize,
    },
    /// Send JSON.
    #[error("the body is not JSON: send `Content-Type: application/json`")]
    UnsupportedMediaType,
    /// Repair the values: the form is right.
    #[error("{0}")]
    Unprocessable(String),
    /// Do without: this server does not do that.
    #[error("{0}")]
    NotImplemented(&'static str),
    /// Try again: something behind this function did not answer. The cause goes to the log only.
    #[error("a service behind this one did not answer: try again in a moment")]
    Unavailable {
        /// The chain of causes, for the log.
        cause: String,
    },
    /// Report it: this should not happen. The cause goes to the log only.
    #[error("something went wrong here: try again, and report it with the request id if it stays")]
    Internal {
        /// The chain of causes, for the log.
        cause: String,
    },
}

/// The body of an error.
#[derive(Debug, Serialize)]
struct Body<'a> {
    error: Detail<'a>,
}

#[derive(Debug, Serialize)]
struct Detail<'a> {
    code: &'static str,
    message: String,
    request_id: &'a str,
}

impl From<quillon_tenancy::secret::NoEntropy> for ApiError {
    fn from(error: quillon_tenancy::secret::NoEntropy) -> Self {
        Self::Internal { cause: error.to_string() }
    }
}

impl ApiError {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::LeaseGone | Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::LeaseGone => "lease_gone",
            Self::Conflict(_) => "conflict",
            Self::TooLarge { .. } => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Unprocessable(_) => "unprocessable",
            Self::NotImplemented(_) => "not_implemented",
            Self::Unavailable { .. } => "unavailable",
            Self::Internal { .. } => "internal",
        }
    }

    /// Writes the cause that the caller is not shown to the log.
    pub(crate) fn log(&self, request_id: &str) {
        match self {
            Self::Unavailable { cause } => tracing::warn!(request_id, cause, "a dependency did not answer"),
            Self::Internal { cause } => tracing::error!(request_id, cause, "a request failed"),
            Self::BadRequest(_)
            | Self::Unauthenticated(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed { .. }
            | Self::LeaseGone
            | Self::Conflict(_)
            | Self::TooLarge { .. }
            | Self::UnsupportedMediaType
            | Self::Unprocessable(_)
            | Self::NotImplemented(_) => tracing::debug!(request_id, code = self.code(), message = %self, "a request was refused"),
        }
    }

    /// The answer that carries it.
    #[must_use]
    pub fn response(&self, request_id: &str) -> Response<Bytes> {
        self.log(request_id);
        let body = Body { error: Detail { code: self.code(), message: self.to_string(), request_id } };
        let mut response = quillon_runtime::json(self.status(), &body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Unauthenticated(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"quillon\""));
            }
            Self::MethodNotAllowed { allow } => {
                // Made of our own words, which are header text.
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(ALLOW, allow);
                }
            }
            Self::Unavailable { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::BadRequest(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::LeaseGone
            | Self::Conflict(_)
            | Self::TooLarge { .. }
            | Self::UnsupportedMediaType
            | Self::Unprocessable(_)
            | Self::NotImplemented(_)
            | Self::Internal { .. } => {}
        }
        response
    }

    pub(crate) fn unavailable(error: &dyn std::error::Error) -> Self {
        Self::Unavailable { cause: quillon_core::text::with_causes(error) }
    }

    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        Self::Internal { cause: quillon_core::text::with_causes(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_code_a_message_and_the_request_id() {
        let response = ApiError::TooLarge { limit: 7 }.response("req-1");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let body: serde_json::Value = serde_json::from_slice(response.body()).expect("json");
        assert_eq!(
            body,
            serde_json::json!({ "error": { "code": "too_large", "message": "the body has more than 7 bytes: send less at once", "request_id": "req-1" } })
        );
    }

    #[test]
    fn causes_stay_in_the_log() {
        let response = ApiError::Internal { cause: "table `orgs`, key `TK#secret`".to_owned() }.response("req-1");
        assert!(!String::from_utf8_lossy(response.body()).contains("secret"));
    }
}
