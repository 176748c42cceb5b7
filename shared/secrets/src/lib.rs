//! Instance secrets: fetched lazily from Secrets Manager, kept five minutes, never printed.

mod instance_key;
pub mod telemetry;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use jiff::{SignedDuration, Timestamp};
use quillon_core::Sensitive;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

pub use instance_key::InstanceKey;

/// How long a fetched secret is used before it is fetched again, so that a rotation reaches running sandboxes.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// Why a secret is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Secrets Manager refused or could not be reached.
    #[error("cannot read the secret `{arn}`: {cause}")]
    Transient {
        /// Which one.
        arn: String,
        /// The SDK's chain of causes; never the value.
        cause: String,
    },
    /// The secret is there but is not what it should be.
    #[error("the secret `{arn}` is not a JSON object with {expected}")]
    Malformed {
        /// Which one.
        arn: String,
        /// What it should have.
        expected: &'static str,
    },
}

/// The secrets that GitHub signs webhooks with.
#[derive(Debug, Clone, Deserialize)]
pub struct WebhookSecrets {
    /// The one to configure.
    pub current: Sensitive<String>,
    /// The one before, accepted while it is rotated.
    #[serde(default)]
    pub previous: Option<Sensitive<String>>,
}

impl WebhookSecrets {
    /// Those that may verify a signature; empty ones never do.
    #[must_use]
    pub fn accepted(&self) -> Vec<&str> {
        accepted(&self.current, self.previous.as_ref())
    }
}

/// The identity of the GitHub App.
#[derive(Debug, Clone, Deserialize)]
pub struct GithubAppSecret {
    /// Its private key, PEM.
    pub private_key: Sensitive<String>,
}

/// What this installation is known by to the providers that people sign in at; empty where one is not set up.
#[derive(Debug, Clone, Deserialize)]
pub struct SignInSecrets {
    /// Client secret of the GitHub App.
    pub github: Sensitive<String>,
    /// Client secret at Google.
    pub google: Sensitive<String>,
    /// Client secret at the OpenID provider that is configured.
    pub oidc: Sensitive<String>,
}

/// What an installation needs of its account at Stripe.
#[derive(Debug, Clone, Deserialize)]
pub struct StripeSecret {
    /// The key of its API.
    pub key: Sensitive<String>,
    /// The secret that webhooks are signed with.
    webhook: Sensitive<String>,
    /// The one before, accepted while it is replaced.
    #[serde(default)]
    webhook_previous: Option<Sensitive<String>>,
}

impl StripeSecret {
    /// The secrets that may verify a webhook; empty ones never do.
    #[must_use]
    pub fn accepted(&self) -> Vec<&str> {
        accepted(&self.webhook, self.webhook_previous.as_ref())
    }
}

fn accepted<'a>(current: &'a Sensitive<String>, previous: Option<&'a Sensitive<String>>) -> Vec<&'a str> {
    let both = [Some(current), previous].into_iter().flatten();
    both.map(|secret| secret.expose().as_str()).filter(|secret| !secret.is_empty()).collect()
}

#[derive(Deserialize)]
struct SessionSecret {
    key: Sensitive<String>,
}

/// Reads instance secrets.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: Client,
    cache: Arc<Mutex<Cache>>,
}

/// By ARN, when it was fetched and what it was.
type Cache = BTreeMap<String, (Timestamp, Sensitive<String>)>;

impl Secrets {
    /// Makes no call.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, cache: Arc::default() }
    }

    /// The webhook secrets.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn webhook(&self, arn: &str, now: Timestamp) -> Result<WebhookSecrets, Error> {
        self.json(arn, "`current`", now).await
    }

    /// The GitHub App's private key.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn github_app(&self, arn: &str, now: Timestamp) -> Result<GithubAppSecret, Error> {
        self.json(arn, "`private_key`", now).await
    }

    /// The client secrets of sign-in providers.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn sign_in(&self, arn: &str, now: Timestamp) -> Result<SignInSecrets, Error> {
        self.json(arn, "`github`, `google` and `oidc`", now).await
    }

    /// The account at Stripe.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn stripe(&self, arn: &str, now: Timestamp) -> Result<StripeSecret, Error> {
        self.json(arn, "`key` and `webhook`", now).await
    }

    /// The key that sessions, job tokens and the operator's key are derived from.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn instance_key(&self, arn: &str, now: Timestamp) -> Result<InstanceKey, Error> {
        let SessionSecret { key } = self.json(arn, "`key`", now).await?;
        Ok(InstanceKey::new(&key))
    }

    /// Makes the next read fetch again, for a caller whose secret may be outdated. Where that fails, the known value serves on.
    pub async fn doubt(&self, arn: &str) {
        if let Some((fetched_at, _)) = self.cache.lock().await.get_mut(arn) {
            *fetched_at = Timestamp::MIN;
        }
    }

    async fn json<T: DeserializeOwned>(&self, arn: &str, expected: &'static str, now: Timestamp) -> Result<T, Error> {
        let text = self.text(arn, now).await?;
        serde_json::from_str(text.expose()).map_err(|_| Error::Malformed { arn: arn.to_owned(), expected })
    }

    async fn text(&self, arn: &str, now: Timestamp) -> Result<Sensitive<String>, Error> {
        // Held across the call: a burst of requests in one sandbox makes one call.
        let mut cache = self.cache.lock().await;
        let known = cache.get(arn);
        if let Some((fetched_at, value)) = known
            && now.duration_since(*fetched_at) < FRESH
        {
            return Ok(value.clone());
        }
        let answer = match (self.client.get_secret_value().secret_id(arn).send().await, known) {
            (Ok(answer), _) => answer,
            (Err(error), Some((_, value))) => {
                tracing::warn!("the secret `{arn}` cannot be read again, the known value serves on: {}", DisplayErrorContext(&error));
                return Ok(value.clone());
            }
            (Err(error), None) => {
                return Err(Error::Transient { arn: arn.to_owned(), cause: DisplayErrorContext(&error).to_string() });
            }
        };
        let value = Sensitive::new(answer.secret_string().unwrap_or_default().to_owned());
        cache.insert(arn.to_owned(), (now, value.clone()));
        Ok(value)
    }
}
