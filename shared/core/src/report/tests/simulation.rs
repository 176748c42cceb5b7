//! A commit that lives through anything, and a reporter that dies anywhere: what GitHub's history of every context looks like.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::plan::record;
use crate::attempt::{Attempt, AttemptState, Cancel, Event, Lease, Outcome, Report, decide};
use crate::commit::Commit;
use crate::fixture::{
    at, attempt, commit, fork_lane, links, listed, parsed, requested, run_in, superseded, superseded_in_lane, trusted_lane,
};
use crate::id::{AgentId, LeaseId};
use crate::lane::Lane;
use crate::report::{AGGREGATE, MAX_POSTS, Post, Status, StatusState, desired, plan};
use crate::rerun;
use crate::run::{RunState, is_replaced};

/// Modules whose names and checks are as alike as they can be.
const MODULES: [(&str, &[&str]); 2] = [(".", &["go:lint", "js:lint", "x:go:lint", "go:load"]), ("api", &["lint", "load/x"])];

/// Something that happens to the commit, or the reporter at work.
#[derive(Debug, Clone)]
enum Happening {
    /// An attempt goes one step on its way, at its end with this result.
    Progress(usize, Report),
    /// A load in expansion gets so many of its attempts written.
    Expand(usize, usize),
    /// The agent of an attempt is not heard of any more.
    Silence(usize),
    /// Everything unfinished of a run shall stop.
    Cancel(usize, Cancel),
    /// Somebody wants an attempt once more.
    Rerun(usize),
    /// The head of a run returns.
    Revive(usize),
    /// Another run of the commit begins, or says why it does not.
    Open(RunState),
    /// The reporter posts so many statuses before it dies.
    Post(usize),
}

fn reports() -> impl Strategy<Value = Report> {
    prop_oneof![
        // On a load this stands for the list of its checks.
        6 => Just(Report::Passed),
        2 => Just(Report::Failed { exit_code: 1 }),
        1 => Just(Report::Errored { message: "no `dagger` on PATH".to_owned() }),
        1 => Just(Report::Conflict { base: parsed("main") }),
        1 => Just(Report::TimedOut),
        1 => Just(Report::Stopped),
    ]
}

fn happenings() -> impl Strategy<Value = Happening> {
    let pick = || 0..64_usize;
    let cancels = select(vec![superseded(), superseded(), superseded_in_lane(), requested()]);
    let states = select(vec![
        RunState::Open,
        RunState::Open,
        RunState::Conflict { base: parsed("main") },
        RunState::ForkRefused,
        RunState::NoModule,
    ]);
    prop_oneof![
        30 => (pick(), reports()).prop_map(|(index, report)| Happening::Progress(index, report)),
        3 => (pick(), 0..3_usize).prop_map(|(index, count)| Happening::Expand(index, count)),
        1 => pick().prop_map(Happening::Silence),
        2 => (pick(), cancels).prop_map(|(index, cancel)| Happening::Cancel(index, cancel)),
        3 => pick().prop_map(Happening::Rerun),
        2 => pick().prop_map(Happening::Revive),
        1 => states.prop_map(Happening::Open),
        12 => (0..8_usize).prop_map(Happening::Post),
    ]
}

