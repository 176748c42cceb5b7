//! What the buttons do, and for whom they do nothing.

use http::{Method, StatusCode};
use quillon_core::attempt::{AttemptState, CancelReason, Outcome};

use crate::world::State::{Failed, Passed, Queued};
use crate::world::World;

#[tokio::test]
async fn a_failed_check_runs_again_once_however_often_the_button_is_pressed() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    let made = world.run(&org, &repository, 1, "main", &[("load", Passed), ("api:lint", Failed)]).await;
    let browser = world.sign_in().await;
    let fields = format!("attempt={}&clean=1&back=%2Facme%2Fchecks%3Fstate%3Dfailed", made.id("api:lint"));

    let answer = browser.press("/acme/checks/rerun", &fields).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/acme/checks?state=failed&done=rerun-1"));
    let again = browser.press("/acme/checks/rerun", &fields).await;
    assert_eq!(again.header("location"), "/acme/checks?state=failed&done=nothing-to-rerun");

    let attempts = world.attempts(&made.run).await;
    let lint: Vec<_> = attempts.iter().filter(|(name, _, _)| name == "api:lint").collect();
    assert_eq!(lint.iter().map(|(_, number, _)| *number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((lint[1].2.requested_by.as_deref(), lint[1].2.clean_slate), (Some("the operator"), true));
    assert!(browser.get("/acme/checks?done=rerun-1").await.text.contains("1 check will run again."));
    let page = browser.get(&format!("/acme/checks/github.com/acme/api@{:040x}?check=api:lint", 1)).await.text;
    assert!(page.contains("Attempt 2") && page.contains("operator"));
}

#[tokio::test]
async fn all_failed_checks_of_a_run_and_a_failed_load_run_again() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    let checks = [("load", Passed), ("api:a", Failed), ("api:b", Passed), ("api:c", Failed)];
    let made = world.run(&org, &repository, 1, "main", &checks).await;
    let broken = world.run(&org, &repository, 2, "topic", &[("load", Failed)]).await;
    let browser = world.sign_in().await;

    let answer = browser.press("/acme/checks/rerun", &format!("failed=1&{}", made.key())).await;
    assert_eq!(answer.header("location"), "/acme/checks?done=rerun-2");
    let again: Vec<String> =
        world.attempts(&made.run).await.into_iter().filter(|(_, number, _)| *number == 2).map(|(name, _, _)| name).collect();
    assert_eq!(again, ["api:a", "api:c"]);

    let load = format!("attempt={}", broken.id("load"));
    assert_eq!(browser.press("/acme/checks/rerun-load", &load).await.header("location"), "/acme/checks?done=rerun-load");
    assert_eq!(browser.press("/acme/checks/rerun-load", &load).await.header("location"), "/acme/checks?done=nothing-to-rerun");
    let check = format!("attempt={}", made.id("api:b"));
    assert_eq!(browser.press("/acme/checks/rerun-load", &check).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn queued_checks_are_cancelled_one_by_one_or_all_at_once() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    let made = world.run(&org, &repository, 1, "main", &[("load", Passed), ("api:a", Queued), ("api:b", Queued), ("api:c", Failed)]).await;
    let browser = world.sign_in().await;
    let one = format!("attempt={}", made.id("api:a"));
    assert_eq!(browser.press("/acme/checks/cancel", &one).await.header("location"), "/acme/checks?done=cancel-1");
    assert_eq!(browser.press("/acme/checks/cancel", &one).await.header("location"), "/acme/checks?done=nothing-to-cancel");
    let all = format!("all=1&{}", made.key());
    assert_eq!(browser.press("/acme/checks/cancel", &all).await.header("location"), "/acme/checks?done=cancel-run");
    for (name, _, attempt) in world.attempts(&made.run).await {
        let by_operator = match &attempt.state {
            AttemptState::Finished { outcome: Outcome::Cancelled(cancel), .. } => {
                cancel.reason == CancelReason::Requested { by: "the operator".to_owned() }
            }
            _ => false,
        };
        assert_eq!(by_operator, matches!(name.as_str(), "api:a" | "api:b"), "{name}");
    }
}

#[tokio::test]
async fn a_form_that_is_not_ours_changes_nothing() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    let made = world.run(&org, &repository, 1, "main", &[("load", Passed), ("api:a", Queued)]).await;
    let (browser, other) = (world.sign_in().await, world.sign_in().await);
    let token = browser.token("/acme/checks").await;
    let foreign = other.token("/acme/checks").await;
    assert_ne!(token, foreign);
    let body = |token: &str| format!("csrf={token}&attempt={}", made.id("api:a"));
    let cookie = ("cookie", browser.cookie.as_str());
    for (headers, body) in [
        (vec![cookie], body("")),
        (vec![cookie], body(&foreign)),
        (vec![cookie], format!("attempt={}", made.id("api:a"))),
        (vec![cookie, ("origin", "https://evil.example")], body(&token)),
        (vec![cookie, ("origin", "null")], body(&token)),
        (vec![cookie, ("sec-fetch-site", "cross-site")], body(&token)),
        (vec![cookie, ("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:8800")], body(&token)),
    ] {
        let answer = world.send(Method::POST, "/acme/checks/cancel", &headers, &body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?} {body}");
    }
    let long = format!("{}&x={}", body(&token), "x".repeat(70_000));
    assert_eq!(world.send(Method::POST, "/acme/checks/cancel", &[cookie], &long).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.send(Method::GET, "/acme/checks/cancel", &[cookie], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(world.attempts(&made.run).await.iter().all(|(_, number, attempt)| *number == 1 && attempt.cancel().is_none()));
}

#[tokio::test]
async fn what_belongs_to_another_org_does_not_exist_here() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let (ours, theirs) = (world.repository(&acme, 1, "acme/api").await, world.repository(&globex, 2, "globex/secret").await);
    let mine = world.run(&acme, &ours, 1, "main", &[("load", Passed), ("api:a", Failed)]).await;
    let foreign = world.run(&globex, &theirs, 2, "main", &[("load", Failed), ("secret:a", Failed), ("secret:b", Queued)]).await;
    let browser = world.sign_in().await;
    let sha = format!("{:040x}", 2);
    for path in [
        format!("/acme/checks/github.com/globex/secret@{sha}"),
        format!("/acme/checks/github.com/globex/secret@{sha}?check=secret:a"),
        format!("/acme/checks/github.com/acme/api@{sha}"),
        "/initech/checks".to_owned(),
    ] {
        assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for (path, fields) in [
        ("/acme/checks/rerun", format!("attempt={}", foreign.id("secret:a"))),
        ("/acme/checks/rerun", format!("attempt={}&attempt={}", mine.id("api:a"), foreign.id("secret:a"))),
        ("/acme/checks/rerun", format!("failed=1&{}", foreign.key())),
        ("/acme/checks/rerun-load", format!("attempt={}", foreign.id("load"))),
        ("/acme/checks/cancel", format!("attempt={}", foreign.id("secret:b"))),
        ("/acme/checks/cancel", format!("all=1&{}", foreign.key())),
        ("/acme/checks/cancel", "attempt=att_00000000000000000000000000".to_owned()),
    ] {
        assert_eq!(browser.press(path, &fields).await.status, StatusCode::NOT_FOUND, "{path} {fields}");
    }
    for made in [&mine, &foreign] {
        let attempts = world.attempts(&made.run).await;
        assert!(attempts.iter().all(|(_, number, attempt)| *number == 1 && attempt.cancel().is_none()));
    }

    // A repository that moved to another org takes none of its old runs along.
    world.repository(&globex, 1, "globex/api").await;
    let moved = browser.get(&format!("/globex/checks/github.com/globex/api@{:040x}", 1)).await;
    assert_eq!(moved.status, StatusCode::NOT_FOUND);
    assert!(!browser.get("/globex/checks?repository=globex/api").await.text.contains("commit number 1<"));
}
