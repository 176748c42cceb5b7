//! The GitHub App: what it may ask as itself, and its clients per installation.
//!
//! octocrab signs the App's JWTs and caches the installations' tokens; which routes are asked and what of the answers is
//! believed is written here. Nothing is retried here: the caller knows whether a second time is worth it.
//!
//! Repositories are addressed as `/repositories/<id>`, which survives renames and transfers, so no redirect is ever followed.

mod call;
mod installation;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use octocrab::Octocrab;
use quillon_core::Sensitive;
use quillon_core::id::{AppId, InstallationId, RepositoryId};
use quillon_core::name::RepositoryName;
use serde::Serialize;
use url::Url;

pub use installation::InstallationClient;

use crate::error::Error;
use crate::view::{Deliveries, InstallationView, Page, wire};
use call::{Call, encoded, next_cursor, next_page};

/// Most installations whose clients (and tokens) are kept; beyond that all are forgotten and made again.
const MAX_CLIENTS: usize = 1_000;

/// Items per page of every listing; GitHub's maximum.
const PER_PAGE: u32 = 100;

/// What the App is, and where its GitHub is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// Base URL of the REST API: `https://api.github.com`, or `https://<host>/api/v3` of a GitHub Enterprise Server.
    pub api_url: String,
    /// Base URL of the pages and of git over HTTPS: `https://github.com`.
    pub web_url: String,
    /// The App's number.
    pub app_id: AppId,
    /// The App's private key, PEM.
    pub private_key: Sensitive<String>,
}

/// The App; clones share its clients.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    app_id: AppId,
    api_url: Url,
    web_url: Url,
    key: octocrab::jsonwebtoken::EncodingKey,
    clients: Mutex<Clients>,
}

/// Clients are made with the first call: making one reads the machine's root certificates.
#[derive(Default)]
struct Clients {
    app: Option<Octocrab>,
    installations: HashMap<InstallationId, Arc<Octocrab>>,
}

impl App {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// [`Error::Settings`] for an address that is not HTTP or a key that is not an RSA key in PEM.
    pub fn new(settings: &AppSettings) -> Result<Self, Error> {
        let key = octocrab::jsonwebtoken::EncodingKey::from_rsa_pem(settings.private_key.expose().as_bytes()).map_err(|_| {
            // The library's own words may quote the key.
            Error::Settings {
                name: "private key",
                detail: "it is not an RSA key in PEM, as GitHub's settings page downloads it".to_owned(),
            }
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                app_id: settings.app_id,
                api_url: base_url("API URL", &settings.api_url)?,
                web_url: base_url("URL", &settings.web_url)?,
                key,
                clients: Mutex::default(),
            }),
        })
    }

    /// The client of one installation.
    #[must_use]
    pub fn installation(&self, id: InstallationId) -> InstallationClient {
        InstallationClient::new(self.clone(), id)
    }

    /// Where `git` finds a repository over HTTP.
    #[must_use]
    pub fn clone_url(&self, repository: &RepositoryName) -> String {
        format!("{}/{repository}.git", self.inner.web_url.as_str().trim_end_matches('/'))
    }

    /// The host in module references, with its port where it is not the usual one.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.inner.web_url.host_str().unwrap_or_default();
        self.inner.web_url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// [`GET /app/installations/{id}`](https://docs.github.com/en/rest/apps/apps#get-an-installation-for-the-authenticated-app).
    ///
    /// # Errors
    /// [`Error::NotFound`] when the installation is gone, and the usual ones.
    pub async fn installation_info(&self, id: InstallationId) -> Result<InstallationView, Error> {
        let wire: wire::Installation = self.ask(&Call::get(format!("/app/installations/{id}"))).await?.read()?;
        Ok(wire.into())
    }

    /// [`GET /app/installations`](https://docs.github.com/en/rest/apps/apps#list-installations-for-the-authenticated-app), from page 1.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn installations(&self, page: u32) -> Result<Page<InstallationView>, Error> {
        let answer = self.ask(&Call::get(format!("/app/installations?per_page={PER_PAGE}&page={page}"))).await?;
        Ok(Page { items: answer.items::<wire::Installation, _>(answer.read()?), next: next_page(&answer.headers, page) })
    }

    /// [`GET /app/hook/deliveries`](https://docs.github.com/en/rest/apps/webhooks#list-deliveries-for-an-app-webhook): newest first, from
    /// the start or from the `next` of an earlier answer.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn deliveries(&self, cursor: Option<&str>) -> Result<Deliveries, Error> {
        let after = cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
        let answer = self.ask(&Call::get(format!("/app/hook/deliveries?per_page={PER_PAGE}{after}"))).await?;
        Ok(Deliveries { items: answer.items::<wire::Delivery, _>(answer.read()?), next: next_cursor(&answer.headers) })
    }

    /// [`POST /app/hook/deliveries/{id}/attempts`](https://docs.github.com/en/rest/apps/webhooks#redeliver-a-delivery-for-an-app-webhook):
    /// asks GitHub to deliver once more, under the same GUID.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the delivery is older than GitHub keeps them (3 days), and the usual ones.
    pub async fn redeliver(&self, delivery: u64) -> Result<(), Error> {
        self.ask(&Call::post(format!("/app/hook/deliveries/{delivery}/attempts"))).await.map(drop)
    }

    /// [`POST /app/installations/{id}/access_tokens`](https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app):
    /// a token for `git fetch` of this one repository and nothing else, good for an hour. Never cached.
    ///
    /// # Errors
    /// [`Error::Refused`] when the installation does not reach the repository, [`Error::Forbidden`] when it is suspended or gone, and
    /// the usual ones.
    pub async fn read_token(&self, installation: InstallationId, repository: RepositoryId) -> Result<Sensitive<String>, Error> {
        #[derive(Serialize)]
        struct Wanted {
            repository_ids: [RepositoryId; 1],
            permissions: Permissions,
        }
        #[derive(Serialize)]
        struct Permissions {
            contents: &'static str,
        }
        let wanted = Wanted { repository_ids: [repository], permissions: Permissions { contents: "read" } };
        let call = Call::post(format!("/app/installations/{installation}/access_tokens")).with(&wanted)?;
        let answer = self.ask(&call).await.map_err(|error| call::of_token_request(installation, error))?;
        let wire: wire::Token = answer.read()?;
        Ok(Sensitive::new(wire.token))
    }

    async fn ask(&self, call: &Call) -> Result<call::Answer, Error> {
        call.send(&self.as_app()?).await
    }

    fn as_app(&self) -> Result<Octocrab, Error> {
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.app(&self.inner)
    }

    /// The client that holds the token of an installation; copies of it would not share the token, so it is shared itself.
    fn as_installation(&self, id: InstallationId) -> Result<Arc<Octocrab>, Error> {
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.installations.get(&id) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(clients.app(&self.inner)?.installation(id.0.into()).map_err(|error| call::of_octocrab(&error))?);
        if clients.installations.len() >= MAX_CLIENTS {
            clients.installations.clear();
        }
        clients.installations.insert(id, Arc::clone(&client));
        Ok(client)
    }
}

