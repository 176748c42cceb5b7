//! A small instance: engines in memory, a forge as its GitHub, two OpenID providers, and a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use quillon::cloud::Cloud;
use quillon::engine::Storage;
use quillon::template::{BUNDLED, Parameters, Template};
use quillon_auth::{Deps, handle};
use quillon_core::Sensitive;
use quillon_core::person::{ProviderId, User};
use quillon_forge::{AccountKind, Delivery, Forge, ForgeConfig, Membership, Selection};
use quillon_runtime::{Clock, Settings};
use quillon_secrets::{InstanceKey, Secrets};
use quillon_test_vendors::jwt::KeyKind;
use quillon_test_vendors::openid::OpenIdProvider;
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

/// The address of the instance.
pub(crate) const PUBLIC: &str = "http://127.0.0.1:8800";

/// When everything begins.
pub(crate) const START: i64 = 1_800_000_000;

/// The instance.
pub(crate) struct World {
    pub(crate) deps: Deps,
    pub(crate) clock: Clock,
    pub(crate) forge: Forge,
    /// Signs with RSA.
    pub(crate) google: OpenIdProvider,
    /// Signs with an elliptic key.
    pub(crate) company: OpenIdProvider,
    /// An owner of `acme`.
    pub(crate) ann: u64,
    /// A member of `acme`.
    pub(crate) ben: u64,
    /// The App on `acme`.
    pub(crate) installation: u64,
    key: InstanceKey,
    _directory: TempDir,
}

impl World {
    /// With what the template says by itself.
    pub(crate) async fn new() -> Self {
        Self::with(|parameters| parameters).await
    }

    /// With other parameters.
    pub(crate) async fn with(more: impl FnOnce(Parameters) -> Parameters) -> Self {
        let clock = Clock::manual(Timestamp::from_second(START).expect("a time"));
        let directory = TempDir::new().expect("a directory");
        let (forge, base) = open_forge(&directory, &clock).await;
        let acme = forge.create_account("acme", AccountKind::Organization).expect("an account").id;
        let ann = forge.create_account("ann", AccountKind::User).expect("an account").id;
        let ben = forge.create_account("ben", AccountKind::User).expect("an account").id;
        forge.set_membership(acme, ann, Some(Membership::Admin)).expect("a membership");
        forge.set_membership(acme, ben, Some(Membership::Member)).expect("a membership");
        let installation = forge.install(acme, Selection::All).expect("an installation").id;
        let hands = clock.clone();
        let now: quillon_test_vendors::Clock = Arc::new(move || hands.now());
        let callback = |provider: &str| format!("{PUBLIC}/auth/{provider}/callback");
        let google = OpenIdProvider::start(&[&callback("google")], Arc::clone(&now)).await;
        let company = OpenIdProvider::start_with(KeyKind::Ec, &[&callback("oidc")], now).await;
        let parameters = Parameters::new()
            .with("PublicUrl", PUBLIC)
            .with("GithubApiUrl", forge.api_url())
            .with("GithubUrl", base)
            .with("GithubAppId", forge.app_id().to_string())
            .with_json_text("GithubAppPrivateKey", forge.app_private_key_pem())
            .with("GithubWebhookSecret", "a webhook secret of some length")
            .with("GithubClientId", forge.client_id())
            .with_json_text("GithubClientSecret", forge.client_secret())
            .with("GoogleIssuer", google.issuer())
            .with("GoogleClientId", google.client_id())
            .with_json_text("GoogleClientSecret", google.client_secret())
            .with("OidcName", "Company login")
            .with("OidcIssuer", company.issuer())
            .with("OidcClientId", company.client_id())
            .with_json_text("OidcClientSecret", company.client_secret());
        let template = Template::parse(BUNDLED, &more(parameters)).expect("the template");
        let cloud = Cloud::open(template, &Storage::Memory, clock.clone()).await.expect("the engines");
        let environment = cloud.environment("Auth");
        let session = environment.get("SESSION_SECRET_ARN").expect("a session secret").clone();
        let key = Secrets::new(cloud.engines().secrets_client()).instance_key(&session, clock.now()).await.expect("a key");
        // It may do here what the template allows it, and nothing else.
        let deps = Deps::new(&Settings::new(environment), &cloud.sdk_config("Auth"), clock.clone()).expect("the settings");
        Self { deps, clock, forge, google, company, ann, ben, installation, key, _directory: directory }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn key(&self) -> &InstanceKey {
        &self.key
    }

    pub(crate) async fn ask(&self, request: Request<Bytes>) -> Response<Bytes> {
        handle(&self.deps, request).await
    }

    /// Who somebody of a provider is here, if they have ever been.
    pub(crate) async fn user(&self, provider: &str, subject: &str) -> Option<User> {
        let provider: ProviderId = provider.parse().expect("a provider");
        self.deps.store.user_by_identity(&provider, subject).await.expect("a table")
    }

    /// Says yes at the forge's page; the address that the browser is sent back to.
    pub(crate) fn consent(&self, person: u64, authorize: &str) -> String {
        let url = Url::parse(authorize).expect("an address");
        assert!(url.path().ends_with("/login/oauth/authorize"), "{authorize}");
        self.forge.authorize(person, url.query().unwrap_or_default()).expect("a request as GitHub takes it")
    }

    /// A secret of a wrong instance, for what must not be accepted.
    pub(crate) fn foreign_key() -> InstanceKey {
        InstanceKey::new(&Sensitive::new("another instance".to_owned()))
    }
}

/// The page of an OpenID provider, which sends everybody back at once; the address that the browser is sent back to.
pub(crate) async fn visit(authorize: &str) -> String {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let answer = client.get(authorize).send().await.expect("the provider");
    let location = answer.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
    location.unwrap_or_else(|| panic!("{} of {authorize}", answer.status()))
}

async fn open_forge(directory: &TempDir, clock: &Clock) -> (Forge, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}/forge", listener.local_addr().expect("an address"));
    let webhook = Url::parse(&format!("{PUBLIC}/github/webhook")).expect("a url");
    let hands = clock.clone();
    let root = directory.path().join("forge");
    let mut config = ForgeConfig::new(root, Url::parse(&base).expect("a url"), webhook, "a webhook secret", Arc::new(move || hands.now()));
    config.delivery = Delivery::Held;
    config.callback_urls = vec![Url::parse(&format!("{PUBLIC}/auth/github/callback")).expect("a url")];
    let forge = Forge::open(config).await.expect("a forge");
    let router = axum::Router::new().nest_service("/forge", forge.router());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (forge, base)
}
