//! A small instance: engines in memory, the handler's dependencies, and words to put things into the tables.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::Timestamp;
use quillon::engine::{Engines, Storage};
use quillon::template::{BUNDLED, Parameters, Template, apply};
use quillon_api::{Deps, handle};
use quillon_core::Sensitive;
use quillon_core::attempt::{Attempt, Event};
use quillon_core::id::{AccountId, AttemptId, CommitSha, InstallationId, OrgId, RepositoryId, RunId};
use quillon_core::lane::Lane;
use quillon_core::member::Roles;
use quillon_core::module::{Manifest, Module};
use quillon_core::name::{ModulePath, Ref, Task};
use quillon_core::org::{Installation, Repository, RepositorySettings};
use quillon_core::person::{Profile, ProviderId, User};
use quillon_core::run::{CommitKey, CommitLabel, Run, RunEvent, RunKey, RunRef, RunState, Summary};
use quillon_core::trust::Trust;
use quillon_runtime::{Clock, Settings};
use quillon_secrets::InstanceKey;
use quillon_store::{HeadChange, RunChange};
use quillon_tenancy::{Deed, DevicePoll};
use serde_json::{Value, json};

const SESSION_KEY: &str = "the key of this test's instance";

/// The instance.
pub(crate) struct World {
    pub(crate) engines: Engines,
    pub(crate) deps: Deps,
    pub(crate) clock: Clock,
}

/// An org with a token for everything.
pub(crate) struct TestOrg {
    pub(crate) id: OrgId,
    pub(crate) token: String,
}

/// Where the GitHub of a world is.
pub(crate) struct GithubAt {
    pub(crate) api: String,
    pub(crate) web: String,
    pub(crate) key: String,
}

impl Default for GithubAt {
    /// A GitHub that no test of this world asks.
    fn default() -> Self {
        let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", "A".repeat(64));
        Self { api: "https://api.github.com".to_owned(), web: "https://github.com".to_owned(), key }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_github(&GithubAt::default()).await
    }

    /// An instance where plans are paid for, at a payment provider that is here, with this key of its API.
    pub(crate) async fn paid(url: &str, key: &str) -> Self {
        Self::with(&GithubAt::default(), |parameters| {
            parameters.with("BillingMode", "stripe").with("StripeApiUrl", url).with_json_text("StripeSecretKey", key)
        })
        .await
    }

    /// An instance whose answers stream: they follow a running trace for so long.
    pub(crate) async fn following(seconds: u64) -> Self {
        Self::with(&GithubAt::default(), |parameters| parameters.with("FollowS", seconds.to_string())).await
    }

    pub(crate) async fn with_github(github: &GithubAt) -> Self {
        Self::with(github, |parameters| parameters).await
    }

    async fn with(github: &GithubAt, change: impl FnOnce(Parameters) -> Parameters) -> Self {
        let start = Timestamp::from_second(1_800_000_000).expect("a time");
        let parameters = Parameters::new()
            .with("PublicUrl", "http://127.0.0.1:8800")
            .with("GithubApiUrl", &github.api)
            .with("GithubUrl", &github.web)
            .with("GithubAppId", "1")
            .with_json_text("GithubAppPrivateKey", &github.key)
            .with("GithubWebhookSecret", "a webhook secret of some length")
            .with("LeaseWaitMs", "0")
            .with("FollowS", "0");
        let template = Template::parse(BUNDLED, &change(parameters)).expect("the template");
        let clock = Clock::manual(start);
        let engines = Engines::open(&Storage::Memory, clock.clone()).expect("the engines");
        let environment = apply(&template, &engines).await.expect("the resources").of("Api");
        let session = environment.get("SESSION_SECRET_ARN").expect("a session secret");
        let known = json!({ "key": SESSION_KEY }).to_string();
        engines.secrets_client().put_secret_value().secret_id(session).secret_string(known).send().await.expect("a secret");
        let deps = Deps::new(&Settings::new(environment), &engines.sdk_config(), clock.clone()).expect("the settings");
        Self { engines, deps, clock }
    }

