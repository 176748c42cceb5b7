//! A forge on a loopback port, and the App that talks to it.

use std::sync::Arc;

use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::id::{AppId, CommitSha, InstallationId, RepositoryId};
use quillon_forge::{AccountKind, FileChange, Forge, ForgeConfig, Installation, Person, Repository, RequestInfo, Selection, Sink};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::app::{App, AppSettings, InstallationClient};

/// One key for all tests: making one takes longer than the tests themselves.
static KEY: OnceCell<String> = OnceCell::const_new();

/// An organization `acme` with the App on it and a private repository `hello`.
pub(super) struct World {
    pub(super) forge: Forge,
    pub(super) installed: Installation,
    pub(super) hello: Repository,
    pub(super) settings: AppSettings,
    pub(super) app: App,
    server: JoinHandle<()>,
    _root: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut ForgeConfig)) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut config = config(root.path(), &url);
        config.app_private_key_pem = Some(KEY.get_or_init(new_key).await.clone());
        change(&mut config);
        let forge = Forge::open(config).await.expect("a forge");
        forge.set_sink(Sink::handler(|_| async { http::Response::new(axum::body::Bytes::new()) }));
        let router = forge.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        let acme = forge.create_account("acme", AccountKind::Organization).expect("an account");
        let hello = forge.create_repository(acme.id, "hello", true).await.expect("a repository");
        let installed = forge.install(acme.id, Selection::All).expect("an installation");
        let settings = AppSettings {
            api_url: forge.api_url().to_owned(),
            web_url: url,
            app_id: AppId(forge.app_id()),
            private_key: Sensitive::new(forge.app_private_key_pem().to_owned()),
        };
        let app = App::new(&settings).expect("good settings");
        Self { forge, installed, hello, settings, app, server, _root: root }
    }

    pub(super) fn installation(&self) -> InstallationId {
        InstallationId(self.installed.id)
    }

    pub(super) fn client(&self) -> InstallationClient {
        self.app.installation(self.installation())
    }

    pub(super) fn repository(&self) -> RepositoryId {
        RepositoryId(self.hello.id)
    }

    /// Commits one file to a branch of `hello` and pushes it.
    pub(super) async fn push(&self, branch: &str, path: &str) -> CommitSha {
        let changes = [FileChange::write(path, "hello\n")];
        let pushed = self.forge.commit_and_push(self.hello.id, branch, &changes, &format!("Add {path}\n\nBody."), &ada()).await;
        pushed.expect("pushed").parse().expect("a SHA")
    }

    /// Requests whose path contains a text.
    pub(super) fn asked(&self, part: &str) -> Vec<RequestInfo> {
        self.forge.requests().into_iter().filter(|request| request.path.contains(part)).collect()
    }

    pub(super) fn assert_no_violations(&self) {
        assert_eq!(self.forge.violations(), []);
    }
}

pub(super) fn ada() -> Person {
    Person::new("Ada", "ada@example.com")
}

fn config(root: &std::path::Path, url: &str) -> ForgeConfig {
    #[expect(clippy::disallowed_methods, reason = "octocrab dates its JWT and its tokens by the machine's clock")]
    let clock = || Timestamp::now();
    let public = url.parse().expect("a URL");
    let webhook = "http://127.0.0.1:1/github/webhook".parse().expect("a URL");
    ForgeConfig::new(root.to_owned(), public, webhook, "secret", Arc::new(clock))
}

/// A key as the forge makes it.
pub(super) async fn new_key() -> String {
    let root = tempfile::tempdir().expect("a directory");
    let forge = Forge::open(config(root.path(), "http://forge.example")).await.expect("a forge");
    forge.app_private_key_pem().to_owned()
}
