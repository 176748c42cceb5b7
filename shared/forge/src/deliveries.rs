//! Webhooks on their way out: queued with their event, signed, sent, recorded, and sent again on request.
//!
//! As on GitHub, nothing is retried by itself, order is not promised, and a redelivery repeats the GUID.

use std::{pin::Pin, sync::Arc, sync::Mutex, time::Duration};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
};
use url::Url;

use crate::{
    Delivery, DeliveryOutcome, DeliveryRecord, Forge, ForgeConfig, ForgeError, lock,
    state::State,
    storage::{Attempted, DeliveryPage},
};

/// GitHub gives a receiver ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// Webhooks under way at once.
const AT_ONCE: usize = 32;
/// Bytes of an answer that are kept.
const ANSWER_KEPT: usize = 64 << 10;

type Receiver = dyn Fn(Request<Bytes>) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> + Send + Sync;

/// Where webhooks go.
#[derive(Clone)]
pub enum Sink {
    /// To an address, by HTTP.
    Url(Url),
    /// To a function in this process: no sockets.
    Handler(Arc<Receiver>),
}

impl Sink {
    /// A sink that hands each webhook to a function.
    pub fn handler<F, R>(receive: F) -> Sink
    where
        F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Bytes>> + Send + 'static,
    {
        Sink::Handler(Arc::new(move |request| Box::pin(receive(request))))
    }
}

/// Everything about sending that may change while the forge runs.
pub(crate) struct Outbox {
    policy: Mutex<Delivery>,
    sink: Mutex<Sink>,
    secret: Mutex<String>,
    client: reqwest::Client,
    runtime: Handle,
    permits: Arc<Semaphore>,
    under_way: watch::Sender<usize>,
}

impl Outbox {
    pub(crate) fn new(config: &ForgeConfig) -> Result<Outbox, ForgeError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| ForgeError::Refused(format!("no HTTP client for webhooks: {error}")))?;
        Ok(Outbox {
            policy: Mutex::new(config.delivery),
            sink: Mutex::new(Sink::Url(config.webhook_url.clone())),
            secret: Mutex::new(config.webhook_secret.clone()),
            client,
            runtime: Handle::current(),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            under_way: watch::Sender::new(0),
        })
    }
}

/// Counts one delivery as under way for as long as it lives.
struct UnderWay(Forge);

impl UnderWay {
    fn new(forge: &Forge) -> UnderWay {
        forge.inner.outbox.under_way.send_modify(|count| *count += 1);
        UnderWay(forge.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.inner.outbox.under_way.send_modify(|count| *count -= 1);
    }
}

impl Forge {
    /// Sends webhooks somewhere else from now on.
    pub fn set_sink(&self, sink: Sink) {
        *lock(&self.inner.outbox.sink) = sink;
    }

    /// Signs with another secret from now on, as an operator who rotates it would.
    pub fn set_webhook_secret(&self, secret: impl Into<String>) {
        *lock(&self.inner.outbox.secret) = secret.into();
    }

    /// Changes when deliveries leave; what waits leaves at once under [`Delivery::Immediate`].
    pub fn set_delivery(&self, policy: Delivery) {
        *lock(&self.inner.outbox.policy) = policy;
        self.kick();
    }

    /// Attempts that wait, in the order in which they would be made.
    ///
    /// # Errors
    /// When the database fails.
    pub fn held(&self) -> Result<Vec<DeliveryRecord>, ForgeError> {
        let state = self.state();
        let found = state.waiting.iter().map(|id| state.storage.delivery(*id));
        found.filter_map(|found| found.map(|found| Some(found?.0)).transpose()).collect()
    }

    /// All kept attempts, waiting ones included, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn deliveries(&self) -> Result<Vec<DeliveryRecord>, ForgeError> {
        self.state().storage.deliveries()
    }

    /// The body of an attempt, by its id.
    ///
    /// # Errors
    /// When there is no such attempt.
    pub fn delivery_body(&self, id: u64) -> Result<Bytes, ForgeError> {
        Ok(self.find_delivery(id)?.1)
    }

    /// Turns the order of the waiting attempts round.
    pub fn reverse_held(&self) {
        self.state().waiting.make_contiguous().reverse();
    }

