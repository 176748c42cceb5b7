//! Git over HTTP: `git http-backend` behind GitHub's rules of who may read and who may push.

use std::process::Stdio;

use axum::{body::Body, extract::Request, response::Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout},
};

use crate::{
    Forge, ForgeError, Repository,
    http::{
        auth::{Caller, Need},
        text,
    },
};

/// Longest line of the backend's answer that is read.
const HEADER_MAX: u64 = 8 << 10;
/// Bytes handed on at once.
const CHUNK: usize = 64 << 10;

/// What a client may do with a repository.
enum Access {
    Full,
    Read,
    Denied(Response),
}

/// Whether the rest of a path is one of the smart protocol's services.
pub(crate) fn is_service(rest: &[&str]) -> bool {
    matches!(rest, ["info", "refs"] | ["git-upload-pack"] | ["git-receive-pack"])
}

pub(crate) async fn serve(forge: &Forge, request: Request, owner: &str, name: &str, service: &[&str]) -> Response {
    let (name, service) = (name.strip_suffix(".git").unwrap_or(name), service.join("/"));
    let query = request.uri().query().unwrap_or_default().to_owned();
    let pushes = service == "git-receive-pack" || query == "service=git-receive-pack";
    if service == "info/refs" && !pushes && query != "service=git-upload-pack" {
        return text(StatusCode::FORBIDDEN, "Please upgrade your git client.");
    }
    let (found, moved) = {
        let state = forge.state();
        (state.repository_by_name(owner, name).cloned(), state.moved_repository(owner, name).cloned())
    };
    let Some(repository) = found.clone().or(moved) else {
        return if credentials(request.headers()).is_some() { missing() } else { challenge() };
    };
    match forge.git_access(request.headers(), &repository, pushes) {
        Access::Denied(response) => return response,
        Access::Read if pushes => return text(StatusCode::FORBIDDEN, "Write access to repository not granted."),
        Access::Full | Access::Read => {}
    }
    if pushes && repository.archived {
        return text(StatusCode::FORBIDDEN, "This repository was archived so it is read-only.");
    }
    if found.is_none() && service == "info/refs" {
        return redirect(forge, &repository, &format!("{service}?{query}"));
    }
    let answered = run(forge, request, &repository, &service, &query, pushes).await;
    answered.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "git over HTTP failed");
        text(StatusCode::INTERNAL_SERVER_ERROR, "git failed")
    })
}

impl Forge {
    /// Decides by Basic credentials: the push token may do everything, an installation's token what it allows.
    fn git_access(&self, headers: &HeaderMap, repository: &Repository, pushes: bool) -> Access {
        let Some(password) = credentials(headers) else {
            return if repository.private || pushes { Access::Denied(challenge()) } else { Access::Read };
        };
        if same(password.as_bytes(), self.push_token().as_bytes()) {
            return Access::Full;
        }
        let Ok(caller) = self.authenticate_installation(&password) else { return Access::Denied(challenge()) };
        let write = Need { permission: "contents", write: true };
        let covered = matches!(&caller, Caller::Installation { id, token, .. } if self.covers(*id, token, repository));
        if repository.private && !covered {
            return Access::Denied(missing());
        }
        let granted = |need: Need| match &caller {
            Caller::Installation { token, .. } => match token.permissions.get(need.permission).map(String::as_str) {
                Some("write" | "admin") => true,
                Some("read") => !need.write,
                _ => false,
            },
            Caller::App | Caller::User { .. } => false,
        };
        if covered && granted(write) {
            Access::Full
        } else if !repository.private || granted(Need::CONTENTS) {
            Access::Read
        } else {
            Access::Denied(text(StatusCode::FORBIDDEN, "Resource not accessible by integration"))
        }
    }
}

async fn run(
    forge: &Forge,
    request: Request,
    repository: &Repository,
    service: &str,
    query: &str,
    pushes: bool,
) -> Result<Response, ForgeError> {
    let git = &forge.inner.git;
    let (parts, body) = request.into_parts();
    let value = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut command = git.command();
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", git.root())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{}.git/{service}", repository.id))
        .env("REQUEST_METHOD", if parts.method == Method::GET { "GET" } else { "POST" })
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", value(header::CONTENT_TYPE))
        .env("HTTP_CONTENT_ENCODING", value(header::CONTENT_ENCODING))
        .env("GIT_PROTOCOL", value(HeaderName::from_static("git-protocol")))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    if pushes {
        command.env("REMOTE_USER", "forge");
    }
    let mut child = command.spawn().map_err(failed)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Err(failed(std::io::Error::other("no pipes"))) };
    let mut upload = body.into_data_stream();
    let feed = tokio::spawn(async move {
        while let Some(Ok(chunk)) = upload.next().await {
            if stdin.write_all(&chunk).await.is_err() {
                return;
            }
        }
    });
    let mut stdout = BufReader::new(stdout);
    let mut response = read_headers(&mut stdout).await?;
    if pushes && service == "git-receive-pack" {
        // What was pushed is announced before the client hears that it was: whoever waits for it finds it.
        let mut report = Vec::new();
        stdout.read_to_end(&mut report).await.map_err(failed)?;
        let _ = (feed.await, child.wait().await);
        forge.catch_up(repository.id).await?;
        *response.body_mut() = Body::from(report);
    } else {
        *response.body_mut() = streamed(child, stdout);
    }
    Ok(response)
}

/// Reads the status and the headers of a CGI answer.
async fn read_headers(stdout: &mut BufReader<ChildStdout>) -> Result<Response, ForgeError> {
    let mut response = Response::new(Body::empty());
    loop {
        let mut line = String::new();
        let read = (&mut *stdout).take(HEADER_MAX).read_line(&mut line).await.map_err(failed)?;
        let line = line.trim_end();
        if read == 0 || line.is_empty() {
            return Ok(response);
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse().ok());
            *response.status_mut() = code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::BAD_GATEWAY);
        } else if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
}

/// Hands the rest of an answer on as it comes; the process ends with the body.
fn streamed(child: Child, stdout: BufReader<ChildStdout>) -> Body {
    Body::from_stream(futures::stream::unfold((child, stdout), |(child, mut stdout)| async move {
        let mut chunk = vec![0; CHUNK];
        match stdout.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(Bytes::from(chunk)), (child, stdout)))
            }
            Err(error) => Some((Err(error), (child, stdout))),
        }
    }))
}

/// The password of Basic credentials; GitHub takes tokens there, whatever the name.
fn credentials(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

/// Compares without telling by its time where two secrets differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

fn challenge() -> Response {
    let mut response = text(StatusCode::UNAUTHORIZED, "Repository not found.");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"GitHub\""));
    response
}

fn missing() -> Response {
    text(StatusCode::NOT_FOUND, "Repository not found.")
}

fn redirect(forge: &Forge, repository: &Repository, rest: &str) -> Response {
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "");
    let page = {
        let state = forge.state();
        forge.shapes(&state).repository_page(repository)
    };
    if let Ok(location) = HeaderValue::from_str(&format!("{page}.git/{rest}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn failed(error: std::io::Error) -> ForgeError {
    ForgeError::Git { command: "http-backend".to_owned(), detail: error.to_string() }
}
