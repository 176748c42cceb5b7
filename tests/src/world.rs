//! The world: system, forge, agents and clock, and what happens in it.

use std::sync::{Arc, OnceLock};

use std::time::Duration;

use jiff::Timestamp;
use quillon::cloud::Due;
use quillon::engine::Storage;
use quillon::system::System;
use quillon::template::Parameters;
use quillon_core::commit::Commit;
use quillon_core::id::{AttemptId, CommitSha, RepositoryId};
use quillon_core::name::Task;
use quillon_core::retention::Retention;
use quillon_core::run::CommitKey;
use quillon_forge::{
    Account, AccountKind, Delivery, FileChange, Forge, ForgeConfig, Installation, NewPull, Person, Pull, Repository, Selection, Sink,
};
use quillon_runtime::Clock;
use quillon_secrets::InstanceKey;
use quillon_test_vendors::stripe::Stripe;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

use crate::agent::{self, Behaviour, ScriptedAgent};

/// More rounds than this without coming to rest is a loop.
const MAX_ROUNDS: usize = 3_000;

/// The address that everything believes to be reached at.
const PUBLIC_URL: &str = "http://quillon.test";

const WEBHOOK_SECRET: &str = "a secret of the scenarios";

/// How a world is made.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whether an installation gets the org of its account's name by itself.
    pub auto_claim: bool,
    /// Whether the instance runs forks.
    pub run_forks: bool,
    /// How many statuses the forge takes per commit and context.
    pub status_limit: u64,
    /// How often a new pull request's mergeability is not known yet.
    pub mergeable_nulls: u32,
    /// Kilobytes of telemetry per second and credential.
    pub ingest_kb_per_s: u32,
    /// How many seconds answers follow a running trace; 0 where they cannot stream.
    pub follow_s: u32,
    /// Whether plans are paid for, at a Stripe of the world's own.
    pub bills: bool,
    /// How long things are kept.
    pub retention: Retention,
    /// Where the system keeps its state; in memory without one.
    pub storage: Storage,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            auto_claim: true,
            run_forks: false,
            status_limit: 1_000,
            mergeable_nulls: 0,
            ingest_kb_per_s: 4_096,
            follow_s: 0,
            bills: false,
            retention: Retention::default(),
            storage: Storage::Memory,
        }
    }
}

/// The world of one scenario: one org `acme` with one repository `acme/app`, and an agent.
pub struct World {
    /// The system.
    pub system: Arc<System>,
    /// The forge.
    pub forge: Forge,
    /// The agent; it works in every round.
    pub agent: ScriptedAgent,
    /// The clock of everything.
    pub clock: Clock,
    /// The account `acme`.
    pub account: Account,
    /// The installation on it.
    pub installation: Installation,
    /// The repository `acme/app`.
    pub repository: Repository,
    /// The operator's key.
    pub operator_key: String,
    /// Who takes the payments, where anything is paid for.
    pub stripe: Option<Stripe>,
    commits: u32,
    remembered: Option<(AttemptId, String)>,
    _directory: TempDir,
}

impl World {
    /// A world with the defaults.
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// A world made like this.
    pub async fn with(setup: Setup) -> Self {
        let directory = TempDir::new().expect("a directory");
        let clock = Clock::manual("2026-11-22T12:00:00Z".parse().expect("a time"));
        let forge = open_forge(&directory, &clock, &setup).await;
        let hands = clock.clone();
        let stripe = if setup.bills { Some(Stripe::start(Arc::new(move || hands.now())).await) } else { None };
        let system = Arc::new(open_system(&forge, &clock, &setup, stripe.as_ref()).await);
        forge.set_sink(receiver(&system));
        let account = forge.create_account("acme", AccountKind::Organization).expect("an account");
        let installation = forge.install(account.id, Selection::All).expect("an installation");
        let repository = forge.create_repository(account.id, "app", false).await.expect("a repository");
        let operator_key = operator_key(&system).await;
        let mut agent = ScriptedAgent::enrol(&system, &operator_key, "scripted", true).await;
        agent.module_has(".", &["app:lint"]);
        let mut world = Self {
            system,
            forge,
            agent,
            clock,
            account,
            installation,
            repository,
            operator_key,
            stripe,
            commits: 0,
            remembered: None,
            _directory: directory,
        };
        world.settle().await;
        world
    }

