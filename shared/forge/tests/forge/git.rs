//! Git over HTTP, with the real git.

use quillon_forge::FileChange;
use serde_json::{Value, json};

use crate::world::{World, client, git, mona};

#[tokio::test]
async fn a_local_repository_is_pushed_and_cloned_again() {
    let world = World::new().await;
    let work = tempfile::tempdir().unwrap();
    let here = work.path();
    git(here, &["init", "--quiet"]).await.unwrap();
    std::fs::write(here.join("README"), "hello").unwrap();
    git(here, &["add", "."]).await.unwrap();
    git(here, &["commit", "--quiet", "-m", "Start"]).await.unwrap();
    let sha = git(here, &["rev-parse", "HEAD"]).await.unwrap();
    let url = world.forge.clone_url(world.hello.id).unwrap();
    let with_key = url.replace("http://", &format!("http://x-access-token:{}@", world.forge.push_token()));
    assert!(git(here, &["push", "--quiet", &url, "main"]).await.is_err(), "a push needs a credential");
    git(here, &["push", "--quiet", &with_key, "main"]).await.unwrap();
    assert_eq!(world.forge.head(world.hello.id, "main"), Some(sha.clone()));

    // The push was announced before git heard of it.
    world.forge.settle().await;
    let body: Value = {
        let received = world.received.lock().unwrap();
        serde_json::from_slice(received.last().unwrap().body()).unwrap()
    };
    assert_eq!((&body["ref"], &body["after"], &body["created"]), (&json!("refs/heads/main"), &json!(sha), &json!(true)));
    assert_eq!(body["head_commit"]["added"], json!(["README"]));

    git(here, &["clone", "--quiet", "--filter=blob:none", &url, "copy"]).await.unwrap();
    assert_eq!(std::fs::read_to_string(here.join("copy/README")).unwrap(), "hello");
    git(here, &["commit", "--quiet", "--amend", "-m", "Start again"]).await.unwrap();
    git(here, &["push", "--quiet", "--force", &with_key, "main"]).await.unwrap();
    world.forge.settle().await;
    let body: Value = {
        let received = world.received.lock().unwrap();
        serde_json::from_slice(received.last().unwrap().body()).unwrap()
    };
    assert_eq!((&body["forced"], &body["before"]), (&json!(true), &json!(sha)));
    world.assert_no_violations();
}

#[tokio::test]
async fn private_repositories_are_read_with_a_token_only() {
    let world = World::new().await;
    let secret = world.forge.create_repository(world.acme.id, "secret", true).await.unwrap();
    world.forge.commit_and_push(secret.id, "main", &[FileChange::write("a", "1")], "a", &mona()).await.unwrap();
    let work = tempfile::tempdir().unwrap();
    let url = world.forge.clone_url(secret.id).unwrap();
    assert!(git(work.path(), &["clone", "--quiet", &url, "anonymous"]).await.is_err());
    let token = world.token(json!({ "repositories": ["secret"], "permissions": { "contents": "read" } })).await;
    let with_token = url.replace("http://", &format!("http://x-access-token:{token}@"));
    git(work.path(), &["clone", "--quiet", &with_token, "copy"]).await.unwrap();
    assert!(git(&work.path().join("copy"), &["push", "--quiet", &with_token, "HEAD:refs/heads/other"]).await.is_err());
    let elsewhere = world.token(json!({ "repositories": ["hello"] })).await;
    let wrong = url.replace("http://", &format!("http://x-access-token:{elsewhere}@"));
    assert!(git(work.path(), &["clone", "--quiet", &wrong, "wrong"]).await.is_err());
    world.assert_no_violations();
}

#[tokio::test]
async fn a_clone_follows_a_rename_and_an_archive_takes_no_push() {
    let world = World::new().await;
    world.push("main", "a", "1").await;
    let former = world.forge.clone_url(world.hello.id).unwrap();
    world.forge.rename(world.hello.id, "world").unwrap();
    let work = tempfile::tempdir().unwrap();
    git(work.path(), &["clone", "--quiet", &former, "copy"]).await.unwrap();
    world.forge.archive(world.hello.id).unwrap();
    let url = world.forge.clone_url(world.hello.id).unwrap();
    let with_key = url.replace("http://", &format!("http://x-access-token:{}@", world.forge.push_token()));
    assert!(git(&work.path().join("copy"), &["push", "--quiet", &with_key, "HEAD:refs/heads/other"]).await.is_err());
    assert_eq!(world.forge.head(world.hello.id, "other"), None);
}

#[tokio::test]
async fn refs_of_pull_requests_cannot_be_pushed() {
    let world = World::new().await;
    world.push("main", "a", "1").await;
    let work = tempfile::tempdir().unwrap();
    let url = world.forge.clone_url(world.hello.id).unwrap();
    let with_key = url.replace("http://", &format!("http://x-access-token:{}@", world.forge.push_token()));
    git(work.path(), &["clone", "--quiet", &url, "copy"]).await.unwrap();
    assert!(git(&work.path().join("copy"), &["push", "--quiet", &with_key, "HEAD:refs/pull/1/head"]).await.is_err());
}

#[tokio::test]
async fn links_lead_to_pages() {
    let world = World::new().await;
    let sha = world.push("main", "<b>.txt", "1").await;
    let page = async |path: &str| {
        let answer = client().get(format!("{}{path}", world.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, body) = page(&format!("/acme/hello/commit/{sha}")).await;
    assert_eq!(status, 200);
    assert!(body.contains("Change &#60;b&#62;.txt"), "{body}");
    assert_eq!(page("/acme/hello").await.0, 200);
    assert_eq!(page("/").await.0, 200);
    world.forge.set_private(world.hello.id, true).unwrap();
    assert_eq!(page(&format!("/acme/hello/commit/{sha}")).await.0, 404);
    world.assert_no_violations();
}

#[tokio::test]
async fn the_forge_may_be_mounted_below_a_path() {
    let world = World::with(|config| config.public_url = config.public_url.join("forge").unwrap()).await;
    let sha = world.push("main", "a", "1").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().nest("/forge", world.forge.router());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let work = tempfile::tempdir().unwrap();
    git(work.path(), &["clone", "--quiet", &format!("{base}/forge/acme/hello.git"), "copy"]).await.unwrap();
    assert_eq!(client().get(format!("{base}/forge/acme/hello/commit/{sha}")).send().await.unwrap().status().as_u16(), 200);
    let app = client().get(format!("{base}/forge/api/v3/app")).bearer_auth(crate::deliveries::jwt(&world)).header("user-agent", "test");
    assert_eq!(app.send().await.unwrap().status().as_u16(), 200);
    assert_eq!(world.forge.requests().pop().unwrap().path, "/api/v3/app");
    assert!(world.forge.api_url().ends_with("/forge/api/v3"));
    server.abort();
}
