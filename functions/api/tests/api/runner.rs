//! The runner protocol: who gets which job, and whose result counts.

use http::{Method, StatusCode};
use jiff::SignedDuration;
use quillon_core::attempt::{Attempt, AttemptState, Cancel, CancelReason, Event, Outcome};
use quillon_core::id::{AttemptId, InstallationId};
use quillon_core::name::ModulePath;
use quillon_core::org::Repository;
use quillon_core::run::Run;
use quillon_core::trace::card::Claim;
use quillon_core::trust::Trust;
use quillon_secrets::telemetry;
use serde_json::{Value, json};

use crate::forge::Hosted;
use crate::world::{TestOrg, World, job_token, sha};

/// An org with one commit whose load can be leased, and an agent.
struct Scene {
    world: World,
    acme: TestOrg,
    repository: Repository,
    run: Run,
    load: Attempt,
    agent: String,
}

impl Scene {
    async fn new(trust: Trust) -> Self {
        Self::in_world(World::new().await, trust).await
    }

    async fn in_world(world: World, trust: Trust) -> Self {
        let acme = world.org("acme").await;
        let repository = world.repository(acme.id, 1, "acme/hello").await;
        let (run, loads) = world.run(acme.id, &repository, &sha('a'), trust, &["ci"]).await;
        let agent = world.agent(None, false).await;
        world.admit(loads[0].id).await;
        Self { acme, repository, run, load: loads[0].clone(), agent, world }
    }

    async fn heartbeat(&self, grant: &Value) -> (StatusCode, Value) {
        self.job_call("heartbeat", grant, &job_token(grant)).await
    }

    async fn job_call(&self, call: &str, grant: &Value, token: &str) -> (StatusCode, Value) {
        let body = json!({ "attempt": grant["attempt"], "lease": grant["lease"], "elapsed_s": 1 });
        self.world.post(&format!("/runner/v1/{call}"), token, body).await
    }

    async fn state(&self, id: AttemptId) -> AttemptState {
        self.world.attempt(id).await.state
    }

    async fn is_leased_to(&self, agent: &str) -> bool {
        self.world.post("/runner/v1/lease", agent, json!({ "wait_ms": 0 })).await.0 == StatusCode::OK
    }
}

#[tokio::test]
async fn a_grant_says_everything_about_the_job() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    assert_eq!((&grant["lease_ttl_s"], &grant["heartbeat_s"]), (&json!(60), &json!(20)));
    let job = &grant["job"];
    assert_eq!((&job["task"], &job["module"], &job["manifest"]), (&json!("load"), &json!("ci"), &json!("json")));
    assert_eq!(job["clone_url"], "https://github.com/acme/hello.git");
    assert_eq!((&job["head_sha"], &job["head_ref"]), (&json!("a".repeat(40)), &json!("refs/heads/main")));
    assert_eq!((&job["merge"], &job["trust"], &job["execution"]), (&Value::Null, &json!("trusted"), &json!(1)));
    assert_eq!(job["trace"]["trace_id"], scene.load.trace.trace_id);
    assert!(!scene.is_leased_to(&scene.agent).await, "there is no second job");
}

#[tokio::test]
async fn forks_go_to_agents_that_run_them_and_merge_with_their_base() {
    let scene = Scene::new(Trust::Fork).await;
    assert!(!scene.is_leased_to(&scene.agent).await);
    let brave = scene.world.agent(None, true).await;
    let grant = scene.world.lease(&brave).await;
    let job = &grant["job"];
    assert_eq!((&job["trust"], &job["head_ref"]), (&json!("fork"), &json!("refs/pull/7/head")));
    assert_eq!(job["merge"], json!({ "base": "main", "base_sha": "b".repeat(40) }));
    assert_eq!(scene.world.report(&grant, json!({ "result": "listed", "checks": [{ "name": "x" }] })).await.0, StatusCode::NO_CONTENT);
    let path: ModulePath = "ci".parse().expect("a path");
    assert!(
        scene.world.deps.store.module(scene.repository.id, &path).await.expect("a table").is_none(),
        "a fork does not describe the module"
    );
}

#[tokio::test]
async fn an_agent_of_an_org_gets_jobs_of_that_org_only() {
    let scene = Scene::new(Trust::Trusted).await;
    scene.world.org("other").await;
    let theirs = scene.world.agent(Some("other"), false).await;
    let ours = scene.world.agent(Some("acme"), false).await;
    assert!(!scene.is_leased_to(&theirs).await);
    assert!(scene.is_leased_to(&ours).await);
}

