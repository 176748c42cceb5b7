//! Pull requests, forks and the merge queue.

use http::Method;
use quillon_forge::{AccountKind, FileChange, NewPull};
use serde_json::{Value, json};

use crate::world::{World, mona};

#[tokio::test]
async fn mergeable_is_null_first_and_then_what_git_says() {
    let world = World::new().await;
    let base = world.push("main", "a", "1\n").await;
    world.forge.push(world.hello.id, "topic", &base).await.unwrap();
    world.push("topic", "b", "2\n").await;
    let pull = world.forge.open_pull(NewPull::new(world.hello.id, "topic", "main", "Add b")).await.unwrap();
    let octocrab = world.octocrab();
    let pulls = octocrab.pulls("acme", "hello");
    let mergeable = async || {
        let read = pulls.get(pull.number).await.unwrap();
        (read.mergeable, read.merge_commit_sha)
    };
    assert_eq!(mergeable().await, (None, None));
    let (clean, merge) = mergeable().await;
    assert_eq!(clean, Some(true));
    let token = world.token(json!({})).await;
    let (_, _, commit) = world.call(Method::GET, &format!("/repos/acme/hello/git/commits/{}", merge.unwrap()), &token, None).await;
    assert_eq!(commit["parents"][0]["sha"], json!(base));

    // A move of the base starts it over, and this time both sides changed the same line.
    world.push("main", "b", "other\n").await;
    assert_eq!(mergeable().await.0, None);
    assert_eq!(mergeable().await.0, Some(false));
    world.forge.set_mergeable_nulls(3);
    world.push("topic", "c", "3\n").await;
    for _ in 0..3 {
        assert_eq!(mergeable().await.0, None);
    }
    assert_eq!(mergeable().await.0, Some(false));
    world.assert_no_violations();
}

#[tokio::test]
async fn a_pull_request_follows_its_branches() {
    let world = World::new().await;
    let base = world.push("main", "a", "1\n").await;
    world.forge.push(world.hello.id, "topic", &base).await.unwrap();
    let first = world.push("topic", "b", "2\n").await;
    let number = world.forge.open_pull(NewPull::new(world.hello.id, "topic", "main", "Add b").draft()).await.unwrap().number;
    let second = world.push("topic", "b", "3\n").await;
    world.forge.ready_for_review(world.hello.id, number).unwrap();
    world.forge.push(world.hello.id, "release", &base).await.unwrap();
    world.forge.edit_base(world.hello.id, number, "release").await.unwrap();
    world.forge.close(world.hello.id, number).unwrap();
    world.forge.reopen(world.hello.id, number).await.unwrap();
    let merge = world.forge.merge(world.hello.id, number).await.unwrap();
    let pull = world.forge.pull(world.hello.id, number).unwrap();
    assert_eq!((pull.open, pull.head_sha.as_str(), pull.merged.unwrap().sha), (false, second.as_str(), merge));
    world.forge.settle().await;
    let received = world.received.lock().unwrap();
    let bodies: Vec<Value> = received.iter().map(|request| serde_json::from_slice(request.body()).unwrap()).collect();
    let of_pull = |action: &str| bodies.iter().find(|body| body["pull_request"].is_object() && body["action"] == action).unwrap();
    let synchronize = of_pull("synchronize");
    assert_eq!((&synchronize["before"], &synchronize["after"]), (&json!(first), &json!(second)));
    assert_eq!(of_pull("edited")["changes"]["base"]["ref"]["from"], "main");
    for action in ["opened", "ready_for_review", "closed", "reopened"] {
        of_pull(action);
    }
    assert!(bodies.iter().any(|body| body["action"] == "closed" && body["pull_request"]["merged"] == true));
}

#[tokio::test]
async fn a_fork_opens_a_pull_request_and_its_commit_takes_statuses() {
    let world = World::new().await;
    let main = world.push("main", "a", "1\n").await;
    let stranger = world.forge.create_account("stranger", AccountKind::User).unwrap();
    let forge = world.forge.acting_as(stranger.id);
    let fork = forge.fork(world.hello.id, stranger.id).await.unwrap();
    assert_eq!(forge.head(fork.id, "main"), Some(main));
    let sha = forge.commit_and_push(fork.id, "fix", &[FileChange::write("b", "2")], "Fix", &mona()).await.unwrap();
    let pull = forge.open_pull(NewPull::new(world.hello.id, "fix", "main", "Fix").from_fork(fork.id)).await.unwrap();
    let next = forge.commit_and_push(fork.id, "fix", &[FileChange::write("b", "3")], "Fix more", &mona()).await.unwrap();
    assert_eq!(forge.pull(world.hello.id, pull.number).unwrap().head_sha, next);
    let read = world.octocrab().pulls("acme", "hello").get(pull.number).await.unwrap();
    assert_eq!(read.user.unwrap().login, "stranger");
    assert_eq!(read.head.repo.unwrap().id.0, fork.id);
    assert_eq!(format!("{:?}", read.author_association.unwrap()), "FirstTimeContributor");
    let token = world.token(json!({})).await;
    for sha in [&sha, &next] {
        let (status, _, _) =
            world.call(Method::POST, &format!("/repos/acme/hello/statuses/{sha}"), &token, Some(json!({ "state": "success" }))).await;
        assert_eq!(status, 201);
    }
    forge.delete_repository(fork.id).await.unwrap();
    let gone = world.octocrab().pulls("acme", "hello").get(pull.number).await.unwrap();
    assert!(gone.head.repo.is_none());
    world.assert_no_violations();
}

#[tokio::test]
async fn the_merge_queue_checks_a_group_and_ends_it() {
    let world = World::new().await;
    let base = world.push("main", "a", "1\n").await;
    for name in ["one", "two"] {
        let sha = world.forge.commit_on(world.hello.id, Some(&base), &[FileChange::write(name, name)], name, &mona()).await.unwrap();
        world.forge.push(world.hello.id, name, &sha).await.unwrap();
        world.forge.open_pull(NewPull::new(world.hello.id, name, "main", name)).await.unwrap();
    }
    let group = world.forge.merge_group(world.hello.id, "main", &[1, 2]).await.unwrap();
    let branch = format!("gh-readonly-queue/main/pr-2-{base}");
    assert_eq!(world.forge.head(world.hello.id, &branch), Some(group.clone()));
    world.forge.destroy_merge_group(world.hello.id, &group, "merged").await.unwrap();
    assert_eq!(world.forge.head(world.hello.id, &branch), None);
    assert_eq!(world.forge.head(world.hello.id, "main"), Some(group));
    assert!(world.forge.pull(world.hello.id, 1).unwrap().merged.is_some());
    let webhooks = world.webhooks().await;
    for event in ["merge_group.checks_requested", "merge_group.destroyed"] {
        assert!(webhooks.iter().any(|webhook| webhook == event), "{webhooks:?}");
    }
}

#[tokio::test]
async fn a_pull_request_ends_with_its_branch() {
    let world = World::new().await;
    let base = world.push("main", "a", "1\n").await;
    world.forge.push(world.hello.id, "topic", &base).await.unwrap();
    world.push("topic", "b", "2\n").await;
    let number = world.forge.open_pull(NewPull::new(world.hello.id, "topic", "main", "Add b")).await.unwrap().number;
    world.forge.delete_branch(world.hello.id, "topic").await.unwrap();
    assert!(!world.forge.pull(world.hello.id, number).unwrap().open);
    assert!(world.forge.reopen(world.hello.id, number).await.is_err());
}
