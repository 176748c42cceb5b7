//! The ingest function: takes in what Dagger's exporters send, and never makes a build slower or fail.
//!
//! What is wrong with a request is told in an OTLP `Status` (4xx), what is wrong with some of its records as a partial success. Too much
//! is answered with 429, storage that cannot be reached with 503, both with `Retry-After`: exporters keep those batches and send them
//! again, which changes nothing where they had arrived. See <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.

mod budget;
mod credential;
mod fresh;
mod native;
mod repository;

use aws_config::SdkConfig;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use quillon_core::id::{AttemptId, OrgId, RepositoryId};
use quillon_core::name::RepositoryName;
use quillon_core::org::Org;
use quillon_core::plan::{Billing, entitlements};
use quillon_core::retention::Retention;
use quillon_core::trace::card::Claim;
use quillon_otlp::{Batch, Decoded, Encoding, Limits, Refused, Rejected, Signal};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::{Clock, Settings, SettingsError};
use quillon_secrets::Secrets;
use quillon_store::{Store, Tables, TraceStore};
use quillon_tenancy::Tenancy;
use quillon_traces::{Appended, Traces};

use budget::Budget;
use credential::{Denied, Known, identify};
use fresh::Fresh;
use repository::Forge;

/// Kilobytes per second and sender, where the template says nothing.
const DEFAULT_KB_PER_S: u32 = 4_096;

/// Most senders, most orgs, and most repositories, that are remembered for a minute.
const MAX_FRESH: usize = 4_096;

/// Bytes of cards that are remembered, so that most batches read none.
const CARD_CACHE: usize = 32 * 1024 * 1024;

/// How many traces of one request are written at once.
const SIDE_BY_SIDE: usize = 8;

/// Bytes of a request that is read at once; larger ones take turns, so that they neither fill the memory nor keep small ones waiting.
const SMALL: usize = 1024 * 1024;

/// The same for JSON, which takes many times as much as values.
const SMALL_JSON: usize = 128 * 1024;

/// As how many bytes a trace counts for its sender: each costs several writes, however little it says.
const PER_TRACE: usize = 8 * 1024;

/// When to come back after storage could not be reached, in seconds.
const UNAVAILABLE_S: u32 = 5;

/// What the function works with.
#[derive(Debug)]
pub struct Deps {
    /// Tokens, repositories, and the commits of attempts.
    pub store: Store,
    /// Where telemetry goes.
    pub traces: Traces,
    /// Where the sealer hears of large traces.
    pub queues: Queues,
    /// The key that job tokens are signed with.
    pub secrets: Secrets,
    /// Where that key is.
    pub session_secret_arn: String,
    /// The time.
    pub clock: Clock,
    limits: Limits,
    budget: Budget,
    forge: Forge,
    tenancy: Tenancy,
    /// By the hash of a credential, and the org that the request names.
    senders: Fresh<(String, String), Known>,
    orgs: Fresh<OrgId, Org>,
    repositories: Fresh<(OrgId, RepositoryName), Option<RepositoryId>>,
    /// Attempts whose trace has its commit on its card.
    enriched: Fresh<AttemptId, ()>,
    billing: Billing,
    retention: Retention,
}

impl Deps {
    /// Reads settings; makes no call.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: &Settings, sdk: &SdkConfig, clock: Clock) -> Result<Self, SettingsError> {
        let mut read = settings.reader();
        let tables = Tables {
            orgs: read.required("TABLE_ORGS"),
            // Telemetry has nothing to do with what a module is.
            modules: String::new(),
            checks: read.required("TABLE_CHECKS"),
        };
        let traces = read.required("TABLE_TRACES");
        let seal = Some(read.required("QUEUE_SEAL_URL"));
        let session_secret_arn = read.required("SESSION_SECRET_ARN");
        let forge = Forge::at(&read.required("QUILLON_GITHUB_URL"));
        let kb_per_s = read.parsed("QUILLON_INGEST_KB_PER_S", DEFAULT_KB_PER_S);
        let billing = read.parsed("QUILLON_BILLING", Billing::Off);
        let kept = Retention::default();
        let retention =
            Retention { traces: read.parsed("QUILLON_TRACE_DAYS", kept.traces), checks: read.parsed("QUILLON_CHECK_DAYS", kept.checks) };
        read.finish()?;
        let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
        let store = Store::new(dynamodb.clone(), tables);
        Ok(Self {
            traces: Traces::new(TraceStore::new(dynamodb, traces), CARD_CACHE).keeping(retention),
            tenancy: Tenancy::new(store.clone()),
            store,
            queues: Queues::new(aws_sdk_sqs::Client::new(sdk), QueueUrls { seal, ..QueueUrls::default() }),
            secrets: Secrets::new(aws_sdk_secretsmanager::Client::new(sdk)),
            session_secret_arn,
            clock,
            limits: Limits::default(),
            budget: Budget::new(kb_per_s),
            forge,
            senders: Fresh::new(MAX_FRESH),
            orgs: Fresh::new(MAX_FRESH),
            repositories: Fresh::new(MAX_FRESH),
            enriched: Fresh::new(MAX_FRESH),
            billing,
            retention,
        })
    }
}

