//! Devices: [RFC 8628](https://www.rfc-editor.org/rfc/rfc8628) and the refresh tokens of
//! [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749), to the letter, because clients are libraries.
//!
//! All clients are public ones: they name themselves in the form. Client credentials in the header are refused before anything else is
//! looked at, also because Go's library tries them first and then the form: without that every poll would be two.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;
use quillon_core::device::CODE_LIFETIME;
use quillon_core::text::shorten;
use quillon_runtime::{Form, guard, json, put_header};
use quillon_tenancy::{DevicePoll, DeviceTokens, RefreshError};
use serde_json::{Value, json};

use crate::Deps;

/// The client id that the stock CLI has built in.
const STOCK_CLIENT: &str = "brEY7u4SEoFypOgYBdYMs32b4ShRVIEv";

/// Codes that one address may ask for within an hour: each is two items in a table, and one more code that a guess could meet.
const MAX_CODES: u32 = 60;

/// When to come back after too many, and after storage could not be reached, in seconds.
const TOO_MANY_S: u32 = 3_600;
const UNAVAILABLE_S: u32 = 5;

/// Longest token or code that is looked at.
const MAX_CREDENTIAL: usize = 512;

/// An answer that says no: a word of [RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) or
/// [RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5), and what it means here.
#[derive(Debug)]
struct No {
    status: StatusCode,
    word: &'static str,
    text: String,
    retry_after_s: Option<u32>,
}

impl No {
    fn new(word: &'static str, text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, word, text: text.into(), retry_after_s: None }
    }

    fn unavailable(error: &dyn std::error::Error) -> Self {
        tracing::error!("a device cannot be signed in now: {}", quillon_core::text::with_causes(error));
        let text = "something is broken here: try again in a few seconds".to_owned();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, word: "temporarily_unavailable", text, retry_after_s: Some(UNAVAILABLE_S) }
    }
}

/// `POST /oauth/device/code`.
pub(crate) async fn code(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    answer(begin(deps, request, now).await)
}

/// `POST /oauth/token`.
pub(crate) async fn token(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    answer(grant(deps, request, now).await)
}

/// `POST /oauth/revoke` ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)): a device signs itself out, all of its tokens end. An
/// unknown token has ended already.
pub(crate) async fn revoke(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    answer(end(deps, request, now).await)
}

async fn end(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Result<Value, No> {
    let (form, _) = read(request)?;
    let token = form.value("token").ok_or_else(|| No::new("invalid_request", "`token` is missing"))?;
    if token.len() <= MAX_CREDENTIAL {
        deps.tenancy.end_access(token, now).await.map_err(|error| No::unavailable(&error))?;
    }
    Ok(json!({}))
}

async fn begin(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Result<Value, No> {
    let (form, client) = read(request)?;
    let from = guard::source_address(request.headers());
    admit(deps, from.as_deref(), now).await?;
    let wants_refresh = form.value("scope").unwrap_or_default().split_ascii_whitespace().any(|scope| scope == "offline_access");
    let name = form.value("client_name").unwrap_or(if client == STOCK_CLIENT { "dagger CLI" } else { &client });
    let begun = deps.tenancy.begin_device(&shorten(name, 120), from, wants_refresh, now).await;
    let (grant, device_code) = begun.map_err(|error| No::unavailable(&error))?;
    let activate = deps.address("/activate");
    Ok(json!({
        "device_code": device_code.expose(),
        "user_code": grant.user_code.as_str(),
        "verification_uri": activate,
        "verification_uri_complete": format!("{activate}?user_code={}", grant.user_code),
        "expires_in": CODE_LIFETIME.as_secs(),
        "interval": grant.interval_s,
    }))
}

/// Counts a code of an address; those who have had too many are told so without a write.
async fn admit(deps: &Deps, from: Option<&str>, now: Timestamp) -> Result<(), No> {
    let who = format!("device-code {}", from.map_or_else(|| "unknown".to_owned(), network));
    let counted = match deps.store.guesses(&who, now).await {
        Ok(count) if count < MAX_CODES => deps.store.guess(&who, now).await,
        known => known.map(|count| count.saturating_add(1)),
    };
    if counted.map_err(|error| No::unavailable(&error))? <= MAX_CODES {
        return Ok(());
    }
    let text = "too many devices were signed in from this address: wait an hour".to_owned();
    Err(No { status: StatusCode::TOO_MANY_REQUESTS, word: "slow_down", text, retry_after_s: Some(TOO_MANY_S) })
}

/// Whom an address counts for: of version 6 a customer has a whole /64.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(std::net::IpAddr::V4(_)) | Err(_) => address.to_owned(),
    }
}

