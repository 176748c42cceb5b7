//! Orgs and their people, where other rooms have to do with them: who sends telemetry for which org, and what becomes of deleted orgs.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use quillon_core::id::{CommitSha, OrgId, RepositoryId};
use quillon_core::member::Roles;
use quillon_core::org::{DELETION_GRACE, Scope};
use quillon_core::run::Phase;
use quillon_tests::{Behaviour, World, run_of, trace_id};

/// Sends nothing, as somebody who names an org in the header of the CLI; the status and the text of the answer.
async fn send(world: &World, credential: &str, named: Option<&str>) -> (u16, String) {
    let mut request = Request::post("/v1/traces")
        .header("host", "quillon.test")
        .header("authorization", format!("Bearer {credential}"))
        .header("content-type", "application/json");
    if let Some(named) = named {
        request = request.header("x-dagger-org", named);
    }
    let answer = world.system.http(request.body(Bytes::from_static(b"{}")).expect("a request")).await;
    (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
}

async fn founded(world: &World, name: &str) -> OrgId {
    world.tenancy().found_org(name.parse().expect("a name"), &world.deed()).await.expect("an org").id
}

/// A commit of which one check runs and hangs, and the other one waits for it; their names.
async fn one_runs(world: &mut World) -> (CommitSha, &'static str, &'static str) {
    world.limit_concurrency(1).await;
    world.module_has(&["lint", "test"]);
    world.check("lint", Behaviour::Hangs);
    world.check("test", Behaviour::Hangs);
    let sha = world.push("main").await;
    world.settle().await;
    let is_first = world.check_phase(&sha, "lint").await.0 == Phase::Running;
    let (running, waiting) = if is_first { ("lint", "test") } else { ("test", "lint") };
    world.expect_check(&sha, running, Phase::Running).await;
    world.expect_check(&sha, waiting, Phase::Queued).await;
    (sha, running, waiting)
}

#[tokio::test]
async fn a_person_sends_for_the_org_that_their_cli_names() {
    let world = World::new().await;
    let (acme, other) = (world.org_named("acme").await, founded(&world, "other").await);
    let ann = world.member(acme, "ann", Roles::BOTH).await;
    let id = acme.to_string();
    for named in [Some(id.as_str()), Some("acme"), Some("ACME"), Some(" "), None] {
        assert_eq!(send(&world, &ann, named).await.0, 200, "{named:?}");
    }
    let other_id = other.to_string();
    let mut texts = Vec::new();
    for named in ["other", &other_id, "nobody", "org_00000000000000000000000000", "../x"] {
        let (status, text) = send(&world, &ann, Some(named)).await;
        assert_eq!(status, 404, "{named}");
        texts.push(text);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "what is not theirs and what is not there look alike: {texts:?}");
    assert_eq!(send(&world, &ann, Some(&"x".repeat(2_000))).await.0, 403);
    // Of two orgs one has to be named.
    let (user, _) = world.person("ann").await;
    world.tenancy().add_member(other, user.id, Roles::MEMBER, &world.deed()).await.expect("a member");
    world.advance(Duration::from_secs(60));
    let (status, text) = send(&world, &ann, None).await;
    assert!(status == 403 && text.contains("dagger login"), "{status} {text}");
    assert_eq!(send(&world, &ann, Some("other")).await.0, 200);
    // Who is no longer in the org sends no longer, a minute later at the latest.
    world.tenancy().remove_member(other, user.id, &world.deed()).await.expect("removed");
    world.advance(Duration::from_secs(60));
    assert_eq!(send(&world, &ann, Some("other")).await.0, 404);
    assert_eq!(send(&world, &ann, Some("acme")).await.0, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_token_sends_until_it_is_revoked_and_says_when_it_was_used() {
    let world = World::new().await;
    let acme = world.org_named("acme").await;
    let tenancy = world.tenancy();
    let made = tenancy.create_token(acme, "ci", &[Scope::TelemetryWrite], None, &world.deed()).await;
    let (token, text) = made.expect("a token");
    let id = acme.to_string();
    for named in [None, Some("acme"), Some(id.as_str())] {
        assert_eq!(send(&world, text.expose(), named).await.0, 200, "{named:?}");
    }
    assert_eq!(send(&world, text.expose(), Some("other")).await.0, 403);
    let used = tenancy.tokens(acme).await.expect("tokens").into_iter().find(|known| known.id == token.id).expect("it");
    assert_eq!(used.last_used_at, Some(world.clock.now()));
    // Its text names the org as it was: a renamed org is sent to as before.
    tenancy.rename(acme, "acme-inc".parse().expect("a name"), &world.deed()).await.expect("renamed");
    world.advance(Duration::from_secs(60));
    for named in [None, Some("acme"), Some("acme-inc")] {
        assert_eq!(send(&world, text.expose(), named).await.0, 200, "{named:?}");
    }
    tenancy.revoke_token(acme, token.id, &world.deed()).await.expect("revoked");
    world.advance(Duration::from_secs(60));
    assert_eq!(send(&world, text.expose(), None).await.0, 401);
    world.finish().await;
}

#[tokio::test]
async fn a_ci_job_sends_for_the_repository_that_it_has_proved() {
    let world = World::new().await;
    let acme = world.org_named("acme").await;
    let (key, now) = (world.instance_key().await, world.clock.now());
    let proved = RepositoryId(4_711);
    let token = quillon_secrets::telemetry::mint_ci(&key, acme, Some(proved), now);
    let labelled = format!("{}/acme/app.git", world.forge.api_url().trim_end_matches("/api/v3"));
    world.export_all(token.expose(), &run_of(trace_id(1), &labelled, now)).await;
    let card = world.trace_store().card(acme, trace_id(1)).await.expect("a table").expect("a card");
    assert_eq!((card.repository, card.attempt), (Some(proved), None), "whatever its labels say");
    world.advance(Duration::from_secs(6 * 3_600));
    assert_eq!(send(&world, token.expose(), None).await.0, 401, "a job is over by then");
    world.finish().await;
}

#[tokio::test]
async fn a_deleted_org_takes_nothing_in_and_goes_on_when_it_is_had_back() {
    let mut world = World::new().await;
    let acme = world.org_named("acme").await;
    let (ann, token) = (world.member(acme, "ann", Roles::BOTH).await, world.scoped_token(acme, &[Scope::TelemetryWrite]).await);
    let job = world.ci_token(acme).await;
    let (sha, running, waiting) = one_runs(&mut world).await;
    world.tenancy().delete_org(acme, &world.deed()).await.expect("deleted");
    world.advance(Duration::from_secs(60));
    for credential in [&ann, &token, &job] {
        let (status, text) = send(&world, credential, None).await;
        assert!(status == 403 && text.contains("being deleted"), "{status} {text}");
    }
    let (_, stranger) = world.person("eve").await;
    assert_eq!(send(&world, &stranger, Some("acme")).await.0, 404, "to others it is as unknown as before");
    // What runs ends, what waits waits, and nothing is added.
    world.check("lint", Behaviour::Passes);
    world.check("test", Behaviour::Passes);
    world.settle().await;
    world.expect_check(&sha, running, Phase::Success).await;
    world.expect_check(&sha, waiting, Phase::Queued).await;
    let missed = world.push("main").await;
    world.settle().await;
    assert!(world.stored(&missed).await.runs.is_empty());
    world.fire("purge").await.expect("a purge");
    world.tenancy().undelete_org(acme, &world.deed()).await.expect("had back");
    world.pass_minutes(20).await;
    world.expect_check(&sha, waiting, Phase::Success).await;
    assert_eq!(send(&world, &token, None).await.0, 200);
    world.finish().await;
}

#[tokio::test]
async fn of_an_org_that_is_gone_nothing_waits_for_ever() {
    let mut world = World::new().await;
    let acme = world.org_named("acme").await;
    let (ann, token) = (world.member(acme, "ann", Roles::BOTH).await, world.scoped_token(acme, &Scope::ALL).await);
    let (sha, ..) = one_runs(&mut world).await;
    world.tenancy().delete_org(acme, &world.deed()).await.expect("deleted");
    world.advance(Duration::try_from(DELETION_GRACE - SignedDuration::from_secs(1)).expect("a span"));
    world.fire("purge").await.expect("a purge");
    assert!(world.system.store().org(acme).await.expect("a table").is_some(), "not yet");
    world.advance(Duration::from_secs(1));
    world.fire("purge").await.expect("a purge");
    assert!(world.system.store().org(acme).await.expect("a table").is_none());
    assert!(world.stored(&sha).await.runs.is_empty() && world.stored(&sha).await.attempts.is_empty());
    assert_eq!(world.system.store().due(Timestamp::MAX, 9).await.expect("a table"), [], "nothing is left for the sweep");
    let installation = world.known_installation(world.installation.id).await;
    assert_eq!(installation.org, None);
    assert_eq!((send(&world, &ann, Some("acme")).await.0, send(&world, &token, None).await.0), (404, 401));
    assert_eq!(world.system.store().queued(acme, 9).await.expect("a table"), []);
    // Another one by that name has nothing of what was.
    let next = founded(&world, "acme").await;
    assert_eq!(world.repositories_of(next).await, [""; 0]);
    world.fire("purge").await.expect("nothing to do");
    world.settle().await;
    world.forge.clear_violations();
    world.finish().await;
}
