//! Making an org, its first steps, its name, its end.

use http::StatusCode;
use quillon_core::access::OrgCreation;
use quillon_core::id::{AccountId, InstallationId};
use quillon_core::member::Roles;
use quillon_core::org::{Installation, Scope};
use quillon_core::plan::Billing;
use quillon_core::source::{SeenInstallation, SeenSources};
use quillon_store::Page;
use quillon_tenancy::Tenancy;

use crate::world::World;

#[tokio::test]
async fn a_person_without_orgs_makes_one_and_is_led_to_the_first_token() {
    let world = World::new().await;
    world.org(9, "globex").await;
    let browser = world.browser_of(&world.person(1, "ann").await).await;
    assert_eq!(browser.get("/").await.header("location"), "/orgs/new");
    assert!(browser.get("/orgs/new").await.text.contains("Make your first organization"));
    for (name, status, problem) in [
        ("", StatusCode::BAD_REQUEST, "Give it a name."),
        ("a b", StatusCode::BAD_REQUEST, "letters of a to z, digits and dashes"),
        ("<script>", StatusCode::BAD_REQUEST, "letters of a to z, digits and dashes"),
        ("Settings", StatusCode::BAD_REQUEST, "means something else"),
        ("GlobEx", StatusCode::CONFLICT, "is taken"),
    ] {
        let answer = browser.press("/orgs/new", &format!("name={}", name.replace(' ', "+").replace('<', "%3C"))).await;
        assert_eq!(answer.status, status, "{name}");
        assert!(answer.text.contains(problem) && !answer.text.contains("<script>\""), "{name}: {}", answer.text);
        let kept = name.replace('<', "&#60;").replace('>', "&#62;");
        assert!(answer.text.contains(&format!("value=\"{kept}\"")), "{name} is not kept");
    }
    let made = browser.press("/orgs/new", "name=+Acme+").await;
    assert_eq!((made.status, made.header("location")), (StatusCode::SEE_OTHER, "/Acme/welcome/team"));
    // A second click is the same wish.
    assert_eq!(browser.press("/orgs/new", "name=Acme").await.header("location"), "/Acme/welcome/team");
    assert_eq!(browser.get("/").await.header("location"), "/Acme/checks");

    let team = browser.get("/Acme/welcome/team").await.text;
    assert!(team.contains("action=\"/Acme/settings/invite\"") && team.contains("href=\"/Acme/welcome/token\""));
    let invited = browser.press("/Acme/settings/invite", "invitee=ben&role=member&from=team").await.text;
    assert!(invited.contains("/invite/") && invited.contains("href=\"/Acme/welcome/team\""));
    assert!(browser.get("/Acme/welcome/token").await.text.contains("Make a token"));
    let org = world.deps.store.org_by_name(&"acme".parse().expect("a name")).await.expect("a table").expect("an org");
    assert_eq!(world.deps.tenancy.tokens(org.id).await.expect("a table").len(), 0, "looking at the page makes none");
    let shown = browser.press("/Acme/welcome/token", "").await;
    assert_eq!((shown.status, shown.header("cache-control")), (StatusCode::OK, "no-store"));
    let text = shown.text.split("id=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a token").to_owned();
    assert!(text.starts_with("dag_Acme_") && shown.text.contains(".github/workflows") && shown.text.contains("/Acme/welcome/github"));
    let tokens = world.deps.tenancy.tokens(org.id).await.expect("a table");
    assert_eq!((tokens.len(), tokens[0].scopes.as_slice()), (1, [Scope::TelemetryWrite].as_slice()));
    assert!(!browser.get("/Acme/welcome/token").await.text.contains(&text), "it is shown once");
    assert!(browser.get("/Acme/welcome/github").await.text.contains("/auth/github?purpose=sources&#38;org=Acme&#38;next="));
}

