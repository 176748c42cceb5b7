//! A trace in a list, folded from batches in any order.
//!
//! A [`Headline`] is what one batch says about its trace, a [`Card`] what all of them say. Folding is a join: whatever is
//! folded, in any order and any number of times, gives the same card, because every field takes the largest value under a
//! fixed order and none is counted. What needs counting is put right by [`Card::recount`] when the trace is sealed.

mod headline;
mod root;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

pub use headline::Headline;
pub use root::RootSeen;

use headline::LabelsSeen;
use root::Commands;

use super::id::TraceId;
use super::label::{Labels, Remote};
use super::outline::{Outline, Tree};
use super::state::{TraceState, primary_root, state_of};
use super::visibility::Override;
use crate::id::{AttemptId, CommitSha, OrgId, PullNumber, RepositoryId, TraceParent};
use crate::name::{BranchName, RepositoryName};

/// How far a sender's clock may be off before lists go by the time of arrival, in milliseconds.
const MAX_SKEW_MS: i64 = 86_400_000;

/// No run started before the year 2000, epoch milliseconds.
const EARLIEST_MS: i64 = 946_684_800_000;

/// Who sends telemetry: proved by a credential, never by labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose trace it is.
    pub org: OrgId,
    /// The attempt that an agent works on.
    pub attempt: Option<AttemptId>,
    /// The repository of that attempt.
    pub repository: Option<RepositoryId>,
}

/// What the control plane itself knows of a trace of one of its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Native {
    /// The host of the repository.
    pub host: String,
    /// The repository's name.
    pub repository: RepositoryName,
    /// The head commit.
    pub commit: CommitSha,
    /// Its branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BranchName>,
    /// Its pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullNumber>,
}

/// Who sent a trace that is not the own trace of an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Senders {
    has_job: bool,
    has_token: bool,
    /// The repository that they named first, and whether another one was named too.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<RepositoryId>,
    is_contested: bool,
}

impl Senders {
    fn see(&mut self, claim: &Claim) {
        self.has_job |= claim.attempt.is_some();
        self.has_token |= claim.attempt.is_none();
        let known = self.repository.or(claim.repository);
        self.is_contested |= known != claim.repository.or(known);
        // Once two are known it does not matter which one is kept, as long as it is always the same.
        self.repository = self.repository.min(claim.repository).or(known);
    }

    fn repository(self) -> Option<RepositoryId> {
        let is_mixed = self.has_job && self.has_token;
        self.repository.filter(|_| !self.is_contested && !is_mixed)
    }
}

/// What a list shows of a trace, and what it filters by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Whose it is.
    pub org: OrgId,
    /// Its id.
    pub trace: TraceId,
    /// Its repository, where a credential proved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryId>,
    /// The attempt that it is the trace of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    #[serde(default)]
    senders: Senders,
    /// What the control plane knows of the attempt's commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<Native>,
    /// The root, once seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootSeen>,
    #[serde(default)]
    commands: Commands,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    labels: Option<LabelsSeen>,
    /// The earliest start and the latest time of any span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times_ns: Option<(u64, u64)>,
    /// When its first record was taken in, epoch milliseconds.
    pub first_received_ms: i64,
    /// Spans, each counted once; none until the trace is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spans: Option<u64>,
    /// Whether a check failed in it.
    pub has_failed_check: bool,
    /// What an admin said about who may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Override>,
    /// The number that share links must carry; a larger one revokes all earlier links.
    #[serde(default)]
    pub share_epoch: u32,
    /// Of the stored item, for conditional writes.
    pub version: u64,
}

impl Card {
    /// The card of a trace that is seen for the first time.
    #[must_use]
    pub fn new(claim: &Claim, trace: TraceId, now: Timestamp) -> Self {
        let mut card = Self {
            org: claim.org,
            trace,
            repository: None,
            attempt: None,
            senders: Senders::default(),
            native: None,
            root: None,
            commands: Commands::default(),
            labels: None,
            times_ns: None,
            first_received_ms: now.as_millisecond(),
            spans: None,
            has_failed_check: false,
            visibility: None,
            share_epoch: 0,
            version: 0,
        };
        card.claim(claim);
        card
    }

