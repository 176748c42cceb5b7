//! Every route and every field, asked by everybody: allowed exactly as the table in the core says.
//!
//! The fields come from the schema and the routes from the table that requests are routed by, so that a new one without a row fails
//! here. What is asked of each is [`question`], which does not compile until a new field has one.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use quillon_api::access::{Asks, Endpoint, Field, OperatorCall, ROUTES, Route, RunnerCall};
use quillon_core::access::{Needs, Permission, Standing, Verdict, allows};
use quillon_core::attempt::Attempt;
use quillon_core::id::OrgId;
use quillon_core::member::Roles;
use quillon_core::org::Scope;
use quillon_core::trust::Trust;
use serde_json::{Value, json};

use crate::events::Sent;
use crate::otlp::{TRACE, span, span_id};
use crate::world::{TestOrg, World, sha};

/// Types whose fields read an org when they are asked.
const GUARDED: [&str; 5] = ["Query", "Mutation", "Subscription", "User", "Org"];

/// Somebody who asks.
struct Asking {
    name: String,
    authorization: Option<String>,
    /// What they are to `acme`; none where nobody is behind the credential.
    to_acme: Option<Standing>,
    /// What they are to all orgs of theirs.
    to_theirs: Vec<Standing>,
}

/// Two orgs of the same kind, and everybody.
struct Scene {
    world: World,
    acme: TestOrg,
    load: Attempt,
    cast: Vec<Asking>,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let (acme, other) = (world.org("acme").await, world.org("other").await);
        let mut loads = Vec::new();
        for (number, digit, org) in [(1, 'a', &acme), (2, 'b', &other)] {
            let repository = world.repository(org.id, number, &format!("owner{number}/hello")).await;
            loads.extend(world.run(org.id, &repository, &sha(digit), Trust::Trusted, &["."]).await.1);
        }
        world.take_spans(acme.id, &[span(1, None, "dagger check")]).await;
        let cast = cast(&world, &acme, &other, &loads[0]).await;
        let load = loads.remove(0);
        Self { world, acme, load, cast }
    }
}

async fn cast(world: &World, acme: &TestOrg, other: &TestOrg, load: &Attempt) -> Vec<Asking> {
    let mut cast = Vec::new();
    let mut add = |name: &str, authorization: String, to_acme: Standing, to_theirs: Vec<Standing>| {
        cast.push(Asking { name: name.to_owned(), authorization: Some(authorization), to_acme: Some(to_acme), to_theirs });
    };
    add("operator", world.operator(), Standing::Operator, vec![Standing::Operator; 2]);
    for (name, roles) in [("admin", Roles::ADMIN), ("member", Roles::MEMBER), ("both", Roles::BOTH)] {
        let standing = Standing::Person(roles);
        add(name, world.member(acme.id, name, roles).await, standing.clone(), vec![standing]);
    }
    let theirs = Standing::Person(Roles::BOTH);
    add("stranger", world.member(other.id, "stranger", Roles::BOTH).await, Standing::Stranger, vec![theirs]);
    add("nobody", world.person("nobody").await.1, Standing::Stranger, vec![]);
    for scope in Scope::ALL {
        let standing = Standing::Token(vec![scope]);
        add(&format!("token {scope}"), world.token("acme", Some(&[scope.word()])).await, standing.clone(), vec![standing]);
    }
    let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.word()).collect();
    let standing = Standing::Token(Scope::ALL.to_vec());
    add("token of another org", world.token("other", Some(&all)).await, Standing::Stranger, vec![standing]);
    add("CI job", world.ci_job(acme.id), Standing::CiJob, vec![Standing::CiJob]);
    add("CI job of another org", world.ci_job(other.id), Standing::Stranger, vec![Standing::CiJob]);

    let of_job = quillon_secrets::telemetry::mint(&world.key(), acme.id, load.id, load.key.run.commit.repository, 60, world.clock.now());
    let mut unknown = |name: &str, authorization: Option<String>| {
        cast.push(Asking { name: name.to_owned(), authorization, to_acme: None, to_theirs: vec![] });
    };
    unknown("no credential", None);
    unknown("a job's own token", Some(format!("Bearer {}", of_job.expose())));
    unknown("an agent", Some(world.agent(None, false).await));
    for text in ["dag_acme_0", "qat_0", "qrt_0", "qtt_0", "agt_0", "operator", &"0".repeat(64)] {
        unknown(&format!("garbage `{text}`"), Some(format!("Bearer {text}")));
    }
    unknown("an unknown scheme", Some(world.operator().replacen("Bearer", "Digest", 1)));
    cast
}

