//! What the tests of this room begin with: a run of `acme/api`, attempts in every state, and time around one origin.

pub(crate) mod arbitrary;

use std::fmt::Debug;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::attempt::{Attempt, AttemptState, Cancel, CancelReason, Lease, ListedCheck, Outcome, later};
use crate::commit::Commit;
use crate::id::{AgentId, CommitSha, InstallationId, LeaseId, OrgId, PullNumber, RepositoryId, RunId};
use crate::lane::Lane;
use crate::module::{Manifest, Module};
use crate::name::{ModulePath, Task};
use crate::report::Links;
use crate::run::{CommitKey, CommitLabel, Run, RunEvent, RunKey, RunRef, RunState, Summary};
use crate::trust::Trust;

/// The origin of time in tests: 2026-01-01T12:00:00Z.
const ORIGIN: i64 = 1_767_268_800;

/// So many seconds after the origin.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let origin = Timestamp::from_second(ORIGIN).expect("in range");
    later(origin, SignedDuration::from_secs(seconds))
}

/// A text as whatever is wanted.
pub(crate) fn parsed<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect(text)
}

/// `load`, or the name of a check.
pub(crate) fn task(label: &str) -> Task {
    if label == "load" { Task::Load } else { Task::Check(parsed(label)) }
}

/// A SHA of which every digit is the same.
pub(crate) fn sha(digit: char) -> CommitSha {
    parsed(&digit.to_string().repeat(40))
}

/// A pull request of this repository into `main`.
pub(crate) fn trusted_lane() -> Lane {
    Lane::of_pull(parsed("main"), Trust::Trusted)
}

/// A pull request of a fork into `main`.
pub(crate) fn fork_lane() -> Lane {
    Lane::of_pull(parsed("main"), Trust::Fork)
}

/// The commit that all runs here are of.
pub(crate) fn commit_key() -> CommitKey {
    CommitKey { repository: RepositoryId(7), sha: sha('a') }
}

/// An open run with one module at the root.
pub(crate) fn run(generation: u32, lane: Lane) -> Run {
    Run {
        id: RunId::from_parts(1_000, u128::from(generation)),
        key: RunKey { commit: commit_key(), lane },
        org: OrgId::from_parts(1, 1),
        installation: InstallationId(3),
        repository_name: parsed("acme/api"),
        generation,
        base_sha: Some(sha('b')),
        commit: CommitLabel {
            message: "fix: the sky".to_owned(),
            author_name: "Ann".to_owned(),
            author_email: "ann@example.com".to_owned(),
            author_login: Some("ann".to_owned()),
            committed_at: at(-100),
        },
        refs: vec![RunRef { reference: parsed("refs/pull/7/head"), title: Some("Fix the sky".to_owned()) }],
        events: vec![RunEvent { kind: "pull_request".to_owned(), at: at(-60), actor: Some("ann".to_owned()) }],
        modules: vec![Module { path: ModulePath::root(), manifest: Manifest::Json }],
        state: RunState::Open,
        unreportable: None,
        summary: Summary::default(),
        created_at: at(-60),
        due_at: Some(at(0)),
        version: 1,
    }
}

/// A run in another state than `Open`.
pub(crate) fn run_in(generation: u32, lane: Lane, state: RunState) -> Run {
    Run { state, ..run(generation, lane) }
}

/// A first attempt, just queued.
pub(crate) fn attempt(run: &Run, module: &str, label: &str) -> Attempt {
    Attempt::first(run, parsed(module), task(label), 1, 3_600, at(0))
}

/// An attempt moved into a state; due in a minute unless it is over.
pub(crate) fn in_state(attempt: Attempt, state: AttemptState) -> Attempt {
    let moved = Attempt { state, seq: attempt.seq + 1, ..attempt };
    let due_at = if moved.is_terminal() { None } else { Some(at(60)) };
    Attempt { due_at, ..moved }
}

/// An attempt that began at the origin and ended three seconds later.
pub(crate) fn finished(attempt: Attempt, outcome: Outcome) -> Attempt {
    let state = AttemptState::Finished { outcome, lease: Some(lease_id('a')), started_at: Some(at(0)), ended_at: at(3) };
    in_state(attempt, state)
}

/// An attempt that an agent has under the lease `a`.
pub(crate) fn running(attempt: Attempt) -> Attempt {
    in_state(attempt, AttemptState::Running { lease: lease('a', at(60)), started_at: at(0), cancel: None })
}

/// A load that has listed these checks.
pub(crate) fn expanding(load: Attempt, names: &[&str]) -> Attempt {
    in_state(load, AttemptState::Expanding { lease: lease_id('a'), started_at: at(0), ended_at: at(3), checks: listed(names) })
}

/// Checks as a load lists them.
pub(crate) fn listed(names: &[&str]) -> Vec<ListedCheck> {
    names.iter().map(|name| ListedCheck { name: parsed(name), description: None }).collect()
}

/// The lease of this letter.
pub(crate) fn lease_id(letter: char) -> LeaseId {
    LeaseId::from_parts(5, u128::from(u32::from(letter)))
}

/// The lease of this letter, held until a time.
pub(crate) fn lease(letter: char, until: Timestamp) -> Lease {
    Lease { id: lease_id(letter), agent: AgentId::from_parts(6, 6), until }
}

/// A newer commit arrived.
pub(crate) fn superseded() -> Cancel {
    Cancel { reason: CancelReason::Superseded { by: sha('c') }, at: at(2) }
}

/// A pull request into another base took over.
pub(crate) fn superseded_in_lane() -> Cancel {
    Cancel { reason: CancelReason::SupersededInLane { by: PullNumber(8) }, at: at(2) }
}

/// Bob asked for it.
pub(crate) fn requested() -> Cancel {
    Cancel { reason: CancelReason::Requested { by: "bob".to_owned() }, at: at(2) }
}

/// A commit with these runs and attempts, of which GitHub was told nothing yet.
pub(crate) fn commit(runs: Vec<Run>, attempts: Vec<Attempt>) -> Commit {
    Commit { key: commit_key(), runs, attempts, ledger: Default::default() }
}

/// An instance at `quillon.example` for github.com.
pub(crate) fn links() -> Links {
    Links { public_url: "https://quillon.example".to_owned(), forge_host: "github.com".to_owned(), org: "acme".to_owned() }
}