#[tokio::test]
async fn where_the_operator_alone_makes_orgs_others_are_told_whom_to_ask() {
    let mut world = World::new().await;
    world.deps.org_creation = OrgCreation::Operator;
    let ann = world.browser_of(&world.person(1, "ann").await).await;
    let page = ann.get("/orgs/new").await.text;
    assert!(page.contains("made by whoever runs this installation") && !page.contains("name=\"name\""), "{page}");
    let refused = ann.press("/orgs/new", "name=acme").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("ask them for one, or for an invitation"), "{}", refused.text);
    assert_eq!(world.deps.store.org_by_name(&"acme".parse().expect("a name")).await.expect("a table"), None);
    let operator = world.sign_in().await;
    assert_eq!(operator.press("/orgs/new", "name=acme").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_org_that_an_installation_made_is_taken_over_by_whom_github_names_and_once() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let installation = Installation::new(InstallationId(7), Some(acme.id), AccountId(1002), "acme".to_owned());
    world.deps.store.save_installation(&installation).await.expect("a table");
    let (ann, ben, eve) = (world.person(1, "ann").await, world.person(2, "ben").await, world.person(3, "eve").await);
    let seen = |account: u64, is_admin| SeenSources {
        at: world.now(),
        installations: vec![SeenInstallation {
            id: InstallationId(7),
            account: AccountId(account),
            login: "acme".to_owned(),
            is_org: true,
            is_admin,
        }],
    };
    let adopt = format!("adopt={}", acme.id);
    // A member is no admin, and the number of another account is not this one.
    for (user, sources) in [(&ben, seen(1002, false)), (&eve, seen(6666, true))] {
        let browser = world.browser_of(user).await;
        assert_eq!(browser.press("/orgs/new", &adopt).await.status, StatusCode::CONFLICT);
        world.deps.tenancy.note_sources(user.id, &sources, world.now()).await.expect("a table");
        assert!(!browser.get("/orgs/new").await.text.contains("Administer acme"));
        assert_eq!(browser.press("/orgs/new", &adopt).await.status, StatusCode::CONFLICT);
    }
    let browser = world.browser_of(&ann).await;
    assert!(browser.get("/orgs/new").await.text.contains("/auth/github?purpose=sources&#38;next=%2Forgs%2Fnew"));
    world.deps.tenancy.note_sources(ann.id, &seen(1002, true), world.now()).await.expect("a table");
    assert!(browser.get("/orgs/new").await.text.contains("Administer acme"));
    assert_eq!(browser.press("/orgs/new", &adopt).await.header("location"), "/acme/checks?done=joined");
    assert_eq!(browser.get("/acme/settings?tab=Audit").await.status, StatusCode::OK);
    world.deps.tenancy.note_sources(ben.id, &seen(1002, true), world.now()).await.expect("a table");
    assert_eq!(world.browser_of(&ben).await.press("/orgs/new", &adopt).await.status, StatusCode::CONFLICT, "it has an admin now");
}

#[tokio::test]
async fn an_org_is_renamed_and_its_limit_changed_by_an_admin() {
    let world = World::new().await;
    let (acme, _) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::ADMIN).await;
    let browser = world.browser_of(&ann).await;
    assert_eq!(browser.get("/").await.header("location"), "/acme/settings?tab=General", "an admin who sees no runs begins here");
    let refused = browser.press("/acme/settings/rename", "name=globex").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("role=\"alert\"") && refused.text.contains("is taken") && refused.text.contains("value=\"globex\""));
    assert_eq!(browser.press("/acme/settings/rename", "name=a%2Fb").await.status, StatusCode::BAD_REQUEST);
    let renamed = browser.press("/acme/settings/rename", "name=acme-corp").await;
    assert_eq!(renamed.header("location"), "/acme-corp/settings?tab=General&done=org-renamed");
    assert_eq!(browser.get("/acme/settings").await.status, StatusCode::NOT_FOUND);

    for wanted in ["", "0", "-1", "1e3", "99999999", "999999999999"] {
        let answer = browser.press("/acme-corp/settings/concurrency", &format!("concurrency={wanted}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wanted}");
    }
    assert_eq!(browser.press("/acme-corp/settings/concurrency", "concurrency=7").await.status, StatusCode::SEE_OTHER);
    assert!(browser.get("/acme-corp/settings").await.text.contains("value=\"7\""));
}