    pub(crate) fn key(&self) -> InstanceKey {
        InstanceKey::new(&Sensitive::new(SESSION_KEY.to_owned()))
    }

    pub(crate) fn operator(&self) -> String {
        format!("Bearer {}", self.key().operator_key().expose())
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// One request; the answer's body as JSON, as text where it is none.
    pub(crate) async fn call(&self, method: Method, path: &str, authorization: Option<&str>, body: Option<&Value>) -> (StatusCode, Value) {
        self.call_about(None, method, path, authorization, body).await
    }

    /// The same, with an org in the header that a CLI sends which is logged in.
    pub(crate) async fn call_about(
        &self,
        org: Option<&str>,
        method: Method,
        path: &str,
        authorization: Option<&str>,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(org) = org {
            request = request.header("x-dagger-org", org);
        }
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json; charset=utf-8");
        }
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let (parts, body) = handle(&self.deps, request.body(bytes).expect("a request")).await.into_parts();
        let text = String::from_utf8_lossy(&body.whole().await).into_owned();
        (parts.status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn post(&self, path: &str, authorization: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(authorization), Some(&body)).await
    }

    /// A GraphQL request of the style with `operationName`; the `data`, once there are no errors.
    pub(crate) async fn query(&self, authorization: &str, document: &str, variables: Value) -> Value {
        let (status, mut answer) = self.ask(authorization, document, variables).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer.get("errors"), None, "{answer}");
        crate::strict::assert_selected(document, &answer["data"]);
        answer["data"].take()
    }

    /// A GraphQL request that may fail.
    pub(crate) async fn ask(&self, authorization: &str, document: &str, variables: Value) -> (StatusCode, Value) {
        let name = operation_name(document);
        self.post("/query", authorization, json!({ "operationName": name, "query": document, "variables": variables })).await
    }

    /// An org with a token, made as the operator makes it.
    pub(crate) async fn org(&self, name: &str) -> TestOrg {
        let token = self.token(name, None).await;
        let org = self.deps.store.org_by_name(&name.parse().expect("a name")).await.expect("a table").expect("an org");
        TestOrg { id: org.id, token }
    }

    /// A token of an org with these scopes, as the stock CLI presents it.
    pub(crate) async fn token(&self, org: &str, scopes: Option<&[&str]>) -> String {
        use base64::Engine;
        let (status, answer) =
            self.post("/operator/v1/tokens", &self.operator(), json!({ "org": org, "name": "ci", "scopes": scopes })).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let text = answer["token"].as_str().expect("a text");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{text}:")))
    }

