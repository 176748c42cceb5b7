//! The documents of the stock CLI, answered.

use http::StatusCode;
use quillon_core::attempt::Attempt;
use quillon_core::run::Run;
use quillon_core::trust::Trust;
use serde_json::{Value, json};

use crate::world::{TestOrg, World, sha};

const USER: &str = include_str!("../documents/User.graphql");
const ORG_BY_NAME: &str = include_str!("../documents/OrgByName.graphql");
const ORG_CHECKS: &str = include_str!("../documents/GetOrgChecks.graphql");
const USER_CHECKS: &str = include_str!("../documents/GetUserChecks.graphql");
const MODULE_CHECKS: &str = include_str!("../documents/GetModuleChecks.graphql");
const RERUN_CHECKS: &str = include_str!("../documents/RerunChecks.graphql");
const RERUN_LOAD: &str = include_str!("../documents/RerunLoad.graphql");
const CANCEL_CHECKS: &str = include_str!("../documents/CancelChecks.graphql");
const INTROSPECTION: &str = include_str!("../documents/Introspection.graphql");

/// An org with one commit: `lint` passed, `test` failed, `docs` waits.
struct Scene {
    world: World,
    acme: TestOrg,
    run: Run,
    load: Attempt,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let acme = world.org("acme").await;
        let repository = world.repository(acme.id, 1, "acme/hello").await;
        let (run, loads) = world.run(acme.id, &repository, &sha('a'), Trust::Trusted, &["."]).await;
        let agent = world.agent(None, false).await;
        world.admit(loads[0].id).await;
        let grant = world.lease(&agent).await;
        let listed =
            json!({ "result": "listed", "checks": [{ "name": "hello:lint" }, { "name": "hello:test" }, { "name": "hello:docs" }] });
        assert_eq!(world.report(&grant, listed).await.0, StatusCode::NO_CONTENT);
        for (name, report) in [("hello:lint", json!({ "result": "passed" })), ("hello:test", json!({ "result": "failed", "exit_code": 1 }))]
        {
            world.admit(world.check(&run, ".", name).await.id).await;
            let grant = world.lease(&agent).await;
            world.pass(7);
            assert_eq!(world.report(&grant, report).await.0, StatusCode::NO_CONTENT);
        }
        world.summarize(&run.key).await;
        let load = world.attempt(loads[0].id).await;
        Self { world, acme, run, load }
    }

    async fn check(&self, name: &str) -> Attempt {
        self.world.check(&self.run, ".", name).await
    }
}

fn names_and_states(commit: &Value) -> Vec<String> {
    let line = |check: &Value| format!("{} {}", check["name"].as_str().unwrap_or_default(), check["status"].as_str().unwrap_or_default());
    commit["checks"].as_array().map(|checks| checks.iter().map(line).collect()).unwrap_or_default()
}

