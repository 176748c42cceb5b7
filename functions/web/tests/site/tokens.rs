//! Settings, Tokens: made, shown once, rotated, revoked, and CI systems that need none.
#![expect(clippy::expect_used, reason = "a table that does not answer fails its test")]

use http::{Method, StatusCode};
use quillon_core::member::Roles;
use quillon_core::org::{Scope, Token};
use quillon_tenancy::Principal;

use crate::world::{Browser, World};

const TAB: &str = "/acme/settings?tab=Tokens";

/// The text that a page shows once.
fn shown(html: &str) -> String {
    html.split("id=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a token").to_owned()
}

async fn admin_of(world: &World) -> (quillon_core::org::Org, Browser<'_>) {
    let acme = world.org(1, "acme").await;
    let ann = world.person(1, "ann").await;
    world.join(&acme, &ann, Roles::ADMIN).await;
    (acme, world.browser_of(&ann).await)
}

async fn tokens(world: &World, org: &quillon_core::org::Org) -> Vec<Token> {
    world.deps.tenancy.tokens(org.id).await.expect("a table")
}

async fn works(world: &World, text: &str) -> bool {
    let found = world.deps.tenancy.identify(text, world.now()).await.expect("a table");
    matches!(found, Some(Principal::Token(_)))
}

#[tokio::test]
async fn a_token_is_shown_once_on_the_page_that_made_it() {
    let world = World::new().await;
    let (acme, admin) = admin_of(&world).await;
    assert!(admin.get(TAB).await.text.contains("No token yet."));
    let made = admin.press("/acme/settings/create-token", "name=ci&scope=telemetry%3Awrite&scope=checks%3Aread&life=30").await;
    assert_eq!((made.status, made.header("cache-control")), (StatusCode::OK, "no-store"), "{}", made.text);
    let text = shown(&made.text);
    assert!(text.starts_with("dag_acme_") && works(&world, &text).await);
    assert_eq!(made.text.matches(&text).count(), 2, "to copy, and in the shell snippet");
    for place in ["GitHub Actions", "GitLab CI", "CircleCI", "Jenkins", "Argo Workflows"] {
        assert!(made.text.contains(place), "{place}");
    }
    let known = &tokens(&world, &acme).await[0];
    assert_eq!(known.scopes, [Scope::TelemetryWrite, Scope::ChecksRead]);
    let list = admin.get(TAB).await;
    assert!(!list.text.contains(&text) && list.text.contains(&format!("…{}", &text[text.len() - 4..])), "{}", list.text);
    for part in ["last used", "30 days left", "by <bdi>ANN"] {
        assert!(list.text.contains(part), "{part}: {}", list.text);
    }

    let reader = admin.press("/acme/settings/create-token", "name=reader&scope=checks%3Aread&life=never").await;
    assert!(!reader.text.contains("GitHub Actions"), "it sends nothing");
    assert!(admin.get(TAB).await.text.contains("never used"));
    assert_eq!(tokens(&world, &acme).await.len(), 2);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_stays_in_the_form() {
    let world = World::new().await;
    let (acme, admin) = admin_of(&world).await;
    for fields in [
        "name=%3Cb%3Eci&life=30",
        "name=&scope=checks%3Aread&life=30",
        "name=ci&scope=everything&life=30",
        "name=ci&scope=checks%3Aread&life=0",
        "name=ci&scope=checks%3Aread&life=99999",
        "name=ci&scope=checks%3Aread",
    ] {
        let refused = admin.press("/acme/settings/create-token", fields).await;
        assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("role=\"alert\""), "{fields}: {}", refused.status);
        assert!(!refused.text.contains("<b>ci"));
        assert!(!fields.starts_with("name=%3C") || refused.text.contains("value=\"&#60;b&#62;ci\""));
        assert!(!fields.contains("checks%3Aread") || refused.text.contains("value=\"checks:read\" checked"));
    }
    assert!(tokens(&world, &acme).await.is_empty());
}

#[tokio::test]
async fn a_rotated_token_overlaps_and_a_revoked_one_ends_at_once() {
    let world = World::new().await;
    let (acme, admin) = admin_of(&world).await;
    let old = shown(&admin.press("/acme/settings/create-token", "name=ci&scope=telemetry%3Awrite&life=never").await.text);
    let id = tokens(&world, &acme).await[0].id;
    assert_eq!(admin.press("/acme/settings/rotate-token", &format!("token={id}&overlap=48")).await.status, StatusCode::BAD_REQUEST);
    let rotated = admin.press("/acme/settings/rotate-token", &format!("token={id}&overlap=1")).await;
    let new = shown(&rotated.text);
    assert!(rotated.text.contains("The old one works on for an hour.") && new != old);
    assert!(works(&world, &old).await && works(&world, &new).await);
    let list = admin.get(TAB).await.text;
    assert!(list.contains(">replaced<"));
    assert_eq!(admin.press("/acme/settings/rotate-token", &format!("token={id}&overlap=1")).await.status, StatusCode::CONFLICT);
    world.pass(3_601);
    assert!(!works(&world, &old).await && works(&world, &new).await);
    assert!(admin.get(TAB).await.text.contains(">ended<"));

    let id = tokens(&world, &acme).await.into_iter().find(|token| token.replaced_by.is_none()).expect("the new one").id;
    for typed in ["", "CI", "c"] {
        let refused = admin.press("/acme/settings/revoke-token", &format!("token={id}&confirm={typed}")).await;
        assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("type its name"));
    }
    let done = admin.press("/acme/settings/revoke-token", &format!("token={id}&confirm=ci")).await;
    assert_eq!(done.header("location"), "/acme/settings?tab=Tokens&done=token-revoked");
    assert!(!works(&world, &new).await);
}