    /// Who does what these words put into the tables.
    pub(crate) fn deed(&self) -> Deed<'static> {
        Deed { who: "the test", from: None, now: self.clock.now() }
    }

    /// Somebody who has signed in with GitHub, and the access token of a device of theirs.
    pub(crate) async fn person(&self, login: &str) -> (User, String) {
        let (tenancy, now) = (&self.deps.tenancy, self.clock.now());
        let profile = Profile {
            provider: ProviderId::github(),
            subject: format!("subject of {login}"),
            login: login.to_owned(),
            name: login.to_owned(),
            email: None,
            avatar_url: None,
        };
        let user = tenancy.sign_in(&profile, None, now).await.expect("a person");
        let (grant, code) = tenancy.begin_device("a test", None, false, now).await.expect("a grant");
        tenancy.answer_device(&grant.user_code, &user, true, &self.deed()).await.expect("a yes");
        match tenancy.poll_device(code.expose(), now).await.expect("an answer") {
            DevicePoll::Granted(tokens) => (user, format!("Bearer {}", tokens.access.expose())),
            other => panic!("{other:?}"),
        }
    }

    /// Somebody who has these roles in an org.
    pub(crate) async fn member(&self, org: OrgId, login: &str, roles: Roles) -> String {
        let (user, authorization) = self.person(login).await;
        self.deps.tenancy.add_member(org, user.id, roles, &self.deed()).await.expect("a member");
        authorization
    }

    /// Who did what in an org, by the words of the audit log.
    pub(crate) async fn deeds(&self, org: OrgId) -> Vec<(String, &'static str)> {
        let page = self.deps.store.audit(org, &quillon_store::Page { after: None, limit: 100 }).await.expect("a table");
        page.items.into_iter().map(|entry| (entry.who, entry.action.word())).collect()
    }

    /// A job of a CI system that an org trusts.
    pub(crate) fn ci_job(&self, org: OrgId) -> String {
        let token = quillon_secrets::telemetry::mint_ci(&self.key(), org, None, self.clock.now());
        format!("Bearer {}", token.expose())
    }

    /// A repository of an org, with an installation of its own.
    pub(crate) async fn repository(&self, org: OrgId, id: u64, name: &str) -> Repository {
        self.repository_of(org, id, id, name).await
    }

    /// A repository that an installation of an org reaches.
    pub(crate) async fn repository_of(&self, org: OrgId, installation: u64, id: u64, name: &str) -> Repository {
        let now = self.clock.now();
        let owner = name.split('/').next().unwrap_or_default().to_owned();
        let known = Installation::new(InstallationId(installation), None, AccountId(installation), owner);
        self.deps.store.save_installation(&known).await.expect("a table");
        assert!(self.deps.store.claim_installation(known.id, org, now).await.expect("a table").is_done());
        let repository = Repository {
            id: RepositoryId(id),
            name: name.parse().expect("a name"),
            installation: InstallationId(installation),
            default_branch: "main".parse().expect("a branch"),
            is_private: false,
            is_enabled: true,
            settings: RepositorySettings::default(),
        };
        let note = |_| Some(repository.clone());
        assert!(self.deps.store.note_repository(org, repository.id, note).await.expect("a table").is_done());
        repository
    }

    /// An open run of these modules at a commit, with a queued load for each; as the head of `main`.
    pub(crate) async fn run(
        &self,
        org: OrgId,
        repository: &Repository,
        commit: &CommitSha,
        trust: Trust,
        modules: &[&str],
    ) -> (Run, Vec<Attempt>) {
        let now = self.clock.now();
        let reference: Ref = match trust {
            Trust::Trusted => "refs/heads/main".parse().expect("a ref"),
            Trust::Fork => "refs/pull/7/head".parse().expect("a ref"),
        };
        let lane = match trust {
            Trust::Trusted => Lane::of_tag(),
            Trust::Fork => Lane::of_pull("main".parse().expect("a branch"), trust),
        };
        let key = RunKey { commit: CommitKey { repository: repository.id, sha: commit.clone() }, lane };
        let module = |path: &&str| Module { path: path.parse().expect("a path"), manifest: Manifest::Json };
        let mut run = Run {
            id: RunId::derived(u64::try_from(now.as_millisecond()).expect("after 1970"), &[&key.lane.to_string(), commit.as_str()]),
            key,
            org,
            installation: repository.installation,
            repository_name: repository.name.clone(),
            generation: 1,
            base_sha: Some(sha('b')),
            commit: CommitLabel {
                message: "fix: the parser".to_owned(),
                author_name: "Ada".to_owned(),
                author_email: "ada@example.com".to_owned(),
                author_login: Some("ada".to_owned()),
                committed_at: now,
            },
            refs: vec![RunRef { reference: reference.clone(), title: Some("A title".to_owned()) }],
            events: vec![RunEvent { kind: "push".to_owned(), at: now, actor: Some("ada".to_owned()) }],
            modules: modules.iter().map(module).collect(),
            state: RunState::Open,
            unreportable: None,
            summary: Summary::default(),
            created_at: now,
            due_at: None,
            version: 1,
        };
        let load = |module: &Module| Attempt::first(&run, module.path.clone(), Task::Load, 1, 600, now);
        let attempts: Vec<Attempt> = run.modules.iter().map(load).collect();
        run.summary = run.summarize(&attempts.iter().collect::<Vec<_>>());
        let head = self.deps.store.head(repository.id, &reference).await.expect("a table");
        let change = HeadChange {
            repository: repository.id,
            reference,
            sha: Some(commit.clone()),
            seen: head.version,
            run: RunChange::Create(Box::new(run.clone())),
            attempts: attempts.clone(),
            now,
        };
        assert!(self.deps.store.write_head(&change).await.expect("a table").is_done());
        (run, attempts)
    }

    /// Lets an attempt be leased.
    pub(crate) async fn admit(&self, id: AttemptId) {
        let applied = self.deps.workflow.apply(id, &Event::Admitted, self.clock.now(), "test").await.expect("a table");
        assert!(applied.expect("an attempt").changed);
    }

    pub(crate) async fn attempt(&self, id: AttemptId) -> Attempt {
        self.deps.store.attempt(id).await.expect("a table").expect("an attempt")
    }

    /// The newest attempt of a check of a run.
    pub(crate) async fn check(&self, run: &Run, module: &str, name: &str) -> Attempt {
        let module: ModulePath = module.parse().expect("a path");
        let commit = self.deps.store.commit(&run.key.commit).await.expect("a table");
        let latest = commit.latest(&run.key);
        let wanted = |attempt: &&&Attempt| attempt.key.module == module && attempt.key.task.label() == name;
        latest.iter().find(wanted).map(|attempt| (**attempt).clone()).expect("a check")
    }

    /// Brings a run's summary up to date, as the reporter does.
    pub(crate) async fn summarize(&self, key: &RunKey) {
        let commit = self.deps.store.commit(&key.commit).await.expect("a table");
        let mut run = commit.run(key).expect("a run").clone();
        run.summary = run.summarize(&commit.latest(key));
        run.version += 1;
        assert!(self.deps.store.save_run(&run).await.expect("a table").is_done());
    }

    /// An agent, enrolled as agents enrol; its credential.
    pub(crate) async fn agent(&self, org: Option<&str>, runs_forks: bool) -> String {
        let (status, answer) = self.post("/operator/v1/agent-enrolments", &self.operator(), json!({ "org": org })).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let body = json!({ "token": answer["token"], "name": "box", "runs_forks": runs_forks });
        let (status, answer) = self.call(Method::POST, "/runner/v1/enroll", None, Some(&body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        format!("Bearer {}", answer["token"].as_str().expect("a token"))
    }

    /// Takes the next job; it must be there.
    pub(crate) async fn lease(&self, agent: &str) -> Value {
        let (status, grant) = self.post("/runner/v1/lease", agent, json!({ "wait_ms": 0 })).await;
        assert_eq!(status, StatusCode::OK, "{grant}");
        grant
    }

    /// Reports what came of a job.
    pub(crate) async fn report(&self, grant: &Value, report: Value) -> (StatusCode, Value) {
        let body = json!({
            "attempt": grant["attempt"],
            "lease": grant["lease"],
            "report": report,
            "output": "the log\n",
            "is_output_cut": false,
            "module": { "name": "hello" },
        });
        self.post("/runner/v1/result", &job_token(grant), body).await
    }
}

/// The name of the first operation of a document.
pub(crate) fn operation_name(document: &str) -> &str {
    let name = document.split_whitespace().nth(1).unwrap_or_default();
    name.split(['(', '{']).next().unwrap_or_default()
}

/// The credential of a granted job.
pub(crate) fn job_token(grant: &Value) -> String {
    format!("Bearer {}", grant["job_token"].as_str().expect("a job token"))
}

/// A commit of one repeated digit.
pub(crate) fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a sha")
}
