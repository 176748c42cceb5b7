//! A GitHub-shaped forge over local bare git repositories: for the demo, for `quillon push`, and for every scenario test.
//!
//! It is a *model served over HTTP*: tests and commands change the model in the words of the domain ([`Forge::push`],
//! [`Forge::open_pull`], [`Forge::suspend`]), the code under test talks to [`Forge::router`] as it would to GitHub, and
//! webhooks leave the forge signed as GitHub signs them. It is strict: what GitHub would refuse is refused in GitHub's
//! words **and** kept in [`Forge::violations`], which a test asserts to be empty.
//!
//! State is one `SQLite` file and one directory of bare repositories; both survive the death of the process.

#![recursion_limit = "256"]

mod accounts;
mod config;
mod deliveries;
mod error;
mod faults;
mod git;
mod http;
mod keys;
mod merge_queue;
mod model;
mod names;
mod objects;
mod payloads;
mod people;
mod pulls;
mod pushes;
mod repositories;
mod shapes;
mod state;
mod statuses;
mod storage;

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::{config::Links, deliveries::Outbox, faults::Faults, git::Git, keys::AppKey, shapes::App, state::State, storage::Storage};
pub use crate::{
    config::{Clock, Delivery, ForgeConfig},
    deliveries::Sink,
    error::ForgeError,
    faults::{Answer, Fault, HookAction, RateLimit, RequestHook, RequestInfo},
    model::{
        Account, AccountKind, ChangeSize, DeliveryOutcome, DeliveryRecord, FileChange, Installation, Merged, NewPull, Person, Pull,
        Repository, Selection, Status, Violation,
    },
    people::{Email, Membership, Profile},
    statuses::NewStatus,
};

/// The forge; clones share everything.
#[derive(Clone)]
pub struct Forge {
    inner: Arc<Inner>,
    /// Who acts, where somebody in particular does.
    actor: Option<u64>,
}

struct Inner {
    config: ForgeConfig,
    links: Links,
    app: App,
    key: AppKey,
    push_token: String,
    client_secret: String,
    git: Git,
    state: Mutex<State>,
    outbox: Outbox,
    faults: Mutex<Faults>,
    mergeable_nulls: Mutex<u32>,
    /// Codes on their way through browsers, by hash; they are over before anybody would miss them.
    codes: Mutex<HashMap<String, people::Code>>,
    /// Held while refs of a repository are compared with what was announced.
    announcing: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>,
}

impl Forge {
    /// Opens or makes the forge in `config.root`, and announces what happened to its refs while it was away.
    ///
    /// # Errors
    /// When the directory, the database or the key cannot be used, another process having it open included.
    pub async fn open(config: ForgeConfig) -> Result<Forge, ForgeError> {
        let repositories = config.root.join("repositories");
        fs::create_dir_all(&repositories).map_err(ForgeError::files(&repositories))?;
        fs::set_permissions(&config.root, fs::Permissions::from_mode(0o700)).map_err(ForgeError::files(&config.root))?;
        let state = State::load(Storage::open(&config.root.join("forge.db"))?)?;
        let forge = Forge {
            inner: Arc::new(Inner {
                links: Links::of(&config.public_url),
                app: App::new(config.app_id, &config.app_slug),
                key: AppKey::open(&config.root, config.app_private_key_pem.as_deref())?,
                push_token: keys::push_token(&config.root)?,
                client_secret: keys::client_secret(&config.root)?,
                git: Git::new(repositories),
                outbox: Outbox::new(&config)?,
                state: Mutex::new(state),
                faults: Mutex::new(Faults::default()),
                mergeable_nulls: Mutex::new(config.mergeable_nulls),
                codes: Mutex::new(HashMap::new()),
                announcing: Mutex::new(HashMap::new()),
                config,
            }),
            actor: None,
        };
        let known: Vec<u64> = forge.state().repositories.keys().copied().collect();
        for repository in known {
            forge.catch_up(repository).await?;
        }
        forge.kick();
        Ok(forge)
    }

    /// The same forge, with this account as the one who pushes, opens and renames.
    pub fn acting_as(&self, account: u64) -> Forge {
        Forge { inner: self.inner.clone(), actor: Some(account) }
    }

    /// The base address of the REST API, for clients.
    pub fn api_url(&self) -> &str {
        &self.inner.links.api
    }

    /// The App's id.
    pub fn app_id(&self) -> u64 {
        self.inner.app.id
    }

    /// The App's name in addresses.
    pub fn app_slug(&self) -> &str {
        &self.inner.app.slug
    }

    /// The App's private key, PEM; it is a secret.
    pub fn app_private_key_pem(&self) -> &str {
        &self.inner.key.private_pem
    }

    /// The credential that may read and push everything over HTTP; it is a secret.
    pub fn push_token(&self) -> &str {
        &self.inner.push_token
    }

    /// The address of a repository for `git clone` and `git push`.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn clone_url(&self, repository: u64) -> Result<String, ForgeError> {
        let state = self.state();
        Ok(format!("{}/{}.git", self.inner.links.html, state.full_name(state.repository(repository)?)))
    }

    /// The REST API, git over HTTP and the pages, to be mounted at `public_url`.
    pub fn router(&self) -> axum::Router {
        http::router(self)
    }

    /// What was asked of the forge that GitHub would have refused.
    pub fn violations(&self) -> Vec<Violation> {
        self.state().violations().to_vec()
    }

    /// Forgets the violations, for a test that caused some on purpose.
    pub fn clear_violations(&self) {
        self.state().clear_violations();
    }

    fn now(&self) -> Timestamp {
        (self.inner.config.clock)()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

impl std::fmt::Debug for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forge").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// Locks; a panic of another holder does not matter, as every change is one row at a time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
