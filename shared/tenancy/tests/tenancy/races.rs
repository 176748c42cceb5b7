//! Steps that several people take at the same moment.

use futures::future::join_all;
use jiff::SignedDuration;
use quillon_core::id::UserId;
use quillon_core::member::Roles;
use quillon_core::org::Scope;
use quillon_core::person::ProviderId;
use quillon_tenancy::{DevicePoll, Error};

use crate::world::{INSTALLATION, World, at, deed, is_refused, is_unknown, name, profile};

fn done<T, E>(results: &[Result<T, E>]) -> usize {
    results.iter().filter(|result| result.is_ok()).count()
}

#[tokio::test]
async fn sign_ins_of_one_account_at_once_make_one_person() {
    let world = World::new().await;
    let ann = profile("github", "7", "ann");
    let users = join_all((0..8).map(|_| world.tenancy.sign_in(&ann, None, at(0)))).await;
    let ids: Vec<UserId> = users.into_iter().map(|user| user.expect("signed in").id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn an_account_that_two_people_link_at_once_is_one_of_theirs() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let google = profile("google", "g", "someone");
    let (one, other) = tokio::join!(world.tenancy.link(ann.id, &google, at(1)), world.tenancy.link(ben.id, &google, at(1)));
    assert_eq!(done(&[one, other]), 1);
    let holder = world.tenancy.sign_in(&google, None, at(2)).await.expect("signed in");
    assert_eq!(holder.identities.len(), 2);
}

#[tokio::test]
async fn of_two_accounts_that_are_unlinked_at_once_one_stays() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    world.tenancy.link(ann.id, &profile("google", "g", "ann"), at(1)).await.expect("linked");
    let (github, google) = (ProviderId::github(), ProviderId::google());
    let (one, other) = tokio::join!(world.tenancy.unlink(ann.id, &github, "number of ann"), world.tenancy.unlink(ann.id, &google, "g"));
    assert_eq!(done(&[one, other]), 1);
    assert_eq!(world.tenancy.user(ann.id).await.expect("an answer").expect("ann").identities.len(), 1);
}

#[tokio::test]
async fn a_name_that_many_want_at_once_is_one_org() {
    let world = World::new().await;
    let people = [world.person("ann").await, world.person("ben").await, world.person("eve").await];
    let wish = deed(at(1));
    let made = join_all(people.iter().map(|person| world.tenancy.create_org(person, name("acme"), &wish))).await;
    assert_eq!(done(&made), 1, "{made:?}");
}

#[tokio::test]
async fn admins_who_take_the_role_from_each_other_leave_one() {
    for step in 0..3 {
        let world = World::new().await;
        let (ann, ben) = (world.person("ann").await, world.person("ben").await);
        let org = world.org(&ann, "acme").await;
        world.join(org.id, &ben, Roles::BOTH).await;
        let now = deed(at(1));
        let results = match step {
            0 => {
                let (one, other) = tokio::join!(
                    world.tenancy.set_roles(org.id, ann.id, Roles::MEMBER, &now),
                    world.tenancy.set_roles(org.id, ben.id, Roles::MEMBER, &now)
                );
                [one.map(drop), other.map(drop)]
            }
            1 => <[Result<(), Error>; 2]>::from(tokio::join!(
                world.tenancy.remove_member(org.id, ann.id, &now),
                world.tenancy.remove_member(org.id, ben.id, &now)
            )),
            _ => <[Result<(), Error>; 2]>::from(tokio::join!(
                world.tenancy.leave(org.id, ann.id, &now),
                world.tenancy.leave(org.id, ben.id, &now)
            )),
        };
        assert_eq!(done(&results), 1, "{step}: {results:?}");
        assert!(results.iter().any(is_refused), "{step}: {results:?}");
        let admins = world.members(org.id).await.iter().filter(|text| text.contains("admin")).count();
        assert_eq!(admins, 1, "{step}");
        assert_eq!(world.deeds(org.id).await.len(), 3, "{step}: made, added, and the one deed that happened");
    }
}

#[tokio::test]
async fn many_who_come_in_at_once_are_all_in() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    let mut links = Vec::new();
    for login in ["ben", "eve", "joe", "kim", "lee"] {
        let person = world.person(login).await;
        let (_, link) = world.tenancy.invite(org.id, login.parse().expect("a login"), Roles::BOTH, &deed(at(1))).await.expect("invited");
        links.push((person, link));
    }
    let now = deed(at(2));
    let accepted = join_all(links.iter().map(|(person, link)| world.tenancy.accept(link.expose(), person, &now))).await;
    assert_eq!(done(&accepted), 5, "{accepted:?}");
    assert_eq!(world.members(org.id).await.len(), 6);
}

