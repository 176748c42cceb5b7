//! An OpenID provider ([OpenID Connect Core](https://openid.net/specs/openid-connect-core-1_0.html)): whoever comes to its
//! authorization page is the person that the test has chosen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::Clock;
use crate::jwt::{Forgery, KeyKind, Signer, unguessable};
use crate::server::{Server, lock};

/// How long a code can be exchanged.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// How long an ID token is valid, in seconds.
const TOKEN_LIFETIME_S: i64 = 3600;

/// Who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `sub`, which names them for ever.
    pub subject: String,
    /// `name`.
    pub name: String,
    /// `email`, where they have one.
    pub email: Option<String>,
    /// `email_verified`; left out where it is `None`.
    pub email_verified: Option<bool>,
}

impl Person {
    /// Somebody with a verified address.
    #[must_use]
    pub fn new(subject: &str, name: &str, email: &str) -> Self {
        Self { subject: subject.to_owned(), name: name.to_owned(), email: Some(email.to_owned()), email_verified: Some(true) }
    }
}

/// How the provider's ID tokens are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// The signature is.
    Signature(Forgery),
    /// The nonce of another sign-in.
    WrongNonce,
    /// No nonce at all.
    NoNonce,
    /// It was over an hour ago.
    Expired,
    /// It has no `exp`.
    NoExpiry,
    /// It was issued an hour from now.
    FromTheFuture,
    /// For another client.
    WrongAudience,
    /// For ours and another client, and issued to the other one (`azp`).
    OtherParty,
    /// Of another issuer.
    WrongIssuer,
    /// It names nobody.
    NoSubject,
    /// There is no ID token in the answer.
    NoToken,
}

impl Attack {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let claims = [
            Self::WrongNonce,
            Self::NoNonce,
            Self::Expired,
            Self::NoExpiry,
            Self::FromTheFuture,
            Self::WrongAudience,
            Self::OtherParty,
            Self::WrongIssuer,
            Self::NoSubject,
            Self::NoToken,
        ];
        Forgery::ALL.into_iter().map(Self::Signature).chain(claims).collect()
    }
}

/// What the authorization page does.
#[derive(Debug, Clone)]
enum Mood {
    SignIn(Person),
    Refuse,
}

struct Code {
    person: Person,
    nonce: Option<String>,
    challenge: String,
    redirect_uri: String,
    expires_at: Timestamp,
}

struct World {
    signer: Signer,
    mood: Mood,
    attack: Option<Attack>,
    codes: HashMap<String, Code>,
    key_reads: u32,
    discoveries: u32,
    is_down: bool,
}

struct Inner {
    client_id: String,
    client_secret: String,
    redirect_uris: Vec<String>,
    clock: Clock,
    world: Mutex<World>,
}

/// The provider; clones share everything.
#[derive(Clone)]
pub struct OpenIdProvider {
    inner: Arc<Inner>,
    server: Arc<Server>,
}

impl std::fmt::Debug for OpenIdProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OpenIdProvider").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

impl OpenIdProvider {
    /// Starts one with one client, which may be sent back to these addresses; everybody is `Ada` until the test says otherwise.
    pub async fn start(redirect_uris: &[&str], clock: Clock) -> Self {
        Self::start_with(KeyKind::Rsa, redirect_uris, clock).await
    }

    /// The same with a choice of keys.
    pub async fn start_with(kind: KeyKind, redirect_uris: &[&str], clock: Clock) -> Self {
        let inner = Arc::new(Inner {
            client_id: format!("client-{}", unguessable()),
            client_secret: format!("secret-{}", unguessable()),
            redirect_uris: redirect_uris.iter().map(|&uri| uri.to_owned()).collect(),
            clock,
            world: Mutex::new(World {
                signer: Signer::new(kind),
                mood: Mood::SignIn(Person::new("1001", "Ada Lovelace", "ada@example.com")),
                attack: None,
                codes: HashMap::new(),
                key_reads: 0,
                discoveries: 0,
                is_down: false,
            }),
        });
        let served = Arc::clone(&inner);
        let server = Server::start(move |url| router(Service { inner: served, issuer: url.to_owned() })).await;
        Self { inner, server: Arc::new(server) }
    }