    /// The same world after its process died and came back: tables, queues and forge are as they were left.
    pub async fn restart(&mut self, setup: &Setup) {
        // The directory has one owner at a time: the old system has to be gone before the new one comes.
        self.live_in(open_system(&self.forge, &self.clock, &Setup::default(), None).await);
        self.live_in(open_system(&self.forge, &self.clock, setup, self.stripe.as_ref()).await);
    }

    fn live_in(&mut self, system: System) {
        self.system = Arc::new(system);
        self.forge.set_sink(receiver(&self.system));
    }

    /// Commits a module (`dagger.json` at the root) to a branch and pushes it.
    pub async fn push(&mut self, branch: &str) -> CommitSha {
        self.push_modules(branch, &["dagger.json"]).await
    }

    /// Commits these manifests to a branch and pushes them.
    pub async fn push_modules(&mut self, branch: &str, manifests: &[&str]) -> CommitSha {
        let sha = self.commit(branch, manifests).await;
        if self.forge.head(self.repository.id, branch).is_some() {
            self.forge.push(self.repository.id, branch, sha.as_str()).await.expect("a push");
        } else {
            self.forge.push(self.repository.id, branch, sha.as_str()).await.expect("a new branch");
        }
        sha
    }

    /// Writes a commit on top of a branch (of `main`, where the branch is new) without pushing it.
    pub async fn commit(&mut self, branch: &str, manifests: &[&str]) -> CommitSha {
        self.commits += 1;
        let number = self.commits.to_string();
        let mut changes: Vec<FileChange<'_>> = manifests.iter().map(|path| FileChange::write(path, "{\"name\":\"app\"}\n")).collect();
        let file = format!("file-{number}");
        changes.push(FileChange::write(&file, &number));
        let parent = self.forge.head(self.repository.id, branch).or_else(|| self.forge.head(self.repository.id, "main"));
        let message = format!("change {number}");
        let sha = self.forge.commit_on(self.repository.id, parent.as_deref(), &changes, &message, &author()).await.expect("a commit");
        sha.parse().expect("a sha")
    }

    /// Commits one file to a branch and pushes it.
    pub async fn push_file(&mut self, branch: &str, path: &str, text: &str) -> CommitSha {
        let parent = self.forge.head(self.repository.id, branch).or_else(|| self.forge.head(self.repository.id, "main"));
        let changes = [FileChange::write(path, text)];
        let sha = self.forge.commit_on(self.repository.id, parent.as_deref(), &changes, "a file", &author()).await.expect("a commit");
        self.forge.push(self.repository.id, branch, &sha).await.expect("a push");
        sha.parse().expect("a sha")
    }

    /// Opens a pull request.
    pub async fn open_pull(&self, head: &str, base: &str) -> Pull {
        self.forge.open_pull(NewPull::new(self.repository.id, head, base, "a change")).await.expect("a pull request")
    }

    /// From now on the module at the root has these checks.
    pub fn module_has(&mut self, checks: &[&str]) {
        self.agent.module_has(".", checks);
    }

    /// From now on a check behaves like this.
    pub fn check(&mut self, name: &str, behaviour: Behaviour) {
        self.agent.check_behaves(name, behaviour);
    }