impl Clients {
    fn app(&mut self, inner: &Inner) -> Result<Octocrab, Error> {
        if let Some(client) = &self.app {
            return Ok(client.clone());
        }
        let client = call::client(&inner.api_url, inner.app_id, inner.key.clone())?;
        self.app = Some(client.clone());
        Ok(client)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        formatter.debug_struct("App").field("app_id", &inner.app_id).field("api_url", &inner.api_url.as_str()).finish_non_exhaustive()
    }
}

fn base_url(name: &'static str, text: &str) -> Result<Url, Error> {
    let refused = |detail: String| Error::Settings { name, detail: format!("`{text}` {detail}") };
    let url = Url::parse(text).map_err(|error| refused(format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refused("is not an address of the form `https://host`".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("has a user, a query or a fragment; give the plain base address".to_owned()));
    }
    Ok(url)
}

/// The App of a process whose key is read later and may be changed: the same [`App`] for as long as the key is the same.
#[derive(Debug)]
pub struct AppSlot {
    api_url: String,
    web_url: String,
    app_id: AppId,
    made: Mutex<Option<(Sensitive<String>, App)>>,
}

impl AppSlot {
    /// Keeps the settings; checks them with the first [`AppSlot::app`].
    #[must_use]
    pub fn new(api_url: String, web_url: String, app_id: AppId) -> Self {
        Self { api_url, web_url, app_id, made: Mutex::new(None) }
    }

    /// The App with this key.
    ///
    /// # Errors
    /// Those of [`App::new`].
    pub fn app(&self, private_key: &Sensitive<String>) -> Result<App, Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, app)) = &*made
            && key == private_key
        {
            return Ok(app.clone());
        }
        let app = App::new(&AppSettings {
            api_url: self.api_url.clone(),
            web_url: self.web_url.clone(),
            app_id: self.app_id,
            private_key: private_key.clone(),
        })?;
        *made = Some((private_key.clone(), app.clone()));
        Ok(app)
    }
}

#[cfg(test)]
mod tests;
