//! A small instance behind the pages: engines in memory with the rights that the template gives the pages, the handler, a
//! browser, and words to put things into the tables.
#![expect(clippy::expect_used, reason = "a world that cannot be built fails its test")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use quillon::cloud::Cloud;
use quillon::engine::Storage;
use quillon::engine::wire::Service;
use quillon::template::{BUNDLED, Parameters, Template};
use quillon_core::Sensitive;
use quillon_core::attempt::{Attempt, AttemptState, Outcome};
use quillon_core::id::{AttemptId, CommitSha, InstallationId, OrgId, RepositoryId, RunId};
use quillon_core::lane::Lane;
use quillon_core::member::Roles;
use quillon_core::message::EventMessage;
use quillon_core::module::{Manifest, Module};
use quillon_core::name::{ModulePath, Ref, Task};
use quillon_core::org::{Org, Repository, RepositorySettings};
use quillon_core::person::{Profile, ProviderId, User};
use quillon_core::run::{CommitKey, CommitLabel, Run, RunEvent, RunKey, RunRef, RunState, Summary};
use quillon_core::session::Holder;
use quillon_runtime::{Clock, Settings};
use quillon_secrets::InstanceKey;
use quillon_store::{HeadChange, RunChange};
use quillon_tenancy::Deed;
use quillon_web::{Deps, handle};

const SESSION_KEY: &str = "the key of this test's instance";

/// The instance.
pub(crate) struct World {
    pub(crate) deps: Deps,
    cloud: Cloud,
    clock: Clock,
    events_url: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// The page without the address that its link to the sign-in leads back to.
    pub(crate) fn without_way_back(&self) -> String {
        match self.text.split_once("href=\"/sign-in?next=") {
            Some((before, after)) => format!("{before}{}", after.split_once('"').map_or("", |(_, rest)| rest)),
            None => self.text.clone(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::at("http://127.0.0.1:8800").await
    }

    pub(crate) async fn at(public_url: &str) -> Self {
        let start = Timestamp::from_second(1_800_000_000).expect("a time");
        let parameters = Parameters::new()
            .with("PublicUrl", public_url)
            .with("GithubClientId", "Iv1.github")
            .with("GoogleClientId", "google.example")
            .with("OidcClientId", "acme.example")
            .with("OidcName", "Acme login")
            .with("GithubApiUrl", "https://api.github.com")
            .with("GithubUrl", "https://github.com")
            .with("GithubAppId", "1")
            .with_json_text("GithubAppPrivateKey", "no test of the pages uses it")
            .with("GithubWebhookSecret", "a webhook secret of some length");
        let template = Template::parse(BUNDLED, &parameters).expect("the template");
        let clock = Clock::manual(start);
        let cloud = Cloud::open(template, &Storage::Memory, clock.clone()).await.expect("the engines");
        let environment = cloud.environment("Web");
        let events_url = environment.get("QUEUE_EVENTS_URL").expect("a queue").to_owned();
        let session = environment.get("SESSION_SECRET_ARN").expect("a session secret");
        let known = format!("{{\"key\": \"{SESSION_KEY}\"}}");
        cloud.engines().secrets_client().put_secret_value().secret_id(session).secret_string(known).send().await.expect("a secret");
        let deps = Deps::new(&Settings::new(environment), &cloud.sdk_config("Web"), clock.clone()).expect("the settings");
        Self { deps, cloud, clock, events_url }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn operator_key(&self) -> String {
        InstanceKey::new(&Sensitive::new(SESSION_KEY.to_owned())).operator_key().expose().clone()
    }

    /// How many calls DynamoDB has answered so far.
    pub(crate) fn table_calls(&self) -> u64 {
        self.cloud.engines().usage().total(Service::DynamoDb).calls
    }

    /// What the scheduler was told since the last time.
    pub(crate) async fn events(&self) -> Vec<EventMessage> {
        let mut found = vec![];
        loop {
            let received =
                self.cloud.engines().sqs_client().receive_message().queue_url(&self.events_url).max_number_of_messages(10).send().await;
            let messages = received.expect("a queue").messages.unwrap_or_default();
            if messages.is_empty() {
                return found;
            }
            let body = |body: Option<String>| quillon_core::message::decode(&body.expect("a body")).expect("an event").message;
            found.extend(messages.into_iter().map(|message| body(message.body)));
        }
    }

    /// One request, with these headers besides `Host`.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:8800");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = handle(&self.deps, request.body(Bytes::from(body.to_owned())).expect("a request")).await;
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&body).into_owned(), bytes: body }
    }

