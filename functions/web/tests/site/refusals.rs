//! What people see who are refused: why, where, what they had typed, and the way on.
#![expect(clippy::expect_used, reason = "a table that does not answer fails its test")]

use http::{Method, StatusCode};
use quillon_core::member::Roles;

use crate::world::{Browser, World};

/// An admin of `acme`.
async fn admin_of(world: &World) -> Browser<'_> {
    let acme = world.org(1, "acme").await;
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::BOTH).await;
    world.browser_of(&ann).await
}

/// The tag of the page that has this in it.
fn tag<'a>(html: &'a str, mark: &str) -> &'a str {
    let at = html.find(mark).unwrap_or_else(|| panic!("`{mark}` is not in {html}"));
    let (before, after) = html.split_at(at);
    let start = before.rfind('<').expect("a tag");
    let end = after.find('>').expect("its end");
    &html[start..at + end + 1]
}

#[tokio::test]
async fn a_refused_form_says_why_leads_to_its_field_and_keeps_what_was_typed() {
    let world = World::new().await;
    let admin = admin_of(&world).await;
    for (action, fields, at, mark) in [
        ("rename", "name=a+b", "name", "value=\"a b\""),
        ("concurrency", "concurrency=0", "concurrency", "value=\"0\""),
        ("delete", "confirm=acm", "confirm", "value=\"acm\""),
        ("invite", "invitee=not+valid!!&role=admin", "invitee", "value=\"not valid!!\""),
        ("create-token", "name=nightly&life=90", "token-name", "value=\"nightly\""),
        ("add-trust", "provider=gitlab&project=42&name=", "trust-project", "value=\"42\""),
        ("repository-traces", "name=acme%2Fnone&access=public", "rule-name", "value=\"acme/none\""),
        ("trace-visibility", "trace=nonsense&to=private", "trace-link", "value=\"nonsense\""),
        ("delete-trace", "trace=nonsense&confirm=x", "delete-link", "value=\"nonsense\""),
        ("leave", "", "leave", "open"),
    ] {
        let answer = admin.press(&format!("/acme/settings/{action}"), fields).await;
        assert!(answer.status.is_client_error(), "{action}: {}", answer.status);
        assert!(answer.text.contains("<title>Not done: "), "{action}");
        let problem = tag(&answer.text, "id=\"problem\"");
        assert!(problem.contains("autofocus") && problem.contains("tabindex=\"-1\""), "{action}: {problem}");
        assert!(answer.text.contains(&format!("<a href=\"#{at}\">To the form</a>")), "{action}: {}", answer.text);
        let field = tag(&answer.text, &format!(" id=\"{at}\""));
        assert!(field.contains(mark), "{action}: {field}");
    }
    let invite = admin.press("/acme/settings/invite", "invitee=not+valid!!&role=admin").await.text;
    assert!(invite.contains("<code>not valid!!</code> is not a GitHub login"), "{invite}");
    assert!(tag(&invite, "id=\"invitee\"").contains("aria-invalid=\"true\""));
    let draft = invite.split("id=\"invitee\"").nth(1).expect("the form");
    assert!(tag(draft, "value=\"admin\"").contains("checked") && !tag(draft, "value=\"member\"").contains("checked"));
    let rule = admin.press("/acme/settings/repository-traces", "name=acme%2Fnone&access=public").await.text;
    assert!(tag(&rule, "<option value=\"public\"").contains("selected"), "{rule}");
}

#[tokio::test]
async fn what_was_refused_in_a_list_is_open_again() {
    let world = World::new().await;
    let admin = admin_of(&world).await;
    for name in ["first", "second"] {
        admin.press("/acme/settings/create-token", &format!("name={name}&scope=telemetry%3Awrite&life=30")).await;
    }
    let org = world.deps.store.org_by_name(&"acme".parse().expect("a name")).await.expect("a table").expect("an org");
    let token =
        world.deps.tenancy.tokens(org.id).await.expect("a table").into_iter().find(|token| token.name == "second").expect("a token");
    let refused = admin.press("/acme/settings/revoke-token", &format!("token={}&confirm=frist", token.id)).await.text;
    assert!(refused.contains(&format!("<a href=\"#{}\">To the form</a>", token.id)), "{refused}");
    let row = refused.split(&format!("<li id=\"{}\"", token.id)).nth(1).expect("its row");
    assert!(tag(row, "<details class=\"fold change\"").contains("open"));
    assert_eq!(refused.matches("<details class=\"fold change\" open>").count(), 1);
}

