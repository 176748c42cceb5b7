//! An instance on this machine: the system behind its front door, the embedded forge, and agents in processes of their own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use quillon_forge::{Forge, ForgeConfig};
use quillon_runtime::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::{Host, Url};

use super::Common;
use super::data::{Contact, Data};
use super::github::{ForgeChoice, InstanceSettings};
use crate::cloud::Due;
use crate::engine::Storage;
use crate::engine::server::AccessKey;
use crate::system::{Gateway, Origins, System, people};
use crate::template::Parameters;

/// How long agents may take to give their work back when the instance stops.
const FAREWELL: Duration = Duration::from_secs(15);

/// How long an answer follows a running trace: a day, longer than any run.
const FOLLOW_S: u32 = 86_400;

/// What an instance is started with.
pub(crate) struct Plan {
    pub(crate) common: Common,
    pub(crate) data: Data,
    pub(crate) settings: InstanceSettings,
    pub(crate) auto_claim: bool,
    pub(crate) run_forks: bool,
    pub(crate) run_as: Option<String>,
    pub(crate) dagger: Option<PathBuf>,
    pub(crate) heartbeat_s: u32,
}

/// A running instance.
pub(crate) struct Instance {
    pub(crate) system: Arc<System>,
    pub(crate) forge: Option<Forge>,
    pub(crate) url: Url,
    pub(crate) sign_in: String,
    /// What the forge asks for before somebody may be one of its people; none where only this machine reaches it.
    pub(crate) forge_key: Option<String>,
    data: Data,
    agents: Vec<Child>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Instance {
    /// Starts everything; what was under way when the last instance of the directory ended goes on.
    pub(crate) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let listen = plan.common.listen;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on `{listen}`: stop what uses it, or choose another address with `--listen`"))?;
        let address = listener.local_addr()?;
        let local_url = local_url(address)?;
        let url = plan.settings.public_url.clone().unwrap_or_else(|| local_url.clone());
        let clock = Clock::system();
        let webhook_secret = plan.data.secret("webhook-secret")?;
        let forge_key = if is_reached_by_others(listen, &url) { Some(plan.data.secret("forge-key")?) } else { None };
        let forge = match &plan.settings.forge {
            ForgeChoice::Embedded => Some(open_forge(&plan, &url, &local_url, &webhook_secret, &clock, forge_key.clone()).await?),
            ForgeChoice::Github(_) => None,
        };
        let parameters = parameters(&plan, forge.as_ref(), &url, &webhook_secret);
        let storage = Storage::Directory(plan.data.cloud());
        let system = Arc::new(System::open(&parameters, &storage, clock).await?);

        let (stop, stopping) = watch::channel(false);
        let control = AccessKey { id: plan.data.secret("control-key")?, secret: "unused".to_owned() };
        let gateway =
            Gateway { system: Arc::clone(&system), origins: Origins::new(&url, address), forge: forge.clone(), control: control.clone() };
        let serving = gateway.serve(listener, stopping.clone());
        let mut tasks = vec![tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the listener failed");
            }
        })];
        tasks.push(tokio::spawn(Arc::clone(&system).run(stopping)));
        let operator_key = operator_key(&system).await?;
        plan.data.announce(&Contact {
            url: local_url.clone(),
            operator_key: operator_key.clone(),
            access_key: control.id,
            push_token: forge.as_ref().map(|forge| forge.push_token().to_owned()),
            pid: std::process::id(),
        })?;
        let mut instance = Self {
            system,
            forge,
            sign_in: format!("{}/operator/sign-in?key={operator_key}", url.as_str().trim_end_matches('/')),
            forge_key,
            url,
            data: plan.data.clone(),
            agents: vec![],
            stop,
            tasks,
        };
        instance.catch_up();
        for number in 1..=plan.common.agents {
            let agent = instance.start_agent(&plan, number, &local_url, &operator_key).await?;
            instance.agents.push(agent);
        }
        Ok(instance)
    }

    /// Waits until the instance is asked to stop (Ctrl-C, or SIGTERM from a service manager).
    pub(crate) async fn wait(&mut self) -> anyhow::Result<()> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
        Ok(())
    }

    /// Stops everything: agents give back what they work on, open requests are answered.
    pub(crate) async fn stop(mut self) {
        for agent in &self.agents {
            if let Some(pid) = agent.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
                // It may have ended by itself.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for agent in &mut self.agents {
            if tokio::time::timeout(FAREWELL, agent.wait()).await.is_err() {
                let _ = agent.kill().await;
            }
        }
        self.data.withdraw();
        // Everybody may be gone already.
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = tokio::time::timeout(FAREWELL, task).await;
        }
    }

    /// What became overdue, or was delivered to nobody, while no instance ran.
    fn catch_up(&self) {
        let system = Arc::clone(&self.system);
        tokio::spawn(async move {
            for schedule in ["sweep", "reconcile"] {
                let due =
                    Due { function: "Scheduler".to_owned(), name: schedule.to_owned(), input: json!({ "schedule": schedule }).to_string() };
                if let Err(error) = system.fire(&due).await {
                    tracing::warn!(%error, schedule, "catching up failed, the schedule tries again");
                }
            }
        });
    }

    async fn start_agent(&self, plan: &Plan, number: usize, server: &Url, operator_key: &str) -> anyhow::Result<Child> {
        let directory = plan.data.agent(number)?;
        let token = self.enrolment(operator_key).await?;
        let token = plan.data.write(&format!("agents/{number}/enrolment"), &token)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("agent")
            .args(["--server", server.as_str().trim_end_matches('/')])
            .args(["--name", &format!("local-{number}")])
            .args(["--jobs", &plan.common.jobs.to_string()])
            .arg("--stop-with-stdin")
            .arg("--identity")
            .arg(directory.join("identity.json"))
            .arg("--work-dir")
            .arg(directory.join("work"))
            .arg("--enrol-token-file")
            .arg(token);
        if plan.run_forks {
            command.arg("--run-forks");
        }
        if let Some(dagger) = &plan.dagger {
            command.arg("--dagger").arg(dagger);
        }
        if let Some(user) = &plan.run_as {
            command.args(["--run-as", user]);
        }
        // Held open as long as this process lives: an agent whose `up` was killed ends too.
        command.stdin(Stdio::piped()).kill_on_drop(true);
        command.spawn().context("cannot start an agent")
    }

    /// A one-time token, from the same API that agents elsewhere get theirs from.
    async fn enrolment(&self, operator_key: &str) -> anyhow::Result<String> {
        let request = http::Request::post("/operator/v1/agent-enrolments")
            .header(http::header::AUTHORIZATION, format!("Bearer {operator_key}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Bytes::from_static(b"{}"))?;
        let answer = self.system.http(request).await;
        let body: Value = serde_json::from_slice(answer.body())?;
        Ok(body["token"].as_str().with_context(|| format!("no enrolment token: {body}"))?.to_owned())
    }
}

async fn operator_key(system: &System) -> anyhow::Result<String> {
    let settings = system.settings("Api");
    let arn = settings.reader().required("SESSION_SECRET_ARN");
    let secrets = quillon_secrets::Secrets::new(aws_sdk_secretsmanager::Client::new(&system.cloud().engines().sdk_config()));
    let key = secrets.instance_key(&arn, system.cloud().clock().now()).await?;
    Ok(key.operator_key().expose().clone())
}

async fn open_forge(
    plan: &Plan,
    url: &Url,
    local_url: &Url,
    webhook_secret: &str,
    clock: &Clock,
    forge_key: Option<String>,
) -> anyhow::Result<Forge> {
    let clock = clock.clone();
    let below = |base: &Url, path: &str| Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/')));
    let mut config = ForgeConfig::new(
        plan.data.forge(),
        below(url, "forge")?,
        below(local_url, "github/webhook")?,
        webhook_secret,
        Arc::new(move || clock.now()),
    );
    config.private_pages = false;
    config.callback_urls = vec![below(url, "auth/github/callback")?];
    config.setup_url = Some(below(url, "github/setup")?);
    config.people_key = forge_key;
    let forge = Forge::open(config).await.context("the embedded forge does not open")?;
    people::introduce(&forge).context("the embedded forge does not keep its people")?;
    Ok(forge)
}

fn parameters(plan: &Plan, forge: Option<&Forge>, url: &Url, webhook_secret: &str) -> Parameters {
    let plain = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    let parameters = Parameters::new()
        .with("PublicUrl", plain(url))
        .with("AutoClaim", plan.auto_claim.to_string())
        .with("RunForks", plan.run_forks.to_string())
        .with("HeartbeatS", plan.heartbeat_s.to_string())
        // Answers stream here: whoever watches a run watches it to its end.
        .with("FollowS", FOLLOW_S.to_string());
    let parameters = plan.settings.policy.added_to(plan.settings.billing.added_to(plan.settings.sign_in.added_to(parameters)));
    match (&plan.settings.forge, forge) {
        (ForgeChoice::Github(github), _) => {
            let previous = github.previous_webhook_secret.as_ref().map_or("", |secret| secret.expose().as_str());
            let parameters = match &github.client {
                Some(client) => {
                    parameters.with("GithubClientId", client.id.clone()).with_json_text("GithubClientSecret", client.secret.expose())
                }
                None => parameters,
            };
            parameters
                .with("GithubApiUrl", plain(&github.api_url))
                .with("GithubUrl", plain(&github.web_url))
                .with("GithubAppId", github.app_id.to_string())
                .with("GithubAppSlug", github.app_slug.clone().unwrap_or_default())
                .with_json_text("GithubAppPrivateKey", github.private_key.expose())
                .with_json_text("GithubWebhookSecret", github.webhook_secret.expose())
                .with_json_text("GithubWebhookSecretPrevious", previous)
        }
        (ForgeChoice::Embedded, Some(forge)) => parameters
            .with("GithubApiUrl", forge.api_url())
            .with("GithubUrl", format!("{}/forge", plain(url)))
            .with("GithubAppId", forge.app_id().to_string())
            .with("GithubClientId", forge.client_id())
            .with_json_text("GithubClientSecret", forge.client_secret())
            .with("GithubAppSlug", forge.app_slug())
            .with_json_text("GithubAppPrivateKey", forge.app_private_key_pem())
            .with_json_text("GithubWebhookSecret", webhook_secret),
        (ForgeChoice::Embedded, None) => parameters,
    }
}

/// Whether more than this machine can reach the pages.
fn is_reached_by_others(listen: SocketAddr, url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    !is_here || !listen.ip().is_loopback()
}

fn local_url(address: SocketAddr) -> anyhow::Result<Url> {
    // Whoever listens everywhere is reached on loopback too.
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { host_of(address) };
    Ok(Url::parse(&format!("http://{host}:{}", address.port()))?)
}

fn host_of(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}