/// The commit, and all that GitHub was ever told.
struct World {
    commit: Commit,
    seconds: i64,
    history: BTreeMap<String, Vec<Status>>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { commit: commit(vec![], vec![]), seconds: 0, history: BTreeMap::new() };
        world.open(RunState::Open);
        world
    }

    fn now(&mut self) -> jiff::Timestamp {
        self.seconds += 1;
        at(self.seconds)
    }

    fn open(&mut self, state: RunState) {
        let lanes = [trusted_lane(), fork_lane(), Lane::of_tag(), Lane::of_merge_group(parsed("main"))];
        let Some(lane) = lanes.get(self.commit.runs.len()) else { return };
        let run = run_in(self.commit.next_generation(), lane.clone(), state);
        if run.state == RunState::Open {
            self.commit.attempts.extend(MODULES.map(|(module, _)| attempt(&run, module, "load")));
        }
        self.commit.runs.push(run);
    }

    fn unfinished(&self) -> Vec<usize> {
        (0..self.commit.attempts.len()).filter(|index| !self.commit.attempts[*index].is_terminal()).collect()
    }

    fn decide(&mut self, index: usize, event: &Event) {
        let now = self.now();
        let attempt = &mut self.commit.attempts[index];
        *attempt = decide(attempt, event, now).next;
    }

    /// The next step of an attempt on its way to a result.
    fn progress(&mut self, index: usize, report: &Report) {
        let attempt = &self.commit.attempts[index];
        let event = match &attempt.state {
            AttemptState::Queued { .. } => Event::Admitted,
            AttemptState::Offered { .. } => {
                let id = LeaseId::from_parts(u64::from(attempt.execution), index as u128);
                Event::Leased(Lease { id, agent: AgentId::from_parts(6, 6), until: at(self.seconds + 60) })
            }
            AttemptState::Running { lease, .. } => {
                let module = attempt.key.module.as_str();
                let checks = MODULES.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, checks)| *checks);
                let report = match (report, attempt.key.task.label()) {
                    (Report::Passed, "load") => Report::Listed { checks: listed(checks) },
                    (report, _) => report.clone(),
                };
                Event::Reported { lease: lease.id, report, integration: None }
            }
            AttemptState::Expanding { .. } => return self.expand(index, usize::MAX),
            AttemptState::Finished { .. } => return,
        };
        self.decide(index, &event);
    }

    fn expand(&mut self, index: usize, count: usize) {
        let now = self.now();
        let load = self.commit.attempts[index].clone();
        let Some(run) = self.commit.run(&load.key.run) else { return };
        let wanted = rerun::expand(run, &load, &self.commit.latest(&load.key.run), now);
        let is_whole = wanted.len() <= count;
        self.commit.attempts.extend(wanted.into_iter().take(count));
        if is_whole {
            self.decide(index, &Event::Expanded);
        }
    }

    fn cancel(&mut self, run: usize, cancel: &Cancel) {
        let key = self.commit.runs[run % self.commit.runs.len()].key.clone();
        let latest: Vec<Attempt> = self.commit.latest(&key).into_iter().cloned().collect();
        for index in self.unfinished() {
            if latest.contains(&self.commit.attempts[index]) {
                self.decide(index, &Event::CancelRequested(cancel.clone()));
            }
        }
    }

    fn rerun(&mut self, pick: usize) {
        let now = self.now();
        let latest: Vec<&Attempt> = self.commit.runs.iter().flat_map(|run| self.commit.latest(&run.key)).collect();
        if latest.is_empty() {
            return;
        }
        if let Ok(again) = rerun::rerun(latest[pick % latest.len()], "ann", false, now) {
            self.commit.attempts.push(again);
        }
    }

    fn revive(&mut self, run: usize) {
        let now = self.now();
        let key = &self.commit.runs[run % self.commit.runs.len()].key;
        let again = rerun::revive(&self.commit.latest(key), now);
        self.commit.attempts.extend(again);
    }

    fn happen(&mut self, happening: &Happening) {
        let unfinished = self.unfinished();
        let picked = |pick: &usize| (!unfinished.is_empty()).then(|| unfinished[pick % unfinished.len()]);
        match happening {
            Happening::Progress(pick, report) => {
                if let Some(index) = picked(pick) {
                    self.progress(index, report);
                }
            }
            Happening::Silence(pick) => {
                if let Some(index) = picked(pick) {
                    self.seconds += 2_000;
                    self.decide(index, &Event::Tick);
                }
            }
            Happening::Expand(pick, count) => {
                let is_expanding = |index: &usize| matches!(self.commit.attempts[*index].state, AttemptState::Expanding { .. });
                let loads: Vec<usize> = unfinished.into_iter().filter(is_expanding).collect();
                if !loads.is_empty() {
                    self.expand(loads[pick % loads.len()], *count);
                }
            }
            Happening::Cancel(run, cancel) => self.cancel(*run, cancel),
            Happening::Rerun(pick) => self.rerun(*pick),
            Happening::Revive(run) => self.revive(*run),
            Happening::Open(state) => self.open(state.clone()),
            Happening::Post(count) => {
                self.post(*count);
            }
        }
    }

    /// Posts what is due, as far as the reporter gets. False once nothing is due.
    fn post(&mut self, count: usize) -> bool {
        let desired = desired(&self.commit, &links());
        let plan = plan(&desired, &self.commit.ledger);
        assert!(plan.posts.len() <= MAX_POSTS);
        let last = plan.posts.len().saturating_sub(1);
        for (position, post) in plan.posts.iter().enumerate() {
            if post.status.context == AGGREGATE {
                let place = if post.status.state.is_terminal() { last } else { 0 };
                assert_eq!(position, place, "the aggregate is in the midst of {:?}", plan.posts);
            }
        }
        for post in plan.posts.iter().take(count) {
            self.tell(post, &desired);
        }
        !plan.posts.is_empty() || plan.has_more
    }

    fn tell(&mut self, post: &Post, desired: &BTreeMap<String, Status>) {
        let status = &post.status;
        if status.context == AGGREGATE && status.state.is_terminal() {
            for (context, other) in desired.iter().filter(|(context, _)| *context != AGGREGATE) {
                let told = self.commit.ledger.get(context).map(|entry| entry.state);
                assert_eq!(told, Some(other.state), "the verdict comes before `{context}`");
            }
        }
        let history = self.history.entry(status.context.clone()).or_default();
        if let Some(before) = history.last() {
            assert!(before.rank < status.rank, "{before:?} then {status:?}");
            assert!((before.state, &before.description) != (status.state, &status.description), "{status:?} twice");
            let is_same_attempt = (before.rank.generation, before.rank.number) == (status.rank.generation, status.rank.number);
            assert!(!is_same_attempt || !before.state.is_terminal(), "{before:?} then {status:?}");
        }
        history.push(status.clone());
        record(&mut self.commit.ledger, post);
    }

    /// What the aggregate must be, found without the code that renders it.
    fn check_aggregate(&self) {
        let status = desired(&self.commit, &links()).remove(AGGREGATE);
        let state = status.as_ref().map(|status| status.state);
        let latest: Vec<Vec<&Attempt>> = self.commit.runs.iter().map(|run| self.commit.latest(&run.key)).collect();
        let is_open = latest.iter().flatten().any(|attempt| !attempt.is_terminal() && attempt.cancel().is_none());
        if is_open {
            assert_eq!(state, Some(StatusState::Pending));
        }
        if state == Some(StatusState::Success) {
            let is_out = |attempts: &Vec<&Attempt>| attempts.iter().any(|attempt| attempt.cancel().is_some_and(is_replaced));
            for attempt in latest.iter().filter(|attempts| !is_out(attempts)).flatten() {
                assert_eq!(attempt.outcome(), Some(&Outcome::Success), "green over {attempt:?}");
            }
            let blocked = |state: &RunState| matches!(state, RunState::Conflict { .. } | RunState::ForkRefused);
            assert!(!self.commit.runs.iter().any(|run| blocked(&run.state)));
        }
    }

    /// Everything goes on until nothing is left to do and nothing is left to say.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 1_000, "it does not come to rest");
            let unfinished = self.unfinished();
            if unfinished.is_empty() {
                break;
            }
            unfinished.into_iter().for_each(|index| self.progress(index, &Report::Passed));
        }
        let mut rounds = 0;
        while self.post(usize::MAX) {
            rounds += 1;
            assert!(rounds < 10, "the reporter goes on for ever");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 5_000, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn whatever_happens_every_context_ends_with_the_truth(happenings in proptest::collection::vec(happenings(), 1..80)) {
        let mut world = World::new();
        for happening in &happenings {
            world.happen(happening);
            world.check_aggregate();
        }
        world.settle();
        world.check_aggregate();
        for (context, told) in &world.commit.ledger {
            prop_assert!(told.state.is_terminal(), "`{}` stays {:?}", context, told);
        }
        for (context, status) in desired(&world.commit, &links()) {
            let told = world.commit.ledger.get(&context).map(|told| (told.state, told.description.clone()));
            prop_assert_eq!(told, Some((status.state, status.description)), "{}", context);
        }
    }
}

/// The property says nothing about what histories do not reach.
#[test]
fn histories_reach_reruns_revivals_and_several_runs() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut most_attempts, mut most_runs, mut most_numbers, mut most_told) = (0, 0, 0, 0);
    for _ in 0..100 {
        let mut world = World::new();
        for happening in proptest::collection::vec(happenings(), 40..80).new_tree(&mut runner).expect("a history").current() {
            world.happen(&happening);
        }
        most_attempts = most_attempts.max(world.commit.attempts.len());
        most_runs = most_runs.max(world.commit.runs.len());
        most_numbers = most_numbers.max(world.commit.attempts.iter().map(|attempt| attempt.key.number).max().unwrap_or(0));
        most_told = most_told.max(world.history.values().map(Vec::len).max().unwrap_or(0));
    }
    assert!(most_attempts >= 12 && most_runs >= 3 && most_numbers >= 3 && most_told >= 5);
}
