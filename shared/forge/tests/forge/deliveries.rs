//! Webhooks: signed, held, repeated, lost, listed, redelivered.

use hmac::{Hmac, Mac};
use http::Method;
use octocrab::models::webhook_events::WebhookEvent;
use quillon_forge::{Delivery, Sink};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{SECRET, World};

#[tokio::test]
async fn webhooks_are_signed_and_octocrab_reads_them() {
    let world = World::new().await;
    world.push("main", "a", "1").await;
    world.forge.settle().await;
    let received = world.received.lock().unwrap();
    let push = received.iter().find(|request| request.headers()["x-github-event"] == "push").unwrap();
    let header = |name: &str| push.headers()[name].to_str().unwrap();
    let signature = hex::decode(header("x-hub-signature-256").strip_prefix("sha256=").unwrap()).unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(push.body());
    mac.verify_slice(&signature).unwrap();
    assert!(header("user-agent").starts_with("GitHub-Hookshot/"));
    assert_eq!((header("content-type"), header("x-github-delivery").len()), ("application/json", 36));
    for request in received.iter() {
        let event = request.headers()["x-github-event"].to_str().unwrap();
        WebhookEvent::try_from_header_and_body(event, request.body()).unwrap();
    }
}

#[tokio::test]
async fn held_deliveries_leave_in_any_order_twice_or_never() {
    let world = World::with(|config| config.delivery = Delivery::Held).await;
    world.forge.deliver_all().await.unwrap();
    world.received.lock().unwrap().clear();
    for contents in ["1", "2", "3"] {
        world.push("main", "a", contents).await;
    }
    assert!(world.received.lock().unwrap().is_empty());
    world.forge.reverse_held();
    let held = world.forge.held().unwrap();
    assert_eq!(held.len(), 3);
    world.forge.deliver_twice(&held[1].guid).await.unwrap();
    world.forge.drop(&held[2].guid).unwrap();
    let last = world.forge.deliver_next().await.unwrap().unwrap();
    assert_eq!(last.guid, held[0].guid);
    assert!(world.forge.deliver_next().await.unwrap().is_none());
    let guids: Vec<String> = {
        let received = world.received.lock().unwrap();
        received.iter().map(|request| request.headers()["x-github-delivery"].to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(guids, [&held[1].guid, &held[1].guid, &held[0].guid].map(String::clone));
    let lost = world.forge.deliveries().unwrap().into_iter().find(|record| record.guid == held[2].guid).unwrap();
    assert_eq!(lost.outcome.unwrap().status_code, 502);
}

#[tokio::test]
async fn the_app_lists_its_deliveries_and_asks_for_one_again() {
    let world = World::new().await;
    world.forge.settle().await;
    *world.answers.lock().unwrap() = 500;
    world.push("main", "a", "1").await;
    world.forge.settle().await;
    *world.answers.lock().unwrap() = 202;
    let app = world.app();
    let read = async |path: String| app.get::<Value, _, ()>(path, None).await.unwrap();
    let failed = read("/app/hook/deliveries?per_page=100&status=failure".to_owned()).await;
    assert_eq!(failed.as_array().unwrap().len(), 1);
    let (id, guid) = (failed[0]["id"].as_u64().unwrap(), failed[0]["guid"].as_str().unwrap().to_owned());
    assert_eq!((&failed[0]["status_code"], &failed[0]["event"], &failed[0]["redelivery"]), (&json!(500), &json!("push"), &json!(false)));
    let detail = read(format!("/app/hook/deliveries/{id}")).await;
    assert_eq!(detail["request"]["headers"]["x-github-delivery"], json!(guid));
    assert_eq!((&detail["request"]["payload"]["ref"], &detail["response"]["payload"]), (&json!("refs/heads/main"), &json!("thanks")));

    let again: Value = app.post(format!("/app/hook/deliveries/{id}/attempts"), None::<&()>).await.unwrap();
    assert_eq!(again, json!({}));
    world.forge.settle().await;
    let newest = read("/app/hook/deliveries?per_page=1".to_owned()).await;
    assert_eq!((&newest[0]["guid"], &newest[0]["redelivery"], &newest[0]["status"]), (&json!(guid), &json!(true), &json!("OK")));
    assert_eq!(read("/app/hook/config".to_owned()).await["content_type"], "json");
    world.assert_no_violations();
}

#[tokio::test]
async fn the_list_of_deliveries_is_read_page_by_page() {
    let world = World::new().await;
    for contents in ["1", "2", "3", "4"] {
        world.push("main", "a", contents).await;
    }
    world.forge.settle().await;
    let all = world.forge.deliveries().unwrap().len();
    let jwt = jwt(&world);
    let (mut path, mut seen) = ("/app/hook/deliveries?per_page=3".to_owned(), Vec::new());
    loop {
        let (status, headers, body) = world.call(Method::GET, &path, &jwt, None).await;
        assert_eq!(status, 200);
        seen.extend(body.as_array().unwrap().iter().map(|delivery| delivery["id"].as_u64().unwrap()));
        let Some(link) = headers.get("link") else { break };
        let link = link.to_str().unwrap();
        assert!(link.ends_with("rel=\"next\""));
        let next = link.trim_start_matches('<').split('>').next().unwrap();
        next.strip_prefix(world.forge.api_url()).unwrap().clone_into(&mut path);
    }
    assert_eq!(seen.len(), all);
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    world.assert_no_violations();
}

#[tokio::test]
async fn a_receiver_that_is_away_is_recorded() {
    let world = World::with(|config| config.delivery = Delivery::Held).await;
    // Nothing listens on port 1 of loopback.
    world.forge.set_sink(Sink::Url("http://127.0.0.1:1/".parse().unwrap()));
    let record = world.forge.deliver_next().await.unwrap().unwrap();
    let outcome = record.outcome.unwrap();
    assert_eq!((outcome.status_code, outcome.status.as_str()), (502, "failed to connect to host"));
}

#[tokio::test]
async fn a_suspended_or_removed_installation_hears_nothing_of_its_repositories() {
    let world = World::new().await;
    world.forge.suspend(world.installation.id).unwrap();
    world.push("main", "a", "1").await;
    world.forge.unsuspend(world.installation.id).unwrap();
    world.push("main", "a", "2").await;
    world.forge.uninstall(world.installation.id).unwrap();
    world.push("main", "a", "3").await;
    let webhooks = world.webhooks().await;
    assert_eq!(webhooks.iter().filter(|webhook| *webhook == "push").count(), 1);
    for event in ["installation.created", "installation.suspend", "installation.unsuspend", "installation.deleted"] {
        assert!(webhooks.iter().any(|webhook| webhook == event), "{webhooks:?}");
    }
}

#[tokio::test]
async fn a_transfer_moves_a_repository_between_installations() {
    let world = World::new().await;
    let other = world.forge.create_account("other", quillon_forge::AccountKind::Organization).unwrap();
    let installation = world.forge.install(other.id, quillon_forge::Selection::All).unwrap();
    world.forge.transfer(world.hello.id, other.id).unwrap();
    let records = world.forge.deliveries().unwrap();
    let tail: Vec<(String, Option<u64>)> = records
        .iter()
        .rev()
        .take(3)
        .map(|record| (format!("{}.{}", record.event, record.action.clone().unwrap_or_default()), record.installation))
        .collect();
    let expected = [
        ("repository.transferred".to_owned(), Some(installation.id)),
        ("installation_repositories.added".to_owned(), Some(installation.id)),
        ("installation_repositories.removed".to_owned(), Some(world.installation.id)),
    ];
    assert_eq!(tail, expected);
}

#[tokio::test]
async fn more_than_three_tags_at_once_are_not_announced() {
    let world = World::with(|config| config.delivery = Delivery::Held).await;
    world.push("main", "a", "1").await;
    let before = world.forge.deliveries().unwrap().len();
    let work = tempfile::tempdir().unwrap();
    let url = world.forge.clone_url(world.hello.id).unwrap();
    crate::world::git(work.path(), &["clone", "--quiet", &url, "copy"]).await.unwrap();
    let copy = work.path().join("copy");
    for tag in ["t1", "t2", "t3", "t4"] {
        crate::world::git(&copy, &["tag", tag]).await.unwrap();
    }
    let with_key = url.replace("http://", &format!("http://x:{}@", world.forge.push_token()));
    crate::world::git(&copy, &["push", "--quiet", "--tags", &with_key]).await.unwrap();
    assert_eq!(world.forge.deliveries().unwrap().len(), before);
}

/// A JWT as the App signs it.
pub(crate) fn jwt(world: &World) -> String {
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(world.forge.app_private_key_pem().as_bytes()).unwrap();
    octocrab::auth::create_jwt(octocrab::models::AppId(world.forge.app_id()), &key).unwrap()
}
