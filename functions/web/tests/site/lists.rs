//! What the pages show, how lists go on, and what they cost.

use http::StatusCode;
use quillon_core::retention::Days;
use quillon_store::Output;

use crate::world::State::{Failed, Passed, Queued};
use crate::world::World;

#[tokio::test]
async fn the_checks_page_has_a_card_per_commit_and_costs_six_reads() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    world.run(&org, &repository, 1, "main", &[("load", Passed), ("api:lint", Failed), ("api:unit", Passed)]).await;
    world.pass(60);
    world.run(&org, &repository, 2, "topic", &[("load", Queued)]).await;
    let browser = world.sign_in().await;

    let before = world.table_calls();
    let page = browser.get("/acme/checks").await;
    // The session, the claim of the org's name, the org, its repositories, its feed, the orgs to switch to.
    assert_eq!(world.table_calls() - before, 6);
    let before = world.table_calls();
    browser.get("/acme/checks?fragment=1").await;
    assert_eq!(world.table_calls() - before, 5, "nobody switches in a part of a page");
    assert_eq!(page.header("x-quillon-refresh"), "live");
    let (newer, older) = (page.text.find("commit number 2").expect("a card"), page.text.find("commit number 1").expect("a card"));
    assert!(newer < older, "the newest first");
    assert!(page.text.contains("1 failed") && page.text.contains("1 succeeded") && page.text.contains("api:lint"));
}

#[tokio::test]
async fn a_page_is_sent_again_only_when_it_changed() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    world.run(&org, &repository, 1, "main", &[("load", Passed), ("api:lint", Failed)]).await;
    let browser = world.sign_in().await;
    for path in ["/acme/checks", "/acme/checks?fragment=1", &format!("/acme/checks/github.com/acme/api@{:040x}", 1)] {
        let first = browser.get(path).await;
        assert_eq!((first.status, first.header("x-quillon-refresh")), (StatusCode::OK, "idle"), "{path}");
        assert_eq!(first.text.contains("<html"), !path.contains("fragment"), "{path}");
        world.pass(1);
        let second = browser.get_if_not(path, first.header("etag")).await;
        assert_eq!((second.status, second.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        assert_eq!(second.header("x-quillon-refresh"), "idle");
    }
    let known = browser.get("/acme/checks?fragment=1").await;
    world.run(&org, &repository, 2, "main", &[("load", Queued)]).await;
    assert_eq!(browser.get_if_not("/acme/checks?fragment=1", known.header("etag")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_list_goes_on_and_keeps_its_filter() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let (api, web) = (world.repository(&org, 1, "acme/api").await, world.repository(&org, 2, "acme/web").await);
    for commit in 1..=30 {
        world.pass(1);
        let state = if commit == 3 { Failed } else { Passed };
        world.run(&org, &api, commit, "main", &[("load", Passed), ("api:lint", state)]).await;
    }
    world.run(&org, &web, 99, "topic", &[("load", Passed)]).await;
    let browser = world.sign_in().await;

    let first = browser.get("/acme/checks?repository=acme/API&branch=main").await.text;
    assert!(
        first.contains("commit number 30<")
            && first.contains("commit number 6<")
            && !first.contains("commit number 5<")
            && !first.contains("number 99")
    );
    let older = first.split("rel=\"next\"").next().and_then(|before| before.rsplit("href=\"").next()).expect("a link");
    let older = older.split('"').next().expect("a link").replace("&#38;", "&");
    assert!(older.starts_with("/acme/checks?repository=acme/API&branch=main&after="), "{older}");
    let second = browser.get(&older).await.text;
    assert!(second.contains("commit number 5<") && second.contains("commit number 1<") && !second.contains("rel=\"next\""));
    assert!(second.contains("← Newest"));

    let failed = browser.get("/acme/checks?state=failed").await.text;
    assert!(
        failed.contains("commit number 3<")
            && !failed.contains("commit number 30<")
            && failed.contains("Looked through 31 runs, to the oldest.")
    );
}

#[tokio::test]
async fn filters_that_lead_nowhere_say_so() {
    let world = World::new().await;
    let (org, other) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let repository = world.repository(&org, 1, "acme/api").await;
    world.repository(&other, 2, "globex/secret").await;
    world.run(&org, &repository, 1, "main", &[("load", Passed)]).await;
    let browser = world.sign_in().await;
    for (query, expected) in [
        ("repository=globex/secret", "globex/secret is not known here"),
        ("repository=x", "is not a repository"),
        ("branch=main", "choose a repository"),
        ("repository=acme/api&branch=a..b", "is not a branch"),
        ("state=rubbish", "state is not known"),
        ("after=rubbish", "here is the newest"),
    ] {
        let answer = browser.get(&format!("/acme/checks?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        assert!(answer.text.contains(expected), "{query}");
    }
    let empty = browser.get("/acme/checks?repository=acme/api&branch=none").await.text;
    assert!(empty.contains("No checks match this filter") && empty.contains("dagger.json"));
    assert!(browser.get("/globex/checks").await.text.contains("No checks yet"));
}

#[tokio::test]
async fn a_commit_page_has_every_check_where_the_card_has_sixty() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    let names: Vec<String> = (0..70).map(|number| format!("api:shard-{number:02}")).collect();
    let mut checks = vec![("load", Passed)];
    checks.extend(names.iter().map(|name| (name.as_str(), Passed)));
    world.run(&org, &repository, 1, "main", &checks).await;
    let browser = world.sign_in().await;
    let card = browser.get("/acme/checks").await.text;
    assert_eq!(card.matches("class=\"row s-success\"").count(), 60);
    assert!(card.contains("70 succeeded") && card.contains("11 more"));
    let page = browser.get(&format!("/acme/checks/github.com/acme/api@{:040x}", 1)).await.text;
    assert_eq!(page.matches("class=\"row s-success\"").count(), 71);
}

#[tokio::test]
async fn a_check_page_shows_the_log_that_was_kept() {
    let world = World::new().await;
    let org = world.org(1, "acme").await;
    let repository = world.repository(&org, 1, "acme/api").await;
    let made = world
        .run(&org, &repository, 1, "main", &[("load", Passed), ("api:lint", Failed), ("api:unit", Queued), ("api:docs", Failed)])
        .await;
    let output = Output { text: "\u{1b}[31mbroken\u{1b}[0m <b>\n".to_owned(), is_cut: false };
    world.deps.store.put_output(made.id("api:lint"), &output, Days::clamped(90), world.now()).await.expect("a table");
    let browser = world.sign_in().await;
    let page = |check: &str| format!("/acme/checks/github.com/acme/api@{:040x}?check={check}", 1);
    let lint = browser.get(&page("api:lint")).await.text;
    assert!(lint.contains("<span class=\"f1\">broken</span> &#60;b&#62;") && lint.contains("dagger check api:lint"));
    assert!(browser.get(&page("api:unit")).await.text.contains("The log comes when the attempt ends."));
    assert!(browser.get(&page("api:docs")).await.text.contains("No log is kept"));
    assert!(browser.get(&page("load")).await.text.contains("loaded in 0ms"));
    for missing in ["api:none", "api:lint&attempt=2", "api:lint&attempt=x", "api:lint&run=run_x"] {
        assert_eq!(browser.get(&page(missing)).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
}
