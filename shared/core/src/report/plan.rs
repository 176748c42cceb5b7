//! From a stored commit to the statuses it should have, and from those to the posts that are due.

use std::collections::BTreeMap;

use super::{AGGREGATE, Contexts, LedgerEntry, Links, Rank, Status, StatusState, description};
use crate::attempt::{Attempt, AttemptState, Outcome};
use crate::commit::Commit;
use crate::name::{CheckName, ModulePath, Task};
use crate::run::{Counts, Phase, Run, RunState, is_replaced, overall};

/// Most posts that one invocation of the reporter makes; the rest follows with the next message.
pub const MAX_POSTS: usize = 40;

/// Above so many contexts on a commit, only terminal statuses are posted.
const MAX_CHATTY_CONTEXTS: usize = 60;

/// GitHub takes 1,000 statuses per SHA and context; from here on only terminal ones are spent.
const LAST_POSTS: u32 = 950;

/// One status to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The status; its context is the key of the ledger.
    pub status: Status,
    /// The context to post it in: another one once GitHub takes no more in the first.
    pub posted_context: String,
    /// How many statuses the context has so far.
    pub posts_before: u32,
}

/// What is due for one commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The posts in order: the aggregate first while pending, last once terminal. At most [`MAX_POSTS`].
    pub posts: Vec<Post>,
    /// Whether more is due than fits.
    pub has_more: bool,
}

/// The statuses that a commit should have, by context, the aggregate among them.
#[must_use]
pub fn desired(commit: &Commit, links: &Links) -> BTreeMap<String, Status> {
    let mut desired = BTreeMap::new();
    for run in &commit.runs {
        let latest = commit.latest(&run.key);
        let mut by_module: BTreeMap<&ModulePath, Vec<&Attempt>> = BTreeMap::new();
        for attempt in &latest {
            by_module.entry(&attempt.key.module).or_default().push(attempt);
        }
        for (module, attempts) in by_module {
            let contexts = Contexts::new(&run.repository_name, module, attempts.iter().filter_map(|attempt| check_name(attempt)));
            for attempt in attempts {
                // The newest run owns a context: later generations come later and replace.
                let context = attempt.context.clone().unwrap_or_else(|| contexts.of(&attempt.key.task));
                let status = of_attempt(run, attempt, context, links);
                desired.insert(status.context.clone(), status);
            }
        }
    }
    if let Some(status) = aggregate(commit, links) {
        desired.insert(AGGREGATE.to_owned(), status);
    }
    desired
}

/// The posts that bring GitHub from what the ledger says to what is desired.
#[must_use]
pub fn plan(desired: &BTreeMap<String, Status>, ledger: &BTreeMap<String, LedgerEntry>) -> Plan {
    let is_chatty = desired.len() <= MAX_CHATTY_CONTEXTS;
    let wanted = |status: &&Status| status.context == AGGREGATE || is_chatty || status.state.is_terminal();
    let due: Vec<Post> = desired.values().filter(wanted).filter_map(|status| post(status, ledger.get(&status.context))).collect();
    let (aggregate, mut posts): (Vec<Post>, Vec<Post>) = due.into_iter().partition(|post| post.status.context == AGGREGATE);
    let (first, last): (Vec<Post>, Vec<Post>) = aggregate.into_iter().partition(|post| !post.status.state.is_terminal());
    posts.splice(0..0, first);
    posts.extend(last);
    let has_more = posts.len() > MAX_POSTS;
    posts.truncate(MAX_POSTS);
    Plan { posts, has_more }
}

fn post(status: &Status, told: Option<&LedgerEntry>) -> Option<Post> {
    let Some(told) = told else {
        return Some(Post { status: status.clone(), posted_context: status.context.clone(), posts_before: 0 });
    };
    let is_same = told.state == status.state && told.description == status.description;
    let is_spent = told.posts >= LAST_POSTS && !told.is_full && !status.state.is_terminal();
    if status.rank <= told.rank || is_same || is_spent {
        return None;
    }
    let posted_context = if told.is_full { format!("{}#2", status.context) } else { status.context.clone() };
    Some(Post { status: status.clone(), posted_context, posts_before: told.posts })
}

fn check_name(attempt: &Attempt) -> Option<&CheckName> {
    match &attempt.key.task {
        Task::Load => None,
        Task::Check(name) => Some(name),
    }
}

fn of_attempt(run: &Run, attempt: &Attempt, context: String, links: &Links) -> Status {
    let (state, text) = render(attempt);
    Status {
        context,
        state,
        description: description(&text),
        target_url: links.check_page(&run.repository_name, &attempt.key.module, &run.key.commit.sha, Some(attempt.key.task.label())),
        rank: Rank { generation: run.generation, number: attempt.key.number, is_terminal: state.is_terminal() },
    }
}

