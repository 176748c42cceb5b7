//! State outlives the process, and belongs to one process at a time.

use std::os::unix::fs::PermissionsExt;

use http::Method;
use quillon_forge::{Delivery, Forge, ForgeConfig, NewPull};
use serde_json::json;

use crate::world::{World, git};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let world = World::with(|config| config.delivery = Delivery::Held).await;
    let sha = world.push("main", "a", "1").await;
    world.forge.push(world.hello.id, "topic", &sha).await.unwrap();
    let head = world.push("topic", "b", "1").await;
    let pull = world.forge.open_pull(NewPull::new(world.hello.id, "topic", "main", "Add b")).await.unwrap();
    world.forge.rename(world.hello.id, "world").unwrap();
    let token = world.token(json!({})).await;
    let path = format!("/repositories/{}/statuses/{head}", world.hello.id);
    world.call(Method::POST, &path, &token, Some(json!({ "state": "success", "context": "quillon" }))).await;
    let delivered = world.forge.deliver_next().await.unwrap().unwrap();
    let (held, statuses) = (world.forge.held().unwrap(), world.forge.statuses(world.hello.id, &head).unwrap());
    let (push_token, deliveries) = (world.forge.push_token().to_owned(), world.forge.deliveries().unwrap());
    assert!(!held.is_empty() && statuses.len() == 1);

    let world = world.restarted().await;
    let forge = &world.forge;
    assert_eq!(forge.held().unwrap(), held);
    assert_eq!(forge.deliveries().unwrap(), deliveries);
    assert!(forge.deliveries().unwrap().contains(&delivered));
    assert_eq!(forge.statuses(world.hello.id, &head).unwrap(), statuses);
    assert_eq!(forge.pull(world.hello.id, pull.number).unwrap(), pull);
    assert_eq!(forge.find_repository("acme/hello").unwrap().name, "world");
    assert_eq!(forge.installations(), std::slice::from_ref(&world.installation));
    assert_eq!(forge.push_token(), push_token);
    let (status, _, _) = world.call(Method::GET, &format!("/repositories/{}", world.hello.id), &token, None).await;
    assert_eq!(status, 200);
    // Ids are not given out twice.
    assert!(forge.create_repository(world.acme.id, "next", false).await.unwrap().id > pull.id);
}

#[tokio::test]
async fn what_reached_git_but_was_not_announced_is_announced_at_the_next_start() {
    let world = World::with(|config| config.delivery = Delivery::Held).await;
    let sha = world.push("main", "a", "1").await;
    world.forge.push(world.hello.id, "topic", &sha).await.unwrap();
    let pull = world.push("topic", "b", "1").await;
    let number = world.forge.open_pull(NewPull::new(world.hello.id, "topic", "main", "Add b")).await.unwrap().number;
    let next = world.forge.commit(world.hello.id, "topic", &[], "Again", &crate::world::mona()).await.unwrap();
    world.forge.deliver_all().await.unwrap();
    // As if the process had died right after git moved the ref.
    let bare = world.directory().join(format!("forge/repositories/{}.git", world.hello.id));
    git(&bare, &["update-ref", "refs/heads/topic", &next, &pull]).await.unwrap();
    let world = world.restarted().await;
    let events: Vec<_> = world.forge.held().unwrap().into_iter().map(|record| (record.event, record.action)).collect();
    assert_eq!(events, [("push".to_owned(), None), ("pull_request".to_owned(), Some("synchronize".to_owned()))]);
    assert_eq!(world.forge.pull(world.hello.id, number).unwrap().head_sha, next);
}

#[tokio::test]
async fn keys_are_made_once_and_only_their_owner_reads_them() {
    let root = tempfile::tempdir().unwrap();
    let config = || {
        let url: url::Url = "http://forge.example/".parse().unwrap();
        let config = ForgeConfig::new(root.path().join("state"), url.clone(), url, "secret", Arc::new(|| jiff::Timestamp::UNIX_EPOCH));
        ForgeConfig { delivery: Delivery::Held, ..config }
    };
    use std::sync::Arc;
    let forge = Forge::open(config()).await.unwrap();
    let key = forge.app_private_key_pem().to_owned();
    assert!(Forge::open(config()).await.is_err(), "the state belongs to one process");
    assert!(!format!("{forge:?}").contains("secret"));
    drop(forge);
    let again = Forge::open(config()).await.unwrap();
    assert_eq!(again.app_private_key_pem(), key);
    for (file, mode) in [("app-key.pem", 0o600), ("push-token", 0o600), ("", 0o700)] {
        let found = std::fs::metadata(root.path().join("state").join(file)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{file}");
    }
}
