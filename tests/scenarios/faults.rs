//! The fault matrix: every AWS call and every GitHub call of a scenario fails once, before or after its effect; every case
//! ends in the same statuses, with one accepted result per attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use quillon::engine::fault::{Caller, Fault};
use quillon_core::id::CommitSha;
use quillon_forge::HookAction;
use quillon_tests::{Behaviour, World};

/// What a scenario does; gives the commit whose statuses count.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    Green,
    Failing,
    LoadFailure,
    Supersede,
    Rerun,
}

/// What has happened before anything fails.
async fn prepare(world: &mut World, scenario: Scenario) -> Vec<CommitSha> {
    match scenario {
        Scenario::Green => vec![],
        Scenario::Failing => {
            world.check("lint", Behaviour::Fails(1));
            vec![]
        }
        Scenario::LoadFailure => {
            world.agent.load_behaves(".", Behaviour::Fails(1));
            vec![]
        }
        Scenario::Supersede => {
            world.check("lint", Behaviour::Hangs);
            let older = world.push("main").await;
            world.settle().await;
            vec![older]
        }
        Scenario::Rerun => {
            world.check("lint", Behaviour::Fails(1));
            let sha = world.push("main").await;
            world.settle().await;
            world.check("lint", Behaviour::Passes);
            vec![sha]
        }
    }
}

/// What happens while something fails.
async fn play(world: &mut World, scenario: Scenario, commits: &mut Vec<CommitSha>) {
    match scenario {
        Scenario::Green | Scenario::Failing | Scenario::LoadFailure | Scenario::Supersede => commits.push(world.push("main").await),
        Scenario::Rerun => world.insist_on_rerun().await,
    }
    world.settle().await;
}

/// The statuses of every commit of a scenario, and one accepted result for every attempt.
type Ends = Vec<Vec<String>>;

/// Whatever repetition GitHub's redeliveries and the schedules bring, then the statuses.
async fn ends(world: &mut World, scenario: Scenario, shas: &[CommitSha]) -> Ends {
    world.pass_minutes(3).await;
    // A webhook that was answered with an error, or whose hint was lost, is redelivered by the reconciler.
    world.fire("reconcile").await.expect("a pass");
    world.settle().await;
    // What was to be superseded has been by now; whatever still hangs may end.
    if let Scenario::Supersede = scenario {
        world.check("lint", Behaviour::Passes);
    }
    world.pass_minutes(4).await;
    let mut ends = Vec::new();
    for sha in shas {
        world.expect_monotonous(sha).await;
        let stored = world.stored(sha).await;
        assert!(stored.attempts.iter().all(quillon_core::attempt::Attempt::is_terminal), "an attempt of {sha} never ended");
        ends.push(world.statuses(sha));
    }
    ends
}

async fn fresh(scenario: Scenario) -> (World, Vec<CommitSha>) {
    let mut world = World::new().await;
    world.fire("reconcile").await.expect("a first pass sets the position");
    let commits = prepare(&mut world, scenario).await;
    if let Some(sha) = commits.last() {
        world.remember_check(sha, "lint").await;
    }
    (world, commits)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

async fn matrix_over_aws(scenario: Scenario, when: When) {
    let (mut calm, mut shas) = fresh(scenario).await;
    let first = calm.system.cloud().engines().next_call_index();
    play(&mut calm, scenario, &mut shas).await;
    let calls = calm.system.cloud().engines().next_call_index() - first;
    let expected = ends(&mut calm, scenario, &shas).await;
    let mut struck_calls = 0;
    for nth in 0..calls {
        let (mut world, mut shas) = fresh(scenario).await;
        let target = world.system.cloud().engines().next_call_index() + nth;
        let struck = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&struck);
        world.system.cloud().engines().set_fault(Some(Arc::new(move |call| {
            // All attempts of the SDK at the call fail; the mapping's own calls are Lambda's, which never gives up.
            if call.index != target || call.caller == Caller::Mapping {
                return Fault::None;
            }
            flag.store(true, Ordering::SeqCst);
            match when {
                When::Before => Fault::fail_before(),
                When::After => Fault::fail_after(),
            }
        })));
        play(&mut world, scenario, &mut shas).await;
        if !struck.load(Ordering::SeqCst) {
            continue;
        }
        struck_calls += 1;
        let found = ends(&mut world, scenario, &shas).await;
        assert_eq!(found, expected, "{scenario:?}: AWS call {nth} failed {when:?}");
    }
    assert!(struck_calls > 15, "the matrix of {scenario:?} struck {struck_calls} calls only");
}

async fn matrix_over_github(scenario: Scenario, when: When) {
    let (mut calm, mut shas) = fresh(scenario).await;
    let before = calm.forge.requests().len();
    play(&mut calm, scenario, &mut shas).await;
    let calls = calm.forge.requests().len() - before;
    let expected = ends(&mut calm, scenario, &shas).await;
    for target in 0..calls as u64 {
        let (mut world, mut shas) = fresh(scenario).await;
        let counter = Arc::new(AtomicU64::new(0));
        world.forge.set_hook(Some(Arc::new(move |_| {
            if counter.fetch_add(1, Ordering::SeqCst) != target {
                return HookAction::Pass;
            }
            match when {
                When::Before => HookAction::FailBefore(502),
                When::After => HookAction::FailAfter(502),
            }
        })));
        play(&mut world, scenario, &mut shas).await;
        let found = ends(&mut world, scenario, &shas).await;
        assert_eq!(found, expected, "{scenario:?}: GitHub call {target} failed {when:?}");
    }
    assert!(calls > 1, "the matrix of {scenario:?} had {calls} calls only");
}

macro_rules! matrix {
    ($($name:ident: $scenario:ident;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn aws_fails_before() {
                Box::pin(matrix_over_aws(Scenario::$scenario, When::Before)).await;
            }

            #[tokio::test]
            async fn aws_fails_after() {
                Box::pin(matrix_over_aws(Scenario::$scenario, When::After)).await;
            }

            #[tokio::test]
            async fn github_fails_before() {
                Box::pin(matrix_over_github(Scenario::$scenario, When::Before)).await;
            }

            #[tokio::test]
            async fn github_fails_after() {
                Box::pin(matrix_over_github(Scenario::$scenario, When::After)).await;
            }
        })*
    };
}

matrix! {
    green: Green;
    failing: Failing;
    load_failure: LoadFailure;
    supersede: Supersede;
    rerun: Rerun;
}