    /// Pumps until nothing moves: deliveries, queues, agent.
    pub async fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let delivered = self.forge.deliver_all().await.expect("deliveries");
            if delivered + self.drain().await + self.agent.work(&self.system).await == 0 {
                return;
            }
        }
        panic!("the world does not come to rest: {:?}", self.system.cloud().queue_depths().await);
    }

    /// Handles messages until the queues have none that is visible; says how many there were.
    pub async fn drain(&self) -> usize {
        let mut handled = 0;
        for _ in 0..MAX_ROUNDS {
            match self.system.step().await {
                0 => return handled,
                more => handled += more,
            }
        }
        panic!("the queues do not run empty: {:?}", self.system.cloud().queue_depths().await);
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Fires a schedule of the template.
    pub async fn fire(&self, schedule: &str) -> Result<(), String> {
        let due = Due { function: "Scheduler".to_owned(), name: schedule.to_owned(), input: json!({ "schedule": schedule }).to_string() };
        self.system.fire(&due).await
    }

    /// Lets minutes pass, one after the other, as the schedules would see them: sweep, then whatever follows.
    pub async fn pass_minutes(&mut self, minutes: u32) {
        for _ in 0..minutes {
            self.advance(Duration::from_secs(60));
            // A sweep that fails is repeated by the next one, as the schedule would.
            let _ = self.fire("sweep").await;
            self.settle().await;
        }
    }

    /// Everything stored about a commit.
    pub async fn stored(&self, sha: &CommitSha) -> Commit {
        self.system.store().commit(&self.key(sha)).await.expect("a commit")
    }

    /// The key of a commit of `acme/app`.
    pub fn key(&self, sha: &CommitSha) -> CommitKey {
        CommitKey { repository: RepositoryId(self.repository.id), sha: sha.clone() }
    }

    /// A GraphQL request with the operator's key; its data.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        let answer = agent::post(&self.system, "/query", &self.operator_key, &json!({ "query": query, "variables": variables })).await;
        let body = agent::body(&answer);
        assert!(body["errors"].is_null(), "{body}");
        body["data"].clone()
    }

    /// The id of the org `acme`.
    pub async fn org_id(&self) -> String {
        let answer = self.graphql("{ user { orgs { id name } } }", json!({})).await;
        let orgs = answer["user"]["orgs"].as_array().expect("orgs").clone();
        orgs.iter().find(|org| org["name"] == "acme").expect("the org acme")["id"].as_str().expect("an id").to_owned()
    }

    /// Asserts what is true at the end of every scenario: the forge was asked nothing illegal, and no message is left over.
    pub async fn finish(self) {
        assert_eq!(self.forge.violations(), vec![], "the forge was asked something that GitHub would refuse");
        let left: Vec<_> = self
            .system
            .cloud()
            .queue_depths()
            .await
            .into_iter()
            .filter(|depth| depth.logical_id != "OffersQueue" && !depth.is_empty())
            .collect();
        assert!(left.is_empty(), "messages are left over: {left:?}");
    }
}

fn receiver(system: &Arc<System>) -> Sink {
    let system = Arc::clone(system);
    Sink::handler(move |request| {
        let system = Arc::clone(&system);
        async move { system.http(request).await }
    })
}

fn author() -> Person {
    Person::new("Ada Lovelace", "ada@acme.example")
}

async fn open_forge(directory: &TempDir, clock: &Clock, setup: &Setup) -> Forge {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let public_url = Url::parse(&format!("http://{address}/forge")).expect("a url");
    let webhook_url = Url::parse(&format!("{PUBLIC_URL}/github/webhook")).expect("a url");
    let hands = clock.clone();
    let mut config =
        ForgeConfig::new(directory.path().join("forge"), public_url, webhook_url, WEBHOOK_SECRET, Arc::new(move || hands.now()));
    config.delivery = Delivery::Held;
    config.mergeable_nulls = setup.mergeable_nulls;
    config.status_limit = setup.status_limit;
    // Client libraries sign with the machine's time.
    let machine = Clock::system();
    config.jwt_clock = Some(Arc::new(move || machine.now()));
    // Making an RSA key takes longer than most scenarios: one serves them all.
    static KEY: OnceLock<String> = OnceLock::new();
    config.app_private_key_pem = KEY.get().cloned();
    let forge = Forge::open(config).await.expect("a forge");
    KEY.get_or_init(|| forge.app_private_key_pem().to_owned());
    let router = axum::Router::new().nest_service("/forge", forge.router());
    tokio::spawn(async move { axum::serve(listener, router).await });
    forge
}

