//! What is around a function on AWS, from the template: tables, queues, secrets; and a forge in the place of GitHub.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use quillon::cloud::Cloud;
use quillon::engine::Storage;
use quillon::engine::policy::Policy;
use quillon::engine::server::{AccessKey, serve_for};
use quillon::template::{BUNDLED, Function, Parameters, Template};
use quillon_forge::{AccountKind, Delivery, FileChange, Forge, ForgeConfig, Person, Selection};
use quillon_queue::{QueueUrls, Queues};
use quillon_runtime::Clock;
use quillon_store::{Store, Tables, TraceStore};
use quillon_workflow::Workflow;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

use crate::{RuntimeApi, Sandbox, development};

/// Where the template's layer is in a sandbox, and where their files are in this repository.
const MOUNTS: [(&str, &str); 1] = [("/opt/", concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/roots/"))];

/// An AWS account in which the template is deployed, its GitHub, and one repository there: `acme/hello`.
pub struct Account {
    /// Tables, queues and secrets.
    pub cloud: Cloud,
    /// GitHub.
    pub forge: Forge,
    /// The repository, which the App is installed on.
    pub repository: u64,
    /// That installation.
    pub installation: u64,
    /// The commit at its head, a module.
    pub head: String,
    _directory: TempDir,
}

impl Account {
    /// Deploys the template over engines in memory.
    ///
    /// The forge has the numbers that the files of `events/` name, because they were made in the same order.
    pub async fn open() -> Self {
        let directory = TempDir::new().expect("a directory");
        let clock = Clock::system();
        let forge = open_forge(&directory.path().join("forge"), &clock).await;
        let acme = forge.create_account("acme", AccountKind::Organization).expect("an account");
        forge.create_account("umbrella", AccountKind::Organization).expect("an account");
        let mona = forge.create_account("mona", AccountKind::User).expect("an account");
        forge.create_account("hubot", AccountKind::User).expect("an account");
        let forge = forge.acting_as(mona.id);
        let repository = forge.create_repository(acme.id, "hello", false).await.expect("a repository").id;
        let installation = forge.install(acme.id, Selection::Selected(vec![repository])).expect("an installation").id;
        let module = [FileChange::write("dagger.json", "{\"name\": \"hello\", \"engineVersion\": \"v0.21.0\"}\n")];
        let mona = Person::new("Mona Lisa", "mona@users.noreply.github.com");
        assert_eq!((repository, installation), (1005, 1006), "the files of events/ name these numbers");
        let head = forge.commit_and_push(repository, "main", &module, "Start the module", &mona).await.expect("a commit");

        let api_url = forge.api_url();
        let parameters = Parameters::new()
            .with("PublicUrl", development::PUBLIC_URL)
            .with("GithubApiUrl", api_url)
            .with("GithubUrl", api_url.trim_end_matches("/api/v3"))
            .with("GithubAppId", forge.app_id().to_string())
            .with("GithubClientId", forge.client_id())
            .with_json_text("GithubClientSecret", forge.client_secret())
            .with_json_text("GithubAppPrivateKey", forge.app_private_key_pem())
            .with_json_text("GithubWebhookSecret", development::WEBHOOK_SECRET)
            .with("AutoClaim", "true")
            .with("LeaseWaitMs", "0");
        let template = Template::parse(BUNDLED, &parameters).expect("the template");
        let cloud = Cloud::open(template, &Storage::Memory, clock).await.expect("the engines");
        let account = Self { cloud, forge, repository, installation, head, _directory: directory };
        account.use_the_development_key().await;
        account
    }

    /// The function with this logical id.
    #[must_use]
    pub fn function(&self, logical_id: &str) -> &Function {
        self.cloud.template().function(logical_id).unwrap_or_else(|| panic!("the template has no function `{logical_id}`"))
    }

    /// The tables, past every policy.
    #[must_use]
    pub fn store(&self) -> Store {
        let table = |id: &str| self.cloud.template().table(id).unwrap_or_else(|| panic!("the template has no table `{id}`")).name.clone();
        let tables = Tables { orgs: table("OrgsTable"), modules: table("ModulesTable"), checks: table("ChecksTable") };
        Store::new(self.cloud.engines().dynamodb_client(), tables)
    }

    /// The table of traces, past every policy.
    #[must_use]
    pub fn traces(&self) -> TraceStore {
        let table = self.cloud.template().table("TracesTable").unwrap_or_else(|| panic!("the template has no table of traces"));
        TraceStore::new(self.cloud.engines().dynamodb_client(), table.name.clone())
    }

    /// The write path, past every policy.
    #[must_use]
    pub fn workflow(&self) -> Workflow {
        let url = |id: &str| self.cloud.template().queue(id).map(quillon::template::Queue::url);
        let urls = QueueUrls {
            events: url("EventsQueue"),
            dispatch: url("DispatchQueue"),
            status: url("StatusQueue"),
            offers: url("OffersQueue"),
            seal: url("SealQueue"),
        };
        Workflow { store: self.store(), queues: Queues::new(self.cloud.engines().sqs_client(), urls) }
    }

    /// Takes what is visible in a queue: the bodies, in order of arrival.
    pub async fn take_messages(&self, queue: &str) -> Vec<Value> {
        let client = self.cloud.engines().sqs_client();
        let url = self.cloud.template().queue(queue).unwrap_or_else(|| panic!("the template has no queue `{queue}`")).url();
        let mut bodies = Vec::new();
        loop {
            let batch = client.receive_message().queue_url(&url).max_number_of_messages(10).send().await.expect("a queue");
            if batch.messages().is_empty() {
                return bodies;
            }
            for message in batch.messages() {
                bodies.push(serde_json::from_str(message.body().unwrap_or_default()).expect("a message of ours"));
                let handle = message.receipt_handle().unwrap_or_default();
                client.delete_message().queue_url(&url).receipt_handle(handle).send().await.expect("a queue");
            }
        }
    }

    /// Starts the binary of a function, with the environment and the rights that the template gives it.
    pub async fn start(&self, logical_id: &str, binary: impl AsRef<Path>) -> Sandbox {
        let environment = self.environment(logical_id).await;
        let api = RuntimeApi::open(&format!("arn:aws:lambda:{REGION}:000000000000:function:{logical_id}")).await;
        Sandbox::start(logical_id, binary.as_ref(), &environment, self.function(logical_id).timeout, api)
    }

    /// The environment of a function as its process sees it, the address of the Runtime API aside; what it names is served on
    /// loopback, and allows what the template's policies allow.
    pub async fn environment(&self, logical_id: &str) -> BTreeMap<String, String> {
        let function = self.function(logical_id);
        let policy = Policy { function: logical_id.to_owned(), statements: function.statements.clone() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let key = AccessKey::random();
        tokio::spawn(serve_for(listener, self.cloud.engines().clone(), key.clone(), policy));
        let reach = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", key.id),
            ("AWS_SECRET_ACCESS_KEY", key.secret),
            ("AWS_SESSION_TOKEN", "none".to_owned()),
        ];
        let mut environment = environment_of(function);
        environment.extend(self.cloud.environment(logical_id).into_iter().map(|(name, value)| (name, mounted(&value))));
        environment.extend(reach.map(|(name, value)| (name.to_owned(), value)));
        environment
    }

    /// Replaces the generated key of sessions by the one that the cookie in `events/web` was signed with.
    async fn use_the_development_key(&self) {
        let secret = self.cloud.environment("Web").remove("SESSION_SECRET_ARN").expect("the web function has a session secret");
        let value = serde_json::json!({ "key": development::SESSION_KEY }).to_string();
        let client = self.cloud.engines().secrets_client();
        client.put_secret_value().secret_id(secret).secret_string(value).send().await.expect("a secret");
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("cloud", &self.cloud).finish_non_exhaustive()
    }
}

/// The variables that Lambda itself sets, the Runtime API and the credentials aside.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
#[must_use]
pub fn environment_of(function: &Function) -> BTreeMap<String, String> {
    let name = &function.logical_id;
    let pairs = [
        ("_HANDLER", "bootstrap".to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]00000000000000000000000000000000".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

const REGION: &str = quillon::engine::connector::REGION;

/// A path of the sandbox as a path of this machine; any other text as it is.
fn mounted(value: &str) -> String {
    let found = MOUNTS.iter().find_map(|(there, here)| Some(format!("{here}{}", value.strip_prefix(there)?)));
    found.unwrap_or_else(|| value.to_owned())
}

async fn open_forge(root: &Path, clock: &Clock) -> Forge {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let public_url = Url::parse(&format!("http://{address}/forge")).expect("a url");
    let webhook_url = Url::parse(&format!("{}/github/webhook", development::PUBLIC_URL)).expect("a url");
    let hands = clock.clone();
    let mut config = ForgeConfig::new(root.to_owned(), public_url, webhook_url, development::WEBHOOK_SECRET, Arc::new(move || hands.now()));
    // Nobody listens there: events come from files.
    config.delivery = Delivery::Held;
    config.callback_urls = vec![Url::parse(&format!("{}/auth/github/callback", development::PUBLIC_URL)).expect("a url")];
    let forge = Forge::open(config).await.expect("a forge");
    let router = axum::Router::new().nest_service("/forge", forge.router());
    tokio::spawn(async move { axum::serve(listener, router).await });
    forge
}