fn render(attempt: &Attempt) -> (StatusState, String) {
    let took = || match (attempt.started_at(), attempt.ended_at()) {
        (Some(start), Some(end)) => crate::text::duration(start, end),
        (None, _) | (_, None) => "0ms".to_owned(),
    };
    match &attempt.state {
        AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Expanding { .. } => (
            StatusState::Pending,
            match attempt.key.task {
                Task::Load => "loading the module".to_owned(),
                Task::Check(_) => "waiting for the result".to_owned(),
            },
        ),
        AttemptState::Finished { outcome, .. } => match outcome {
            Outcome::Success => (
                StatusState::Success,
                match attempt.key.task {
                    Task::Load => format!("loaded in {}", took()),
                    Task::Check(_) => format!("passed in {}", took()),
                },
            ),
            Outcome::Failure { exit_code } => (
                StatusState::Failure,
                match attempt.key.task {
                    Task::Load => format!("the module does not load (exit code {exit_code})"),
                    Task::Check(_) => format!("failed in {} (exit code {exit_code})", took()),
                },
            ),
            Outcome::Error { .. } | Outcome::Conflict { .. } | Outcome::TimedOut | Outcome::Lost | Outcome::Cancelled(_) => {
                (StatusState::Error, attempt.note().unwrap_or_default())
            }
        },
    }
}

/// The aggregate over all runs that still speak for the commit.
fn aggregate(commit: &Commit, links: &Links) -> Option<Status> {
    let all: Vec<(&Run, Vec<&Attempt>)> =
        commit.runs.iter().filter(|run| run.state != RunState::NoModule).map(|run| (run, commit.latest(&run.key))).collect();
    let speaking: Vec<&(&Run, Vec<&Attempt>)> = all.iter().filter(|(run, latest)| !is_run_replaced(run, latest)).collect();
    // A commit of which everything was replaced says so with its newest run.
    let chosen: Vec<&(&Run, Vec<&Attempt>)> = if speaking.is_empty() { all.last().into_iter().collect() } else { speaking };
    let (newest, _) = chosen.last()?;

    let phases: Vec<Phase> = chosen.iter().filter_map(|(run, latest)| run.summarize(latest).phase).collect();
    let phase = overall(phases.into_iter())?;
    let state = match phase {
        Phase::Queued | Phase::Running => StatusState::Pending,
        Phase::Success => StatusState::Success,
        Phase::Failure => StatusState::Failure,
        Phase::Error | Phase::Cancelled => StatusState::Error,
    };
    let attempts: Vec<&Attempt> = chosen.iter().flat_map(|(_, latest)| latest.iter().copied()).collect();
    let text = match state {
        StatusState::Pending => "checks are running".to_owned(),
        StatusState::Success | StatusState::Failure | StatusState::Error => verdict(&chosen, &attempts),
    };
    // Over everything that was ever made for the commit: runs that fall silent must not make the rank smaller.
    let rank = Rank {
        generation: commit.runs.iter().map(|run| run.generation).max().unwrap_or(newest.generation),
        number: u32::try_from(commit.attempts.len()).unwrap_or(u32::MAX),
        is_terminal: state.is_terminal(),
    };
    let target_url = links.check_page(&newest.repository_name, &ModulePath::root(), &newest.key.commit.sha, None);
    Some(Status { context: AGGREGATE.to_owned(), state, description: description(&text), target_url, rank })
}

/// Whether another commit or run speaks instead of this one: it was superseded, and nothing of it was started again.
fn is_run_replaced(run: &Run, latest: &[&Attempt]) -> bool {
    let is_stopped = match &run.state {
        RunState::Stopped { cancel } => is_replaced(cancel),
        RunState::Waiting { .. }
        | RunState::Open
        | RunState::Conflict { .. }
        | RunState::NoModule
        | RunState::TooManyModules { .. }
        | RunState::ForkRefused => false,
    };
    let is_open = latest.iter().any(|attempt| !attempt.is_terminal() && attempt.cancel().is_none());
    is_stopped || (!is_open && latest.iter().any(|attempt| attempt.is_terminal() && attempt.cancel().is_some_and(is_replaced)))
}

fn verdict(runs: &[&(&Run, Vec<&Attempt>)], attempts: &[&Attempt]) -> String {
    if let Some(explanation) = runs.iter().find_map(|(run, _)| run.explanation()) {
        return explanation;
    }
    if let Some(cancel) = attempts.iter().filter_map(|attempt| attempt.cancel()).find(|cancel| is_replaced(cancel)) {
        return cancel.reason.to_string();
    }
    let conflict = attempts.iter().find_map(|attempt| match attempt.outcome() {
        Some(Outcome::Conflict { base }) => Some(base),
        Some(_) | None => None,
    });
    if let Some(base) = conflict {
        return format!("merge conflict with {base}");
    }
    let is_broken_load = |attempt: &&&Attempt| attempt.key.task == Task::Load && attempt.outcome() != Some(&Outcome::Success);
    let broken = attempts.iter().filter(is_broken_load).count();
    let counts = count(attempts);
    let mut parts: Vec<String> =
        [(counts.failure, "failed"), (counts.error, "could not run"), (counts.cancelled, "cancelled"), (counts.success, "succeeded")]
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
    if broken > 0 {
        parts.insert(0, if broken == 1 { "a module did not load".to_owned() } else { format!("{broken} modules did not load") });
    }
    if parts.is_empty() { "no check functions in the module".to_owned() } else { parts.join(", ") }
}

fn count(attempts: &[&Attempt]) -> Counts {
    let mut counts = Counts::default();
    for attempt in attempts {
        match attempt.key.task {
            Task::Load => {}
            Task::Check(_) => counts.add(Phase::of(&attempt.state)),
        }
    }
    counts
}
