//! A GitHub look-alike on a port of its own, for the few calls that ask GitHub.

use std::sync::Arc;

use quillon_forge::{Forge, ForgeConfig};
use quillon_runtime::Clock;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::world::GithubAt;

/// The forge, served until it is dropped.
pub(crate) struct Hosted {
    pub(crate) forge: Forge,
    /// Where it is.
    pub(crate) github: GithubAt,
    server: JoinHandle<std::io::Result<()>>,
    _directory: TempDir,
}

impl Hosted {
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let web = format!("http://{}", listener.local_addr().expect("an address"));
        let url: url::Url = web.parse().expect("a url");
        let clock = Clock::system();
        let hook = url.join("/hook").expect("a url");
        let config = ForgeConfig::new(directory.path().to_owned(), url, hook, "secret", Arc::new(move || clock.now()));
        let forge = Forge::open(config).await.expect("a forge");
        let router = forge.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let github = GithubAt { api: forge.api_url().to_owned(), web, key: forge.app_private_key_pem().to_owned() };
        Self { forge, github, server, _directory: directory }
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.server.abort();
    }
}