    /// Its name, and the address of its discovery document without the well-known path.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.server.url
    }

    /// The id of its one client.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// The secret of its one client.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.inner.client_secret
    }

    /// Whoever comes from now on is this person.
    pub fn sign_in_as(&self, person: Person) {
        self.world().mood = Mood::SignIn(person);
    }

    /// Whoever comes from now on says no.
    pub fn refuse(&self) {
        self.world().mood = Mood::Refuse;
    }

    /// Lies from now on, or is honest again.
    pub fn attack(&self, attack: Option<Attack>) {
        self.world().attack = attack;
    }

    /// Signs with a new key from now on; the old ones stay published, or are gone at once.
    pub fn rotate(&self, keep_old: bool) {
        self.world().signer.rotate(keep_old);
    }

    /// Answers 503 to everything from now on, or works again.
    pub fn set_down(&self, is_down: bool) {
        self.world().is_down = is_down;
    }

    /// How often its keys were read.
    #[must_use]
    pub fn key_reads(&self) -> u32 {
        self.world().key_reads
    }

    /// How often its discovery document was read.
    #[must_use]
    pub fn discoveries(&self) -> u32 {
        self.world().discoveries
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        lock(&self.inner.world)
    }
}

#[derive(Clone)]
struct Service {
    inner: Arc<Inner>,
    issuer: String,
}

fn router(service: Service) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(keys))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .layer(axum::middleware::from_fn_with_state(service.clone(), outage))
        .with_state(service)
}

async fn outage(State(service): State<Service>, request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    if lock(&service.inner.world).is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

async fn discovery(State(service): State<Service>) -> Json<Value> {
    let mut world = lock(&service.inner.world);
    world.discoveries += 1;
    let issuer = &service.issuer;
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [world.signer.algorithm()], "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "name", "picture", "sub"],
        "code_challenge_methods_supported": ["S256"], "grant_types_supported": ["authorization_code"],
    }))
}

async fn keys(State(service): State<Service>) -> Response {
    let mut world = lock(&service.inner.world);
    world.key_reads += 1;
    ([(header::CACHE_CONTROL, "public, max-age=3600")], Json(world.signer.jwks())).into_response()
}

/// [RFC 6749 section 4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1): what cannot be sent back is a page.
async fn authorize(State(service): State<Service>, Query(query): Query<HashMap<String, String>>) -> Response {
    let value = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let Some(redirect_uri) = value("redirect_uri").filter(|uri| service.inner.redirect_uris.iter().any(|known| known == uri)) else {
        return (StatusCode::BAD_REQUEST, "redirect_uri_mismatch").into_response();
    };
    if value("client_id") != Some(&service.inner.client_id) {
        return (StatusCode::UNAUTHORIZED, "invalid_client").into_response();
    }
    let state = value("state").unwrap_or_default();
    let refuse = |error: &str, why: &str| back(redirect_uri, &[("error", error), ("error_description", why), ("state", state)]);
    if value("response_type") != Some("code") {
        return refuse("unsupported_response_type", "only `code`");
    }
    if !value("scope").is_some_and(|scope| scope.split(' ').any(|one| one == "openid")) {
        return refuse("invalid_scope", "`openid` is missing");
    }
    let challenge = value("code_challenge").filter(|challenge| challenge.len() == 43);
    let (Some(challenge), Some("S256")) = (challenge, value("code_challenge_method")) else {
        return refuse("invalid_request", "a `code_challenge` by `S256` is needed");
    };
    let mut world = lock(&service.inner.world);
    let Mood::SignIn(person) = world.mood.clone() else {
        return refuse("access_denied", "the person said no");
    };
    let code = unguessable();
    let grant = Code {
        person,
        nonce: value("nonce").map(str::to_owned),
        challenge: challenge.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        expires_at: (service.inner.clock)() + CODE_LIFETIME,
    };
    world.codes.insert(code.clone(), grant);
    // Google sends more than it has to; nobody may stumble over it.
    back(redirect_uri, &[("state", state), ("code", &code), ("scope", "openid email profile"), ("authuser", "0"), ("prompt", "none")])
}

