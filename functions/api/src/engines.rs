//! `POST /v1/engines`: an engine in the cloud for a `dagger` command. This server starts none, and says so in the form that the CLI reads.
//!
//! A CLI with `--cloud`, and an engine with `--scale-out`, take 201 with an engine, or any other status with `{"message": "…"}`.

use bytes::Bytes;
use http::Response;
use serde::Serialize;

use crate::error::ApiError;

/// The answer to whoever may use engines.
pub(crate) const NONE: ApiError = ApiError::NotImplemented(
    "this server starts no cloud engines: leave out `--cloud` and `--scale-out`, or set _EXPERIMENTAL_DAGGER_RUNNER_HOST to an engine of \
     your own",
);

#[derive(Serialize)]
struct Refusal<'a> {
    message: String,
    code: &'static str,
    request_id: &'a str,
}

/// A refusal as the CLI reads it.
pub(crate) fn refusal(error: &ApiError, request_id: &str) -> Response<Bytes> {
    error.log(request_id);
    quillon_runtime::json(error.status(), &Refusal { message: error.to_string(), code: error.code(), request_id })
}
