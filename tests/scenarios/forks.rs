//! Pull requests from forks: refused unless they are run, and never trusted.

use quillon_core::run::{Phase, RunState};
use quillon_core::trust::Trust;
use quillon_forge::{AccountKind, FileChange, NewPull, Person, Pull};
use quillon_tests::{Setup, World};

async fn fork_pull(world: &mut World) -> (quillon_core::id::CommitSha, Pull) {
    world.push("main").await;
    world.settle().await;
    let mallory = world.forge.create_account("mallory", AccountKind::User).expect("an account");
    let fork = world.forge.fork(world.repository.id, mallory.id).await.expect("a fork");
    let author = Person::new("Mallory", "mallory@example.com");
    let sha = world.forge.commit_and_push(fork.id, "main", &[FileChange::write("evil", "1")], "a change", &author).await.expect("a push");
    let pull = NewPull::new(world.repository.id, "main", "main", "a change").from_fork(fork.id).by(mallory.id);
    let pull = world.forge.open_pull(pull).await.expect("a pull request");
    (sha.parse().expect("a sha"), pull)
}

#[tokio::test]
async fn forks_are_not_run_and_a_status_says_so() {
    let mut world = World::new().await;
    let (sha, _) = fork_pull(&mut world).await;
    world.settle().await;
    world.expect_run(&sha, |state| *state == RunState::ForkRefused).await;
    world.expect_statuses(&sha, &["quillon: error"]);
    assert!(world.description(&sha, "quillon").contains("--run-forks"));
    world.finish().await;
}

#[tokio::test]
async fn a_fork_stays_a_fork_through_reruns() {
    let mut world = World::with(Setup { run_forks: true, ..Setup::default() }).await;
    let (sha, _) = fork_pull(&mut world).await;
    world.settle().await;
    world.expect_status(&sha, "quillon", "success");
    world.rerun(&sha, "lint").await;
    world.settle().await;
    assert_eq!(world.check_phase(&sha, "lint").await, (Phase::Success, 2));
    let stored = world.stored(&sha).await;
    assert!(stored.attempts.iter().all(|attempt| attempt.key.run.lane.trust == Trust::Fork));
    world.finish().await;
}

#[tokio::test]
async fn a_maintainers_push_of_a_forks_commit_is_a_run_of_its_own() {
    let mut world = World::with(Setup { run_forks: true, ..Setup::default() }).await;
    let (sha, pull) = fork_pull(&mut world).await;
    world.settle().await;
    let _ = pull;
    world.forge.push(world.repository.id, "adopted", sha.as_str()).await.expect("a push");
    world.settle().await;
    let stored = world.stored(&sha).await;
    let trusts: Vec<Trust> = stored.runs.iter().map(|run| run.key.lane.trust).collect();
    assert_eq!(trusts, [Trust::Fork, Trust::Trusted]);
    world.expect_status(&sha, "quillon", "success");
    world.finish().await;
}

#[tokio::test]
async fn an_agent_that_runs_no_forks_gets_none() {
    let mut world = World::with(Setup { run_forks: true, ..Setup::default() }).await;
    world.agent = quillon_tests::ScriptedAgent::enrol(&world.system, &world.operator_key, "careful", false).await;
    world.agent.module_has(".", &["app:lint"]);
    let (sha, _) = fork_pull(&mut world).await;
    world.settle().await;
    world.expect_check(&sha, "load", Phase::Queued).await;
    world.expect_status(&sha, "quillon", "pending");
    world.finish().await;
}
