//! The REST API, mostly as octocrab sees it.

use http::Method;
use octocrab::{
    models::{InstallationId, StatusState},
    params::{State, repos::Reference},
};
use quillon_forge::{FileChange, NewPull, Selection};
use serde_json::{Value, json};

use crate::world::{World, mona};

#[tokio::test]
async fn octocrab_reads_a_repository_and_posts_statuses() {
    let world = World::new().await;
    let module = [
        FileChange::write("dagger.json", "{}"),
        FileChange::write("lib/dagger.json", "{\"a\":1}"),
        FileChange::script("run", "#!/bin/sh\n"),
    ];
    let sha = world.forge.commit_and_push(world.hello.id, "main", &module, "Start", &mona()).await.unwrap();
    let octocrab = world.octocrab();
    let repos = octocrab.repos("acme", "hello");

    let repository = repos.get().await.unwrap();
    assert_eq!((repository.id.0, repository.default_branch.as_deref()), (world.hello.id, Some("main")));
    let reference = repos.get_ref(&Reference::Branch("main".to_owned())).await.unwrap();
    assert_eq!(reference.ref_field, "refs/heads/main");
    let commit = repos.get_commit(&sha).await.unwrap();
    assert_eq!(commit.message, "Start");
    let branches = repos.list_branches().send().await.unwrap();
    assert_eq!(branches.items.iter().map(|branch| branch.name.as_str()).collect::<Vec<_>>(), ["main"]);
    let heads = repos.branches_where_head(&sha).await.unwrap();
    assert_eq!(heads.len(), 1);
    let file = repos.get_content().path("lib/dagger.json").r#ref(&sha).send().await.unwrap();
    assert_eq!(file.items[0].decoded_content().as_deref(), Some("{\"a\":1}"));
    let directory = repos.get_content().path("lib").send().await.unwrap();
    assert_eq!(directory.items[0].path, "lib/dagger.json");

    let tree: Value = octocrab.get(format!("/repos/acme/hello/git/trees/{sha}?recursive=1"), None::<&()>).await.unwrap();
    let entries: Vec<(&str, &str)> =
        tree["tree"].as_array().unwrap().iter().map(|entry| (entry["path"].as_str().unwrap(), entry["mode"].as_str().unwrap())).collect();
    assert_eq!(entries, [("dagger.json", "100644"), ("lib", "040000"), ("lib/dagger.json", "100644"), ("run", "100755")]);
    assert_eq!(tree["truncated"], false);

    for state in [StatusState::Pending, StatusState::Success] {
        let target = "https://quillon.example/checks/1".to_owned();
        let posted = repos.create_status(sha.clone(), state).context("quillon".to_owned()).target(target).send().await.unwrap();
        assert_eq!(posted.context.as_deref(), Some("quillon"));
    }
    let statuses = world.forge.statuses(world.hello.id, &sha).unwrap();
    assert_eq!(statuses.iter().map(|status| status.state.as_str()).collect::<Vec<_>>(), ["pending", "success"]);
    let combined = repos.combined_status_for_ref(&Reference::Branch("main".to_owned())).await.unwrap();
    assert_eq!((combined.state, combined.statuses.len()), (StatusState::Success, 1));
    world.assert_no_violations();
}

#[tokio::test]
async fn octocrab_lists_pulls_and_installations() {
    let world = World::new().await;
    world.push("main", "a", "1").await;
    for number in 1..=3 {
        let branch = format!("topic-{number}");
        let base = world.forge.head(world.hello.id, "main").unwrap();
        let sha = world.forge.commit_on(world.hello.id, Some(&base), &[FileChange::write("b", &branch)], "b", &mona()).await.unwrap();
        world.forge.push(world.hello.id, &branch, &sha).await.unwrap();
        world.forge.open_pull(NewPull::new(world.hello.id, &branch, "main", "Change b")).await.unwrap();
    }
    world.forge.close(world.hello.id, 2).unwrap();
    let octocrab = world.octocrab();
    let pulls = octocrab.pulls("acme", "hello");
    let page = pulls.list().state(State::Open).per_page(1).send().await.unwrap();
    assert_eq!(page.items[0].number, 3);
    // octocrab does not send its token to absolute addresses of another host than GitHub's own.
    let next = page.next.unwrap();
    assert!(next.to_string().starts_with(world.forge.api_url()) && next.query().unwrap().contains("page=2"));
    let next = pulls.list().state(State::Open).per_page(1).page(2u32).send().await.unwrap();
    assert_eq!(next.items[0].number, 1);
    assert!(next.next.is_none());
    let of_commit: Value = octocrab.get(format!("/repos/acme/hello/commits/{}/pulls", next.items[0].head.sha), None::<&()>).await.unwrap();
    assert_eq!(of_commit[0]["number"], 1);

    let app = world.app();
    let installations = app.apps().installations().send().await.unwrap();
    assert_eq!(installations.items[0].id.0, world.installation.id);
    assert_eq!(app.apps().installation(InstallationId(world.installation.id)).await.unwrap().account.login, "acme");
    assert_eq!(app.apps().get_repository_installation("acme", "hello").await.unwrap().id.0, world.installation.id);
    let covered: Value = octocrab.get("/installation/repositories?per_page=100", None::<&()>).await.unwrap();
    assert_eq!((&covered["total_count"], &covered["repositories"][0]["full_name"]), (&json!(1), &json!("acme/hello")));
    world.assert_no_violations();
}