#[tokio::test]
async fn an_invitation_that_is_accepted_twice_at_once_is_used_once() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let org = world.org(&ann, "acme").await;
    let (invite, link) = world.tenancy.invite(org.id, "ben".parse().expect("a login"), Roles::MEMBER, &deed(at(1))).await.expect("invited");
    let now = deed(at(2));
    let accepted = join_all((0..3).map(|_| world.tenancy.accept(link.expose(), &ben, &now))).await;
    assert_eq!(done(&accepted), 1, "{accepted:?}");
    assert!(accepted.iter().filter(|result| result.is_err()).all(is_unknown), "{accepted:?}");
    assert!(is_unknown(&world.tenancy.revoke_invite(org.id, invite.id, &deed(at(3))).await));
}

#[tokio::test]
async fn an_installation_that_two_orgs_claim_at_once_is_one_of_theirs() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let (one, other) = (world.org(&ann, "one").await, world.org(&ben, "other").await);
    world.sees(&ann, true).await;
    world.sees(&ben, true).await;
    let now = deed(at(1));
    let (first, second) =
        tokio::join!(world.tenancy.claim(one.id, INSTALLATION, &ann, &now), world.tenancy.claim(other.id, INSTALLATION, &ben, &now));
    let results = [first, second];
    assert_eq!(done(&results), 1, "{results:?}");
    assert!(results.iter().any(is_refused), "{results:?}");
    assert_eq!(world.deeds(one.id).await.len() + world.deeds(other.id).await.len(), 3, "two that made an org, and one claim");
}

#[tokio::test]
async fn a_device_that_polls_twice_at_once_gets_its_tokens_once() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (grant, code) = world.tenancy.begin_device("laptop", None, true, at(0)).await.expect("begun");
    world.tenancy.answer_device(&grant.user_code, &ann, true, &deed(at(1))).await.expect("answered");
    let polls = join_all((0..5).map(|_| world.tenancy.poll_device(code.expose(), at(10)))).await;
    let granted = polls.iter().filter(|poll| matches!(poll, Ok(DevicePoll::Granted(_)))).count();
    assert_eq!((granted, done(&polls)), (1, 5), "{polls:?}");
    assert_eq!(world.tenancy.logins(ann.id, at(11)).await.expect("a list").len(), 1);
}

#[tokio::test]
async fn processes_that_refresh_at_once_stay_signed_in() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (grant, code) = world.tenancy.begin_device("laptop", None, true, at(0)).await.expect("begun");
    world.tenancy.answer_device(&grant.user_code, &ann, true, &deed(at(1))).await.expect("answered");
    let DevicePoll::Granted(tokens) = world.tenancy.poll_device(code.expose(), at(10)).await.expect("an answer") else {
        panic!("no tokens")
    };
    let refresh = tokens.refresh.expect("a refresh token");
    let answers = join_all((0..4).map(|_| world.tenancy.refresh(refresh.expose(), at(20)))).await;
    let mut newest = None;
    for tokens in answers {
        let tokens = tokens.expect("refreshed");
        assert!(world.tenancy.identify(tokens.access.expose(), at(21)).await.expect("an answer").is_some());
        newest = tokens.refresh;
    }
    // They share one file: whose token is kept there works next time.
    world.tenancy.refresh(newest.expect("a refresh token").expose(), at(100_000)).await.expect("refreshed");
}

#[tokio::test]
async fn a_token_that_is_rotated_twice_at_once_has_one_successor() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let org = world.org(&ann, "acme").await;
    let (token, _) = world.tenancy.create_token(org.id, "ci", &Scope::ALL, None, &deed(at(0))).await.expect("made");
    let (now, day) = (deed(at(1)), SignedDuration::from_hours(24));
    let (one, other) =
        tokio::join!(world.tenancy.rotate_token(org.id, token.id, day, &now), world.tenancy.rotate_token(org.id, token.id, day, &now));
    let mut made = Vec::new();
    for result in [one, other] {
        match result {
            Ok((token, text)) => made.push((token.id, text)),
            Err(error) => assert!(is_refused(&Err::<(), _>(error))),
        }
    }
    let tokens = world.tenancy.tokens(org.id).await.expect("a list");
    let [(id, text)] = made.as_slice() else { panic!("{tokens:?}") };
    assert_eq!((tokens.len(), tokens.iter().find_map(|known| known.replaced_by)), (2, Some(*id)));
    assert!(world.tenancy.identify(text.expose(), at(2)).await.expect("an answer").is_some());
}
