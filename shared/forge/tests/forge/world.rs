//! A forge on a loopback port with a receiver of webhooks, and the clients that talk to it.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use octocrab::{Octocrab, models::AppId};
use quillon_forge::{Account, AccountKind, Delivery, FileChange, Forge, ForgeConfig, Installation, Person, Repository, Selection, Sink};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command, sync::OnceCell, task::JoinHandle};

pub(crate) const SECRET: &str = "it is a secret to everybody";

/// One key for all tests of a process: making one takes longer than the tests themselves.
static KEY: OnceCell<String> = OnceCell::const_new();

pub(crate) type Received = Arc<Mutex<Vec<Request<Bytes>>>>;

pub(crate) struct World {
    pub(crate) forge: Forge,
    pub(crate) received: Received,
    pub(crate) answers: Arc<Mutex<u16>>,
    pub(crate) acme: Account,
    pub(crate) installation: Installation,
    pub(crate) hello: Repository,
    pub(crate) base: String,
    now: Arc<AtomicI64>,
    root: Arc<TempDir>,
    server: Server,
}

/// A server that ends with its world.
struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl World {
    /// An organization `acme` with the App on all of it, and an empty public repository `hello`.
    pub(crate) async fn new() -> World {
        World::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ForgeConfig)) -> World {
        let root = Arc::new(tempfile::tempdir().unwrap());
        let now = Arc::new(AtomicI64::new(1_767_600_000));
        let (forge, base, server) = serve(root.path().to_owned(), &now, change).await;
        let (received, answers) = (Received::default(), Arc::new(Mutex::new(202)));
        let (inbox, status) = (received.clone(), answers.clone());
        forge.set_sink(Sink::handler(move |request| {
            inbox.lock().unwrap().push(request);
            let status = *status.lock().unwrap();
            async move { Response::builder().status(status).body(Bytes::from_static(b"thanks")).unwrap() }
        }));
        let acme = forge.create_account("acme", AccountKind::Organization).unwrap();
        let installation = forge.install(acme.id, Selection::All).unwrap();
        let hello = forge.create_repository(acme.id, "hello", false).await.unwrap();
        World { forge, received, answers, acme, installation, hello, base, now, root, server }
    }

    /// Stops the process that this world stands for, and starts it again on the same directory.
    pub(crate) async fn restarted(self) -> World {
        let World { forge, mut server, received, answers, acme, installation, hello, now, root, .. } = self;
        server.0.abort();
        // An aborted task answers with its cancellation.
        let _ = (&mut server.0).await;
        drop(forge);
        let (forge, base, server) = serve(root.path().to_owned(), &now, |config| config.delivery = Delivery::Held).await;
        World { forge, received, answers, acme, installation, hello, base, now, root, server }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Commits one file to a branch and pushes it.
    pub(crate) async fn push(&self, branch: &str, path: &str, contents: &str) -> String {
        let changes = [FileChange::write(path, contents)];
        self.forge.commit_and_push(self.hello.id, branch, &changes, &format!("Change {path}"), &mona()).await.unwrap()
    }

    /// octocrab as the App.
    pub(crate) fn app(&self) -> Octocrab {
        let builder = Octocrab::builder().base_uri(self.forge.api_url()).unwrap();
        builder.app_from_rsa_pem(AppId(self.forge.app_id()), self.forge.app_private_key_pem()).unwrap().build().unwrap()
    }

    /// octocrab as the installation on `acme`.
    pub(crate) fn octocrab(&self) -> Octocrab {
        self.app().installation(self.installation.id.into()).unwrap()
    }

    /// An installation token, as the API gives it out.
    pub(crate) async fn token(&self, body: Value) -> String {
        let path = format!("/app/installations/{}/access_tokens", self.installation.id);
        let answer: Value = self.app().post(path, Some(&body)).await.unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    /// One call of the API with a token, without a client's help.
    pub(crate) async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> (u16, http::HeaderMap, Value) {
        let request = client().request(method, format!("{}/api/v3{path}", self.base)).bearer_auth(token).header("user-agent", "test");
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.unwrap();
        (status, headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// The webhooks received so far as `event` or `event.action`.
    pub(crate) async fn webhooks(&self) -> Vec<String> {
        self.forge.settle().await;
        let received = self.received.lock().unwrap();
        received
            .iter()
            .map(|request| {
                let body: Value = serde_json::from_slice(request.body()).unwrap();
                let event = request.headers()["x-github-event"].to_str().unwrap().to_owned();
                body["action"].as_str().map_or(event.clone(), |action| format!("{event}.{action}"))
            })
            .collect()
    }

    pub(crate) fn assert_no_violations(&self) {
        assert_eq!(self.forge.violations(), []);
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.root.path().to_owned()
    }
}

async fn serve(root: PathBuf, now: &Arc<AtomicI64>, change: impl FnOnce(&mut ForgeConfig)) -> (Forge, String, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let now = now.clone();
    let clock = Arc::new(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap());
    let webhook = "http://127.0.0.1:1/github/webhook".parse().unwrap();
    let mut config = ForgeConfig::new(root.join("forge"), base.parse().unwrap(), webhook, SECRET, clock);
    config.app_private_key_pem = Some(KEY.get_or_init(new_key).await.clone());
    #[expect(clippy::disallowed_methods, reason = "octocrab dates its JWT by the system's clock")]
    let system = || Timestamp::now();
    config.jwt_clock = Some(Arc::new(system));
    change(&mut config);
    let forge = Forge::open(config).await.unwrap();
    let router = forge.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (forge, base, Server(server))
}

/// A key as the forge makes it.
async fn new_key() -> String {
    let root = tempfile::tempdir().unwrap();
    let url: url::Url = "http://forge.example/".parse().unwrap();
    let config = ForgeConfig::new(root.path().to_owned(), url.clone(), url, SECRET, Arc::new(|| Timestamp::UNIX_EPOCH));
    Forge::open(config).await.unwrap().app_private_key_pem().to_owned()
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub(crate) fn mona() -> Person {
    Person::new("Mona Lisa", "mona@users.noreply.github.com")
}

/// Runs git as a user would, and answers what it said.
pub(crate) async fn git(directory: &std::path::Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .args(["-c", "user.name=Mona", "-c", "user.email=mona@example.com", "-c", "init.defaultBranch=main"])
        .args(args)
        .output()
        .await
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said.trim().to_owned()) } else { Err(said) }
}