async fn open_system(forge: &Forge, clock: &Clock, setup: &Setup, stripe: Option<&Stripe>) -> System {
    let mut parameters = Parameters::new()
        .with("PublicUrl", PUBLIC_URL)
        .with("GithubApiUrl", forge.api_url())
        .with("GithubUrl", forge.api_url().trim_end_matches("/api/v3"))
        .with("GithubAppId", forge.app_id().to_string())
        .with_json_text("GithubAppPrivateKey", forge.app_private_key_pem())
        .with_json_text("GithubWebhookSecret", WEBHOOK_SECRET)
        .with("AutoClaim", setup.auto_claim.to_string())
        .with("RunForks", setup.run_forks.to_string())
        .with("IngestKbPerS", setup.ingest_kb_per_s.to_string())
        .with("FollowS", setup.follow_s.to_string())
        .with("TraceDays", setup.retention.traces.to_string())
        .with("CheckDays", setup.retention.checks.to_string())
        .with("LeaseWaitMs", "0");
    if let Some(stripe) = stripe {
        parameters = parameters
            .with("BillingMode", "stripe")
            .with("StripeApiUrl", stripe.url())
            .with("StripePriceTeam", stripe.price())
            .with("StripeSecretKey", stripe.key())
            .with("StripeWebhookSecret", stripe.webhook_secret());
    }
    System::open(&parameters, &setup.storage, clock.clone()).await.expect("a system")
}

async fn operator_key(system: &System) -> String {
    instance_key(system).await.operator_key().expose().clone()
}

/// The key that credentials of this instance are derived from.
pub(crate) async fn instance_key(system: &System) -> InstanceKey {
    let settings = system.settings("Api");
    let arn = settings.reader().required("SESSION_SECRET_ARN");
    let secrets = quillon_secrets::Secrets::new(system.cloud().engines().secrets_client());
    secrets.instance_key(&arn, Timestamp::UNIX_EPOCH).await.expect("an instance key")
}

impl World {
    /// The key that forms and credentials of this instance are signed with.
    pub async fn instance_key(&self) -> InstanceKey {
        instance_key(&self.system).await
    }

    /// The id of the newest attempt of a task of a commit's newest run, with its number.
    pub async fn attempt(&self, sha: &CommitSha, label: &str) -> (AttemptId, u32) {
        let stored = self.stored(sha).await;
        let run = stored.runs.last().expect("a run");
        let latest = stored.latest(&run.key);
        let is_it = |task: &Task| match task {
            Task::Load => label == "load",
            Task::Check(name) => name.as_str() == label || name.without_module() == label,
        };
        let attempt = latest.iter().find(|attempt| is_it(&attempt.key.task)).unwrap_or_else(|| panic!("no `{label}` in {sha}"));
        (attempt.id, attempt.key.number)
    }

    /// Asks for a rerun of a check, as the CLI does; the new attempts' ids.
    pub async fn rerun_id(&self, id: AttemptId) -> Vec<Value> {
        let query = "mutation($org: ID!, $ids: [ID!]!) { rerunChecks(org: $org, checkIds: $ids) { id name status } }";
        let answer = self.graphql(query, json!({ "org": self.org_id().await, "ids": [id] })).await;
        answer["rerunChecks"].as_array().expect("checks").clone()
    }