#[tokio::test]
async fn two_agents_never_hold_the_same_attempt() {
    let scene = Scene::new(Trust::Trusted).await;
    let other = scene.world.agent(None, false).await;
    let (one, two) = tokio::join!(scene.is_leased_to(&scene.agent), scene.is_leased_to(&other));
    assert!(one != two, "one of them got it");
}

#[tokio::test]
async fn a_list_becomes_checks_and_a_module_and_output_are_kept() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    let listed = json!({ "result": "listed", "checks": [{ "name": "ci:lint", "description": "Lints.\nAt length." }] });
    assert_eq!(scene.world.report(&grant, listed.clone()).await.0, StatusCode::NO_CONTENT);
    assert_eq!(scene.world.check(&scene.run, "ci", "ci:lint").await.description.as_deref(), Some("Lints."));
    let path: ModulePath = "ci".parse().expect("a path");
    let module = scene.world.deps.store.module(scene.repository.id, &path).await.expect("a table").expect("a record");
    assert_eq!((module.report.name.as_str(), module.checks.len(), module.org), ("hello", 1, scene.acme.id));
    let output = scene.world.deps.store.output(scene.load.id).await.expect("a table").expect("an output");
    assert_eq!(output.text, "the log\n");
    assert_eq!(scene.world.report(&grant, listed).await.0, StatusCode::NO_CONTENT, "the answer was lost: it is told again");
}

#[tokio::test]
async fn what_is_too_long_is_cut_or_shown() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    let checks: Vec<Value> = (0..513).map(|number| json!({ "name": format!("c{number}") })).collect();
    let body = json!({
        "attempt": grant["attempt"],
        "lease": grant["lease"],
        "report": { "result": "listed", "checks": checks },
        "output": format!("{}end", "ü".repeat(50_000)),
        "is_output_cut": false,
    });
    assert_eq!(scene.world.post("/runner/v1/result", &job_token(&grant), body).await.0, StatusCode::NO_CONTENT);
    let note = scene.world.attempt(scene.load.id).await.note();
    assert_eq!(note.as_deref(), Some("the module lists 513 checks, at most 512 are run"));
    let output = scene.world.deps.store.output(scene.load.id).await.expect("a table").expect("an output");
    assert!(output.is_cut && output.text.len() <= 64 * 1024 && output.text.ends_with("end"));
}

#[tokio::test]
async fn names_that_the_cli_could_misread_are_refused() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    for name in ["--help", "a b", "**", ""] {
        let (status, _) = scene.world.report(&grant, json!({ "result": "listed", "checks": [{ "name": name }] })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
    }
    assert!(matches!(scene.state(scene.load.id).await, AttemptState::Running { .. }));
}

