//! What a forge is opened with: where it keeps its state, how it is addressed, and the limits that it applies.

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use url::Url;

/// The source of the present, passed in so that scenarios can move it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// When a webhook delivery leaves the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In the background, as soon as its event happened; a response must arrive within ten seconds, as on GitHub.
    Immediate,
    /// When the test says so ([`crate::Forge::deliver_next`] and its neighbours).
    Held,
}

/// The settings of one forge; every limit is GitHub's own unless it is changed.
#[derive(Clone)]
pub struct ForgeConfig {
    /// Directory of the bare repositories, the database and the keys; created with mode 0700.
    pub root: PathBuf,
    /// Where [`crate::Forge::router`] is mounted, as clients see it; the REST API is at `<public_url>/api/v3`.
    pub public_url: Url,
    /// The numeric id of the one GitHub App.
    pub app_id: u64,
    /// The App's slug; its bot is called `<slug>[bot]`.
    pub app_slug: String,
    /// The App's private key (PKCS#1 or PKCS#8 PEM); without one a key is generated once and kept in `root`, mode 0600.
    pub app_private_key_pem: Option<String>,
    /// The secret of the webhook signatures.
    pub webhook_secret: String,
    /// Where webhooks are posted to, unless [`crate::Forge::set_sink`] replaces it.
    pub webhook_url: Url,
    /// Webhook delivery policy.
    pub delivery: Delivery,
    /// The present of every date, expiry and rate limit.
    pub clock: Clock,
    /// The present that App JWTs are checked against, where it differs from `clock`: client libraries read the system's.
    pub jwt_clock: Option<Clock>,
    /// How many reads of a new pull request answer `mergeable: null` before the merge is tried.
    pub mergeable_nulls: u32,
    /// Entries of a recursive tree before it is `truncated`.
    pub tree_limit: usize,
    /// Statuses per SHA and context.
    pub status_limit: u64,
    /// Requests per installation and hour.
    pub rate_limit: u32,
    /// Greatest size in bytes of a pack that is pushed.
    pub max_push_bytes: u64,
    /// Where people may be sent back to after they said who they are.
    pub callback_urls: Vec<Url>,
    /// Where people are sent after they installed the App or changed what it sees.
    pub setup_url: Option<Url>,
    /// Whether the App may read e-mail addresses of people.
    pub email_permission: bool,
    /// What the pages on which people act ask for; without it, whoever can open them can be anybody.
    pub people_key: Option<String>,
    /// Whether the HTML pages show private repositories too; they ask for no credential.
    pub private_pages: bool,
}

impl ForgeConfig {
    /// Settings with GitHub's limits and immediate deliveries.
    pub fn new(root: PathBuf, public_url: Url, webhook_url: Url, webhook_secret: impl Into<String>, clock: Clock) -> ForgeConfig {
        ForgeConfig {
            root,
            public_url,
            app_id: 1,
            app_slug: "quillon".to_owned(),
            app_private_key_pem: None,
            webhook_secret: webhook_secret.into(),
            webhook_url,
            delivery: Delivery::Immediate,
            clock,
            jwt_clock: None,
            mergeable_nulls: 1,
            tree_limit: 100_000,
            status_limit: 1000,
            rate_limit: 5000,
            max_push_bytes: 512 << 20,
            callback_urls: Vec::new(),
            setup_url: None,
            email_permission: true,
            people_key: None,
            private_pages: false,
        }
    }
}

impl std::fmt::Debug for ForgeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForgeConfig")
            .field("root", &self.root)
            .field("public_url", &self.public_url.as_str())
            .field("app_id", &self.app_id)
            .field("webhook_url", &self.webhook_url.as_str())
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// The two bases that every address in an answer starts with.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    pub(crate) api: String,
    pub(crate) html: String,
}

impl Links {
    pub(crate) fn of(public_url: &Url) -> Links {
        let html = public_url.as_str().trim_end_matches('/').to_owned();
        Links { api: format!("{html}/api/v3"), html }
    }
}