#[tokio::test]
async fn an_invitation_that_is_refused_while_an_org_is_set_up_stays_there() {
    let world = World::new().await;
    let admin = admin_of(&world).await;
    let page = admin.get("/acme/welcome/team").await.text;
    assert!(page.contains("name=\"from\" value=\"team\"") && !tag(&page, "name=\"role\" value=\"admin\"").contains("checked"));
    let refused = admin.press("/acme/settings/invite", "from=team&invitee=a+b&role=admin").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("Who else is in") && refused.text.contains("/acme/welcome/token"), "{}", refused.text);
    assert!(refused.text.contains("value=\"a b\"") && tag(&refused.text, "name=\"role\" value=\"admin\"").contains("checked"));
    let made = admin.press("/acme/settings/invite", "from=team&invitee=ben&role=member").await.text;
    assert!(made.contains("href=\"/acme/welcome/team\""), "{made}");
}

#[tokio::test]
async fn whoever_is_the_wrong_one_signs_out_and_comes_back_to_the_invitation() {
    let world = World::new().await;
    let admin = admin_of(&world).await;
    let made = admin.press("/acme/settings/invite", "invitee=ben&role=member").await.text;
    let secret = made.split("/invite/").nth(1).and_then(|rest| rest.split('<').next()).expect("a link");
    let path = format!("/invite/{secret}");
    assert!(admin.get(&path).await.text.contains(&format!("name=\"next\" value=\"{path}\"")));
    let answer = admin.press("/sign-out", &format!("next={path}")).await;
    assert_eq!(answer.header("location"), format!("/sign-in?next=%2Finvite%2F{secret}"));
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    // Only pages of ours come next.
    let ben = world.person(2, "ben").await;
    let answer = world.browser_of(&ben).await.press("/sign-out", "next=https%3A%2F%2Fevil.example").await;
    assert_eq!(answer.header("location"), "/sign-in");
}

#[tokio::test]
async fn a_form_of_a_session_that_is_over_leads_back_to_its_page() {
    let world = World::new().await;
    world.org(1, "acme").await;
    for (path, page) in [
        ("/acme/settings/rename", "%2Facme%2Fsettings%3Ftab%3DGeneral"),
        ("/acme/settings/create-token", "%2Facme%2Fsettings%3Ftab%3DTokens"),
        ("/account/end-others", "%2Faccount"),
        ("/acme/welcome/token", "%2Facme%2Fwelcome%2Ftoken"),
        ("/orgs/new", "%2Forgs%2Fnew"),
        ("/acme/checks/rerun", "%2Facme%2Fchecks"),
    ] {
        let answer = world.send(Method::POST, path, &[], "x=1").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.text.contains(&format!("href=\"/sign-in?next={page}\"")), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn who_may_not_look_is_told_so_and_not_that_nothing_was_changed() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let ben = world.person(2, "ben").await;
    world.join(&acme, &ben, Roles::MEMBER).await;
    let member = world.browser_of(&ben).await;
    let seen = member.get("/acme/settings?tab=Audit").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(seen.text.contains("You may not see this") && !seen.text.contains("Nothing was changed"), "{}", seen.text);
    let done = member.press("/acme/settings/rename", "name=x").await;
    assert!(done.text.contains("You may not do this here") && done.text.contains("Nothing was changed"), "{}", done.text);
}

#[tokio::test]
async fn the_operator_is_not_led_to_where_only_people_get_on() {
    let world = World::new().await;
    world.org(1, "acme").await;
    let operator = world.sign_in().await;
    assert!(!operator.get("/orgs/new").await.text.contains("/auth/github"));
    assert!(!operator.get("/acme/welcome/github").await.text.contains("/auth/github"));
    // Nobody is in it: whoever is invited first shall be able to administer it.
    for page in ["/acme/settings?tab=Members", "/acme/welcome/team"] {
        let page = operator.get(page).await.text;
        assert!(tag(&page, "name=\"role\" value=\"admin\"").contains("checked"));
    }
    let ann = world.person(1, "ann").await;
    let person = world.browser_of(&ann).await;
    assert!(person.get("/orgs/new").await.text.contains("/auth/github?purpose=sources"));
}

#[tokio::test]
async fn the_account_says_what_other_places_ask_for() {
    let world = World::new().await;
    let ann = world.person(1, "ann").await;
    let browser = world.browser_of(&ann).await;
    let page = browser.get("/account").await.text;
    assert!(page.contains(&ann.id.to_string()), "for `quillon admin member add`");
    assert!(page.contains("quillon login --server http://127.0.0.1:8800<"));
    assert!(page.contains("next=%2Faccount%3Fdone%3Dlinked"));
    assert!(browser.get("/account?done=linked").await.text.contains("The account is linked"));
}