#[tokio::test]
async fn the_checks_of_a_commit_have_what_the_cli_reads() {
    let scene = Scene::new().await;
    let repos = json!(["github.com/acme/hello", "https://github.com/acme/hello", "acme/hello"]);
    let data = scene.world.query(&scene.acme.token, USER_CHECKS, json!({ "repos": repos, "first": 100 })).await;
    let nodes = data["user"]["checks"]["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), 1);
    let commit = &nodes[0];
    assert_eq!(commit["repo"], "github.com/acme/hello");
    assert_eq!(commit["commitSHA"], "a".repeat(40));
    assert_eq!(commit["org"], json!({ "id": scene.acme.id.to_string(), "name": "acme" }));
    assert_eq!(
        commit["refs"],
        json!([{ "__typename": "CheckCommitBranchRef", "name": "main", "url": "https://github.com/acme/hello/tree/main" }])
    );
    assert_eq!(commit["events"][0]["type"], "push");
    assert_eq!(commit["timestamp"], "2027-01-15T08:00:00Z");
    assert_eq!(names_and_states(commit), ["load success", "hello:docs queued", "hello:lint success", "hello:test failure"]);

    let lint = scene.check("hello:lint").await;
    let check = commit["checks"].as_array().expect("checks").iter().find(|check| check["name"] == "hello:lint").expect("lint");
    assert_eq!(check["id"], lint.id.to_string());
    assert_eq!(check["duration"], 7);
    assert_eq!((&check["traceId"], &check["spanId"]), (&json!(lint.trace.trace_id), &json!(lint.trace.span_id)));
    assert_eq!(check["moduleRef"], "github.com/acme/hello");
    assert_eq!(check["moduleVersion"], "a".repeat(40));
    assert_eq!(check["internal"], false);
    assert_eq!(commit["checks"][0]["internal"], true);
    let docs = &commit["checks"][1];
    assert!(docs["startedAt"].is_null() && docs["endTime"].is_null() && docs["duration"].is_null(), "{docs}");
}

#[tokio::test]
async fn lists_take_filters_of_every_spelling_and_null_for_all() {
    let scene = Scene::new().await;
    let count = async |repos: Value, first: Value| {
        let data = scene.world.query(&scene.acme.token, ORG_CHECKS, json!({ "org": "acme", "repos": repos, "first": first })).await;
        data["org"]["checks"]["nodes"].as_array().map(Vec::len)
    };
    for repos in [json!(null), json!([]), json!(["Acme/Hello"]), json!(["git@github.com:acme/hello.git", "gitlab.com/x/y"])] {
        assert_eq!(count(repos.clone(), json!(100)).await, Some(1), "{repos}");
    }
    for repos in [json!(["acme/other"]), json!(["gitlab.com/acme/hello"]), json!(["nonsense"])] {
        assert_eq!(count(repos.clone(), json!(null)).await, Some(0), "{repos}");
    }
    assert_eq!(count(json!(null), json!(0)).await, Some(0));
    assert_eq!(count(json!(null), json!(-3)).await, Some(0));
    assert_eq!(count(json!(null), json!(100_000)).await, Some(1));
}

#[tokio::test]
async fn a_module_is_found_by_sha_branch_and_nothing() {
    let scene = Scene::new().await;
    let full = "a".repeat(40);
    for (module, version, expected) in [
        ("github.com/acme/hello", full.as_str(), 1),
        ("https://github.com/acme/hello.git", "main", 1),
        ("acme/hello", "", 1),
        ("acme/hello", "aaaaaaaaaaaa", 1),
        ("acme/hello", "refs/heads/main", 1),
        ("acme/hello", "gone", 0),
        ("acme/hello", "bbbbbbbbbbbb", 0),
        ("acme/hello/sub", "main", 0),
        ("acme/other", "main", 0),
    ] {
        let variables = json!({ "org": "acme", "moduleRef": module, "moduleVersion": version });
        let data = scene.world.query(&scene.acme.token, MODULE_CHECKS, variables).await;
        let commits = data["org"]["moduleChecks"].as_array().expect("commits");
        assert_eq!(commits.len(), expected, "{module} {version}");
        for commit in commits {
            assert_eq!(names_and_states(commit).len(), 4, "{module} {version}");
        }
    }
}

#[tokio::test]
async fn two_modules_of_one_commit_do_not_share_an_entry() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let repository = world.repository(acme.id, 1, "acme/mono").await;
    world.run(acme.id, &repository, &sha('a'), Trust::Trusted, &[".", "ci"]).await;
    let data = world.query(&acme.token, ORG_CHECKS, json!({ "org": "acme", "repos": null })).await;
    let nodes = data["org"]["checks"]["nodes"].as_array().expect("nodes");
    let modules: Vec<&str> = nodes.iter().filter_map(|node| node["checks"][0]["moduleRef"].as_str()).collect();
    assert_eq!(modules, ["github.com/acme/mono", "github.com/acme/mono/ci"]);
}