    /// Takes into account who sends; whether that says something new. A join, like [`Card::fold`].
    ///
    /// The trace id of an attempt is derived from the attempt's, so that attempt's own telemetry settles the trace's repository.
    /// Of any other trace all senders that name a repository must name the same one, and jobs and tokens must not mix: else
    /// whoever has a credential for a public repository could publish what another sent.
    pub fn claim(&mut self, claim: &Claim) -> bool {
        if self.attempt.is_some() {
            return false;
        }
        if let Some(attempt) = claim.attempt.filter(|attempt| TraceParent::of(*attempt).trace_id == self.trace.to_string()) {
            self.attempt = Some(attempt);
            self.repository = claim.repository;
            return true;
        }
        let before = self.senders;
        self.senders.see(claim);
        self.repository = self.senders.repository();
        self.senders != before
    }

    /// Takes in what a batch says; whether that is worth a write. Commutative, associative and idempotent.
    pub fn fold(&mut self, headline: &Headline) -> bool {
        let mut is_news = false;
        if let Some((start_ns, end_ns)) = headline.times {
            let (first, last) = self.times_ns.unwrap_or((u64::MAX, 0));
            // With a root, its own times are shown; these move with every batch.
            is_news |= self.root.is_none() && start_ns < first;
            self.times_ns = Some((first.min(start_ns), last.max(end_ns)));
        }
        if let Some(root) = &headline.root {
            is_news |= RootSeen::join(&mut self.root, root);
        }
        is_news |= self.commands.join(&headline.commands);
        if let Some(labels) = &headline.labels {
            is_news |= LabelsSeen::join(&mut self.labels, labels);
        }
        is_news |= headline.has_failed_check && !self.has_failed_check;
        self.has_failed_check |= headline.has_failed_check;
        is_news
    }

    /// Says what the control plane knows of the attempt's commit; whether that is new.
    pub fn enrich(&mut self, native: Native) -> bool {
        let is_news = self.native.as_ref() != Some(&native);
        self.native = Some(native);
        is_news
    }

    /// Puts right what folding can only estimate: which root, which commands, whether a check failed, and how many spans.
    pub fn recount(&mut self, outline: &Outline, tree: &Tree) {
        let roots = tree.roots().iter().map(|&root| RootSeen::of_row(outline, &outline.rows[root as usize]));
        self.commands = Commands::default();
        for root in roots {
            self.commands.see(&root);
        }
        self.root = primary_root(outline, tree).map(|root| RootSeen::of_row(outline, &outline.rows[root as usize]));
        self.has_failed_check = outline.failed_checks() > 0;
        let start_ns = outline.rows.iter().map(|row| row.start_ns).min();
        let end_ns = outline.rows.iter().map(|row| row.end_ns.unwrap_or(row.start_ns)).max();
        self.times_ns = start_ns.zip(end_ns);
        // At most `MAX_SPANS`.
        self.spans = Some(outline.len() as u64);
    }

