//! Roles, removals and invitations.

use quillon_core::access::{Permission, Verdict, allows};
use quillon_core::audit::AuditAction;
use quillon_core::id::UserId;
use quillon_core::member::{INVITE_LIFETIME, Invitee, MAX_INVITES, Roles};
use quillon_tenancy::Viewer;

use crate::world::{World, at, deed, is_refused, is_unknown, profile};

fn login(text: &str) -> Invitee {
    text.parse().expect("a login")
}

#[tokio::test]
async fn roles_change_but_the_last_admin_stays() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    world.join(org.id, &ben, Roles::MEMBER).await;
    for refused in [
        world.tenancy.set_roles(org.id, ann.id, Roles::MEMBER, &deed(at(1))).await.map(drop),
        world.tenancy.remove_member(org.id, ann.id, &deed(at(1))).await,
        world.tenancy.leave(org.id, ann.id, &deed(at(1))).await,
    ] {
        assert!(is_refused(&refused), "{refused:?}");
    }
    world.tenancy.set_roles(org.id, ben.id, Roles::ADMIN, &deed(at(1))).await.expect("changed");
    world.tenancy.set_roles(org.id, ben.id, Roles::ADMIN, &deed(at(1))).await.expect("as it is");
    world.tenancy.leave(org.id, ann.id, &deed(at(2))).await.expect("left");
    assert_eq!(world.members(org.id).await, ["ben: admin"]);
    let expected = [AuditAction::OrgMade, AuditAction::MemberAdded, AuditAction::MemberRolesChanged, AuditAction::MemberLeft];
    assert_eq!(world.deeds(org.id).await, expected, "what was refused or changed nothing is no deed");
    assert_eq!(world.deed_of(org.id, AuditAction::MemberRolesChanged).await, ("ben".to_owned(), "from member to admin".to_owned()));
    assert!(is_unknown(&world.tenancy.set_roles(org.id, ann.id, Roles::BOTH, &deed(at(3))).await), "she left");
    assert!(is_unknown(&world.tenancy.remove_member(org.id, UserId::from_parts(1, 1), &deed(at(3))).await));
    assert!(is_unknown(&world.tenancy.add_member(org.id, UserId::from_parts(1, 1), Roles::BOTH, &deed(at(3))).await));
}

#[tokio::test]
async fn a_role_counts_from_the_next_request_on() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    world.join(org.id, &ben, Roles::BOTH).await;
    let viewer = Viewer::Person(ben.clone());
    let may = async |permission| {
        let standing = world.tenancy.standing(&viewer, org.id).await.expect("an answer");
        allows(&standing, permission)
    };
    assert_eq!(may(Permission::InviteMembers).await, Verdict::Allowed);
    world.tenancy.set_roles(org.id, ben.id, Roles::MEMBER, &deed(at(1))).await.expect("changed");
    assert!(matches!(may(Permission::InviteMembers).await, Verdict::Refused(_)));
    world.tenancy.remove_member(org.id, ben.id, &deed(at(2))).await.expect("removed");
    assert_eq!(may(Permission::ViewRuns).await, Verdict::Hidden);
}

#[tokio::test]
async fn an_invitation_is_for_one_person_and_good_once() {
    let world = World::new().await;
    let (ann, ben, eve) = (world.person("ann").await, world.person("ben").await, world.person("eve").await);
    let org = world.org(&ann, "acme").await;
    let (invite, link) = world.tenancy.invite(org.id, login("BEN"), Roles::MEMBER, &deed(at(1))).await.expect("invited");
    let shown = world.tenancy.invite_of(link.expose(), at(2)).await.expect("an answer");
    assert_eq!(shown.map(|(shown, of)| (shown.id, of.id)), Some((invite.id, org.id)));
    assert!(is_refused(&world.tenancy.accept(link.expose(), &eve, &deed(at(2))).await), "it is ben's");
    // What counts is who somebody is now, not who they were when the page was opened.
    let mut claims_to_be_ben = eve.clone();
    claims_to_be_ben.identities.clone_from(&ben.identities);
    assert!(is_refused(&world.tenancy.accept(link.expose(), &claims_to_be_ben, &deed(at(2))).await));
    assert_eq!(world.tenancy.accept(link.expose(), &ben, &deed(at(3))).await.expect("accepted").id, org.id);
    assert!(is_unknown(&world.tenancy.accept(link.expose(), &ben, &deed(at(4))).await), "used up");
    assert_eq!(world.members(org.id).await, ["ann: admin and member", "ben: member"]);
    assert_eq!(world.tenancy.invites(org.id, at(4)).await.expect("a list"), []);
    assert_eq!(world.deeds(org.id).await, [AuditAction::OrgMade, AuditAction::InviteMade, AuditAction::InviteAccepted]);
    for text in ["", "x", &"0".repeat(64)] {
        assert!(is_unknown(&world.tenancy.accept(text, &ben, &deed(at(4))).await), "{text}");
    }
}

