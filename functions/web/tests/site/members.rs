//! Who is in an org, invitations, and what becomes of both.
#![expect(clippy::expect_used, reason = "a table that does not answer fails its test")]

use http::StatusCode;
use quillon_core::member::Roles;
use quillon_store::Page;

use crate::world::State::Passed;
use crate::world::{Browser, World};

/// The path of the invitation that somebody makes.
async fn invite(browser: &Browser<'_>, fields: &str) -> String {
    let answer = browser.press("/acme/settings/invite", fields).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{}", answer.text);
    let link = answer.text.split("id=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a link");
    link.strip_prefix("http://127.0.0.1:8800").expect("a link of ours").to_owned()
}

#[tokio::test]
async fn an_invitation_is_looked_at_freely_and_accepted_once_by_whom_it_is_for() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let (ann, ben, eve) = (world.person(1, "ann").await, world.person(2, "Ben").await, world.person(3, "eve").await);
    world.join(&acme, &ann, Roles::BOTH).await;
    let (admin, guest, other) = (world.browser_of(&ann).await, world.browser_of(&ben).await, world.browser_of(&eve).await);
    let path = invite(&admin, "invitee=+ben+&role=member").await;
    assert!(admin.get("/acme/settings?tab=Members").await.text.contains("ben (github)"));

    let anonymous = world.send(http::Method::GET, &path, &[], "").await;
    assert_eq!(anonymous.header("location"), format!("/sign-in?next={}", path.replace('/', "%2F")));
    assert_eq!(anonymous.header("referrer-policy"), "no-referrer");
    for _ in 0..2 {
        let page = guest.get(&path).await;
        assert_eq!((page.header("referrer-policy"), page.header("cache-control")), ("strict-origin", "no-store"));
        assert!(
            page.text.contains("Join <bdi>acme</bdi>")
                && page.text.contains("<strong>member</strong>")
                && page.text.contains("ANN (ann at github)")
        );
    }
    let seen = other.get(&path).await.text;
    assert!(seen.contains("This invitation is for <bdi>ben (github)</bdi>") && !seen.contains(&format!("action=\"{path}\"")));
    let refused = other.press(&path, "").await;
    assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("sign in with that account"), "{}", refused.text);
    assert_eq!(other.get("/acme/checks").await.status, StatusCode::NOT_FOUND);

    assert_eq!(guest.press(&path, "").await.header("location"), "/acme/checks?done=joined");
    assert!(guest.get("/acme/checks?done=joined").await.text.contains("you are in"));
    for browser in [&guest, &other] {
        let gone = browser.get(&path).await;
        assert!(gone.status == StatusCode::NOT_FOUND && gone.text.contains("works once"));
        assert_eq!(browser.press(&path, "").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_invitation_by_address_is_for_whoever_has_it_verified_and_ends() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let (ann, ben) = (world.person(1, "ann").await, world.person(2, "ben").await);
    world.join(&acme, &ann, Roles::BOTH).await;
    let (admin, guest) = (world.browser_of(&ann).await, world.browser_of(&ben).await);
    for fields in ["invitee=&role=member", "invitee=a%40b&role=member", "invitee=ben", "invitee=ben&role=owner", "invitee=a+b&role=admin"] {
        let answer = admin.press("/acme/settings/invite", fields).await;
        assert!(answer.status == StatusCode::BAD_REQUEST && answer.text.contains("role=\"alert\""), "{fields}");
    }
    let revoked = invite(&admin, "invitee=BEN%40example.com&role=admin").await;
    let page = admin.get("/acme/settings?tab=Members").await.text;
    let id = page.split("name=\"invite\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an invitation").to_owned();
    assert_eq!(
        admin.press("/acme/settings/revoke-invite", &format!("invite={id}")).await.header("location"),
        "/acme/settings?tab=Members&done=invite-revoked"
    );
    assert_eq!(guest.press(&revoked, "").await.status, StatusCode::NOT_FOUND);
    let late = invite(&admin, "invitee=ben%40example.com&role=admin").await;
    assert!(guest.get(&late).await.text.contains("<strong>admin</strong>"));
    world.pass(8 * 24 * 3_600);
    assert_eq!(guest.press(&late, "").await.status, StatusCode::NOT_FOUND);
    let both = invite(&admin, "invitee=ben%40example.com&role=admin&role=member").await;
    assert_eq!(guest.press(&both, "").await.header("location"), "/acme/checks?done=joined");
}

#[tokio::test]
async fn roles_change_at_once_and_the_last_admin_stays() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let (ann, ben) = (world.person(1, "ann").await, world.person(2, "ben").await);
    world.join(&acme, &ann, Roles::BOTH).await;
    world.join(&acme, &ben, Roles::MEMBER).await;
    let (admin, member) = (world.browser_of(&ann).await, world.browser_of(&ben).await);
    let page = member.get("/acme/settings?tab=Members").await.text;
    assert!(
        page.contains("ANN") && page.contains("BEN") && !page.contains("/acme/settings/roles") && !page.contains("/acme/settings/invite\"")
    );
    assert_eq!(member.get("/acme/settings?tab=Audit").await.status, StatusCode::FORBIDDEN);
    let of = |user: &quillon_core::person::User, roles: &str| format!("user={}{roles}", user.id);

    for fields in [of(&ann, "&role=member"), of(&ann, "")] {
        let refused = admin.press("/acme/settings/roles", &fields).await;
        assert!(refused.status.is_client_error() && refused.text.contains("role=\"alert\""), "{fields}: {}", refused.status);
    }
    let refused = admin.press("/acme/settings/leave", "").await;
    assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("An org needs an admin"), "{}", refused.text);
    assert_eq!(
        admin.press("/acme/settings/roles", &of(&ben, "&role=admin")).await.header("location"),
        "/acme/settings?tab=Members&done=roles-changed"
    );
    assert_eq!(member.get("/acme/checks").await.status, StatusCode::FORBIDDEN, "an admin is no member");
    assert_eq!(member.get("/acme/settings?tab=Audit").await.status, StatusCode::OK);
    assert_eq!(member.press("/acme/settings/roles", &of(&ann, "&role=member")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(admin.press("/acme/settings/roles", &of(&ben, "&role=member")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn whoever_is_removed_is_out_and_what_they_ran_stays() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let repository = world.repository(&acme, 1, "acme/api").await;
    let (ann, ben) = (world.person(1, "ann").await, world.person(2, "ben").await);
    world.join(&acme, &ann, Roles::BOTH).await;
    world.join(&acme, &ben, Roles::BOTH).await;
    world.join(&globex, &ben, Roles::BOTH).await;
    let (admin, member) = (world.browser_of(&ann).await, world.browser_of(&ben).await);
    let made = world.run(&acme, &repository, 1, "main", &[("load", Passed), ("api:a", crate::world::State::Failed)]).await;
    member.press("/acme/checks/rerun", &format!("attempt={}", made.id("api:a"))).await;
    assert!(admin.get("/acme/settings?tab=Members").await.text.contains("What they ran and sent stays."));
    assert_eq!(
        admin.press("/acme/settings/remove-member", &format!("user={}", ben.id)).await.header("location"),
        "/acme/settings?tab=Members&done=member-removed"
    );
    assert_eq!(member.get("/acme/checks").await.status, StatusCode::NOT_FOUND);
    assert_eq!(member.get("/globex/checks").await.status, StatusCode::OK);
    let page = admin.get(&format!("/acme/checks/github.com/acme/api@{:040x}?check=api:a", 1)).await.text;
    assert!(page.contains("Attempt 2") && page.contains("BEN (ben at github)"));
    assert_eq!(admin.press("/acme/settings/remove-member", &format!("user={}", ben.id)).await.status, StatusCode::NOT_FOUND);

    world.join(&acme, &ben, Roles::MEMBER).await;
    assert_eq!(member.press("/acme/settings/leave", "").await.header("location"), "/account?done=left");
    assert_eq!(member.get("/acme/checks").await.status, StatusCode::NOT_FOUND);
    let left = world.deps.tenancy.members(acme.id, &Page::first(9)).await.expect("a table").items;
    assert_eq!(left.len(), 1);
}