#[tokio::test]
async fn tokens_of_another_org_do_not_exist_here() {
    let world = World::new().await;
    let (_, admin) = admin_of(&world).await;
    let globex = world.org(2, "globex").await;
    let (theirs, text) = world.deps.tenancy.create_token(globex.id, "theirs", &[Scope::Admin], None, &world.deed()).await.expect("a token");
    for id in [theirs.id.to_string(), "tok_x".to_owned(), "tok_00000000000000000000000000".to_owned()] {
        for (word, fields) in [("rotate-token", "overlap=0"), ("revoke-token", "confirm=theirs")] {
            let answer = admin.press(&format!("/acme/settings/{word}"), &format!("token={id}&{fields}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{word} {id}");
        }
    }
    assert!(works(&world, text.expose()).await && !admin.get(TAB).await.text.contains("theirs"));
}

#[tokio::test]
async fn names_of_tokens_and_projects_are_text_and_nothing_else() {
    let world = World::new().await;
    let (acme, admin) = admin_of(&world).await;
    let hostile = "\"><script>alert(1)</script>";
    world.deps.tenancy.create_token(acme.id, hostile, &[Scope::ChecksRead], None, &world.deed()).await.expect("a token");
    let trust = format!("provider=gitlab&project=42&name={}", "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    assert_eq!(admin.press("/acme/settings/add-trust", &trust).await.status, StatusCode::SEE_OTHER);
    let page = admin.get(TAB).await.text;
    assert!(!page.contains("<script>alert") && page.matches("&#60;script&#62;alert(1)").count() >= 2, "{page}");
    let id = tokens(&world, &acme).await[0].id;
    let confirm = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let done = admin.press("/acme/settings/revoke-token", &format!("token={id}&confirm={confirm}")).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "what the page shows is what is typed");
}

#[tokio::test]
async fn projects_of_ci_systems_are_trusted_and_trusted_no_more() {
    let world = World::new().await;
    let (acme, admin) = admin_of(&world).await;
    let page = admin.get(TAB).await.text;
    assert!(page.contains("DAGGER_CLOUD_TOKEN: oidc") && page.contains("aud: http://127.0.0.1:8800/acme"));
    let uuid = "0189E5A2-1F2B-4C3D-8E4F-5A6B7C8D9E0F";
    let done = admin.press("/acme/settings/add-trust", &format!("provider=circleci&project=+{uuid}+&name=the+pipeline")).await;
    assert_eq!(done.header("location"), "/acme/settings?tab=Tokens&done=trust-made");
    for fields in [
        "provider=github&project=42&name=x",
        "provider=gitlab&project=acme%2Fapi&name=x",
        "provider=jenkins&project=1&name=x",
        "provider=gitlab&project=1&name=",
    ] {
        let refused = admin.press("/acme/settings/add-trust", fields).await;
        assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("role=\"alert\""), "{fields}");
    }
    let trusts = world.deps.tenancy.trusts(acme.id).await.expect("a table");
    assert_eq!((trusts.len(), trusts[0].project.as_str(), trusts[0].created_by.contains("ANN")), (1, uuid.to_lowercase().as_str(), true));
    let fields = format!("provider=circleci&project={}", uuid.to_lowercase());
    assert_eq!(
        admin.press("/acme/settings/delete-trust", &fields).await.header("location"),
        "/acme/settings?tab=Tokens&done=trust-removed"
    );
    assert_eq!(admin.press("/acme/settings/delete-trust", &fields).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn members_see_tokens_without_their_texts_and_change_none() {
    let world = World::new().await;
    let (acme, admin) = admin_of(&world).await;
    let (ben, eve) = (world.person(2, "ben").await, world.person(3, "eve").await);
    world.join(&acme, &ben, Roles::MEMBER).await;
    let text = shown(&admin.press("/acme/settings/create-token", "name=ci&scope=telemetry%3Awrite&life=never").await.text);
    let id = tokens(&world, &acme).await[0].id;
    let (member, stranger) = (world.browser_of(&ben).await, world.browser_of(&eve).await);
    let page = member.get(TAB).await;
    assert!(page.status == StatusCode::OK && page.text.contains("<bdi>ci</bdi>") && !page.text.contains(&text));
    assert!(!page.text.contains("/acme/settings/") && !page.text.contains("Make a token"));
    for (word, fields) in [
        ("create-token", "name=x&scope=admin&life=never".to_owned()),
        ("rotate-token", format!("token={id}&overlap=0")),
        ("revoke-token", format!("token={id}&confirm=ci")),
        ("add-trust", "provider=gitlab&project=1&name=x".to_owned()),
        ("delete-trust", "provider=gitlab&project=1".to_owned()),
    ] {
        let path = format!("/acme/settings/{word}");
        assert_eq!(member.press(&path, &fields).await.status, StatusCode::FORBIDDEN, "{word}");
        assert_eq!(stranger.press(&path, &fields).await.status, StatusCode::NOT_FOUND, "{word}");
        assert_eq!(world.send(Method::POST, &path, &[], &fields).await.status, StatusCode::UNAUTHORIZED, "{word}");
    }
    assert!(works(&world, &text).await && tokens(&world, &acme).await.len() == 1);
}