#[tokio::test]
async fn a_commit_with_more_checks_than_its_summary_is_read_whole() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let repository = world.repository(acme.id, 1, "acme/big").await;
    let (run, loads) = world.run(acme.id, &repository, &sha('a'), Trust::Trusted, &["."]).await;
    let agent = world.agent(None, false).await;
    world.admit(loads[0].id).await;
    let checks: Vec<Value> = (0..100).map(|number| json!({ "name": format!("big:c{number:03}") })).collect();
    assert_eq!(world.report(&world.lease(&agent).await, json!({ "result": "listed", "checks": checks })).await.0, StatusCode::NO_CONTENT);
    world.summarize(&run.key).await;
    let data = world.query(&acme.token, ORG_CHECKS, json!({ "org": "acme" })).await;
    assert_eq!(names_and_states(&data["org"]["checks"]["nodes"][0]).len(), 101);
}

#[tokio::test]
async fn orgs_are_found_by_name_and_foreign_ones_do_not_exist() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    world.org("other").await;
    for (name, is_found) in [("acme", true), ("ACME", true), ("other", false), ("nobody", false), ("a_b", false)] {
        // Style of the typed client.
        let (status, answer) = world.post("/query", &acme.token, json!({ "query": ORG_BY_NAME, "variables": { "name": name } })).await;
        assert_eq!((status, answer["errors"].is_null()), (StatusCode::OK, true), "{answer}");
        let expected = if is_found { json!({ "id": acme.id.to_string(), "name": "acme" }) } else { Value::Null };
        assert_eq!(answer["data"]["org"], expected, "{name}");
    }
}

#[tokio::test]
async fn reruns_leave_out_what_runs_and_what_was_rerun() {
    let scene = Scene::new().await;
    let org = scene.acme.id.to_string();
    let ids = json!([scene.check("hello:test").await.id.to_string(), scene.check("hello:docs").await.id.to_string()]);
    let data = scene.world.query(&scene.acme.token, RERUN_CHECKS, json!({ "org": org, "checkIds": ids, "cleanSlate": true })).await;
    let made = data["rerunChecks"].as_array().expect("checks");
    assert_eq!(made.len(), 1, "the queued one is left out");
    assert_eq!((&made[0]["name"], &made[0]["status"]), (&json!("hello:test"), &json!("queued")));
    assert_eq!(made[0]["moduleRef"], "github.com/acme/hello");
    let newest = scene.check("hello:test").await;
    assert_eq!((made[0]["id"].as_str(), newest.key.number), (Some(newest.id.to_string().as_str()), 2));
    assert!(newest.clean_slate);
    assert_eq!(newest.requested_by.as_deref(), Some("ci"));

    let again = scene.world.query(&scene.acme.token, RERUN_CHECKS, json!({ "org": org, "checkIds": ids })).await;
    assert_eq!(again["rerunChecks"], json!([]), "the old attempt is no longer the newest");
}