    /// The labels; empty before the first CLI is seen.
    #[must_use]
    pub fn labels(&self) -> Cow<'_, Labels> {
        self.labels.as_ref().map_or_else(|| Cow::Owned(Labels::default()), |seen| Cow::Borrowed(&seen.labels))
    }

    /// Where the trace stands, as [`super::state::trace_state`] says it: final once its commands ended, never succeeded when a
    /// check failed.
    #[must_use]
    pub fn state_at(&self, now_ms: i64) -> TraceState {
        let has_parent = self.root.as_ref().is_some_and(|root| root.parent.is_some());
        let ends = self.root.iter().map(RootSeen::end).chain(self.commands.ends(has_parent));
        state_of(ends, self.has_failed_check, self.heard_ms(), now_ms)
    }

    /// When a root was last heard of, epoch milliseconds.
    fn heard_ms(&self) -> i64 {
        let root = self.root.as_ref().map(|root| root.received_ms);
        root.max(self.commands.heard_ms()).unwrap_or(self.first_received_ms)
    }

    /// The command line; empty before the root is seen.
    #[must_use]
    pub fn name(&self) -> &str {
        self.root.as_ref().map_or("", |root| &root.name)
    }

    /// When it started, epoch milliseconds: by its root, else by its earliest span; by its arrival where that clock is far off.
    #[must_use]
    pub fn started_ms(&self) -> i64 {
        let start_ns = self.root.as_ref().map(|root| root.start_ns).or(self.times_ns.map(|(first, _)| first));
        let latest = self.first_received_ms.saturating_add(MAX_SKEW_MS);
        start_ns.map(milliseconds).filter(|start| (EARLIEST_MS..=latest).contains(start)).unwrap_or(self.first_received_ms)
    }

    /// When its root ended, epoch milliseconds: as long after its start as the root's clock says.
    #[must_use]
    pub fn ended_ms(&self) -> Option<i64> {
        let root = self.root.as_ref()?;
        let took_ms = milliseconds(root.end_ns?.saturating_sub(root.start_ns));
        Some(self.started_ms().saturating_add(took_ms))
    }

    /// How long it took, or takes so far; never negative.
    #[must_use]
    pub fn duration_ms(&self, now_ms: i64) -> i64 {
        let last = match self.state_at(now_ms) {
            TraceState::Running => now_ms,
            TraceState::Lost => self.heard_ms(),
            TraceState::Succeeded | TraceState::Failed | TraceState::Canceled => self.ended_ms().unwrap_or(now_ms),
        };
        last.saturating_sub(self.started_ms()).max(0)
    }

    /// The time that lists sort by, epoch milliseconds: when it started, by a clock that is at most a day off.
    #[must_use]
    pub fn listed_ms(&self) -> i64 {
        self.started_ms().clamp(self.first_received_ms.saturating_sub(MAX_SKEW_MS), self.first_received_ms)
    }

    /// The day under which it is listed, `yyyymmdd` in UTC.
    #[must_use]
    pub fn day(&self) -> u32 {
        let at = Timestamp::from_millisecond(self.listed_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
        yyyymmdd(Offset::UTC.to_datetime(at).date())
    }

    /// Its repository: what the control plane knows, else what the labels claim.
    #[must_use]
    pub fn remote(&self) -> Option<Remote> {
        let native = self.native.as_ref().and_then(|native| Remote::of(&native.host, &native.repository));
        native.or_else(|| self.labels().git_remote.clone())
    }

    /// The repository as lists are keyed by it: [`Remote::folded`], `-` for traces without one.
    #[must_use]
    pub fn remote_key(&self) -> String {
        self.remote().map_or_else(|| NO_REMOTE.to_owned(), |remote| remote.folded())
    }

    /// The SHA of its commit.
    #[must_use]
    pub fn commit(&self) -> Option<String> {
        let native = self.native.as_ref().map(|native| native.commit.to_string());
        native.or_else(|| self.labels().git_ref.clone())
    }

    /// Its branch.
    #[must_use]
    pub fn branch(&self) -> Option<String> {
        let native = self.native.as_ref().and_then(|native| native.branch.as_ref()).map(ToString::to_string);
        let labels = self.labels();
        native.or_else(|| labels.pull.as_ref().and_then(|pull| pull.branch.clone())).or_else(|| labels.branch.clone())
    }

    /// Its pull or merge request.
    #[must_use]
    pub fn pull(&self) -> Option<PullNumber> {
        let native = self.native.as_ref().and_then(|native| native.pull);
        native.or_else(|| self.labels().pull.as_ref().map(|pull| pull.number))
    }

    /// Whether it ran in CI: as an attempt of ours, or in a system that its labels name.
    #[must_use]
    pub fn is_from_ci(&self) -> bool {
        self.attempt.is_some() || self.labels().ci.is_some()
    }

    /// Whether all words of a search, without regard to case, occur in what a list shows of it.
    #[must_use]
    pub fn mentions(&self, search: &str) -> bool {
        let labels = self.labels();
        let remote = self.remote().map(|remote| remote.to_string());
        let (branch, commit, trace) = (self.branch(), self.commit(), self.trace.to_string());
        let pull = self.pull().map(|number| format!("#{number}"));
        let ci = labels.ci.as_ref();
        let said = [
            Some(self.name()),
            Some(&trace),
            remote.as_deref(),
            branch.as_deref(),
            commit.as_deref(),
            pull.as_deref(),
            labels.tag.as_deref(),
            labels.title.as_deref(),
            labels.pull.as_ref().and_then(|pull| pull.title.as_deref()),
            labels.user.as_deref(),
            labels.author.as_deref(),
            ci.map(|ci| ci.vendor.name()),
            ci.and_then(|ci| ci.job.as_deref()),
            ci.and_then(|ci| ci.workflow.as_deref()),
        ];
        let said = said.into_iter().flatten().collect::<Vec<_>>().join("\n").to_lowercase();
        search.to_lowercase().split_whitespace().all(|word| said.contains(word))
    }
}

/// The key of traces without a repository.
pub const NO_REMOTE: &str = "-";

/// A day as its number, `20261122`.
#[must_use]
pub fn yyyymmdd(date: Date) -> u32 {
    u32::from(date.year().unsigned_abs()) * 10_000 + u32::from(date.month().unsigned_abs()) * 100 + u32::from(date.day().unsigned_abs())
}

fn milliseconds(ns: u64) -> i64 {
    i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX)
}
