//! The operator's calls about orgs, who is in them, and the installations that they have.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forge::Hosted;
use crate::world::World;

/// A call of the operator.
async fn call(world: &World, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let body = Some(&body).filter(|body| !body.is_null());
    world.call(method, &format!("/operator/v1/{path}"), Some(&world.operator()), body).await
}

#[tokio::test]
async fn an_org_is_made_renamed_deleted_and_had_back() {
    let world = World::new().await;
    let (status, org) = call(&world, Method::POST, "orgs", json!({ "name": "Acme" })).await;
    assert_eq!((status, &org["name"]), (StatusCode::CREATED, &json!("Acme")), "{org}");
    let (status, answer) = call(&world, Method::POST, "orgs", json!({ "name": "acme" })).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{answer}");
    assert_eq!(call(&world, Method::POST, "orgs", json!({ "name": "a_b" })).await.0, StatusCode::BAD_REQUEST);

    let (status, renamed) = call(&world, Method::PUT, "orgs/acme", json!({ "name": "acme-2", "concurrency": 7 })).await;
    assert_eq!((status, &renamed["name"], &renamed["concurrency"]), (StatusCode::OK, &json!("acme-2"), &json!(7)), "{renamed}");
    assert_eq!(renamed["id"], org["id"]);
    assert_eq!(call(&world, Method::PUT, "orgs/acme", json!({ "concurrency": 8 })).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        call(&world, Method::POST, "orgs", json!({ "name": "acme" })).await.0,
        StatusCode::CONFLICT,
        "an old name is kept from others"
    );

    let (status, deleted) = call(&world, Method::DELETE, "orgs/acme-2", Value::Null).await;
    assert_eq!((status, &deleted["deletion"]["by"]), (StatusCode::OK, &json!("operator")), "{deleted}");
    let (status, back) = call(&world, Method::POST, "orgs/acme-2/restore", json!({})).await;
    assert_eq!((status, &back["deletion"]), (StatusCode::OK, &Value::Null), "{back}");
    let id = org["id"].as_str().expect("an id").parse().expect("an id");
    let deeds: Vec<&str> =
        world.deeds(id).await.into_iter().inspect(|(who, _)| assert_eq!(who, "operator")).map(|(_, deed)| deed).collect();
    for word in ["org_made", "org_renamed", "org_concurrency_changed", "org_deleted", "org_restored"] {
        assert!(deeds.contains(&word), "{deeds:?}");
    }
}