    /// Signs in by the link that `quillon up` prints.
    pub(crate) async fn sign_in(&self) -> Browser<'_> {
        let answer = self.send(Method::GET, &format!("/operator/sign-in?key={}", self.operator_key()), &[], "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let cookie = answer.header("set-cookie").split(';').next().expect("a cookie").to_owned();
        Browser { world: self, cookie }
    }

    /// A person as GitHub knows them, who has signed in.
    pub(crate) async fn person(&self, subject: u64, login: &str) -> User {
        self.named(subject, login, &login.to_uppercase()).await
    }

    /// A person with a name of their own choice.
    pub(crate) async fn named(&self, subject: u64, login: &str, name: &str) -> User {
        let profile = Profile {
            provider: ProviderId::github(),
            subject: subject.to_string(),
            login: login.to_owned(),
            name: name.to_owned(),
            email: Some(format!("{login}@example.com")),
            avatar_url: None,
        };
        self.deps.tenancy.sign_in(&profile, None, self.now()).await.expect("a person")
    }

    /// The browser of a person who is signed in.
    pub(crate) async fn browser_of(&self, user: &User) -> Browser<'_> {
        let client = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let from = Some("203.0.113.9".to_owned());
        let begun = self.deps.tenancy.begin_session(Holder::Person(user.id), client, from, self.now()).await;
        let (_, secret) = begun.expect("a session");
        Browser { world: self, cookie: format!("quillon_session={}", secret.expose()) }
    }

    /// Puts somebody into an org.
    pub(crate) async fn join(&self, org: &Org, user: &User, roles: Roles) {
        self.deps.tenancy.add_member(org.id, user.id, roles, &self.deed()).await.expect("a member");
    }

    /// What the operator does at the machine.
    pub(crate) fn deed(&self) -> Deed<'static> {
        Deed { who: "the operator", from: None, now: self.now() }
    }

    pub(crate) async fn org(&self, number: u64, name: &str) -> Org {
        let org = Org::new(OrgId::from_parts(number, number.into()), name.parse().expect("a name"), self.now());
        assert!(self.deps.store.create_org(&org).await.expect("a table").is_done());
        org
    }

    pub(crate) async fn repository(&self, org: &Org, id: u64, name: &str) -> Repository {
        let repository = Repository {
            id: RepositoryId(id),
            name: name.parse().expect("a name"),
            installation: InstallationId(1),
            default_branch: "main".parse().expect("a branch"),
            is_private: true,
            is_enabled: true,
            settings: RepositorySettings::default(),
        };
        self.deps.store.save_repository(org.id, &repository).await.expect("a table");
        repository
    }

    /// A run of a commit at a branch, with these checks, and with its summary.
    pub(crate) async fn run(&self, org: &Org, repository: &Repository, commit: u64, branch: &str, checks: &[(&str, State)]) -> Made {
        let now = self.now();
        let reference = Ref::Branch(branch.parse().expect("a branch"));
        let sha: CommitSha = format!("{commit:040x}").parse().expect("a SHA");
        let key = RunKey { commit: CommitKey { repository: repository.id, sha }, lane: Lane::of_tag() };
        let mut run = Run {
            id: RunId::derived(u64::try_from(now.as_millisecond()).expect("after 1970"), &[&commit.to_string(), repository.name.name()]),
            key,
            org: org.id,
            installation: repository.installation,
            repository_name: repository.name.clone(),
            generation: 1,
            base_sha: None,
            commit: CommitLabel {
                message: format!("commit number {commit}"),
                author_name: "Ada Lovelace".to_owned(),
                author_email: "ada@example.com".to_owned(),
                author_login: None,
                committed_at: now,
            },
            refs: vec![RunRef { reference: reference.clone(), title: None }],
            events: vec![RunEvent { kind: "push".to_owned(), at: now, actor: None }],
            modules: vec![Module { path: ModulePath::root(), manifest: Manifest::Json }],
            state: RunState::Open,
            unreportable: None,
            summary: Summary::default(),
            created_at: now,
            due_at: None,
            version: 1,
        };
        let attempts: Vec<Attempt> = checks.iter().map(|(name, state)| attempt(&run, name, state, now)).collect();
        run.summary = run.summarize(&attempts.iter().collect::<Vec<_>>());
        let change = HeadChange {
            repository: repository.id,
            reference: reference.clone(),
            sha: Some(run.key.commit.sha.clone()),
            seen: self.deps.store.head(repository.id, &reference).await.expect("a table").version,
            run: RunChange::Create(Box::new(run.clone())),
            attempts: vec![],
            now,
        };
        assert!(self.deps.store.write_head(&change).await.expect("a table").is_done());
        self.deps.store.create_attempts(&attempts).await.expect("a table");
        Made { run, attempts }
    }

    /// All attempts of a commit, by check and number.
    pub(crate) async fn attempts(&self, run: &Run) -> Vec<(String, u32, Attempt)> {
        let commit = self.deps.store.commit(&run.key.commit).await.expect("a table");
        commit.attempts.into_iter().map(|attempt| (attempt.key.task.label().to_owned(), attempt.key.number, attempt)).collect()
    }
}

