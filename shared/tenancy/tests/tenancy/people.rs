//! Sign-ins, linked accounts, sessions.

use quillon_core::member::{INVITE_LIFETIME, Roles};
use quillon_core::person::{MAX_IDENTITIES, Profile, ProviderId};
use quillon_core::session::Holder;
use quillon_tenancy::{Error, Viewer};

use crate::world::{World, at, deed, hours, is_refused, is_unknown, name, profile};

#[tokio::test]
async fn the_same_account_is_the_same_person_whatever_it_is_called() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let renamed = profile("github", "number of ann", "ann-b");
    let again = world.tenancy.sign_in(&renamed, None, at(60)).await.expect("signed in");
    assert_eq!((again.id, again.name.as_str(), again.identities.len()), (ann.id, "ann-b", 1));
    // Somebody else who took the login that became free, with the same address.
    let other = world.tenancy.sign_in(&profile("github", "8", "ann"), None, at(60)).await.expect("signed in");
    assert_ne!(other.id, ann.id);
    let same_number = world.tenancy.sign_in(&profile("google", "number of ann", "ann"), None, at(60)).await.expect("signed in");
    assert_ne!(same_number.id, ann.id, "a number of another provider is another account");
    let nobody = world.tenancy.sign_in(&profile("github", "", "ann"), None, at(60)).await;
    assert!(matches!(nobody, Err(Error::Invalid(_))), "{nobody:?}");
}

#[tokio::test]
async fn a_linked_account_signs_the_same_person_in_until_it_is_unlinked() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let google = profile("google", "g-1", "ann@example.com");
    let linked = world.tenancy.link(ann.id, &google, at(1)).await.expect("linked");
    assert_eq!(linked.identities.len(), 2);
    assert_eq!(world.tenancy.sign_in(&google, None, at(2)).await.expect("signed in").id, ann.id);
    assert_eq!(world.tenancy.link(ann.id, &google, at(2)).await.expect("again").identities.len(), 2);
    assert!(is_refused(&world.tenancy.link(ben.id, &google, at(2)).await), "it is ann's");

    let left = world.tenancy.unlink(ann.id, &ProviderId::github(), "number of ann").await.expect("unlinked");
    assert_eq!(left.identities.len(), 1);
    assert!(is_refused(&world.tenancy.unlink(ann.id, &ProviderId::google(), "g-1").await), "the last one");
    assert!(is_refused(&world.tenancy.unlink(ann.id, &ProviderId::github(), "number of ann").await), "unlinked already");
    assert_ne!(world.person("ann").await.id, ann.id, "an account that was unlinked is somebody new");
}

#[tokio::test]
async fn nobody_links_more_accounts_than_there_is_room_for() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for number in 1..MAX_IDENTITIES {
        world.tenancy.link(ann.id, &profile("oidc", &number.to_string(), "ann"), at(1)).await.expect("linked");
    }
    let more = profile("oidc", "one more", "ann");
    assert!(is_refused(&world.tenancy.link(ann.id, &more, at(1)).await));
    assert_ne!(world.tenancy.sign_in(&more, None, at(1)).await.expect("signed in").id, ann.id, "nothing of it stayed");
}

#[tokio::test]
async fn a_session_lasts_while_it_is_used_and_ends_at_once() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (session, secret) = world.tenancy.begin_session(Holder::Person(ann.id), "Firefox", None, at(0)).await.expect("begun");
    let viewer = world.tenancy.viewer(&session).await.expect("an answer").expect("somebody");
    assert_eq!((viewer.name().as_str(), viewer.user().map(|user| user.id)), ("ann (ann at github)", Some(ann.id)));
    let month = 30 * 24;
    for use_at in [month - 1, 2 * month - 2, 3 * month - 3] {
        assert!(world.tenancy.session(secret.expose(), hours(use_at)).await.expect("an answer").is_some(), "{use_at}");
    }
    assert_eq!(world.tenancy.session(secret.expose(), hours(4 * month)).await.expect("an answer"), None, "idle for too long");

    let (_, secret) = world.tenancy.begin_session(Holder::Person(ann.id), "Firefox", None, at(0)).await.expect("begun");
    world.tenancy.end_session(secret.expose()).await.expect("ended");
    assert_eq!(world.tenancy.session(secret.expose(), at(1)).await.expect("an answer"), None);
    world.db.sent_in_all();
    for text in ["", "x", &secret.expose().to_uppercase(), &format!("{}0", secret.expose())] {
        assert_eq!(world.tenancy.session(text, at(1)).await.expect("an answer"), None, "{text}");
    }
    assert_eq!(world.db.sent_in_all(), 0, "what cannot be a secret is not looked for");
}

