//! Commits, runs and attempts for the page tests: plain values, no store.
#![expect(clippy::expect_used, reason = "fixture values are right or the test is wrong")]

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::{Attempt, AttemptState, Cancel, CancelReason, Lease, ListedCheck, Outcome};
use quillon_core::commit::Commit;
use quillon_core::id::{AgentId, AttemptId, CommitSha, InstallationId, LeaseId, OrgId, PullNumber, RepositoryId, RunId};
use quillon_core::lane::{Base, Lane};
use quillon_core::module::{Manifest, Module};
use quillon_core::name::{ModulePath, Ref, RepositoryName, Task};
use quillon_core::run::{CommitKey, CommitLabel, Run, RunEvent, RunKey, RunRef, RunState, Summary};
use quillon_core::trust::Trust;
use quillon_web::link::{Paths, Site};
use quillon_web::page::Forms;
use quillon_web::page::card::Scene;
use url::Url;

pub(crate) fn now() -> Timestamp {
    "2026-05-04T10:20:30Z".parse().expect("a time")
}

pub(crate) fn before(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

pub(crate) fn org() -> OrgId {
    OrgId::from_parts(1, 1)
}

pub(crate) fn site() -> Site {
    Site { public: Url::parse("http://127.0.0.1:8800").expect("a URL"), forge: Url::parse("https://github.com").expect("a URL") }
}

pub(crate) fn paths() -> Paths {
    site().paths(&"acme".parse().expect("an org"))
}

pub(crate) fn forms() -> Forms {
    Forms::new(&paths(), "csrf-token".to_owned(), "/acme/checks".to_owned())
}

pub(crate) fn with_scene<T>(make: impl FnOnce(Scene<'_>) -> T) -> T {
    make(Scene { site: &site(), paths: &paths(), now: now() })
}

pub(crate) fn check(name: &str) -> Task {
    Task::Check(name.parse().expect("a check"))
}

pub(crate) fn branch(name: &str) -> Ref {
    Ref::Branch(name.parse().expect("a branch"))
}

/// A run in the making.
pub(crate) struct Fixture {
    pub(crate) run: Run,
    pub(crate) attempts: Vec<Attempt>,
}

impl Fixture {
    /// A run of the nth commit of a repository, made so many seconds ago.
    pub(crate) fn new(number: u64, repository: &str, seconds: i64) -> Self {
        let sha: CommitSha = format!("{number:02x}c0ffee{number:032x}").parse().expect("a SHA");
        let name: RepositoryName = repository.parse().expect("a repository");
        let repository = RepositoryId(name.name().bytes().map(u64::from).sum());
        let lane = Lane { base: Base::Branch("main".parse().expect("a branch")), trust: Trust::Trusted };
        let run = Run {
            id: RunId::from_parts(1_700_000_000_000 + number, number.into()),
            key: RunKey { commit: CommitKey { repository, sha }, lane },
            org: org(),
            installation: InstallationId(7),
            repository_name: name,
            generation: 1,
            base_sha: Some("abcdef0123456789abcdef0123456789abcdef01".parse().expect("a SHA")),
            commit: CommitLabel {
                message: "fix: retry the upload when the registry answers 502".to_owned(),
                author_name: "Mona Lisa Octocat".to_owned(),
                author_email: "mona@example.com".to_owned(),
                author_login: Some("mona".to_owned()),
                committed_at: before(seconds + 60),
            },
            refs: vec![RunRef { reference: branch("topic"), title: None }],
            events: vec![RunEvent { kind: "push".to_owned(), at: before(seconds), actor: Some("mona".to_owned()) }],
            modules: vec![Module { path: ModulePath::root(), manifest: Manifest::Json }],
            state: RunState::Open,
            unreportable: None,
            summary: Summary::default(),
            created_at: before(seconds),
            due_at: None,
            version: 1,
        };
        Self { run, attempts: vec![] }
    }

    pub(crate) fn say(mut self, message: &str, author: &str) -> Self {
        self.run.commit.message = message.to_owned();
        self.run.commit.author_name = author.to_owned();
        self.run.commit.author_login = None;
        self
    }

    pub(crate) fn pull(mut self, number: u64, title: &str) -> Self {
        self.run.refs.push(RunRef { reference: Ref::Pull(PullNumber(number)), title: Some(title.to_owned()) });
        self
    }

    pub(crate) fn refs(mut self, refs: &[&str]) -> Self {
        self.run.refs = refs.iter().map(|text| RunRef { reference: text.parse().expect("a ref"), title: None }).collect();
        self
    }

    pub(crate) fn unmerged(mut self) -> Self {
        self.run.key.lane.base = Base::AsIs;
        self.run.base_sha = None;
        self
    }

    pub(crate) fn lane(mut self, lane: Lane, generation: u32) -> Self {
        self.run.key.lane = lane;
        self.run.generation = generation;
        self.run.id = RunId::from_parts(1_700_000_000_000 + u64::from(generation) * 7_919, generation.into());
        self
    }

    pub(crate) fn state(mut self, state: RunState) -> Self {
        self.run.state = state;
        self
    }

    /// Adds an attempt of a module: queued so many seconds ago.
    pub(crate) fn attempt_in(mut self, module: &str, task: Task, number: u32, seconds: i64, state: AttemptState) -> Self {
        let module: ModulePath = module.parse().expect("a module");
        let mut attempt = Attempt::first(&self.run, module, task, 1, 3_600, before(seconds));
        if number > 1 {
            attempt = Attempt { key: attempt.key.clone(), ..attempt.next(1, Some("operator".to_owned()), false, before(seconds)) };
            attempt.key.number = number;
            attempt.id = AttemptId::derived(1_700_000_000_000, &[&attempt.key.task.to_string(), &number.to_string()]);
        }
        attempt.state = state;
        self.attempts.push(attempt);
        self
    }

    pub(crate) fn attempt(self, name: &str, seconds: i64, state: AttemptState) -> Self {
        let task = if name == "load" { Task::Load } else { check(name) };
        self.attempt_in(".", task, 1, seconds, state)
    }

    /// The run with the summary of its attempts.
    pub(crate) fn summarized(mut self) -> Self {
        self.run.summary = self.run.summarize(&self.commit().latest(&self.run.key));
        self
    }

    pub(crate) fn commit(&self) -> Commit {
        commit(std::slice::from_ref(self))
    }
}

/// The commit of some runs.
pub(crate) fn commit(fixtures: &[Fixture]) -> Commit {
    Commit {
        key: fixtures[0].run.key.commit.clone(),
        runs: fixtures.iter().map(|fixture| fixture.run.clone()).collect(),
        attempts: fixtures.iter().flat_map(|fixture| fixture.attempts.clone()).collect(),
        ledger: std::collections::BTreeMap::new(),
    }
}

pub(crate) fn queued(seconds: i64) -> AttemptState {
    AttemptState::Queued { since: before(seconds) }
}

pub(crate) fn running(seconds: i64) -> AttemptState {
    let lease = Lease { id: LeaseId::from_parts(1, 1), agent: AgentId::from_parts(1, 1), until: now() };
    AttemptState::Running { lease, started_at: before(seconds), cancel: None }
}

pub(crate) fn stopping(seconds: i64, by: &str) -> AttemptState {
    let lease = Lease { id: LeaseId::from_parts(1, 1), agent: AgentId::from_parts(1, 1), until: now() };
    let cancel = Cancel { reason: CancelReason::Requested { by: by.to_owned() }, at: before(3) };
    AttemptState::Running { lease, started_at: before(seconds), cancel: Some(cancel) }
}

pub(crate) fn expanding(seconds: i64, checks: &[&str]) -> AttemptState {
    let checks = checks.iter().map(|name| ListedCheck { name: name.parse().expect("a check"), description: None }).collect();
    AttemptState::Expanding { lease: LeaseId::from_parts(1, 1), started_at: before(seconds), ended_at: before(1), checks }
}

pub(crate) fn ended(from: i64, to: i64, outcome: Outcome) -> AttemptState {
    AttemptState::Finished { outcome, lease: None, started_at: Some(before(from)), ended_at: before(to) }
}

pub(crate) fn passed(from: i64, to: i64) -> AttemptState {
    ended(from, to, Outcome::Success)
}

pub(crate) fn failed(from: i64, to: i64) -> AttemptState {
    ended(from, to, Outcome::Failure { exit_code: 1 })
}

pub(crate) fn superseded(at: i64) -> AttemptState {
    let by = "fedcba9876543210fedcba9876543210fedcba98".parse().expect("a SHA");
    let cancel = Cancel { reason: CancelReason::Superseded { by }, at: before(at) };
    AttemptState::Finished { outcome: Outcome::Cancelled(cancel), lease: None, started_at: None, ended_at: before(at) }
}