/// Why a request was not taken in.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// By what it is, or because there is too much of it: 4xx.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// By who sends it: 401 or 403, unless we cannot tell.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// We cannot store it now: 503.
    #[error(transparent)]
    Store(#[from] quillon_store::Error),
    /// We cannot store it now: 503.
    #[error(transparent)]
    Traces(#[from] quillon_traces::Error),
}

/// Answers one request, in the encoding that it was sent in.
pub async fn handle(deps: &Deps, request: Request<Bytes>) -> Response<Bytes> {
    let Some(signal) = signal(request.uri().path()) else {
        return quillon_runtime::text(StatusCode::NOT_FOUND, "telemetry is sent to /v1/traces, /v1/logs and /v1/metrics");
    };
    if request.method() != Method::POST {
        let mut response = quillon_runtime::text(StatusCode::METHOD_NOT_ALLOWED, "telemetry is sent with POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let encoding = Encoding::of(text(request.headers(), CONTENT_TYPE));
    // An answer about an unknown type is written for exporters, all of which know protobuf.
    let answer_in = *encoding.as_ref().unwrap_or(&Encoding::Protobuf);
    let taken = match encoding {
        Ok(encoding) => take(deps, signal, encoding, &request).await,
        Err(refused) => Err(refused.into()),
    };
    match taken {
        Ok(rejected) => {
            if rejected.count > 0 {
                tracing::info!(rejected = rejected.count, "some telemetry was not taken in: {}", rejected.reason);
            }
            respond(StatusCode::OK, answer_in, quillon_otlp::answer(signal, answer_in, &rejected), None)
        }
        Err(error) => refuse(&error, answer_in),
    }
}

fn signal(path: &str) -> Option<Signal> {
    match path {
        "/v1/traces" => Some(Signal::Traces),
        "/v1/logs" => Some(Signal::Logs),
        "/v1/metrics" => Some(Signal::Metrics),
        _ => None,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Takes a request in; what of it was not.
async fn take(deps: &Deps, signal: Signal, encoding: Encoding, request: &Request<Bytes>) -> Result<Rejected, Error> {
    let now = deps.clock.now();
    let sender = identify(deps, request.headers(), now).await?;
    deps.budget.admit(&sender.account, now)?;
    let content_encoding = text(request.headers(), CONTENT_ENCODING);
    let is_compressed = content_encoding.is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"));
    let _room = deps.budget.enter(request.body().len(), is_compressed)?;
    let small = match encoding {
        Encoding::Protobuf => SMALL,
        Encoding::Json => SMALL_JSON,
    };
    let limits = Limits { inflated: small, ..deps.limits.clone() };
    let (decoded, _turn) = match quillon_otlp::inflate(request.body(), content_encoding, &limits) {
        Ok(body) if body.len() <= small => {
            deps.budget.charge(&sender.account, body.len(), now);
            (quillon_otlp::decode(signal, encoding, &body, &deps.limits, now)?, None)
        }
        Ok(_) | Err(Refused::TooLarge { .. }) => {
            let turn = deps.budget.turn().await;
            let now = deps.clock.now();
            // Those that were before it may have been of the same sender.
            deps.budget.admit(&sender.account, now)?;
            let large = Large { signal, encoding, content_encoding: content_encoding.map(str::to_owned), body: request.body().clone() };
            let (length, decoded) = large.decode(&deps.limits, now).await?;
            deps.budget.charge(&sender.account, length, now);
            (decoded?, Some(turn))
        }
        Err(refused) => return Err(refused.into()),
    };
    deps.budget.charge(&sender.account, decoded.batches.len() * PER_TRACE, now);
    let mut rejected = decoded.rejected;
    let appends: Vec<_> = decoded.batches.iter().map(|batch| append(deps, &sender.claim, batch, now)).collect();
    let appended: Vec<Option<&'static str>> = futures::stream::iter(appends).buffered(SIDE_BY_SIDE).try_collect().await?;
    for (batch, why_not) in decoded.batches.iter().zip(appended) {
        if let Some(why_not) = why_not {
            rejected.add(batch.records, why_not);
        }
    }
    Ok(rejected)
}

/// A request that takes long to read.
struct Large {
    signal: Signal,
    encoding: Encoding,
    content_encoding: Option<String>,
    body: Bytes,
}

impl Large {
    /// Reads it where nobody else has to wait for that; how many bytes it was, and what they say.
    async fn decode(self, limits: &Limits, now: Timestamp) -> Result<(usize, Result<Decoded, Refused>), Refused> {
        let limits = limits.clone();
        let read = move || {
            let body = quillon_otlp::inflate(&self.body, self.content_encoding.as_deref(), &limits)?;
            Ok((body.len(), quillon_otlp::decode(self.signal, self.encoding, &body, &limits, now)))
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(read) => read,
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            // The process stops.
            Err(_) => Err(Refused::Busy { retry_after_s: UNAVAILABLE_S }),
        }
    }
}

/// Appends one batch to its trace; why it was not, if it was not.
async fn append(deps: &Deps, claim: &Claim, batch: &Batch, now: Timestamp) -> Result<Option<&'static str>, Error> {
    let claim = repository::claim(deps, claim, batch, now).await?;
    let traces = match deps.billing {
        Billing::Off => deps.traces.clone(),
        Billing::On => {
            let org = credential::known(deps, claim.org, now).await?;
            let subscription = org.as_ref().and_then(|org| org.subscription.as_ref());
            deps.traces.keeping(deps.retention.within(&entitlements(deps.billing, subscription, now)))
        }
    };
    match traces.append(&claim, batch, now).await? {
        Appended::Stored { wants_seal } => {
            // Only a hint: the schedule finds every trace that is due.
            if wants_seal && let Err(error) = deps.queues.send_seal(claim.org, batch.trace, "ingest").await {
                tracing::warn!(trace.id = %batch.trace, "the sealer was not told of a large trace: {error}");
            }
            native::enrich(deps, &claim, batch.trace, now).await;
            Ok(None)
        }
        Appended::Deleted => Ok(Some("the trace was deleted")),
        Appended::Full => Ok(Some("the trace has as many records as a trace may have")),
    }
}

/// See <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>.
const NOT_FOUND: i32 = 5;
const PERMISSION_DENIED: i32 = 7;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

fn refuse(error: &Error, encoding: Encoding) -> Response<Bytes> {
    let status = |code, message: &str| quillon_otlp::status(code, message, encoding);
    match error {
        Error::Refused(refused) => {
            let (status, body) = quillon_otlp::response(refused, encoding);
            let retry_after_s = match refused {
                Refused::Busy { retry_after_s } => Some(*retry_after_s),
                Refused::Malformed(_) | Refused::TooLarge { .. } | Refused::Unsupported(_) => None,
            };
            tracing::info!(http.status = status, "refused telemetry: {refused}");
            respond(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), encoding, body, retry_after_s)
        }
        Error::Denied(denied @ (Denied::Missing | Denied::Unknown)) => {
            let mut response = respond(StatusCode::UNAUTHORIZED, encoding, status(UNAUTHENTICATED, &denied.to_string()), None);
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"quillon\""));
            response
        }
        Error::Denied(denied @ (Denied::Refused(_) | Denied::OtherOrg | Denied::NoOrg | Denied::BeingDeleted(_))) => {
            respond(StatusCode::FORBIDDEN, encoding, status(PERMISSION_DENIED, &denied.to_string()), None)
        }
        Error::Denied(denied @ Denied::NotYours) => respond(StatusCode::NOT_FOUND, encoding, status(NOT_FOUND, &denied.to_string()), None),
        Error::Denied(Denied::Store(_) | Denied::Tenancy(_) | Denied::Secret(_)) | Error::Store(_) | Error::Traces(_) => {
            // The cause names our tables: it is for the log only.
            tracing::error!("telemetry was not taken in: {}", quillon_core::text::with_causes(error));
            let body = status(UNAVAILABLE, "telemetry cannot be stored at the moment, send it again");
            respond(StatusCode::SERVICE_UNAVAILABLE, encoding, body, Some(UNAVAILABLE_S))
        }
    }
}

fn respond(status: StatusCode, encoding: Encoding, body: Vec<u8>, retry_after_s: Option<u32>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