#[tokio::test]
async fn a_use_that_cannot_be_written_down_does_not_sign_anybody_out() {
    let world = World::new().await;
    let (session, secret) = world.tenancy.begin_session(Holder::Operator, "curl", None, at(0)).await.expect("begun");
    world.db.cut_after(1);
    assert_eq!(world.tenancy.session(secret.expose(), hours(7)).await.expect("an answer"), Some(session.clone()));
    world.db.mend();
    let renewed = world.tenancy.session(secret.expose(), hours(7)).await.expect("an answer").expect("a session");
    assert!(renewed.expires_at > session.expires_at);
    assert_eq!(world.tenancy.viewer(&renewed).await.expect("an answer"), Some(Viewer::Operator));
}

#[tokio::test]
async fn a_person_ends_their_own_sessions_and_has_a_bounded_number() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let (first, _) = world.tenancy.begin_session(Holder::Person(ann.id), "old", None, at(0)).await.expect("begun");
    assert!(is_unknown(&world.tenancy.end_session_of(ben.id, first.id).await), "it is not ben's");
    for second in 1..=55 {
        world.tenancy.begin_session(Holder::Person(ann.id), "new", None, at(second)).await.expect("begun");
    }
    let sessions = world.tenancy.sessions(ann.id, at(60)).await.expect("a list");
    assert_eq!((sessions.len(), sessions.iter().any(|session| session.id == first.id)), (50, false), "the oldest made room");
    world.tenancy.end_session_of(ann.id, sessions[0].id).await.expect("ended");
    world.tenancy.end_all(ann.id).await.expect("ended");
    assert_eq!(world.tenancy.sessions(ann.id, at(60)).await.expect("a list"), []);
}

#[tokio::test]
async fn where_accounts_are_for_some_others_need_an_invitation_that_is_for_them() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.tenancy.create_org(&ann, name("acme"), &deed(at(0))).await.expect("made").id;
    let tenancy = world.tenancy.clone().with_sign_ups("@listed.example, carol".parse().expect("a list"));
    let verified = Profile { email: Some("dan@listed.example".to_owned()), ..profile("google", "4", "dan") };
    for listed in [profile("github", "3", "Carol"), verified] {
        assert!(tenancy.sign_in(&listed, None, at(1)).await.is_ok(), "{listed:?}");
    }
    assert_eq!(tenancy.sign_in(&profile("github", "number of ann", "ann"), None, at(1)).await.expect("known").id, ann.id);
    let ben = profile("github", "2", "ben");
    let (_, secret) = tenancy.invite(org, "ben".parse().expect("a login"), Roles::MEMBER, &deed(at(1))).await.expect("invited");
    let other = profile("github", "5", "mallory");
    for (who, invitation) in [(&ben, None), (&ben, Some("0")), (&other, Some(secret.expose().as_str()))] {
        let refused = tenancy.sign_in(who, invitation, at(2)).await;
        assert!(matches!(&refused, Err(Error::Refused(why)) if why.contains("invitation")), "{refused:?}");
    }
    let late = at(2).checked_add(INVITE_LIFETIME).expect("a time");
    assert!(tenancy.sign_in(&ben, Some(secret.expose()), late).await.is_err(), "the invitation is over");
    assert!(tenancy.sign_in(&ben, Some(secret.expose()), at(3)).await.is_ok());
    assert!(tenancy.sign_in(&ben, None, at(4)).await.is_ok(), "who has an account keeps it");
}