/// How an attempt of a made run stands.
#[derive(Clone, Copy)]
pub(crate) enum State {
    Queued,
    Passed,
    Failed,
}

fn attempt(run: &Run, name: &str, state: &State, now: Timestamp) -> Attempt {
    let task = if name == "load" { Task::Load } else { Task::Check(name.parse().expect("a check")) };
    let mut attempt = Attempt::first(run, ModulePath::root(), task, 1, 600, now);
    let over = |outcome| AttemptState::Finished { outcome, lease: None, started_at: Some(now), ended_at: now };
    attempt.state = match state {
        State::Queued => AttemptState::Queued { since: now },
        State::Passed => over(Outcome::Success),
        State::Failed => over(Outcome::Failure { exit_code: 1 }),
    };
    attempt
}

/// A run that was put into the tables.
pub(crate) struct Made {
    pub(crate) run: Run,
    pub(crate) attempts: Vec<Attempt>,
}

impl Made {
    pub(crate) fn id(&self, check: &str) -> AttemptId {
        self.attempts.iter().find(|attempt| attempt.key.task.label() == check).expect("an attempt").id
    }

    /// The fields by which a form names the run.
    pub(crate) fn key(&self) -> String {
        let key = &self.run.key;
        format!("repository={}&sha={}&lane={}", key.commit.repository, key.commit.sha, key.lane)
    }
}

/// A browser that is signed in.
pub(crate) struct Browser<'a> {
    pub(crate) world: &'a World,
    pub(crate) cookie: String,
}

impl Browser<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.world.send(Method::GET, path, &[("cookie", &self.cookie)], "").await
    }

    /// Asks for a page of which this version is known.
    pub(crate) async fn get_if_not(&self, path: &str, etag: &str) -> Answer {
        self.world.send(Method::GET, path, &[("cookie", &self.cookie), ("if-none-match", etag)], "").await
    }

    /// The token that the forms of a page carry.
    pub(crate) async fn token(&self, page: &str) -> String {
        let html = self.get(page).await.text;
        let start = html.find("name=\"csrf\" value=\"").expect("a form") + 19;
        html[start..start + 64].to_owned()
    }

    /// Presses a button of a page.
    pub(crate) async fn press(&self, path: &str, fields: &str) -> Answer {
        let body = format!("csrf={}&{fields}", self.token("/account").await);
        let headers = [("cookie", self.cookie.as_str()), ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8800")];
        self.world.send(Method::POST, path, &headers, &body).await
    }
}