    /// Makes the attempt that waits longest.
    ///
    /// # Errors
    /// When the database fails; a failed delivery is no error but its outcome.
    pub async fn deliver_next(&self) -> Result<Option<DeliveryRecord>, ForgeError> {
        let next = self.state().waiting.pop_front();
        match next {
            Some(id) => self.attempt(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes attempts until none waits, and says how many it made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliver_all(&self) -> Result<usize, ForgeError> {
        let mut made = 0;
        while self.deliver_next().await?.is_some() {
            made += 1;
        }
        Ok(made)
    }

    /// Makes the waiting attempt with this GUID, out of order.
    ///
    /// # Errors
    /// When none with this GUID waits.
    pub async fn deliver(&self, guid: &str) -> Result<DeliveryRecord, ForgeError> {
        let id = self.take_held(guid)?;
        self.attempt(id).await
    }

    /// Delivers a GUID twice; one that was delivered already is delivered once more.
    ///
    /// # Errors
    /// When there is no such GUID.
    pub async fn deliver_twice(&self, guid: &str) -> Result<DeliveryRecord, ForgeError> {
        if let Ok(id) = self.take_held(guid) {
            self.attempt(id).await?;
        }
        let again = self.repeat(guid)?;
        self.attempt(again).await
    }

    /// Loses the waiting attempt with this GUID: GitHub records that the receiver could not be reached.
    ///
    /// # Errors
    /// When none with this GUID waits.
    pub fn drop(&self, guid: &str) -> Result<(), ForgeError> {
        let id = self.take_held(guid)?;
        self.record(id, &HeaderMap::new(), &Err(Unanswered::Unreachable), self.now().as_millisecond())
    }

    /// Asks for a delivery again, as its button or `POST /app/hook/deliveries/{id}/attempts` does.
    ///
    /// # Errors
    /// When there is no such GUID.
    pub fn redeliver(&self, guid: &str) -> Result<(), ForgeError> {
        let id = self.repeat(guid)?;
        self.state().waiting.push_back(id);
        self.kick();
        Ok(())
    }

    /// Waits until no webhook is under way; under [`Delivery::Held`] that is at once.
    pub async fn settle(&self) {
        let mut count = self.inner.outbox.under_way.subscribe();
        // The sender lives in this forge: the wait cannot fail.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Sends the ping of a webhook that was just set up.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ping(&self) -> Result<(), ForgeError> {
        let body = self.shapes(&self.state()).ping(self.webhook_address().as_str(), self.now());
        self.enqueue(&mut self.state(), "ping", None, (None, None), &body)?;
        self.kick();
        Ok(())
    }

    pub(crate) fn webhook_address(&self) -> Url {
        match &*lock(&self.inner.outbox.sink) {
            Sink::Url(url) => url.clone(),
            Sink::Handler(_) => self.inner.config.webhook_url.clone(),
        }
    }

    /// Queues an event about an installation and a repository.
    pub(crate) fn enqueue(
        &self,
        state: &mut State,
        event: &str,
        action: Option<&str>,
        (installation, repository): (Option<u64>, Option<u64>),
        body: &Value,
    ) -> Result<(), ForgeError> {
        let record = DeliveryRecord {
            id: 0,
            guid: uuid::Uuid::new_v4().to_string(),
            event: event.to_owned(),
            action: action.map(str::to_owned),
            installation,
            repository,
            redelivery: false,
            created_at: self.now(),
            outcome: None,
        };
        let id = state.storage.add_delivery(&record, &serde_json::to_vec(body)?)?;
        state.waiting.push_back(id);
        Ok(())
    }

    /// Lets what waits leave, if it may.
    pub(crate) fn kick(&self) {
        if *lock(&self.inner.outbox.policy) == Delivery::Held {
            return;
        }
        let ready: Vec<u64> = self.state().waiting.drain(..).collect();
        for id in ready {
            let (forge, under_way) = (self.clone(), UnderWay::new(self));
            self.inner.outbox.runtime.spawn(async move {
                let permits = forge.inner.outbox.permits.clone();
                let _permit = permits.acquire_owned().await;
                if let Err(error) = forge.attempt(id).await {
                    tracing::error!(%error, delivery = id, "a webhook was not recorded");
                }
                drop(under_way);
            });
        }
    }

    pub(crate) fn delivery_page(&self, page: &DeliveryPage) -> Result<Vec<DeliveryRecord>, ForgeError> {
        self.state().storage.delivery_page(page)
    }

    fn take_held(&self, guid: &str) -> Result<u64, ForgeError> {
        let mut state = self.state();
        for position in 0..state.waiting.len() {
            let Some(id) = state.waiting.get(position).copied() else { break };
            if state.storage.delivery(id)?.is_some_and(|(record, _)| record.guid == guid) {
                state.waiting.remove(position);
                return Ok(id);
            }
        }
        Err(ForgeError::Missing(format!("a waiting delivery {guid}")))
    }

    fn repeat(&self, guid: &str) -> Result<u64, ForgeError> {
        let state = self.state();
        let (record, body) = state.storage.delivery_by_guid(guid)?.ok_or_else(|| ForgeError::Missing(format!("delivery {guid}")))?;
        let again = DeliveryRecord { redelivery: true, outcome: None, ..record };
        state.storage.add_delivery(&again, &body)
    }

    fn find_delivery(&self, id: u64) -> Result<(DeliveryRecord, Bytes), ForgeError> {
        self.state().storage.delivery(id)?.ok_or_else(|| ForgeError::Missing(format!("delivery attempt {id}")))
    }

    async fn attempt(&self, id: u64) -> Result<DeliveryRecord, ForgeError> {
        let (record, body) = self.find_delivery(id)?;
        let headers = self.headers(&record, &body);
        let sink = lock(&self.inner.outbox.sink).clone();
        let started = self.now().as_millisecond();
        let sent = tokio::time::timeout(PATIENCE, self.send(sink, headers.clone(), body)).await;
        let answer = sent.unwrap_or(Err(Unanswered::TimedOut));
        self.record(id, &headers, &answer, started)?;
        Ok(self.find_delivery(id)?.0)
    }

    async fn send(&self, sink: Sink, headers: HeaderMap, body: Bytes) -> Result<Response<Bytes>, Unanswered> {
        match sink {
            Sink::Handler(receive) => {
                let mut request = Request::new(body);
                *request.method_mut() = http::Method::POST;
                if let Ok(uri) = self.inner.config.webhook_url.path().parse() {
                    *request.uri_mut() = uri;
                }
                *request.headers_mut() = headers;
                Ok(receive(request).await)
            }
            Sink::Url(url) => {
                let sent = self.inner.outbox.client.post(url).headers(headers).body(body).send().await;
                let mut answer = sent.map_err(|error| Unanswered::of(&error))?;
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = answer.status();
                *response.headers_mut() = answer.headers().clone();
                let mut kept = Vec::new();
                while let Some(chunk) = answer.chunk().await.map_err(|error| Unanswered::of(&error))? {
                    let room = ANSWER_KEPT.saturating_sub(kept.len());
                    kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if room == 0 {
                        break;
                    }
                }
                *response.body_mut() = kept.into();
                Ok(response)
            }
        }
    }

    fn record(&self, id: u64, sent: &HeaderMap, answer: &Result<Response<Bytes>, Unanswered>, started: i64) -> Result<(), ForgeError> {
        let now = self.now();
        let (status_code, status) = match answer {
            Ok(response) if response.status().is_success() => (response.status().as_u16(), "OK".to_owned()),
            Ok(response) => {
                let code = response.status().as_u16();
                (code, format!("Invalid HTTP Response: {code}"))
            }
            Err(Unanswered::TimedOut) => (StatusCode::GATEWAY_TIMEOUT.as_u16(), "timed out".to_owned()),
            Err(Unanswered::Unreachable) => (StatusCode::BAD_GATEWAY.as_u16(), "failed to connect to host".to_owned()),
        };
        let response = match answer {
            Ok(response) => {
                let kept = &response.body()[..response.body().len().min(ANSWER_KEPT)];
                json!({ "headers": header_map(response.headers()), "payload": String::from_utf8_lossy(kept) })
            }
            Err(_) => json!({ "headers": {}, "payload": null }),
        };
        let duration_ms = now.as_millisecond().saturating_sub(started).unsigned_abs();
        let attempted = Attempted {
            outcome: DeliveryOutcome { delivered_at: now, duration_ms, status_code, status },
            request: Value::Object(header_map(sent)).to_string(),
            response: response.to_string(),
        };
        self.state().storage.finish_delivery(id, &attempted)
    }

    fn headers(&self, record: &DeliveryRecord, body: &[u8]) -> HeaderMap {
        let secret = lock(&self.inner.outbox.secret).clone();
        let app = self.inner.app.id.to_string();
        let pairs = [
            ("accept", "*/*".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("user-agent", "GitHub-Hookshot/0f0f0f0".to_owned()),
            ("x-github-event", record.event.clone()),
            ("x-github-delivery", record.guid.clone()),
            ("x-github-hook-id", app.clone()),
            ("x-github-hook-installation-target-type", "integration".to_owned()),
            ("x-github-hook-installation-target-id", app),
            ("x-hub-signature-256", signature(&secret, body)),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(header::HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

/// Why there was no answer.
enum Unanswered {
    TimedOut,
    Unreachable,
}

impl Unanswered {
    fn of(error: &reqwest::Error) -> Unanswered {
        if error.is_timeout() { Unanswered::TimedOut } else { Unanswered::Unreachable }
    }
}

/// `X-Hub-Signature-256` of a body.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(body);
            format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
        }
        Err(_) => String::new(),
    }
}

fn header_map(headers: &HeaderMap) -> Map<String, Value> {
    headers.iter().map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())))).collect()
}