fn back(redirect_uri: &str, pairs: &[(&str, &str)]) -> Response {
    let mut url = Url::parse(redirect_uri).expect("a redirect address of the test");
    url.query_pairs_mut().extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    (StatusCode::FOUND, [(header::LOCATION, url.to_string())]).into_response()
}

async fn token(State(service): State<Service>, headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> Response {
    let value = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let refuse =
        |status: StatusCode, error: &str| (status, Json(json!({ "error": error, "error_description": "refused" }))).into_response();
    let client = basic(&headers).unwrap_or_else(|| (value("client_id").to_owned(), value("client_secret").to_owned()));
    if client != (service.inner.client_id.clone(), service.inner.client_secret.clone()) {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if value("grant_type") != "authorization_code" {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let now = (service.inner.clock)();
    let mut world = lock(&service.inner.world);
    // Taken out whatever comes of it: a code is tried once.
    let Some(code) = world.codes.remove(value("code")) else { return refuse(StatusCode::BAD_REQUEST, "invalid_grant") };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(value("code_verifier")));
    if code.expires_at <= now || code.redirect_uri != value("redirect_uri") || code.challenge != challenge {
        return refuse(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let mut answer =
        json!({ "access_token": unguessable(), "token_type": "Bearer", "expires_in": TOKEN_LIFETIME_S, "scope": "openid email profile" });
    if world.attack != Some(Attack::NoToken) {
        answer["id_token"] = id_token(&service, &world, &code, now).into();
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn id_token(service: &Service, world: &World, code: &Code, now: Timestamp) -> String {
    let mut claims = claims(&service.issuer, &service.inner.client_id, code, now.as_second());
    let mut set = |name: &str, value: Value| {
        claims.insert(name.to_owned(), value);
    };
    match world.attack {
        None | Some(Attack::NoToken | Attack::Signature(_)) => {}
        Some(Attack::WrongNonce) => set("nonce", unguessable().into()),
        Some(Attack::Expired) => {
            set("iat", (now.as_second() - 2 * TOKEN_LIFETIME_S).into());
            set("exp", (now.as_second() - TOKEN_LIFETIME_S).into());
        }
        Some(Attack::FromTheFuture) => {
            set("iat", (now.as_second() + TOKEN_LIFETIME_S).into());
            set("exp", (now.as_second() + 2 * TOKEN_LIFETIME_S).into());
        }
        Some(Attack::WrongAudience) => {
            set("aud", "another-client".into());
            set("azp", "another-client".into());
        }
        Some(Attack::OtherParty) => {
            set("aud", json!([service.inner.client_id, "another-client"]));
            set("azp", "another-client".into());
        }
        Some(Attack::WrongIssuer) => set("iss", "https://accounts.example.com".into()),
        Some(Attack::NoNonce) => drop(claims.remove("nonce")),
        Some(Attack::NoExpiry) => drop(claims.remove("exp")),
        Some(Attack::NoSubject) => drop(claims.remove("sub")),
    }
    let claims = Value::Object(claims);
    match world.attack {
        Some(Attack::Signature(forgery)) => world.signer.forge(forgery, &claims),
        _ => world.signer.sign(&claims),
    }
}

fn claims(issuer: &str, client_id: &str, code: &Code, now: i64) -> Map<String, Value> {
    let person = &code.person;
    let pairs = [
        ("iss", Some(Value::from(issuer))),
        ("sub", Some(person.subject.clone().into())),
        ("aud", Some(client_id.into())),
        ("azp", Some(client_id.into())),
        ("iat", Some(now.into())),
        ("exp", Some((now + TOKEN_LIFETIME_S).into())),
        ("name", Some(person.name.clone().into())),
        ("picture", Some(format!("https://pictures.example/{}", person.subject).into())),
        ("nonce", code.nonce.clone().map(Value::from)),
        ("email", person.email.clone().map(Value::from)),
        ("email_verified", person.email_verified.map(Value::from)),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The client of HTTP Basic authentication.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