#[tokio::test]
async fn an_org_is_deleted_by_its_name_and_can_be_had_back() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let (ann, ben) = (world.person(1, "ann").await, world.person(2, "ben").await);
    world.join(&acme, &ann, Roles::BOTH).await;
    world.join(&acme, &ben, Roles::MEMBER).await;
    let (browser, member) = (world.browser_of(&ann).await, world.browser_of(&ben).await);
    for fields in ["", "confirm=", "confirm=ACME", "confirm=globex"] {
        let answer = browser.press("/acme/settings/delete", fields).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && answer.text.contains("type its name"), "{fields}");
    }
    assert!(!browser.get("/acme/checks").await.text.contains("will be deleted"));
    assert_eq!(
        browser.press("/acme/settings/delete", "confirm=acme").await.header("location"),
        "/acme/settings?tab=General&done=org-deleted"
    );
    for path in ["/acme/checks", "/acme/traces", "/acme/settings", "/acme/settings?tab=Members"] {
        let (page, seen) = (browser.get(path).await.text, member.get(path).await.text);
        assert!(page.contains("will be deleted on 29 Jan 2027") && page.contains("action=\"/acme/settings/undelete\""), "{path}");
        assert!(seen.contains("will be deleted on") && !seen.contains("/acme/settings/undelete"), "{path}");
    }
    // Nothing new in the meantime.
    let rerun = browser.press("/acme/checks/rerun", "attempt=att_00000000000000000000000000").await;
    assert!(rerun.status == StatusCode::CONFLICT && rerun.text.contains("nothing new runs"));
    assert_eq!(browser.press("/acme/settings/rename", "name=other").await.status, StatusCode::CONFLICT);
    assert_eq!(browser.press("/acme/settings/undelete", "").await.header("location"), "/acme/settings?tab=General&done=org-kept");
    assert!(!browser.get("/acme/checks").await.text.contains("will be deleted"));
}

#[tokio::test]
async fn the_switcher_shows_ones_own_orgs_and_no_others() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    world.org(3, "initech").await;
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::BOTH).await;
    world.join(&globex, &ann, Roles::ADMIN).await;
    let browser = world.browser_of(&ann).await;
    let page = browser.get("/acme/checks").await.text;
    assert!(page.contains("href=\"/?org=acme\" aria-current") && page.contains("href=\"/?org=globex\"") && !page.contains("initech"));
    let list = browser.get("/").await.text;
    assert!(list.contains("/?org=globex") && !list.contains("initech"));
    assert_eq!(browser.get("/?org=initech").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/?org=globex").await.header("location"), "/globex/settings?tab=General");
    let settings = browser.get("/globex/settings").await.text;
    assert!(!settings.contains("/globex/checks") && settings.contains("?tab=Audit"));
    assert!(world.deps.store.orgs(&Page::first(10)).await.expect("a table").items.len() == 3);
}

#[tokio::test]
async fn where_plans_are_paid_for_they_are_chosen_first_and_hold() {
    let mut world = World::new().await;
    world.deps.billing = Billing::On;
    world.deps.tenancy = Tenancy::new(world.deps.store.clone()).with_billing(Billing::On);
    let (ann, ben) = (world.person(1, "ann").await, world.person(2, "ben").await);
    let (browser, guest) = (world.browser_of(&ann).await, world.browser_of(&ben).await);
    assert_eq!(browser.press("/orgs/new", "name=acme").await.header("location"), "/acme/welcome/plan");
    let page = browser.get("/acme/welcome/plan").await.text;
    assert!(page.contains("action=\"/acme/billing/choose\"") && page.contains("name=\"next\" value=\"/acme/welcome/team\""));
    assert!(page.contains("value=\"individual\"") && page.contains("value=\"team\"") && page.contains("Decide later"));

    // The free plan is for one person, without checks.
    let link = browser.press("/acme/settings/invite", "invitee=ben&role=member").await.text;
    let refused = match link.split("/invite/").nth(1).and_then(|rest| rest.split('<').next()) {
        Some(secret) => guest.press(&format!("/invite/{secret}"), "").await,
        None => browser.press("/acme/settings/invite", "invitee=ben&role=member").await,
    };
    assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("role=\"alert\""), "{}", refused.text);
    let rerun = browser.press("/acme/checks/rerun", "attempt=att_00000000000000000000000000").await;
    assert!(rerun.status == StatusCode::CONFLICT && rerun.text.contains("plan"), "{}", rerun.text);
    let limit = browser.press("/acme/settings/concurrency", "concurrency=2").await;
    assert!(limit.status == StatusCode::CONFLICT && limit.text.contains("The plan allows 1 at once"));
}
