//! Whose installations and repositories are, and which of them are checked.

use quillon_core::id::{InstallationId, OrgId};
use quillon_core::org::{Deletion, Org, SourceMode};
use quillon_core::run::Phase;
use quillon_forge::{AccountKind, Selection};
use quillon_tests::{Behaviour, Setup, World};

/// A world in which nothing is claimed by itself, with the orgs `acme` and `globex`.
async fn unclaimed() -> (World, OrgId, OrgId) {
    let world = World::with(Setup { auto_claim: false, ..Setup::default() }).await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    (world, acme, globex)
}

#[tokio::test]
async fn an_installation_runs_nothing_until_an_org_has_claimed_it() {
    let (mut world, acme, _) = unclaimed().await;
    world.forge.create_repository(world.account.id, "other", true).await.expect("a repository");
    let before = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&before).await.runs.is_empty());
    assert!(world.repositories_of(acme).await.is_empty());

    world.claim(world.installation.id, acme).await;
    assert_eq!(world.repositories_of(acme).await, ["acme/app+*", "acme/other+*"]);
    assert!(world.stored(&before).await.runs.is_empty(), "a claim runs nothing by itself");
    let after = world.push("main").await;
    world.settle().await;
    world.expect_status(&after, "quillon", "success");
    // The claim told twice, as a queue may, changes nothing.
    world.claim(world.installation.id, acme).await;
    assert_eq!((world.repositories_of(acme).await.len(), world.runs_of(acme).await), (2, 1));
    world.finish().await;
}

#[tokio::test]
async fn a_claim_whose_word_was_lost_is_found_by_the_sweep() {
    let (mut world, acme, _) = unclaimed().await;
    let id = InstallationId(world.installation.id);
    let claimed = world.system.store().claim_installation(id, acme, world.clock.now()).await.expect("an answer");
    assert!(claimed.is_done() && world.repositories_of(acme).await.is_empty());
    world.fire("heads").await.expect("swept");
    world.settle().await;
    assert_eq!(world.repositories_of(acme).await, ["acme/app+*"]);
    world.finish().await;
}

#[tokio::test]
async fn of_selected_repositories_only_those_with_autocheck_are_run_and_from_the_next_event_on() {
    let (mut world, acme, _) = unclaimed().await;
    let selected = |mut installation: quillon_core::org::Installation| {
        installation.mode = SourceMode::Selected;
        Some(installation)
    };
    let id = InstallationId(world.installation.id);
    world.system.store().change_installation(id, selected).await.expect("changed").expect("an installation");
    world.claim(world.installation.id, acme).await;
    assert_eq!(world.repositories_of(acme).await, ["acme/app+"], "what is new is off");

    let (first, topic) = (world.push("main").await, world.push("topic").await);
    world.settle().await;
    let pull = world.open_pull("topic", "main").await;
    world.settle().await;
    assert!(world.stored(&first).await.runs.is_empty() && world.stored(&topic).await.runs.is_empty());
    assert!(world.statuses(&topic).is_empty());

    world.set_autocheck(acme, world.repository.id, true).await;
    world.fire("heads").await.expect("swept");
    world.settle().await;
    assert!(world.stored(&topic).await.runs.is_empty(), "switching on runs nothing of what was there");
    let next = world.push("topic").await;
    world.settle().await;
    world.expect_status(&next, "quillon", "success");
    assert_eq!(world.runs_of(acme).await, world.stored(&next).await.runs.len());
    world.forge.close(world.repository.id, pull.number).expect("closed");
    world.settle().await;
    world.finish().await;
}

#[tokio::test]
async fn switching_autocheck_off_stops_nothing_that_runs() {
    let mut world = World::new().await;
    let acme: OrgId = world.org_id().await.parse().expect("an id");
    world.check("lint", Behaviour::Hangs);
    let running = world.push("main").await;
    world.settle().await;
    world.set_autocheck(acme, world.repository.id, false).await;
    let ignored = world.push("main").await;
    world.settle().await;
    world.expect_check(&running, "lint", Phase::Running).await;
    assert!(world.stored(&ignored).await.runs.is_empty());
    world.check("lint", Behaviour::Passes);
    world.settle().await;
    world.expect_status(&running, "quillon", "success");
    // Reruns are asked for by people, not by events.
    world.rerun(&running, "lint").await;
    world.settle().await;
    world.expect_status(&running, "quillon/app/lint", "success");
    world.finish().await;
}

