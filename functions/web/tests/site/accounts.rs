//! Signing in and out, sessions, and one's own account.

use http::{Method, StatusCode};
use quillon_core::person::{Profile, ProviderId};
use quillon_core::session::Holder;

use crate::world::World;

#[tokio::test]
async fn nobody_sees_anything_before_signing_in_and_comes_back_to_where_they_were() {
    let world = World::new().await;
    world.org(1, "acme").await;
    for (path, next) in [
        ("/", ""),
        ("/acme/checks?state=failed", "?next=%2Facme%2Fchecks%3Fstate%3Dfailed"),
        ("/nobody/checks", "?next=%2Fnobody%2Fchecks"),
        ("/acme/settings?tab=Tokens", "?next=%2Facme%2Fsettings%3Ftab%3DTokens"),
    ] {
        let answer = world.send(Method::GET, path, &[], "").await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, format!("/sign-in{next}").as_str()), "{path}");
        assert_eq!((answer.header("referrer-policy"), answer.header("cache-control")), ("no-referrer", "no-store"), "{path}");
    }
    let page = world.send(Method::GET, "/sign-in?next=%2Facme%2Fchecks", &[], "").await;
    for way in ["/auth/github", "/auth/google", "/auth/oidc"] {
        assert!(page.text.contains(&format!("href=\"{way}?next=%2Facme%2Fchecks\"")), "{way}");
    }
    assert!(page.text.contains("Continue with Acme login") && page.text.contains("sign-in link"));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    // A script that keeps a page fresh is told so in place, and a form is not lost on the way.
    assert_eq!(world.send(Method::GET, "/acme/checks?fragment=1", &[], "").await.status, StatusCode::UNAUTHORIZED);
    let lost = world.send(Method::POST, "/acme/checks/rerun", &[], "csrf=0").await;
    assert_eq!((lost.status, lost.text.contains("href=\"/sign-in\"")), (StatusCode::UNAUTHORIZED, true));
}

#[tokio::test]
async fn signing_in_leads_nowhere_but_here() {
    let world = World::new().await;
    let browser = world.sign_in().await;
    for next in
        ["https://evil.example", "//evil.example", "/\\evil.example", "/%09/evil.example", "javascript:alert(1)", "/a%0d%0aset-cookie:x=1"]
    {
        let page = world.send(Method::GET, &format!("/sign-in?next={next}"), &[], "").await;
        assert!(!page.text.contains("evil") && !page.text.contains("alert") && page.text.contains("href=\"/auth/github\""), "{next}");
        let on = browser.get(&format!("/sign-in?next={next}")).await;
        assert_eq!((on.status, on.header("location")), (StatusCode::SEE_OTHER, "/"), "{next}");
    }
    assert_eq!(browser.get("/sign-in?next=%2Faccount").await.header("location"), "/account");
}

