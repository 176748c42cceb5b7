//! The documents of the stock CLI about orgs, their plans and their git sources, answered.

use http::{Method, StatusCode};
use quillon_core::member::Roles;
use quillon_core::trust::Trust;
use serde_json::{Value, json};

use crate::world::{TestOrg, World, sha};

const USER: &str = include_str!("../documents/User.graphql");
const ORG_DETAILS: &str = include_str!("../documents/GetOrgDetails.graphql");
const SOURCES: &str = include_str!("../documents/GetSources.graphql");
const USER_REPOSITORIES: &str = include_str!("../documents/GetUserRepositories.graphql");
const MAPPED_SOURCES: &str = include_str!("../documents/GetOrgMappedSources.graphql");
const SOURCE_REPOSITORIES: &str = include_str!("../documents/GetSourceRepositories.graphql");
const CONFIGURE_SOURCE: &str = include_str!("../documents/ConfigureSource.graphql");
const OAUTH_URL: &str = include_str!("../documents/GetGithubOAuthURL.graphql");
const PORTAL: &str = include_str!("../documents/CreatePortalSession.graphql");
const REPOS: &str = include_str!("../documents/GetRepos.graphql");
const REPO_SETTING: &str = include_str!("../documents/GetOrgRepoSetting.graphql");
const UPDATE_REPO_SETTING: &str = include_str!("../documents/UpdateOrgRepoSetting.graphql");
const DELETE_REPO_SETTING: &str = include_str!("../documents/DeleteOrgRepoSetting.graphql");
const USER_CHECKS: &str = include_str!("../documents/GetUserChecks.graphql");
const MODULE_CHECKS: &str = include_str!("../documents/GetModuleChecks.graphql");