#[tokio::test]
async fn only_a_failed_load_is_loaded_again() {
    let scene = Scene::new().await;
    let org = scene.acme.id.to_string();
    for id in [scene.load.id.to_string(), scene.check("hello:test").await.id.to_string()] {
        let (_, answer) = scene.world.ask(&scene.acme.token, RERUN_LOAD, json!({ "org": org, "checkId": id })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNPROCESSABLE", "{answer}");
    }
    let repository = scene.world.repository(scene.acme.id, 2, "acme/broken").await;
    let (_, loads) = scene.world.run(scene.acme.id, &repository, &sha('c'), Trust::Trusted, &["."]).await;
    scene.world.admit(loads[0].id).await;
    let grant = scene.world.lease(&scene.world.agent(None, false).await).await;
    scene.world.report(&grant, json!({ "result": "failed", "exit_code": 2 })).await;
    let data = scene.world.query(&scene.acme.token, RERUN_LOAD, json!({ "org": org, "checkId": loads[0].id.to_string() })).await;
    assert_eq!((&data["rerunLoad"]["name"], &data["rerunLoad"]["status"]), (&json!("load"), &json!("queued")));
}

#[tokio::test]
async fn cancelling_names_who_did_it() {
    let scene = Scene::new().await;
    let docs = scene.check("hello:docs").await;
    let ids = json!([docs.id.to_string(), scene.check("hello:lint").await.id.to_string()]);
    let data = scene.world.query(&scene.acme.token, CANCEL_CHECKS, json!({ "org": scene.acme.id.to_string(), "checkIds": ids })).await;
    assert_eq!(data["cancelChecks"], json!([{ "id": docs.id.to_string(), "name": "hello:docs", "status": "cancelled" }]));
    let stopped = scene.world.attempt(docs.id).await;
    assert_eq!(stopped.note().as_deref(), Some("cancelled by ci"));
}

#[tokio::test]
async fn ids_of_another_org_do_not_exist() {
    let scene = Scene::new().await;
    let other = scene.world.org("other").await;
    let test = scene.check("hello:test").await;
    let (theirs, ours) = (scene.acme.id.to_string(), other.id.to_string());
    for (document, field) in [(RERUN_CHECKS, "checkIds"), (CANCEL_CHECKS, "checkIds"), (RERUN_LOAD, "checkId")] {
        let id = test.id.to_string();
        let made_up = "att_01arz3ndektsv4rrffq69g5fav";
        let mut messages = Vec::new();
        for (org, id) in [(&ours, id.as_str()), (&ours, made_up), (&theirs, id.as_str())] {
            let ids = if field == "checkIds" { json!([id]) } else { json!(id) };
            let (status, answer) = scene.world.ask(&other.token, document, json!({ "org": org, field: ids })).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND", "{answer}");
            messages.push(answer["errors"][0]["message"].as_str().unwrap_or_default().replace(id, "<id>"));
        }
        assert_eq!(messages[0], messages[1], "a foreign id reads like one that was made up");
    }
    assert_eq!(scene.world.attempt(test.id).await, test, "nothing has changed");
    let data = scene.world.query(&other.token, USER_CHECKS, json!({ "repos": ["acme/hello"] })).await;
    assert_eq!(data["user"]["checks"]["nodes"], json!([]));
}

#[tokio::test]
async fn documents_are_validated_and_bounded() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let bomb: String = (0..40).map(|level| format!(" fragment F{level} on User {{ ...F{0} ...F{0} }}", level + 1)).collect();
    let bomb = format!("query A {{ user {{ ...F0 }} }}{bomb} fragment F40 on User {{ id }}");
    let wide: String = (0..20).map(|number| format!("a{number}: user {{ checks {{ nodes {{ repo }} }} }} ")).collect();
    for document in [
        "query A { user { nothing } }",
        "query A {",
        "query A { user { id } } query B { user { id } }",
        &bomb,
        &format!("query A {{ {wide} }}"),
    ] {
        let (status, answer) = world.post("/query", &acme.token, json!({ "query": document })).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{answer}");
    }
    for too_large in [json!({ "query": " ".repeat(70_000) }), json!({ "query": USER, "variables": { "x": " ".repeat(600_000) } })] {
        assert_eq!(world.post("/query", &acme.token, too_large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let (status, _) = world.post("/query", &acme.token, json!([{ "query": "{user{id}}" }])).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let many: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    let (_, answer) = world.ask(&acme.token, CANCEL_CHECKS, json!({ "org": acme.id.to_string(), "checkIds": many })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNPROCESSABLE", "{answer}");
}

#[tokio::test]
async fn the_schema_can_be_asked_for() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let data = world.query(&acme.token, INTROSPECTION, Value::Null).await;
    let types = data["__schema"]["types"].as_array().expect("types");
    for name in ["User", "Org", "CheckCommit", "CheckCommitRef", "Check", "Time"] {
        assert!(types.iter().any(|kind| kind["name"] == name), "{name}");
    }
}