#[tokio::test]
async fn the_operator_s_link_becomes_a_stored_session_and_its_key_leaves_the_address() {
    let world = World::new().await;
    for query in ["", "?key=", "?key=0000", &format!("?key={}0", world.operator_key())] {
        let answer = world.send(Method::GET, &format!("/operator/sign-in{query}"), &[], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{query}");
        assert_eq!((answer.header("set-cookie"), answer.header("referrer-policy")), ("", "no-referrer"));
    }
    let link = format!("/operator/sign-in?key={}", world.operator_key());
    let answer = world.send(Method::GET, &link, &[], "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert_eq!((answer.header("referrer-policy"), answer.header("cache-control")), ("no-referrer", "no-store"));
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("quillon_session=") && cookie.contains("; HttpOnly; SameSite=Lax") && !cookie.contains(&world.operator_key())
    );

    let browser = world.sign_in().await;
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    // The same browser again: the session that it had is over, whoever may have known it.
    let again = world.send(Method::GET, &link, &[("cookie", &browser.cookie)], "").await;
    assert_ne!(again.header("set-cookie").split(';').next(), Some(browser.cookie.as_str()));
    assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_is_what_is_stored_and_nothing_that_a_browser_makes_up() {
    let world = World::new().await;
    let ann = world.person(1, "ann").await;
    let browser = world.browser_of(&ann).await;
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    for value in ["", "0", &"0".repeat(64), &"f".repeat(2_000), "4102444800.development.f7950ac2", &browser.cookie.to_uppercase()[16..]] {
        let answer = world.send(Method::GET, "/account", &[("cookie", &format!("quillon_session={value}"))], "").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{value}");
    }
    // A planted cookie before the good one does not hide it, and a value set before a sign-in never becomes a session.
    let planted = format!("quillon_session={}; {}", "a".repeat(64), browser.cookie);
    assert_eq!(world.send(Method::GET, "/account", &[("cookie", &planted)], "").await.status, StatusCode::OK);
    world.pass(31 * 24 * 3_600);
    assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_that_is_used_lasts_and_one_that_is_ended_is_over_at_once() {
    let world = World::new().await;
    let ann = world.person(1, "ann").await;
    let (here, there) = (world.browser_of(&ann).await, world.browser_of(&ann).await);
    for _ in 0..3 {
        world.pass(20 * 24 * 3_600);
        assert_eq!(here.get("/account").await.status, StatusCode::OK);
    }
    assert_eq!(there.get("/account").await.status, StatusCode::SEE_OTHER);

    let (there, third) = (world.browser_of(&ann).await, world.browser_of(&ann).await);
    let page = here.get("/account").await.text;
    assert_eq!((page.matches("Firefox on Linux").count() >= 3, page.matches("this one").count()), (true, 1));
    assert!(page.contains("203.0.113.9"));
    let session = page.split("name=\"session\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session").to_owned();
    assert_eq!(here.press("/account/end-session", &format!("session={session}")).await.header("location"), "/account?done=session-ended");
    let over = [there.get("/account").await.status, third.get("/account").await.status];
    assert_eq!(over.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{over:?}");
    assert_eq!(here.press("/account/end-others", "").await.status, StatusCode::SEE_OTHER);
    for browser in [&there, &third] {
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(here.get("/account").await.status, StatusCode::OK);

    // Somebody else's session is none of theirs.
    let ben = world.person(2, "ben").await;
    let theirs = world.browser_of(&ben).await;
    let sessions = world.deps.tenancy.sessions(ben.id, world.now()).await.expect("a table");
    let _unknown = here.press("/account/end-session", &format!("session={}", sessions[0].id)).await;
    assert_eq!(theirs.get("/account").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_needs_the_form_and_ends_the_session_here_or_everywhere() {
    let world = World::new().await;
    let ann = world.person(1, "ann").await;
    let (here, there, third) = (world.browser_of(&ann).await, world.browser_of(&ann).await, world.browser_of(&ann).await);
    let refused = world.send(Method::POST, "/sign-out", &[("cookie", &here.cookie)], "csrf=0").await;
    assert_eq!((refused.status, here.get("/account").await.status), (StatusCode::FORBIDDEN, StatusCode::OK));
    let answer = here.press("/sign-out", "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/sign-in"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(here.get("/account").await.status, StatusCode::SEE_OTHER, "the cookie alone opens nothing any more");
    assert_eq!(there.get("/account").await.status, StatusCode::OK);
    there.press("/sign-out", "everywhere=1").await;
    assert_eq!((there.get("/account").await.status, third.get("/account").await.status), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER));
    assert_eq!(world.send(Method::POST, "/sign-out", &[], "").await.status, StatusCode::SEE_OTHER);
    // A form of another site comes without the cookie, and must not take it away.
    for foreign in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let answer = world.send(Method::POST, "/sign-out", &[foreign], "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{foreign:?}");
    }
}

#[tokio::test]
async fn accounts_are_linked_and_unlinked_but_not_the_last_one() {
    let world = World::new().await;
    let ann = world.person(1, "ann").await;
    let browser = world.browser_of(&ann).await;
    let page = browser.get("/account").await.text;
    assert!(page.contains("the only way to sign in") && !page.contains("action=\"/account/unlink\""));
    assert!(page.contains("href=\"/auth/google?purpose=link&#38;next=%2Faccount%3Fdone%3Dlinked\""), "{page}");
    assert!(!page.contains("/auth/github?purpose=link"));
    let unlink = "provider=github&subject=1";
    let refused = browser.press("/account/unlink", unlink).await;
    assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("the only way to sign in: link another one first"));

    let profile = Profile {
        provider: ProviderId::google(),
        subject: "108".to_owned(),
        login: "ann@example.com".to_owned(),
        name: "Ann".to_owned(),
        email: Some("ann@example.com".to_owned()),
        avatar_url: None,
    };
    world.deps.tenancy.link(ann.id, &profile, world.now()).await.expect("a link");
    let page = browser.get("/account").await.text;
    assert!(page.contains("ann@example.com") && page.matches("action=\"/account/unlink\"").count() == 2);
    assert_eq!(browser.press("/account/unlink", "provider=github&subject=2").await.status, StatusCode::CONFLICT);
    assert_eq!(browser.press("/account/unlink", "provider=GitHub&subject=1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.press("/account/unlink", unlink).await.header("location"), "/account?done=unlinked");
    assert!(browser.get("/account?done=unlinked").await.text.contains("The account is no longer linked."));
}

#[tokio::test]
async fn hostile_names_are_text() {
    let world = World::new().await;
    let hostile = "<script>alert(1)</script>\" onload=\"x\u{202e}";
    let mallory = world.named(1, "mallory", hostile).await;
    let (_, secret) = world
        .deps
        .tenancy
        .begin_session(Holder::Person(mallory.id), "<img src=x onerror=alert(1)> Firefox/1", Some("<b>".to_owned()), world.now())
        .await
        .expect("a session");
    let cookie = format!("quillon_session={}", secret.expose());
    let acme = world.org(1, "acme").await;
    world.join(&acme, &mallory, quillon_core::member::Roles::BOTH).await;
    for path in ["/account", "/acme/settings?tab=Members", "/acme/settings?tab=Audit", "/acme/checks", "/orgs/new"] {
        let page = world.send(Method::GET, path, &[("cookie", &cookie)], "").await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.text.contains("<script>alert") && !page.text.contains("<img src=x") && !page.text.contains("<b>"), "{path}");
        assert!(!page.text.contains('\u{202e}') && !page.text.contains("\" onload=\""), "{path}");
    }
}

#[tokio::test]
async fn the_operator_has_a_session_and_no_account() {
    let world = World::new().await;
    world.org(1, "acme").await;
    let browser = world.sign_in().await;
    let page = browser.get("/account").await.text;
    assert!(page.contains("You run this instance") && page.contains("action=\"/sign-out\""));
    for (path, fields) in [("/account/end-others", ""), ("/acme/settings/leave", ""), ("/activate", "answer=approve&user_code=BCDF-GHJK")] {
        let answer = browser.press(path, fields).await;
        assert!(answer.status == StatusCode::FORBIDDEN && answer.text.contains("This takes a person"), "{path}");
    }
}