/// An org that has connected one account with two repositories, and somebody with both roles.
struct Scene {
    world: World,
    acme: TestOrg,
    ann: String,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let acme = world.org("acme").await;
        world.repository_of(acme.id, 7, 1, "acme/hello").await;
        world.repository_of(acme.id, 7, 2, "acme/other").await;
        let ann = world.member(acme.id, "ann", Roles::BOTH).await;
        Self { world, acme, ann }
    }

    /// Says which repositories are checked, as `dagger cloud check on|off` does.
    async fn configure(&self, repositories: Value) -> Value {
        let variables = json!({ "installationId": "7", "mode": "SELECTED", "repositories": repositories });
        let (status, answer) = self.world.ask(&self.ann, CONFIGURE_SOURCE, variables).await;
        assert_eq!(status, StatusCode::OK);
        answer
    }

    /// The repositories that are checked, as `dagger cloud check status` asks.
    async fn checked(&self, refs: Value) -> Vec<String> {
        let data = self.world.query(&self.ann, USER_REPOSITORIES, json!({ "refs": refs })).await;
        let repositories = data["user"]["repositories"].as_array().expect("repositories");
        repositories.iter().map(|repository| repository["ref"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

fn message(answer: &Value) -> &str {
    answer["errors"][0]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn an_org_says_its_age_and_its_plan() {
    let scene = Scene::new().await;
    let data = scene.world.query(&scene.ann, ORG_DETAILS, json!({ "org": "ACME" })).await;
    let org = &data["org"];
    assert_eq!((&org["name"], &org["createdAt"]), (&json!("acme"), &json!("2027-01-15T08:00:00Z")));
    assert_eq!(
        org["subscription"],
        json!({ "status": "active", "trialStart": null, "trialEnd": null, "subscriptionID": "", "planID": "free", "hasCaching": false }),
        "nothing is paid for here"
    );
    let feature = |name: &str| json!({ "name": name, "status": "active", "trialStart": null, "trialEnd": null });
    assert_eq!(org["features"], json!([feature("traces"), feature("checks")]));
    // What a token sees of its org is the same: the CLI asks for it whoever it is.
    assert_eq!(scene.world.query(&scene.acme.token, ORG_DETAILS, json!({ "org": "acme" })).await, data);
    assert_eq!(scene.world.query(&scene.ann, ORG_DETAILS, json!({ "org": "nobody" })).await, json!({ "org": null }));
}

#[tokio::test]
async fn sources_are_the_installations_that_the_callers_orgs_have_claimed() {
    let scene = Scene::new().await;
    let other = scene.world.org("other").await;
    scene.world.repository(other.id, 9, "other/secret").await;
    // Style of the raw client: `variables` is null.
    let data = scene.world.query(&scene.ann, SOURCES, Value::Null).await;
    assert_eq!(
        data["sources"],
        json!([{
            "name": "acme", "id": "7", "type": "github", "configuredAt": "2027-01-15T08:00:00Z", "orgName": "acme",
            "configUrl": "https://github.com/settings/installations/7",
        }])
    );
    let (_, nobody) = scene.world.person("nobody").await;
    assert_eq!(scene.world.query(&nobody, SOURCES, Value::Null).await, json!({ "sources": [] }));
    let data = scene.world.query(&scene.ann, REPOS, Value::Null).await;
    let repo = |name: &str| json!({ "name": name, "fullName": format!("acme/{name}"), "private": false });
    assert_eq!(data["getRepos"], json!([repo("hello"), repo("other")]));
}

#[tokio::test]
async fn checks_are_turned_off_and_on_as_the_cli_does() {
    let scene = Scene::new().await;
    assert_eq!(scene.checked(json!(["github.com/acme/hello"])).await, ["github.com/acme/hello"]);
    assert_eq!(scene.checked(Value::Null).await, ["github.com/acme/hello", "github.com/acme/other"]);

    // Off: the whole list without it.
    let answer = scene.configure(json!(["github.com/acme/other"])).await;
    assert_eq!(answer["data"]["configureSource"], json!({ "sourceName": "acme", "installationId": "7", "mode": "SELECTED" }), "{answer}");
    assert_eq!(scene.checked(json!(["github.com/acme/hello"])).await, Vec::<String>::new(), "what is off is left out");
    assert_eq!(scene.checked(json!(["acme/hello", "https://github.com/Acme/Other.git"])).await, ["github.com/acme/other"]);

    // On: the CLI looks for the account and its list, then sends the list with it.
    let data = scene.world.query(&scene.ann, MAPPED_SOURCES, json!({ "org": "acme" })).await;
    let mapped = json!({ "sourceName": "acme", "installationId": "7", "mode": "SELECTED", "repositories": ["github.com/acme/other"] });
    assert_eq!(data["org"]["mappedSources"], json!([mapped]));
    scene.configure(json!(["git@github.com:acme/hello.git", "ACME/OTHER", "acme/other"])).await;
    assert_eq!(scene.checked(json!([])).await, ["github.com/acme/hello", "github.com/acme/other"]);
    let data = scene.world.query(&scene.ann, SOURCE_REPOSITORIES, json!({ "installationId": "7", "org": null })).await;
    let line = |name: &str| json!({ "repository": format!("github.com/acme/{name}"), "selected": true });
    assert_eq!(data["sourceRepositories"], json!([line("hello"), line("other")]));
    scene.configure(json!([])).await;
    assert_eq!(scene.checked(Value::Null).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_repository_that_the_app_does_not_reach_is_named_and_nothing_changes() {
    let scene = Scene::new().await;
    let other = scene.world.org("other").await;
    scene.world.repository(other.id, 9, "other/secret").await;
    for unknown in ["acme/nothing", "other/secret", "gitlab.com/acme/hello", "rubbish"] {
        let answer = scene.configure(json!(["acme/hello", unknown])).await;
        assert_eq!(code(&answer), "UNPROCESSABLE", "{answer}");
        assert!(message(&answer).contains(&format!("`{unknown}`")), "{answer}");
    }
    assert_eq!(scene.checked(Value::Null).await.len(), 2);
    let all = json!({ "installationId": "7", "mode": "ALL", "repositories": ["acme/hello"] });
    let (_, answer) = scene.world.ask(&scene.ann, CONFIGURE_SOURCE, all).await;
    assert_eq!(code(&answer), "UNPROCESSABLE", "{answer}");
}

#[tokio::test]
async fn an_account_of_another_org_reads_like_one_that_nobody_connected() {
    let scene = Scene::new().await;
    let other = scene.world.org("other").await;
    scene.world.repository(other.id, 9, "other/secret").await;
    for (document, extra) in [
        (SOURCE_REPOSITORIES, json!({ "org": scene.acme.id.to_string() })),
        (CONFIGURE_SOURCE, json!({ "mode": "SELECTED", "repositories": [] })),
    ] {
        let mut messages = Vec::new();
        for id in ["9", "10", "x"] {
            let mut variables = extra.clone();
            variables["installationId"] = json!(id);
            let (_, answer) = scene.world.ask(&scene.ann, document, variables).await;
            assert_eq!(code(&answer), "NOT_FOUND", "{answer}");
            messages.push(message(&answer).replace(&format!("`{id}`"), "<id>"));
        }
        messages.dedup();
        assert_eq!(messages.len(), 1, "{messages:?}");
    }
}

#[tokio::test]
async fn who_may_read_the_traces_of_a_repository_is_said_and_taken_back() {
    let scene = Scene::new().await;
    let settings = async || {
        let data = scene.world.query(&scene.ann, REPO_SETTING, json!({ "org": "acme", "repo": "https://github.com/acme/hello" })).await;
        data["org"]["repoSettings"].clone()
    };
    assert_eq!(settings().await, json!([]), "the rule says it");
    for is_public in [true, false, false] {
        let variables = json!({ "org": scene.acme.id.to_string(), "repo": "acme/hello", "isPublic": is_public });
        assert_eq!(scene.world.query(&scene.ann, UPDATE_REPO_SETTING, variables).await, json!({ "updateOrgRepoSetting": true }));
        assert_eq!(settings().await, json!([{ "repo": "github.com/acme/hello", "isPublic": is_public }]));
    }
    let data = scene.world.query(&scene.ann, USER_REPOSITORIES, json!({ "refs": ["acme/hello"] })).await;
    assert_eq!(data["user"]["repositories"][0]["settings"]["isPublic"], false);
    let variables = json!({ "org": scene.acme.id.to_string(), "repo": "acme/hello" });
    assert_eq!(scene.world.query(&scene.ann, DELETE_REPO_SETTING, variables).await, json!({ "deleteOrgRepoSetting": true }));
    assert_eq!(settings().await, json!([]));
    let variables = json!({ "org": scene.acme.id.to_string(), "repo": "acme/nothing" });
    let (_, answer) = scene.world.ask(&scene.ann, DELETE_REPO_SETTING, variables).await;
    assert_eq!(code(&answer), "NOT_FOUND", "{answer}");
    let deeds = scene.world.deeds(scene.acme.id).await;
    for word in ["repository_traces_public", "repository_traces_private", "repository_traces_by_rule"] {
        assert_eq!(deeds.iter().filter(|(_, action)| *action == word).count(), 1, "{deeds:?}");
    }
    assert!(deeds.iter().any(|(who, _)| who == "ann (ann at github)"), "{deeds:?}");
}

#[tokio::test]
async fn connecting_an_account_begins_at_our_own_address() {
    let scene = Scene::new().await;
    let ask = async |who: &str| {
        let variables = json!({ "redirectURI": "https://dagger.cloud/github/callback" });
        scene.world.query(who, OAUTH_URL, variables).await["githubOAuthURL"].as_str().unwrap_or_default().to_owned()
    };
    let ours = "http://127.0.0.1:8800/auth/github?purpose=sources&next=";
    assert_eq!(ask(&scene.ann).await, format!("{ours}%2Facme%2Fsettings%3Ftab%3DGit%2BSources"));
    let (_, nobody) = scene.world.person("nobody").await;
    assert_eq!(ask(&nobody).await, format!("{ours}%2F"));
}

#[tokio::test]
async fn without_payments_there_is_no_portal() {
    let scene = Scene::new().await;
    let (_, answer) = scene.world.ask(&scene.ann, PORTAL, json!({ "org": scene.acme.id.to_string() })).await;
    assert_eq!((code(&answer), message(&answer)), ("UNPROCESSABLE", "this installation takes no payments: everything is free"));
}

#[tokio::test]
async fn somebody_in_several_orgs_sees_the_checks_of_those_in_which_they_are_a_member() {
    let world = World::new().await;
    let (user, ann) = world.person("ann").await;
    for (number, (name, roles)) in [("acme", Roles::MEMBER), ("both", Roles::BOTH), ("run", Roles::ADMIN)].into_iter().enumerate() {
        let org = world.org(name).await;
        let id = u64::try_from(number).expect("a number") + 1;
        let repository = world.repository(org.id, id, &format!("{name}/hello")).await;
        world.run(org.id, &repository, &sha('a'), Trust::Trusted, &["."]).await;
        world.deps.tenancy.add_member(org.id, user.id, roles, &world.deed()).await.expect("a member");
    }
    let names = |data: &Value| -> Vec<String> {
        let nodes = data["user"]["checks"]["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().map(|node| node["org"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut seen = names(&world.query(&ann, USER_CHECKS, json!({ "repos": null, "first": 100 })).await);
    seen.sort();
    assert_eq!(seen, ["acme", "both"]);
    // All three are theirs all the same.
    let data = world.query(&ann, USER, Value::Null).await;
    assert_eq!(data["user"]["orgs"].as_array().map(Vec::len), Some(3));
    assert_eq!(data["user"]["id"], user.id.to_string());
    for (org, expected) in [("acme", ""), ("both", ""), ("run", "FORBIDDEN")] {
        let variables = json!({ "org": org, "moduleRef": format!("github.com/{org}/hello"), "moduleVersion": "main" });
        let (_, answer) = world.ask(&ann, MODULE_CHECKS, variables).await;
        assert_eq!(code(&answer), expected, "{answer}");
    }
    // The header narrows what names no org, and names none that is not theirs.
    world.org("foreign").await;
    let body = json!({ "operationName": "GetUserChecks", "query": USER_CHECKS, "variables": { "repos": null, "first": 100 } });
    let about = async |org: &str| world.call_about(Some(org), Method::POST, "/query", Some(&ann), Some(&body)).await.1;
    assert_eq!(names(&about("both").await["data"]), ["both"]);
    assert_eq!(code(&about("run").await), "FORBIDDEN");
    for org in ["foreign", "nowhere", "org_01arz3ndektsv4rrffq69g5fav"] {
        assert_eq!(code(&about(org).await), "NOT_FOUND", "{org}");
    }
}

#[tokio::test]
async fn an_org_that_is_to_be_deleted_starts_nothing() {
    let scene = Scene::new().await;
    let (status, org) = scene.world.call(Method::DELETE, "/operator/v1/orgs/acme", Some(&scene.world.operator()), None).await;
    assert_eq!(status, StatusCode::OK, "{org}");
    let rerun = include_str!("../documents/RerunChecks.graphql");
    let variables = json!({ "org": scene.acme.id.to_string(), "checkIds": [] });
    let (_, answer) = scene.world.ask(&scene.ann, rerun, variables.clone()).await;
    assert_eq!(code(&answer), "CONFLICT", "{answer}");
    scene.world.query(&scene.ann, ORG_DETAILS, json!({ "org": "acme" })).await;
    let (status, org) = scene.world.post("/operator/v1/orgs/acme/restore", &scene.world.operator(), json!({})).await;
    assert_eq!((status, org.get("deletion")), (StatusCode::OK, None));
    scene.world.query(&scene.ann, rerun, variables).await;
}

#[tokio::test]
async fn there_are_no_cloud_engines_and_the_cli_is_told_so() {
    let scene = Scene::new().await;
    let asked = json!({ "module": "github.com/acme/hello", "client_id": "x", "image": "registry.dagger.io/engine:v0.21.8" });
    let engine = async |authorization: Option<&str>| scene.world.call(Method::POST, "/v1/engines", authorization, Some(&asked)).await;
    let usable = scene.world.token("acme", Some(&["engines:use"])).await;
    let ci = scene.world.ci_job(scene.acme.id);
    let unusable = scene.world.token("acme", Some(&["checks:read"])).await;
    for (authorization, expected) in [
        (Some(&usable), StatusCode::NOT_IMPLEMENTED),
        (Some(&scene.ann), StatusCode::NOT_IMPLEMENTED),
        (Some(&ci), StatusCode::NOT_IMPLEMENTED),
        (Some(&unusable), StatusCode::FORBIDDEN),
        (None, StatusCode::UNAUTHORIZED),
    ] {
        let (status, answer) = engine(authorization.map(String::as_str)).await;
        assert_eq!(status, expected, "{answer}");
        assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    }
}

#[tokio::test]
async fn a_document_that_asks_for_more_than_there_is_fails_validation() {
    let scene = Scene::new().await;
    for (document, word) in [
        ("query A { sources { name secret } }", "secret"),
        ("query A { org(name: \"acme\") { tokens { id } } }", "tokens"),
        ("query A { user { repositories(refs: null, org: \"x\") { ref } } }", "org"),
        ("mutation A { deleteOrg(org: \"x\") }", "deleteOrg"),
        ("mutation A { configureSource(source: { installationId: \"7\", mode: NONE, repositories: [] }) { mode } }", "mode"),
        ("query A ($o: ID!) { trace(id: \"x\", org: $o, incremental: true) { id } }", "incremental"),
    ] {
        let (status, answer) = scene.world.ask(&scene.ann, document, json!({ "o": "x" })).await;
        assert_eq!((status, code(&answer)), (StatusCode::OK, "GRAPHQL_VALIDATION_FAILED"), "{answer}");
        assert!(message(&answer).contains(word), "{answer}");
        assert!(answer["data"].is_null(), "{answer}");
    }
}

#[tokio::test]
async fn questions_have_a_greatest_depth_and_cost() {
    let scene = Scene::new().await;
    let (down, up) = ("org { checks { nodes { ".repeat(7), " } } }".repeat(7));
    let deep = format!("query A {{ user {{ checks {{ nodes {{ {down}repo{up} }} }} }} }}");
    let many: String = (0..12).map(|number| format!("s{number}: user {{ repositories {{ ref }} }} ")).collect();
    for (document, what) in [
        ("query A { user { orgs { checks { nodes { repo } } } } }".to_owned(), "complex"),
        (format!("query A {{ {many} }}"), "complex"),
        (deep, "nested too deep"),
    ] {
        let (_, answer) = scene.world.ask(&scene.ann, &document, Value::Null).await;
        assert_eq!(code(&answer), "GRAPHQL_VALIDATION_FAILED", "{answer}");
        assert!(message(&answer).contains(what), "{answer}");
    }
}