    /// Reruns a check of a commit.
    pub async fn rerun(&self, sha: &CommitSha, label: &str) {
        let (id, _) = self.attempt(sha, label).await;
        assert_eq!(self.rerun_id(id).await.len(), 1, "`{label}` was not rerun");
    }

    /// Reruns every check of a commit that did not succeed.
    pub async fn rerun_failed(&self, sha: &CommitSha) {
        let stored = self.stored(sha).await;
        let run = stored.runs.last().expect("a run");
        let workflow = &self.system.functions().scheduler.workflow;
        let failed = workflow.failed(&run.key).await.expect("the failed ones");
        let made = workflow.rerun(&failed, "ada", false, self.clock.now()).await.expect("a rerun");
        assert_eq!(made.len(), failed.len());
    }

    /// Remembers the newest attempt of a check, for [`Self::insist_on_rerun`].
    pub async fn remember_check(&mut self, sha: &CommitSha, label: &str) {
        self.remembered = Some((self.attempt(sha, label).await.0, self.org_id().await));
    }

    /// Reruns the remembered check the way a person does: again when the server says that it failed. Reads nothing itself, so
    /// that whatever fails meanwhile fails in the system.
    pub async fn insist_on_rerun(&self) {
        let (id, org) = self.remembered.as_ref().expect("a remembered check");
        let query = "mutation($org: ID!, $ids: [ID!]!) { rerunChecks(org: $org, checkIds: $ids) { id } }";
        for _ in 0..5 {
            // An empty list means that it is under way: the answer of the time before was lost.
            if self.try_graphql(query, json!({ "org": org, "ids": [id] })).await.is_some() {
                return;
            }
        }
        panic!("the check was never rerun");
    }

    async fn try_graphql(&self, query: &str, variables: Value) -> Option<Value> {
        let answer = agent::post(&self.system, "/query", &self.operator_key, &json!({ "query": query, "variables": variables })).await;
        let body: Value = serde_json::from_slice(answer.body()).ok()?;
        body["errors"].is_null().then(|| body["data"].clone())
    }

    /// Reruns a failed load.
    pub async fn rerun_load(&self, id: AttemptId) {
        let query = "mutation($org: ID!, $id: ID!) { rerunLoad(org: $org, checkId: $id) { id status } }";
        self.graphql(query, json!({ "org": self.org_id().await, "id": id })).await;
    }

    /// Cancels a check of a commit.
    pub async fn cancel(&self, sha: &CommitSha, label: &str) {
        let (id, _) = self.attempt(sha, label).await;
        let query = "mutation($org: ID!, $ids: [ID!]!) { cancelChecks(org: $org, checkIds: $ids) { id status } }";
        let answer = self.graphql(query, json!({ "org": self.org_id().await, "ids": [id] })).await;
        assert_eq!(answer["cancelChecks"].as_array().map(Vec::len), Some(1), "`{label}` was not cancelled");
    }

    /// Replaces the settings of `acme/app`.
    pub async fn set_repository(&self, settings: Value) {
        self.operator("PUT", "/operator/v1/repositories/acme/app/settings", &settings).await;
    }

    /// Replaces the settings of `acme/app` before anything was pushed to it.
    pub async fn set_repository_first(&mut self, settings: Value) {
        self.push_modules("main", &["README.md"]).await;
        self.settle().await;
        self.set_repository(settings).await;
    }

    /// Sets how many checks of `acme` run at once.
    pub async fn limit_concurrency(&self, limit: u32) {
        self.operator("PUT", "/operator/v1/orgs/acme", &json!({ "concurrency": limit })).await;
    }

    async fn operator(&self, method: &str, path: &str, body: &Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::AUTHORIZATION, format!("Bearer {}", self.operator_key))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(bytes::Bytes::from(body.to_string()))
            .expect("a request");
        let answer = self.system.http(request).await;
        assert!(answer.status().is_success(), "{path}: {} {}", answer.status(), String::from_utf8_lossy(answer.body()));
    }
}
