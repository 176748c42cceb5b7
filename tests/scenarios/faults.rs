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

async fn play(world: &mut World, scenario: Scenario) -> Vec<CommitSha> {
    match scenario {
        Scenario::Green => vec![world.push("main").await],
        Scenario::Failing => {
            world.check("lint", Behaviour::Fails(1));
            vec![world.push("main").await]
        }
        Scenario::LoadFailure => {
            world.agent.load_behaves(".", Behaviour::Fails(1));
            vec![world.push("main").await]
        }
        Scenario::Supersede => {
            let older = world.push("main").await;
            world.forge.deliver_all().await.expect("deliveries");
            world.drain().await;
            vec![older, world.push("main").await]
        }
        Scenario::Rerun => {
            world.check("lint", Behaviour::Fails(1));
            let sha = world.push("main").await;
            world.settle().await;
            world.pass_minutes(4).await;
            world.check("lint", Behaviour::Passes);
            world.rerun_until_accepted(&sha, "lint").await;
            vec![sha]
        }
    }
}

/// Plays a scenario to its end, with whatever repetition GitHub's and the schedules' would bring.
async fn ends(world: &mut World, scenario: Scenario) -> Vec<(String, Vec<String>)> {
    let shas = play(world, scenario).await;
    world.settle().await;
    world.pass_minutes(5).await;
    // A webhook that was answered with an error is redelivered by the reconciler.
    let _ = world.fire("reconcile").await;
    let _ = world.fire("reconcile").await;
    world.settle().await;
    world.pass_minutes(5).await;
    let mut ends = Vec::new();
    for (number, sha) in shas.iter().enumerate() {
        world.expect_monotonous(sha).await;
        ends.push((format!("commit {number}"), world.statuses(sha)));
    }
    ends
}

async fn fresh() -> World {
    let world = World::new().await;
    world.fire("reconcile").await.expect("a first pass sets the position");
    world
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

async fn matrix_over_aws(scenario: Scenario, when: When) {
    let mut calm = fresh().await;
    let first = calm.system.cloud().engines().next_call_index();
    let expected = ends(&mut calm, scenario).await;
    let last = calm.system.cloud().engines().next_call_index();
    let mut seen = 0;
    let mut index = first;
    while index < last {
        let mut world = fresh().await;
        let start = world.system.cloud().engines().next_call_index();
        let target = start + (index - first);
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
        let found = ends(&mut world, scenario).await;
        assert_eq!(found, expected, "{scenario:?}: AWS call {} failed {when:?}", index - first);
        seen += usize::from(struck.load(Ordering::SeqCst));
        index += 1;
    }
    assert!(seen > 20, "the matrix of {scenario:?} struck {seen} calls only");
}

async fn matrix_over_github(scenario: Scenario, when: When) {
    let mut calm = fresh().await;
    let before = calm.forge.requests().len();
    let expected = ends(&mut calm, scenario).await;
    let calls = calm.forge.requests().len() - before;
    for target in 0..calls as u64 {
        let mut world = fresh().await;
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
        let found = ends(&mut world, scenario).await;
        assert_eq!(found, expected, "{scenario:?}: GitHub call {target} failed {when:?}");
    }
    assert!(calls > 5, "the matrix of {scenario:?} had {calls} calls only");
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