#[tokio::test]
async fn annotated_tags_are_objects_of_their_own() {
    let world = World::new().await;
    let sha = world.push("main", "a", "1").await;
    let object = world.forge.push_annotated_tag(world.hello.id, "v1", &sha, "One", &mona()).await.unwrap();
    world.forge.push_tag(world.hello.id, "v0", &sha).await.unwrap();
    let octocrab = world.octocrab();
    let read = async |path: String| octocrab.get::<Value, _, ()>(path, None).await.unwrap();
    let annotated = read("/repos/acme/hello/git/ref/tags/v1".to_owned()).await;
    assert_eq!((&annotated["object"]["type"], &annotated["object"]["sha"]), (&json!("tag"), &json!(object)));
    let light = read("/repos/acme/hello/git/ref/tags/v0".to_owned()).await;
    assert_eq!((&light["object"]["type"], &light["object"]["sha"]), (&json!("commit"), &json!(sha)));
    assert_eq!(read(format!("/repos/acme/hello/git/tags/{object}")).await["object"]["sha"], json!(sha));
    assert_eq!(read("/repos/acme/hello/commits/v1".to_owned()).await["sha"], json!(sha));
    assert_eq!(read("/repos/acme/hello/git/matching-refs/tags/v".to_owned()).await.as_array().unwrap().len(), 2);
    world.assert_no_violations();
}