#[tokio::test]
async fn an_invitation_ends_by_time_by_hand_and_by_another_one() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    let (invite, old) = world.tenancy.invite(org.id, login("ben"), Roles::BOTH, &deed(at(1))).await.expect("invited");
    let (newer, link) = world.tenancy.invite(org.id, login("Ben"), Roles::MEMBER, &deed(at(2))).await.expect("invited again");
    assert!(is_unknown(&world.tenancy.accept(old.expose(), &ben, &deed(at(3))).await), "the older link could do more");
    let over = invite.expires_at.max(newer.expires_at);
    assert_eq!(over.duration_since(at(2)), INVITE_LIFETIME);
    assert!(is_unknown(&world.tenancy.accept(link.expose(), &ben, &deed(over)).await), "over");
    world.tenancy.revoke_invite(org.id, newer.id, &deed(at(4))).await.expect("taken back");
    assert!(is_unknown(&world.tenancy.revoke_invite(org.id, newer.id, &deed(at(4))).await));
    assert!(is_unknown(&world.tenancy.accept(link.expose(), &ben, &deed(at(5))).await));
    let other = world.org(&ben, "other").await;
    let (theirs, _) = world.tenancy.invite(other.id, login("eve"), Roles::BOTH, &deed(at(5))).await.expect("invited");
    assert!(is_unknown(&world.tenancy.revoke_invite(org.id, theirs.id, &deed(at(5))).await), "another org's");
}

#[tokio::test]
async fn who_was_removed_does_not_come_back_by_an_older_link() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    world.join(org.id, &ben, Roles::MEMBER).await;
    let by_mail = "ben@example.com".parse().expect("an address");
    let (_, link) = world.tenancy.invite(org.id, by_mail, Roles::ADMIN, &deed(at(1))).await.expect("invited");
    world.tenancy.remove_member(org.id, ben.id, &deed(at(2))).await.expect("removed");
    assert!(is_unknown(&world.tenancy.accept(link.expose(), &ben, &deed(at(3))).await));
    assert_eq!(world.members(org.id).await, ["ann: admin and member"]);
}

#[tokio::test]
async fn who_is_in_already_gets_roles_on_top() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    let (_, link) = world.tenancy.invite(org.id, login("ann"), Roles::MEMBER, &deed(at(1))).await.expect("invited");
    world.tenancy.accept(link.expose(), &ann, &deed(at(2))).await.expect("accepted");
    assert_eq!(world.members(org.id).await, ["ann: admin and member"], "the last admin stays one");
    world.join(org.id, &ben, Roles::MEMBER).await;
    let (_, link) = world.tenancy.invite(org.id, login("ben"), Roles::ADMIN, &deed(at(3))).await.expect("invited");
    world.tenancy.accept(link.expose(), &ben, &deed(at(4))).await.expect("accepted");
    assert_eq!(world.members(org.id).await, ["ann: admin and member", "ben: admin and member"]);
}

#[tokio::test]
async fn an_address_that_is_not_verified_opens_nothing() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    let by_mail = "ben@example.com".parse().expect("an address");
    let (_, link) = world.tenancy.invite(org.id, by_mail, Roles::MEMBER, &deed(at(1))).await.expect("invited");
    let mut unverified = profile("oidc", "b", "ben@example.com");
    unverified.email = None;
    let ben = world.tenancy.sign_in(&unverified, None, at(1)).await.expect("signed in");
    assert!(is_refused(&world.tenancy.accept(link.expose(), &ben, &deed(at(2))).await));
    world.tenancy.link(ben.id, &profile("github", "9", "ben"), at(3)).await.expect("linked, with the address verified");
    world.tenancy.accept(link.expose(), &ben, &deed(at(4))).await.expect("accepted");
}

#[tokio::test]
async fn the_open_invitations_of_an_org_are_bounded() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    for number in 0..MAX_INVITES {
        world.tenancy.invite(org.id, login(&format!("person{number}")), Roles::MEMBER, &deed(at(1))).await.expect("invited");
    }
    assert!(is_refused(&world.tenancy.invite(org.id, login("one-more"), Roles::MEMBER, &deed(at(2))).await));
    world.tenancy.invite(org.id, login("person7"), Roles::MEMBER, &deed(at(2))).await.expect("a new link for one of them");
    assert_eq!(world.tenancy.invites(org.id, at(2)).await.expect("a list").len(), MAX_INVITES);
}