#[tokio::test]
async fn a_zombie_neither_renews_nor_reports_nor_writes_output() {
    let scene = Scene::new(Trust::Trusted).await;
    let zombie = scene.world.lease(&scene.agent).await;
    scene.world.pass(91);
    let now = scene.world.clock.now();
    scene.world.deps.workflow.apply(scene.load.id, &Event::Tick, now, "sweep").await.expect("a table");
    scene.world.admit(scene.load.id).await;
    let holder = scene.world.lease(&scene.agent).await;
    assert_eq!(holder["job"]["execution"], 2);

    for call in ["heartbeat", "release", "git-credential"] {
        let (status, body) = scene.job_call(call, &zombie, &job_token(&zombie)).await;
        assert_eq!((status, &body["error"]["code"]), (StatusCode::CONFLICT, &json!("lease_gone")), "{call}");
    }
    let (status, _) = scene.world.report(&zombie, json!({ "result": "failed", "exit_code": 9 })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(scene.world.deps.store.output(scene.load.id).await.expect("a table").is_none());
    assert_eq!(scene.heartbeat(&holder).await.0, StatusCode::OK);
    assert_eq!(scene.world.report(&holder, json!({ "result": "failed", "exit_code": 1 })).await.0, StatusCode::NO_CONTENT);
    assert_eq!(scene.world.report(&zombie, json!({ "result": "passed" })).await.0, StatusCode::CONFLICT);
    assert_eq!(scene.world.attempt(scene.load.id).await.outcome(), Some(&Outcome::Failure { exit_code: 1 }));
}

#[tokio::test]
async fn a_job_may_send_telemetry_of_its_own_attempt_and_nothing_else() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    let token = grant["telemetry"]["token"].as_str().expect("a token");
    let now = scene.world.clock.now();
    let claim = Claim { org: scene.acme.id, attempt: Some(scene.load.id), repository: Some(scene.repository.id) };
    assert_eq!(telemetry::verify(&scene.world.key(), token, now), Some(claim));
    let longest = SignedDuration::from_secs(i64::from(scene.load.timeout_s));
    assert!(telemetry::verify(&scene.world.key(), token, now + longest).is_some(), "as long as the job may run");
    assert!(telemetry::verify(&scene.world.key(), token, now + longest * 2 + SignedDuration::from_hours(1)).is_none());
    let bearer = format!("Bearer {token}");
    for call in ["heartbeat", "release", "git-credential"] {
        assert_eq!(scene.job_call(call, &grant, &bearer).await.0, StatusCode::UNAUTHORIZED, "{call}");
    }
    for path in ["/runner/v1/lease", "/query"] {
        let (status, _) = scene.world.post(path, &bearer, json!({ "query": "{user{id}}", "wait_ms": 0 })).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn a_job_token_opens_its_own_attempt_only() {
    let scene = Scene::new(Trust::Trusted).await;
    let (_, others) = scene.world.run(scene.acme.id, &scene.repository, &sha('c'), Trust::Trusted, &["."]).await;
    scene.world.admit(others[0].id).await;
    let (mine, theirs) = (scene.world.lease(&scene.agent).await, scene.world.lease(&scene.agent).await);
    assert_ne!(mine["attempt"], theirs["attempt"]);
    for token in [job_token(&theirs), scene.agent.clone(), scene.world.operator(), scene.acme.token.clone()] {
        for call in ["heartbeat", "release", "git-credential"] {
            assert_eq!(scene.job_call(call, &mine, &token).await.0, StatusCode::UNAUTHORIZED, "{call}");
        }
    }
    let forged = json!({ "attempt": theirs["attempt"], "lease": theirs["lease"], "job_token": mine["job_token"] });
    assert_eq!(scene.world.report(&forged, json!({ "result": "passed" })).await.0, StatusCode::UNAUTHORIZED);
    let (status, _) = scene.world.post("/query", &job_token(&mine), json!({ "query": "{user{id}}" })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn heartbeats_renew_and_carry_the_order_to_stop() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    scene.world.pass(20);
    let (_, answer) = scene.heartbeat(&grant).await;
    assert_eq!(answer["order"], "continue");
    assert_eq!(answer["lease_until"], "2027-01-15T08:01:20Z");
    let now = scene.world.clock.now();
    let reason = CancelReason::Requested { by: "ada".to_owned() };
    scene.world.deps.workflow.cancel(&[scene.load.id], &reason, now).await.expect("a table");
    assert_eq!(scene.heartbeat(&grant).await.1["order"], "cancel");
    assert_eq!(scene.world.report(&grant, json!({ "result": "stopped" })).await.0, StatusCode::NO_CONTENT);
    assert_eq!(scene.world.attempt(scene.load.id).await.outcome(), Some(&Outcome::Cancelled(Cancel { reason, at: now })));
    assert_eq!(scene.heartbeat(&grant).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_released_job_waits_for_the_next_agent() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    assert_eq!(scene.job_call("release", &grant, &job_token(&grant)).await.0, StatusCode::NO_CONTENT);
    assert!(matches!(scene.state(scene.load.id).await, AttemptState::Queued { .. }));
    assert_eq!(scene.world.report(&grant, json!({ "result": "passed" })).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn what_can_never_run_is_stopped_instead_of_leased() {
    for (is_enabled, is_suspended, expected) in [(false, false, CancelReason::RepositoryGone), (true, true, CancelReason::InstallationGone)]
    {
        let scene = Scene::new(Trust::Trusted).await;
        let store = &scene.world.deps.store;
        store.save_repository(scene.acme.id, &Repository { is_enabled, ..scene.repository.clone() }).await.expect("a table");
        let mut installation = store.installation(InstallationId(1)).await.expect("a table").expect("an installation");
        installation.is_suspended = is_suspended;
        store.save_installation(&installation).await.expect("a table");
        assert!(!scene.is_leased_to(&scene.agent).await);
        let stopped = scene.world.attempt(scene.load.id).await;
        assert_eq!(stopped.cancel().map(|cancel| &cancel.reason), Some(&expected));
    }
}

#[tokio::test]
async fn a_renamed_repository_is_fetched_under_its_new_name() {
    let scene = Scene::new(Trust::Trusted).await;
    let renamed = Repository { name: "acme/new".parse().expect("a name"), ..scene.repository.clone() };
    scene.world.deps.store.save_repository(scene.acme.id, &renamed).await.expect("a table");
    let grant = scene.world.lease(&scene.agent).await;
    assert_eq!(grant["job"]["clone_url"], "https://github.com/acme/new.git");
}

#[tokio::test]
async fn damaged_bodies_are_refused() {
    let scene = Scene::new(Trust::Trusted).await;
    let grant = scene.world.lease(&scene.agent).await;
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let deep: Value = serde_json::from_str(&deep).expect("json");
    for body in [json!(null), json!({}), json!({ "attempt": "att_x", "lease": "lse_y" }), deep] {
        for call in ["heartbeat", "release", "git-credential", "result"] {
            let (status, _) = scene.world.post(&format!("/runner/v1/{call}"), &job_token(&grant), body.clone()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{call} {body}");
        }
    }
    let (status, _) = scene.world.post("/runner/v1/explode", &scene.agent, json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let large = json!({ "output": "x".repeat(3 * 1024 * 1024) });
    assert_eq!(scene.world.post("/runner/v1/result", &job_token(&grant), large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = scene.world.call(Method::POST, "/runner/v1/heartbeat", Some(&job_token(&grant)), None).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_git_credential_reads_one_repository_while_the_lease_holds() {
    let hosted_at = Hosted::open().await;
    let forge = &hosted_at.forge;
    let account = forge.create_account("acme", quillon_forge::AccountKind::Organization).expect("an account");
    let hosted = forge.create_repository(account.id, "hello", true).await.expect("a repository");
    let other = forge.create_repository(account.id, "other", true).await.expect("a repository");
    let installation = forge.install(account.id, quillon_forge::Selection::Selected(vec![hosted.id])).expect("an installation");
    let scene = Scene::in_world(World::with_github(&hosted_at.github).await, Trust::Trusted).await;
    let store = &scene.world.deps.store;
    // The attempt is one of repository 1: what GitHub calls it decides.
    let reached = Repository { installation: InstallationId(installation.id), ..scene.repository.clone() };
    let account = quillon_core::id::AccountId(account.id);
    let known = quillon_core::org::Installation::new(InstallationId(installation.id), Some(scene.acme.id), account, "acme".to_owned());
    store.save_installation(&known).await.expect("a table");
    let hosted_here = Repository { id: quillon_core::id::RepositoryId(hosted.id), ..reached.clone() };
    store.save_repository(scene.acme.id, &hosted_here).await.expect("a table");
    let hidden = Repository { id: quillon_core::id::RepositoryId(other.id), name: "acme/other".parse().expect("a name"), ..reached };
    store.save_repository(scene.acme.id, &hidden).await.expect("a table");
    let (_, loads) = scene.world.run(scene.acme.id, &hosted_here, &sha('d'), Trust::Trusted, &["."]).await;
    scene.world.admit(loads[0].id).await;
    let first = scene.world.lease(&scene.agent).await;
    let grant = if first["attempt"] == loads[0].id.to_string() { first } else { scene.world.lease(&scene.agent).await };

    let (status, credential) = scene.job_call("git-credential", &grant, &job_token(&grant)).await;
    assert_eq!((status, &credential["username"]), (StatusCode::OK, &json!("x-access-token")), "{credential}");
    assert!(credential["password"].as_str().is_some_and(|password| !password.is_empty()));
    scene.world.pass(61);
    assert_eq!(scene.job_call("git-credential", &grant, &job_token(&grant)).await.0, StatusCode::CONFLICT, "the lease has run out");

    let (_, loads) = scene.world.run(scene.acme.id, &hidden, &sha('e'), Trust::Trusted, &["."]).await;
    scene.world.admit(loads[0].id).await;
    let grant = scene.world.lease(&scene.agent).await;
    let (status, answer) = scene.job_call("git-credential", &grant, &job_token(&grant)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
}