#[tokio::test]
async fn the_thousand_and_first_status_of_a_context_is_refused() {
    let world = World::new().await;
    let sha = world.push("main", "a", "1").await;
    let token = world.token(json!({})).await;
    let path = format!("/repos/acme/hello/statuses/{sha}");
    for _ in 0..1000 {
        let (status, _, _) = world.call(Method::POST, &path, &token, Some(json!({ "state": "pending", "context": "quillon" }))).await;
        assert_eq!(status, 201);
    }
    let (status, _, body) = world.call(Method::POST, &path, &token, Some(json!({ "state": "success", "context": "QUILLON" }))).await;
    assert_eq!(status, 422);
    assert_eq!(body["errors"][0]["message"], "This SHA and context has reached the maximum number of statuses.");
    let (status, _, _) = world.call(Method::POST, &path, &token, Some(json!({ "state": "success", "context": "other" }))).await;
    assert_eq!(status, 201);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_renamed_repository_redirects_to_its_id() {
    let world = World::new().await;
    let sha = world.push("main", "a", "1").await;
    world.forge.rename(world.hello.id, "world").unwrap();
    let token = world.token(json!({})).await;
    let (status, headers, _) = world.call(Method::GET, "/repos/acme/hello/git/ref/heads/main", &token, None).await;
    let location = headers["location"].to_str().unwrap();
    assert_eq!((status, location), (301, format!("{}/repositories/{}/git/ref/heads/main", world.forge.api_url(), world.hello.id).as_str()));
    let by_id = location.strip_prefix(world.forge.api_url()).unwrap();
    let (status, _, body) = world.call(Method::GET, by_id, &token, None).await;
    assert_eq!((status, &body["object"]["sha"]), (200, &json!(sha)));
    let posting = format!("/repositories/{}/statuses/{sha}", world.hello.id);
    let (status, _, body) = world.call(Method::POST, &posting, &token, Some(json!({ "state": "success" }))).await;
    assert_eq!((status, &body["context"]), (201, &json!("default")));
    let (status, _, _) =
        world.call(Method::POST, &format!("/repos/acme/hello/statuses/{sha}"), &token, Some(json!({ "state": "success" }))).await;
    assert_eq!(status, 307);
    // A new repository of the old name ends the redirect.
    world.forge.create_repository(world.acme.id, "hello", false).await.unwrap();
    let (status, _, body) = world.call(Method::GET, "/repos/acme/hello", &token, None).await;
    assert_eq!(status, 200);
    assert_ne!(body["id"], json!(world.hello.id));
    world.assert_no_violations();
}

#[tokio::test]
async fn tokens_are_narrowed_expire_and_end_with_a_suspension() {
    let world = World::new().await;
    world.push("main", "a", "1").await;
    let secret = world.forge.create_repository(world.acme.id, "secret", true).await.unwrap();
    let narrow = world.token(json!({ "repository_ids": [world.hello.id], "permissions": { "contents": "read" } })).await;
    assert_eq!(world.call(Method::GET, "/repos/acme/hello/branches", &narrow, None).await.0, 200);
    assert_eq!(world.call(Method::GET, "/repos/acme/secret", &narrow, None).await.0, 404);
    world.forge.remove_repositories(world.installation.id, &[secret.id]).unwrap();
    let wide = world.token(json!({})).await;
    assert_eq!(world.call(Method::GET, "/repos/acme/secret", &wide, None).await.0, 404);
    world.forge.add_repositories(world.installation.id, &[secret.id]).unwrap();
    assert_eq!(world.call(Method::GET, "/repos/acme/secret", &wide, None).await.0, 200);

    world.forge.suspend(world.installation.id).unwrap();
    let (status, _, body) = world.call(Method::GET, "/repos/acme/hello", &wide, None).await;
    assert_eq!((status, &body["message"]), (403, &json!("This installation has been suspended")));
    let path = format!("/app/installations/{}/access_tokens", world.installation.id);
    let refused = world.app().post::<Value, Value>(path, Some(&json!({}))).await.unwrap_err();
    assert!(format!("{refused:?}").contains("suspended"), "{refused:?}");
    world.forge.unsuspend(world.installation.id).unwrap();
    world.advance(3601);
    assert_eq!(world.call(Method::GET, "/repos/acme/hello", &wide, None).await.0, 401);
    world.forge.uninstall(world.installation.id).unwrap();
    assert_eq!(world.call(Method::GET, "/repos/acme/hello", &wide, None).await.0, 401);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_selective_installation_covers_what_it_names() {
    let world = World::new().await;
    let other = world.forge.create_account("other", quillon_forge::AccountKind::User).unwrap();
    let one = world.forge.create_repository(other.id, "one", true).await.unwrap();
    let two = world.forge.create_repository(other.id, "two", true).await.unwrap();
    let installation = world.forge.install(other.id, Selection::Selected(vec![one.id])).unwrap();
    let octocrab = world.app().installation(installation.id.into()).unwrap();
    assert_eq!(octocrab.repos("other", "one").get().await.unwrap().id.0, one.id);
    assert!(octocrab.repos("other", "two").get().await.is_err());
    let commit = world.forge.commit_and_push(two.id, "main", &[FileChange::write("a", "1")], "a", &mona()).await;
    assert!(commit.is_ok());
    // Nothing about a repository that is not covered is ever sent.
    assert!(world.forge.deliveries().unwrap().iter().all(|record| record.repository != Some(two.id)));
    world.assert_no_violations();
}

#[tokio::test]
async fn every_answer_carries_the_rate_limit_and_unchanged_reads_are_free() {
    let world = World::with(|config| config.rate_limit = 3).await;
    world.push("main", "a", "1").await;
    let token = world.token(json!({})).await;
    let path = "/repos/acme/hello/git/ref/heads/main";
    let (status, headers, _) = world.call(Method::GET, path, &token, None).await;
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(status, 200);
    assert_eq!(
        (header("x-ratelimit-limit"), header("x-ratelimit-remaining"), header("x-ratelimit-used")),
        ("3".into(), "2".into(), "1".into())
    );
    assert_eq!((header("x-ratelimit-reset"), header("x-ratelimit-resource")), ((1_767_600_000 + 3600).to_string(), "core".into()));
    for _ in 0..5 {
        let request = crate::world::client().get(format!("{}{path}", world.forge.api_url())).bearer_auth(&token);
        let answer = request.header("user-agent", "test").header("if-none-match", header("etag")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["x-ratelimit-remaining"].to_str().unwrap()), (304, "2"));
    }
    assert_eq!(world.call(Method::GET, path, &token, None).await.0, 200);
    assert_eq!(world.call(Method::GET, "/rate_limit", &token, None).await.2["rate"]["remaining"], 1);
    assert_eq!(world.call(Method::GET, path, &token, None).await.0, 200);
    let (status, headers, _) = world.call(Method::GET, path, &token, None).await;
    assert_eq!((status, headers["x-ratelimit-remaining"].to_str().unwrap()), (403, "0"));
    world.advance(3600 - 1);
    assert_eq!(world.call(Method::GET, path, &token, None).await.0, 403);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_tree_beyond_the_limit_is_truncated() {
    let world = World::with(|config| config.tree_limit = 2).await;
    let files = [FileChange::write("a", "1"), FileChange::write("b", "1"), FileChange::write("c", "1")];
    let sha = world.forge.commit_and_push(world.hello.id, "main", &files, "Files", &mona()).await.unwrap();
    let token = world.token(json!({})).await;
    let (_, _, body) = world.call(Method::GET, &format!("/repos/acme/hello/git/trees/{sha}?recursive=1"), &token, None).await;
    assert_eq!((body["tree"].as_array().unwrap().len(), &body["truncated"]), (2, &json!(true)));
}
