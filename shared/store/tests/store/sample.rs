//! Domain values for the tests, with every field told.

use jiff::Timestamp;
use quillon_core::attempt::{Attempt, AttemptState, Lease, ListedCheck, Outcome};
use quillon_core::id::{AccountId, AgentId, CommitSha, InstallationId, LeaseId, OrgId, RepositoryId, RunId, UserId};
use quillon_core::member::{Member, Roles};
use quillon_core::module::{Manifest, Module};
use quillon_core::name::{ModulePath, Ref, Task};
use quillon_core::org::{Installation, Org, Repository, RepositorySettings};
use quillon_core::person::{Identity, User};
use quillon_core::run::{CommitKey, CommitLabel, Run, RunEvent, RunKey, RunRef, RunState, Summary};

/// A time of the tests: so many seconds after their beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + seconds * 1_000).expect("in range")
}

pub(crate) fn org_id() -> OrgId {
    OrgId::from_parts(1_700_000_000_000, 1)
}

pub(crate) fn other_org_id() -> OrgId {
    OrgId::from_parts(1_700_000_000_000, 2)
}

pub(crate) const REPOSITORY: RepositoryId = RepositoryId(4_200);

pub(crate) fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a sha")
}

pub(crate) fn commit(digit: char) -> CommitKey {
    CommitKey { repository: REPOSITORY, sha: sha(digit) }
}

pub(crate) fn branch(name: &str) -> Ref {
    format!("refs/heads/{name}").parse().expect("a ref")
}

pub(crate) fn run_key(digit: char, lane: &str) -> RunKey {
    RunKey { commit: commit(digit), lane: lane.parse().expect("a lane") }
}

/// An open run of a commit, made at a time.
pub(crate) fn run(digit: char, lane: &str, created_at: Timestamp) -> Run {
    let created_ms = u64::try_from(created_at.as_millisecond()).expect("after 1970");
    Run {
        id: RunId::derived(created_ms, &[&digit.to_string(), lane]),
        key: run_key(digit, lane),
        org: org_id(),
        installation: InstallationId(77),
        repository_name: "acme/api".parse().expect("a name"),
        generation: 1,
        base_sha: None,
        commit: CommitLabel {
            message: "fix: the thing".to_owned(),
            author_name: String::new(),
            author_email: "dev@example.com".to_owned(),
            author_login: None,
            committed_at: created_at,
        },
        refs: vec![RunRef { reference: branch("main"), title: None }],
        events: vec![RunEvent { kind: "push".to_owned(), at: created_at, actor: Some("octocat".to_owned()) }],
        modules: vec![Module { path: ModulePath::root(), manifest: Manifest::Json }],
        state: RunState::Open,
        unreportable: None,
        summary: Summary::default(),
        created_at,
        due_at: Some(created_at),
        version: 1,
    }
}

pub(crate) fn load(run: &Run) -> Attempt {
    Attempt::first(run, ModulePath::root(), Task::Load, 1, 3_600, run.created_at)
}

pub(crate) fn check(run: &Run, name: &str, now: Timestamp) -> Attempt {
    let task = Task::Check(name.parse().expect("a check name"));
    Attempt::first(run, ModulePath::root(), task, 1, 3_600, now)
}

/// The same attempt in another state, one transition later.
pub(crate) fn moved(attempt: &Attempt, state: AttemptState) -> Attempt {
    Attempt { state, seq: attempt.seq + 1, ..attempt.clone() }
}

pub(crate) fn offered(attempt: &Attempt, since: Timestamp) -> Attempt {
    moved(attempt, AttemptState::Offered { since })
}

pub(crate) fn lease_id() -> LeaseId {
    LeaseId::from_parts(1_800_000_000_000, 3)
}

pub(crate) fn running(attempt: &Attempt, started_at: Timestamp) -> Attempt {
    let lease = Lease { id: lease_id(), agent: AgentId::from_parts(1_700_000_000_000, 9), until: started_at };
    moved(attempt, AttemptState::Running { lease, started_at, cancel: None })
}

pub(crate) fn expanding(attempt: &Attempt, checks: Vec<ListedCheck>, now: Timestamp) -> Attempt {
    moved(attempt, AttemptState::Expanding { lease: lease_id(), started_at: now, ended_at: now, checks })
}

pub(crate) fn finished(attempt: &Attempt, now: Timestamp) -> Attempt {
    let state = AttemptState::Finished { outcome: Outcome::Success, lease: Some(lease_id()), started_at: Some(now), ended_at: now };
    Attempt { due_at: None, ..moved(attempt, state) }
}

pub(crate) fn org(id: OrgId, name: &str) -> Org {
    Org::new(id, name.parse().expect("an org name"), at(0))
}

pub(crate) fn installation(org: Option<OrgId>) -> Installation {
    Installation::new(InstallationId(77), org, AccountId(5), "acme".to_owned())
}

pub(crate) fn repository(id: u64, name: &str) -> Repository {
    Repository {
        id: RepositoryId(id),
        name: name.parse().expect("a repository name"),
        installation: InstallationId(77),
        default_branch: "main".parse().expect("a branch"),
        is_private: true,
        is_enabled: true,
        settings: RepositorySettings::default(),
    }
}

pub(crate) fn user_id(number: u128) -> UserId {
    UserId::from_parts(1_700_000_000_000, number)
}

pub(crate) fn identity(provider: &str, subject: &str) -> Identity {
    Identity {
        provider: provider.parse().expect("a provider"),
        subject: subject.to_owned(),
        login: format!("login-{subject}"),
        email: None,
        linked_at: at(0),
    }
}

/// A person with one identity, at GitHub, by their number.
pub(crate) fn user(number: u128) -> User {
    User {
        id: user_id(number),
        name: format!("Person {number}"),
        avatar_url: None,
        identities: vec![identity("github", &number.to_string())],
        created_at: at(0),
        last_org: None,
    }
}

pub(crate) fn member(number: u128, roles: Roles) -> Member {
    Member {
        org: org_id(),
        user: user_id(number),
        roles,
        name: format!("Person {number}"),
        joined_at: at(0),
        invited_by: "Person 1 (login-1)".to_owned(),
    }
}