/// What is asked for a field, about the org `acme`: a document with its variables.
fn question(field: Field, org: &str, scene: &Scene) -> (String, Value) {
    let load = scene.load.id;
    let span = span_id(1);
    let document = match field {
        Field::User => "query A { user { __typename } }".to_owned(),
        Field::Org => "query A { org(name: \"acme\") { __typename } }".to_owned(),
        Field::Trace => format!("query A {{ trace(org: \"{org}\", id: \"{TRACE}\") {{ id }} }}"),
        Field::Sources => "query A { sources { id name orgName } }".to_owned(),
        Field::SourceRepositories => "query A { sourceRepositories(installationId: \"1\") { repository } }".to_owned(),
        Field::GithubOauthUrl => "query A { githubOAuthURL(redirectURI: \"\") }".to_owned(),
        Field::Repos => "query A { getRepos { fullName } }".to_owned(),
        Field::UserId => "query A { user { id } }".to_owned(),
        Field::UserOrgs => "query A { user { orgs { id name } } }".to_owned(),
        Field::UserChecks => "query A { user { checks { nodes { repo org { name } } } } }".to_owned(),
        Field::UserRepositories => "query A { user { repositories { ref } } }".to_owned(),
        Field::OrgId => "query A { org(name: \"acme\") { id } }".to_owned(),
        Field::OrgName => "query A { org(name: \"acme\") { name } }".to_owned(),
        Field::OrgCreatedAt => "query A { org(name: \"acme\") { createdAt } }".to_owned(),
        Field::OrgSubscription => "query A { org(name: \"acme\") { subscription { planID } } }".to_owned(),
        Field::OrgFeatures => "query A { org(name: \"acme\") { features { name } } }".to_owned(),
        Field::OrgChecks => "query A { org(name: \"acme\") { checks { nodes { repo } } } }".to_owned(),
        Field::OrgModuleChecks => {
            "query A { org(name: \"acme\") { moduleChecks(moduleRef: \"owner1/hello\", moduleVersion: \"main\") { repo } } }".to_owned()
        }
        Field::OrgMappedSources => "query A { org(name: \"acme\") { mappedSources { sourceName } } }".to_owned(),
        Field::OrgRepoSettings => "query A { org(name: \"acme\") { repoSettings(repo: \"owner1/hello\") { repo } } }".to_owned(),
        Field::RerunChecks => format!("mutation A {{ rerunChecks(org: \"{org}\", checkIds: [\"{load}\"]) {{ id }} }}"),
        Field::RerunLoad => format!("mutation A {{ rerunLoad(org: \"{org}\", checkId: \"{load}\") {{ id }} }}"),
        Field::CancelChecks => format!("mutation A {{ cancelChecks(org: \"{org}\", checkIds: []) {{ id }} }}"),
        Field::ConfigureSource => {
            "mutation A { configureSource(source: { installationId: \"1\", mode: ALL, repositories: [] }) { mode } }".to_owned()
        }
        Field::CreatePortalSession => format!("mutation A {{ createPortalSession(org: \"{org}\") }}"),
        Field::UpdateOrgRepoSetting => {
            format!("mutation A {{ updateOrgRepoSetting(org: \"{org}\", setting: {{ repo: \"owner1/hello\", isPublic: true }}) }}")
        }
        Field::DeleteOrgRepoSetting => format!("mutation A {{ deleteOrgRepoSetting(org: \"{org}\", repoName: \"owner1/hello\") }}"),
        Field::SpansUpdated => format!("subscription A {{ spansUpdated(org: \"{org}\", traceId: \"{TRACE}\", root: true) {{ id }} }}"),
        Field::LogsEmitted => format!(
            "subscription A {{ logsEmitted(org: \"{org}\", traceId: \"{TRACE}\", spanId: \"{span}\", descendants: true) {{ body }} }}"
        ),
    };
    (document, Value::Null)
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Came {
    Allowed,
    Refused(String),
    Hidden,
    Unknown,
}

/// What is to come of a question by the table of the core.
fn expected(asks: Asks, asking: &Asking) -> Came {
    let Some(to_acme) = &asking.to_acme else { return Came::Unknown };
    let of = |standing: &Standing, permissions: &[Permission]| {
        let verdicts: Vec<Verdict> = permissions.iter().map(|permission| allows(standing, *permission)).collect();
        let allowed = verdicts.iter().find(|verdict| **verdict == Verdict::Allowed);
        match allowed.or(verdicts.first()).expect("a permission") {
            Verdict::Allowed => Came::Allowed,
            Verdict::Refused(refusal) => Came::Refused(refusal.to_string()),
            Verdict::Hidden => Came::Hidden,
        }
    };
    match asks {
        Asks::Credential => Came::Allowed,
        Asks::In(permission) => of(to_acme, &[permission]),
        Asks::InSome(permissions) => {
            let theirs: Vec<Came> = asking.to_theirs.iter().map(|standing| of(standing, permissions)).collect();
            if theirs.is_empty() || theirs.contains(&Came::Allowed) { Came::Allowed } else { theirs[0].clone() }
        }
    }
}

/// Asks, and says what came of it, with the whole answer.
async fn ask(world: &World, authorization: Option<&str>, document: &str, variables: Value) -> (Came, Value) {
    let answer = if document.starts_with("subscription")
        && let Some(authorization) = authorization
        && world.post("/query", authorization, json!({ "query": "{user{id}}" })).await.0 == StatusCode::OK
    {
        match world.events(authorization, document, variables).await.into_iter().next() {
            Some(Sent::Next(answer)) => answer,
            Some(Sent::Complete) | None => Value::Null,
        }
    } else {
        let body = json!({ "query": document, "variables": variables });
        let (status, answer) = world.call(Method::POST, "/query", authorization, Some(&body)).await;
        if status == StatusCode::UNAUTHORIZED {
            return (Came::Unknown, answer);
        }
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    };
    let error = &answer["errors"][0];
    let came = match error["extensions"]["code"].as_str() {
        Some("FORBIDDEN") => Came::Refused(error["message"].as_str().unwrap_or_default().to_owned()),
        Some("NOT_FOUND") => Came::Hidden,
        Some("UNPROCESSABLE") => Came::Allowed,
        Some(other) => panic!("{other}: {answer}"),
        None => {
            let first = answer["data"].as_object().and_then(|data| data.values().next());
            // A field that may be null is null for what does not exist.
            if first.is_some_and(Value::is_null) { Came::Hidden } else { Came::Allowed }
        }
    };
    (came, answer)
}

#[tokio::test]
async fn every_field_is_answered_as_the_table_says() {
    let scene = Scene::new().await;
    let org = scene.acme.id.to_string();
    let mut questions = 0;
    for field in Field::all() {
        let (document, variables) = question(field, &org, &scene);
        assert!(document.contains(field.name()), "{field:?} is not what is asked");
        for asking in &scene.cast {
            let (came, answer) = ask(&scene.world, asking.authorization.as_deref(), &document, variables.clone()).await;
            assert_eq!(came, expected(field.asks(), asking), "{field:?} by {}: {answer}", asking.name);
            // Whatever it was, nobody is told a thing of an org in which they are nothing.
            if matches!(asking.to_acme, None | Some(Standing::Stranger)) {
                let text = answer["data"].to_string();
                assert!(!text.contains("acme") && !text.contains("owner1") && !text.contains(&org), "{field:?} by {}: {text}", asking.name);
            }
            questions += 1;
        }
    }
    assert!(questions > 600, "{questions}");
}

#[tokio::test]
async fn every_field_of_the_schema_has_a_row() {
    let scene = Scene::new().await;
    let document = "query A { __schema { types { name fields { name args { name } } } } }";
    let data = scene.world.query(&scene.acme.token, document, Value::Null).await;
    let types = data["__schema"]["types"].as_array().expect("types");
    let (mut in_schema, mut elsewhere) = (BTreeSet::new(), Vec::new());
    for kind in types {
        let owner = kind["name"].as_str().expect("a name");
        for field in kind["fields"].as_array().into_iter().flatten() {
            let name = format!("{owner}.{}", field["name"].as_str().expect("a name"));
            let takes_arguments = field["args"].as_array().is_some_and(|args| !args.is_empty());
            if GUARDED.contains(&owner) {
                in_schema.insert(name);
            } else if takes_arguments && !owner.starts_with("__") {
                elsewhere.push(name);
            }
        }
    }
    let rows: BTreeSet<String> = Field::all().map(|field| format!("{}.{}", field.owner(), field.name())).collect();
    assert_eq!(in_schema, rows);
    assert_eq!(elsewhere, Vec::<String>::new(), "whatever takes arguments looks something up, and needs a row");
}

#[tokio::test]
async fn a_foreign_org_reads_like_one_that_does_not_exist() {
    let scene = Scene::new().await;
    let (ours, made_up) = (scene.acme.id.to_string(), OrgId::from_parts(1, 1).to_string());
    let stranger = scene.cast.iter().find(|asking| asking.name == "stranger").expect("a stranger");
    for field in Field::all().filter(|field| matches!(field.asks(), Asks::In(_))) {
        let mut answers = Vec::new();
        for org in [&ours, &made_up] {
            let (document, variables) = question(field, org, &scene);
            // A name and an installation that nobody has, for the fields that go by those.
            let document = if org == &ours { document } else { document.replace("\"acme\"", "\"nowhere\"").replace("\"1\"", "\"77\"") };
            let (came, answer) = ask(&scene.world, stranger.authorization.as_deref(), &document, variables).await;
            assert_eq!(came, Came::Hidden, "{field:?}: {answer}");
            let text = answer["errors"][0]["message"].as_str().unwrap_or_default();
            answers.push((answer["data"].clone(), text.replace(org, "<id>").replace("`1`", "<id>").replace("`77`", "<id>")));
        }
        assert_eq!(answers[0], answers[1], "{field:?}");
    }
}

/// The path of a route about `acme`, and the body that it takes.
fn request(route: &Route, scene: &Scene) -> (String, Value) {
    let (load, lease) = (scene.load.id, "lse_01arz3ndektsv4rrffq69g5fav");
    let job = json!({ "attempt": load, "lease": lease });
    let (names, body): (&[&str], Value) = match route.endpoint {
        Endpoint::Health => (&[], Value::Null),
        Endpoint::Query => (&[], json!({ "query": "{user{id}}" })),
        Endpoint::Engines => (&[], json!({ "image": "x" })),
        Endpoint::Runner(RunnerCall::Enroll) => (&[], json!({ "token": "enr_x", "name": "box", "runs_forks": false })),
        Endpoint::Runner(RunnerCall::Lease) => (&[], json!({ "wait_ms": 0 })),
        Endpoint::Runner(RunnerCall::Heartbeat) => (&[], json!({ "attempt": load, "lease": lease, "elapsed_s": 1 })),
        Endpoint::Runner(RunnerCall::GitCredential | RunnerCall::Release) => (&[], job),
        Endpoint::Runner(RunnerCall::Result) => {
            (&[], json!({ "attempt": load, "lease": lease, "report": { "result": "passed" }, "output": "", "is_output_cut": false }))
        }
        Endpoint::Operator(call) => match call {
            OperatorCall::CreateToken => (&[], json!({ "org": "acme", "name": "new" })),
            OperatorCall::RevokeToken => (&["tok_01arz3ndektsv4rrffq69g5fav"], Value::Null),
            OperatorCall::EnrolAgent => (&[], json!({})),
            OperatorCall::RemoveAgent => (&["agt_01arz3ndektsv4rrffq69g5fav"], Value::Null),
            OperatorCall::ShowRepository => (&["owner1", "hello"], Value::Null),
            OperatorCall::ChangeRepository => (&["owner1", "hello"], json!({ "timeout_s": 77 })),
            OperatorCall::CreateOrg => (&[], json!({ "name": "third" })),
            OperatorCall::ChangeOrg => (&["acme"], json!({ "concurrency": 3 })),
            OperatorCall::RestoreOrg => (&["acme"], json!({})),
            OperatorCall::AddMember => (&["acme"], json!({ "user": "usr_01arz3ndektsv4rrffq69g5fav", "roles": ["admin"] })),
            OperatorCall::RemoveMember => (&["acme", "usr_01arz3ndektsv4rrffq69g5fav"], Value::Null),
            OperatorCall::Invite => (&["acme"], json!({ "invitee": "bob", "roles": ["admin"] })),
            OperatorCall::RevokeInvite => (&["acme", "inv_01arz3ndektsv4rrffq69g5fav"], Value::Null),
            OperatorCall::ClaimInstallation => (&["1"], json!({ "org": "other" })),
            OperatorCall::DeleteOrg | OperatorCall::ListMembers | OperatorCall::ListInvites => (&["acme"], Value::Null),
            OperatorCall::ListTokens | OperatorCall::ListAgents | OperatorCall::ListOrgs | OperatorCall::ListInstallations => {
                (&[], Value::Null)
            }
        },
    };
    let mut path = route.path.to_owned();
    for name in names {
        path = path.replacen("{}", name, 1);
    }
    assert!(!path.contains("{}"), "{path}");
    (path, body)
}

/// What is to come of a call; none where anything may that lets the caller in.
fn status_of(route: &Route, asking: &Asking) -> Option<StatusCode> {
    match (route.needs, &asking.to_acme) {
        (Needs::Nothing, _) if route.endpoint == Endpoint::Health => Some(StatusCode::OK),
        // Agents and jobs have credentials of another kind; this agent's is good for the one call that asks for work.
        (Needs::Nothing, _) if matches!(route.endpoint, Endpoint::Runner(_)) => match route.endpoint {
            Endpoint::Runner(RunnerCall::Lease) if asking.name == "an agent" => None,
            _ => Some(StatusCode::UNAUTHORIZED),
        },
        (_, None) => Some(StatusCode::UNAUTHORIZED),
        (Needs::Nothing, Some(_)) => Some(StatusCode::OK),
        (Needs::Operator, Some(Standing::Operator)) => None,
        (Needs::Operator, Some(_)) => Some(StatusCode::FORBIDDEN),
        (Needs::In(permission), Some(_)) => match asking.to_theirs.as_slice() {
            [one] if allows(one, permission) == Verdict::Allowed => Some(StatusCode::NOT_IMPLEMENTED),
            [_] => Some(StatusCode::FORBIDDEN),
            // No org, or several: it is to be named.
            [] | [_, ..] => Some(StatusCode::UNPROCESSABLE_ENTITY),
        },
        (Needs::SignedIn | Needs::InOrPublic(_), Some(_)) => panic!("{route:?} needs what no test knows"),
    }
}

#[tokio::test]
async fn every_route_is_answered_as_the_table_says() {
    let scene = Scene::new().await;
    let repository = scene.load.key.run.commit.repository;
    let before = scene.world.deps.store.repository(repository).await.expect("a table");
    let deeds = scene.world.deeds(scene.acme.id).await;
    // The operator last: what that one may do changes what the others would find.
    let (operator, others): (Vec<&Asking>, Vec<&Asking>) = scene.cast.iter().partition(|asking| asking.name == "operator");
    for asking in others {
        for route in &ROUTES {
            let (path, body) = request(route, &scene);
            let body = Some(&body).filter(|body| !body.is_null());
            let (status, answer) = scene.world.call(route.method.clone(), &path, asking.authorization.as_deref(), body).await;
            let case = format!("{} {path} by {}: {answer}", route.method, asking.name);
            match status_of(route, asking) {
                Some(expected) => assert_eq!(status, expected, "{case}"),
                None => assert!(status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN, "{status} {case}"),
            }
        }
    }
    assert_eq!(scene.world.deps.store.repository(repository).await.expect("a table"), before);
    assert_eq!(scene.world.deeds(scene.acme.id).await, deeds, "nobody has done anything");
    for route in ROUTES.iter().filter(|route| route.needs == Needs::Operator) {
        let (path, body) = request(route, &scene);
        // It asks GitHub, which no test of this file has.
        if route.endpoint == Endpoint::Operator(OperatorCall::ListInstallations) {
            continue;
        }
        let body = Some(&body).filter(|body| !body.is_null());
        let (status, answer) = scene.world.call(route.method.clone(), &path, operator[0].authorization.as_deref(), body).await;
        let is_in = status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN && !status.is_server_error();
        assert!(is_in, "{status} {} {path}: {answer}", route.method);
    }
}

#[tokio::test]
async fn the_header_names_an_org_only_to_those_who_are_in_it() {
    let scene = Scene::new().await;
    let names = ["acme".to_owned(), scene.acme.id.to_string()];
    for asking in scene.cast.iter().filter(|asking| asking.to_acme.is_some()) {
        let standing = asking.to_acme.as_ref().expect("somebody");
        for name in &names {
            let (status, answer) =
                scene.world.call_about(Some(name), Method::POST, "/v1/engines", asking.authorization.as_deref(), Some(&json!({}))).await;
            let expected = match allows(standing, Permission::UseEngines) {
                Verdict::Allowed => StatusCode::NOT_IMPLEMENTED,
                Verdict::Refused(_) => StatusCode::FORBIDDEN,
                Verdict::Hidden => StatusCode::NOT_FOUND,
            };
            assert_eq!(status, expected, "{}: {answer}", asking.name);
        }
    }
}