async fn grant(deps: &Deps, request: &Request<Bytes>, now: Timestamp) -> Result<Value, No> {
    let (form, _) = read(request)?;
    let needed = |name: &'static str| {
        let value = form.value(name).filter(|value| value.len() <= MAX_CREDENTIAL);
        value.ok_or_else(|| No::new("invalid_request", format!("`{name}` is missing or too long")))
    };
    match needed("grant_type")? {
        "urn:ietf:params:oauth:grant-type:device_code" => poll(deps, needed("device_code")?, now).await,
        "refresh_token" => refresh(deps, needed("refresh_token")?, now).await,
        _ => Err(No::new("unsupported_grant_type", "use `urn:ietf:params:oauth:grant-type:device_code` or `refresh_token`")),
    }
}

async fn poll(deps: &Deps, code: &str, now: Timestamp) -> Result<Value, No> {
    match deps.tenancy.poll_device(code, now).await.map_err(|error| No::unavailable(&error))? {
        DevicePoll::Granted(tokens) => Ok(bearer(&tokens)),
        DevicePoll::Pending => Err(No::new("authorization_pending", "nobody has answered yet: open the address and compare the code")),
        DevicePoll::SlowDown => Err(No::new("slow_down", "ask less often: wait five seconds longer from now on")),
        DevicePoll::Expired => Err(No::new("expired_token", "nobody answered in time: begin anew")),
        DevicePoll::Denied => Err(No::new("access_denied", "somebody said no: begin anew if it was a mistake")),
        DevicePoll::Unknown => Err(No::new("invalid_grant", "the device code is unknown, or its tokens were fetched already: begin anew")),
    }
}

async fn refresh(deps: &Deps, token: &str, now: Timestamp) -> Result<Value, No> {
    match deps.tenancy.refresh(token, now).await {
        Ok(tokens) => Ok(bearer(&tokens)),
        Err(refused @ (RefreshError::Invalid | RefreshError::Reused)) => Err(No::new("invalid_grant", refused.to_string())),
        Err(RefreshError::Failed(error)) => Err(No::unavailable(&error)),
    }
}

fn bearer(tokens: &DeviceTokens) -> Value {
    let mut answer = json!({ "access_token": tokens.access.expose(), "token_type": "Bearer" });
    if let Some(seconds) = tokens.expires_in_s {
        answer["expires_in"] = seconds.into();
    }
    if let Some(refresh) = &tokens.refresh {
        answer["refresh_token"] = refresh.expose().as_str().into();
    }
    answer
}

/// The form, and how the client names itself in it.
fn read(request: &Request<Bytes>) -> Result<(Form, String), No> {
    if has_credentials(request.headers()) {
        let text = "clients here have no secret: send `client_id` in the form and no `Authorization`".to_owned();
        return Err(No { status: StatusCode::UNAUTHORIZED, word: "invalid_client", text, retry_after_s: None });
    }
    let form = Form::of_body(request).map_err(|problem| No::new("invalid_request", problem.to_string()))?;
    match form.value("client_id").map(str::to_owned) {
        Some(client) => Ok((form, client)),
        None => Err(No::new("invalid_request", "`client_id` is missing: any text that names the client")),
    }
}

fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

fn answer(result: Result<Value, No>) -> Response<Bytes> {
    let mut response = match result {
        Ok(body) => json(StatusCode::OK, &body),
        Err(no) => {
            let mut response = json(no.status, &json!({ "error": no.word, "error_description": no.text }));
            if no.status == StatusCode::UNAUTHORIZED {
                put_header(&mut response, WWW_AUTHENTICATE, "Basic realm=\"quillon\"");
            }
            if let Some(seconds) = no.retry_after_s {
                put_header(&mut response, RETRY_AFTER, &seconds.to_string());
            }
            response
        }
    };
    put_header(&mut response, CACHE_CONTROL, "no-store");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_version_6_counts_with_its_neighbours() {
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }
}