#[tokio::test]
async fn an_app_that_is_installed_again_has_to_be_claimed_again() {
    let (mut world, acme, globex) = unclaimed().await;
    let first = world.installation.id;
    world.claim(first, acme).await;
    world.set_autocheck(acme, world.repository.id, false).await;
    world.forge.uninstall(first).expect("uninstalled");
    world.settle().await;
    let known = world.known_installation(first).await;
    assert_eq!((known.org, known.is_suspended, known.is_removed), (Some(acme), true, true), "people see what became of it");

    let second = world.forge.install(world.account.id, Selection::All).expect("installed").id;
    let pushed = world.push("main").await;
    world.settle().await;
    assert_eq!(world.known_installation(second).await.org, None);
    assert!(world.stored(&pushed).await.runs.is_empty());

    world.claim(second, acme).await;
    assert_eq!(world.repositories_of(acme).await, ["acme/app+"], "its settings are what they were");
    world.set_autocheck(acme, world.repository.id, true).await;
    let next = world.push("main").await;
    world.settle().await;
    world.expect_status(&next, "quillon", "success");
    assert!(world.repositories_of(globex).await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_repository_that_is_transferred_to_another_org_leaves_only_its_runs_behind() {
    let (mut world, acme, globex) = unclaimed().await;
    world.claim(world.installation.id, acme).await;
    let done = world.push("main").await;
    world.settle().await;
    world.check("lint", Behaviour::Hangs);
    let running = world.push("topic").await;
    world.settle().await;
    world.set_autocheck(acme, world.repository.id, false).await;

    let account = world.forge.create_account("globex", AccountKind::Organization).expect("an account");
    let other = world.forge.install(account.id, Selection::All).expect("an installation");
    world.settle().await;
    world.claim(other.id, globex).await;
    world.forge.transfer(world.repository.id, account.id).expect("transferred");
    world.settle().await;
    assert!(world.repositories_of(acme).await.is_empty(), "it shows in the first org no more");
    assert_eq!(world.repositories_of(globex).await, ["globex/app+*"], "and is new to the second");
    world.expect_check(&running, "lint", Phase::Cancelled).await;

    world.check("lint", Behaviour::Passes);
    let (runs, before) = (world.runs_of(acme).await, world.stored(&running).await);
    // The same commit in the other org: its run is the first org's, and learns nothing of what the second does.
    world.forge.push(world.repository.id, "secret-plans", running.as_str()).await.expect("a branch");
    let next = world.push("main").await;
    world.settle().await;
    world.expect_status(&next, "quillon", "success");
    let after = world.stored(&running).await;
    assert_eq!((after.runs.len(), &after.runs[0].refs, after.attempts.len()), (1, &before.runs[0].refs, before.attempts.len()));
    assert!(world.stored(&done).await.runs.iter().all(|run| run.org == acme));
    assert_eq!((world.runs_of(acme).await, world.runs_of(globex).await), (runs, 1));
    assert!(world.stored(&next).await.runs.iter().all(|run| run.org == globex));

    // A late word about the first installation takes nothing from the second.
    world.claim(world.installation.id, acme).await;
    assert!(world.repositories_of(acme).await.is_empty());
    assert_eq!(world.repositories_of(globex).await, ["globex/app+*"]);
    world.forge.clear_violations();
    world.finish().await;
}

#[tokio::test]
async fn a_repository_that_is_transferred_to_where_nobody_claimed_is_out_of_service() {
    let (mut world, acme, _) = unclaimed().await;
    world.claim(world.installation.id, acme).await;
    world.check("lint", Behaviour::Hangs);
    let running = world.push("main").await;
    world.settle().await;
    let account = world.forge.create_account("initech", AccountKind::Organization).expect("an account");
    world.forge.install(account.id, Selection::All).expect("an installation");
    world.forge.transfer(world.repository.id, account.id).expect("transferred");
    world.settle().await;
    assert_eq!(world.repositories_of(acme).await, ["acme/app*"], "its last name there, out of service");
    world.expect_check(&running, "lint", Phase::Cancelled).await;
    let pushed = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&pushed).await.runs.is_empty());
    world.forge.clear_violations();
    world.finish().await;
}

#[tokio::test]
async fn a_released_installation_stops_and_may_be_claimed_by_another_org() {
    let mut world = World::new().await;
    let acme: OrgId = world.org_id().await.parse().expect("an id");
    world.check("lint", Behaviour::Hangs);
    let running = world.push("main").await;
    world.settle().await;
    world.release(world.installation.id, acme).await;
    world.expect_check(&running, "lint", Phase::Cancelled).await;
    assert!(world.repositories_of(acme).await.is_empty());

    world.check("lint", Behaviour::Passes);
    let ignored = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&ignored).await.runs.is_empty());
    assert_eq!(world.known_installation(world.installation.id).await.org, None, "released by hand, it is not claimed by itself");

    let globex = world.org(2, "globex").await;
    world.claim(world.installation.id, globex).await;
    assert_eq!(world.repositories_of(globex).await, ["acme/app+*"]);
    let next = world.push("main").await;
    world.settle().await;
    world.expect_status(&next, "quillon", "success");
    assert_eq!((world.runs_of(acme).await, world.runs_of(globex).await), (1, 1));
    assert!(world.repositories_of(acme).await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn an_installation_is_never_given_to_an_org_that_only_took_its_name() {
    let mut world = World::new().await;
    let squatted = world.org_of_somebody(7, "globex").await;
    let account = world.forge.create_account("globex", AccountKind::Organization).expect("an account");
    let installation = world.forge.install(account.id, Selection::All).expect("an installation");
    world.settle().await;
    assert_eq!(world.known_installation(installation.id).await.org, None);
    // Once it has had one on this account, the account is its own.
    world.claim(installation.id, squatted).await;
    world.forge.uninstall(installation.id).expect("uninstalled");
    let again = world.forge.install(account.id, Selection::All).expect("an installation");
    world.settle().await;
    assert_eq!(world.known_installation(again.id).await.org, Some(squatted));
    world.finish().await;
}

#[tokio::test]
async fn an_org_that_waits_for_its_deletion_runs_nothing_new() {
    let mut world = World::new().await;
    let acme: OrgId = world.org_id().await.parse().expect("an id");
    let now = world.clock.now();
    let deleted = |org: Org| Some(Org { deletion: Some(Deletion { by: "Ann".to_owned(), at: now, due_at: now }), ..org });
    world.system.store().change_org(acme, deleted).await.expect("changed").expect("an org");
    let ignored = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&ignored).await.runs.is_empty());
    world.system.store().change_org(acme, |org| Some(Org { deletion: None, ..org })).await.expect("changed").expect("an org");
    let next = world.push("main").await;
    world.settle().await;
    world.expect_status(&next, "quillon", "success");
    world.finish().await;
}