#[tokio::test]
async fn members_are_put_in_given_roles_and_taken_out() {
    let world = World::new().await;
    world.org("acme").await;
    let (ann, _) = world.person("ann").await;
    let (bob, _) = world.person("bob").await;
    for (body, expected) in [
        (json!({ "user": ann.id, "roles": [] }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "user": ann.id, "roles": ["owner"] }), StatusCode::BAD_REQUEST),
        (json!({ "user": "ann", "roles": ["admin"] }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "user": "usr_01arz3ndektsv4rrffq69g5fav", "roles": ["admin"] }), StatusCode::NOT_FOUND),
        (json!({ "user": ann.id, "roles": ["admin", "member"] }), StatusCode::OK),
        (json!({ "user": bob.id, "roles": ["member"] }), StatusCode::OK),
    ] {
        let (status, answer) = call(&world, Method::POST, "orgs/acme/members", body).await;
        assert_eq!(status, expected, "{answer}");
    }
    let (_, list) = call(&world, Method::GET, "orgs/acme/members", Value::Null).await;
    let mut roles: Vec<String> =
        list["members"].as_array().expect("members").iter().map(|member| format!("{} {}", member["user"], member["roles"])).collect();
    let mut expected = vec![format!("\"{}\" [\"admin\",\"member\"]", ann.id), format!("\"{}\" [\"member\"]", bob.id)];
    roles.sort();
    expected.sort();
    assert_eq!(roles, expected);

    let path = |user: &str| format!("orgs/acme/members/{user}");
    let (status, answer) = call(&world, Method::DELETE, &path(&ann.id.to_string()), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "the last admin stays: {answer}");
    assert_eq!(call(&world, Method::DELETE, &path(&bob.id.to_string()), Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(call(&world, Method::DELETE, &path(&bob.id.to_string()), Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call(&world, Method::DELETE, &path("nobody"), Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call(&world, Method::GET, "orgs/nobody/members", Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whom_the_operator_invites_comes_in_by_the_link() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let (status, made) = call(&world, Method::POST, "orgs/acme/invites", json!({ "login": "Ann", "roles": ["admin"] })).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let secret = made["url"].as_str().and_then(|url| url.strip_prefix("http://127.0.0.1:8800/invite/")).expect("a link").to_owned();
    let (_, list) = call(&world, Method::GET, "orgs/acme/invites", Value::Null).await;
    assert_eq!(list["invites"][0], made["invite"]);
    assert!(!list.to_string().contains(&secret));
    let (_, bob) = call(&world, Method::POST, "orgs/acme/invites", json!({ "invitee": "bob@example.com", "roles": ["member"] })).await;
    let path = format!("orgs/acme/invites/{}", bob["invite"]["id"].as_str().expect("an id"));
    assert_eq!(call(&world, Method::DELETE, &path, Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(call(&world, Method::DELETE, &path, Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        call(&world, Method::POST, "orgs/acme/invites", json!({ "invitee": "a b", "roles": ["member"] })).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let (ann, authorization) = world.person("ann").await;
    let joined = world.deps.tenancy.accept(&secret, &ann, &world.deed()).await.expect("an org");
    assert_eq!(joined.id, acme.id);
    let data = world.query(&authorization, include_str!("../documents/User.graphql"), Value::Null).await;
    assert_eq!(data["user"]["orgs"][0]["name"], "acme");
}

#[tokio::test]
async fn an_installation_is_claimed_once() {
    let hosted = Hosted::open().await;
    let account = hosted.forge.create_account("acme", quillon_forge::AccountKind::Organization).expect("an account");
    let installation = hosted.forge.install(account.id, quillon_forge::Selection::All).expect("an installation");
    let world = World::with_github(&hosted.github).await;
    let acme = world.org("acme").await;
    world.org("other").await;
    let list = async || call(&world, Method::GET, "installations", Value::Null).await.1["installations"].clone();
    let line = |org: Value| json!([{ "id": installation.id, "login": "acme", "account": account.id, "is_suspended": false, "org": org }]);
    assert_eq!(list().await, line(Value::Null));
    let claim = async |id: &str, org: &str| call(&world, Method::POST, &format!("installations/{id}/claim"), json!({ "org": org })).await;
    let id = installation.id.to_string();
    for (id, org, expected) in [
        ("x", "acme", StatusCode::NOT_FOUND),
        ("999999", "acme", StatusCode::NOT_FOUND),
        (id.as_str(), "nobody", StatusCode::NOT_FOUND),
        (id.as_str(), "acme", StatusCode::OK),
        (id.as_str(), "acme", StatusCode::OK),
        (id.as_str(), "other", StatusCode::CONFLICT),
    ] {
        let (status, answer) = claim(id, org).await;
        assert_eq!(status, expected, "{id} {org}: {answer}");
    }
    assert_eq!(list().await, line(json!("acme")));
    assert!(world.deeds(acme.id).await.contains(&("operator".to_owned(), "source_claimed")));
    assert_eq!(call(&world, Method::GET, "installations?page=0", Value::Null).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn settings_of_a_repository_do_not_undo_what_others_said() {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let repository = world.repository(acme.id, 1, "acme/hello").await;
    let path = "repositories/acme/hello/settings";
    let (status, answer) = call(&world, Method::PUT, path, json!({ "timeout_s": 77, "autocheck": false })).await;
    assert_eq!((status, &answer["timeout_s"], &answer["autocheck"]), (StatusCode::OK, &json!(77), &json!(false)), "{answer}");
    let stored = world.deps.store.repository(repository.id).await.expect("a table").expect("a repository");
    assert_eq!((stored.settings.timeout_s, stored.settings.autocheck), (77, false));
    let (_, answer) = call(&world, Method::PUT, path, json!({})).await;
    assert_eq!((&answer["timeout_s"], &answer["autocheck"]), (&json!(3_600), &json!(true)), "{answer}");
    let deeds: Vec<&str> = world.deeds(acme.id).await.into_iter().map(|(_, deed)| deed).collect();
    for word in ["repository_settings_changed", "autocheck_off", "autocheck_on"] {
        assert!(deeds.contains(&word), "{deeds:?}");
    }
}
