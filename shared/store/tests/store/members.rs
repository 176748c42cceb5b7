//! Members, admins and invitations.

use std::collections::BTreeSet;

use quillon_core::id::{InviteId, UserId};
use quillon_core::member::{INVITE_LIFETIME, Invite, Invitee, Member, Roles, admins_after};
use quillon_store::{Admins, Error, Page, Written};

use crate::sample::{at, member, org, org_id, other_org_id, user_id};
use quillon_test_tables::{Db, Fault};

/// The org `acme` of person 1, with persons 2 and up as further admins.
async fn acme(db: &Db, admins: u128) {
    let written = db.store.create_org_with(&org(org_id(), "acme"), &member(1, Roles::BOTH)).await.expect("an answer");
    assert_eq!(written, Written::Done);
    for number in 2..=admins {
        assert_eq!(joined(db, &member(number, Roles::BOTH)).await, Written::Done);
    }
}

/// Saves a member as callers do: read, decide, write.
async fn joined(db: &Db, member: &Member) -> Written {
    let read = db.store.admins(member.org).await.expect("an answer");
    let after = admins_after(&read.users, member.user, Some(member.roles)).expect("an admin is left");
    db.store.save_membership(member, &read, &after).await.expect("an answer")
}

async fn admins(db: &Db) -> Admins {
    db.store.admins(org_id()).await.expect("an answer")
}

fn people(numbers: impl IntoIterator<Item = u128>) -> BTreeSet<UserId> {
    numbers.into_iter().map(user_id).collect()
}

#[tokio::test]
async fn an_org_begins_with_its_maker_or_not_at_all() {
    let db = Db::new().await;
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    acme(&db, 1).await;
    assert_eq!(db.store.member(org_id(), user_id(1)).await.expect("an answer"), Some(member(1, Roles::BOTH)));
    assert_eq!(admins(&db).await.users, people([1]));
    let squatter = Member { org: other_org_id(), ..member(2, Roles::BOTH) };
    let written = db.store.create_org_with(&org(other_org_id(), "ACME"), &squatter).await.expect("an answer");
    assert_eq!(written, Written::Lost);
    assert_eq!(db.store.member(other_org_id(), user_id(2)).await.expect("an answer"), None);
    assert_eq!(db.store.org(other_org_id()).await.expect("an answer"), None);
}

#[tokio::test]
async fn members_are_listed_counted_and_found_from_both_sides() {
    let db = Db::new().await;
    acme(&db, 1).await;
    for number in 2..=5 {
        assert_eq!(joined(&db, &member(number, Roles::MEMBER)).await, Written::Done);
    }
    let first = db.store.members(org_id(), &Page::first(3)).await.expect("an answer");
    assert_eq!(first.items.iter().map(|member| member.user).collect::<Vec<_>>(), [user_id(1), user_id(2), user_id(3)]);
    let rest = db.store.members(org_id(), &Page { after: first.next.clone(), limit: 3 }).await.expect("an answer");
    assert_eq!((rest.items.len(), rest.next), (2, None));
    let foreign = db.store.members(other_org_id(), &Page { after: first.next, limit: 3 }).await;
    assert!(matches!(foreign, Err(Error::InvalidCursor)));
    assert_eq!(db.store.count_members(org_id()).await.expect("an answer"), 5);
    assert_eq!(db.store.count_members(other_org_id()).await.expect("an answer"), 0);

    let other = Member { org: other_org_id(), ..member(2, Roles::BOTH) };
    assert!(db.store.create_org_with(&org(other_org_id(), "other"), &other).await.expect("an answer").is_done());
    let orgs = db.store.orgs_of(user_id(2)).await.expect("an answer");
    assert_eq!(orgs, [member(2, Roles::MEMBER), other]);
    assert_eq!(db.store.orgs_of(user_id(9)).await.expect("an answer"), []);
}

#[tokio::test]
async fn two_admins_who_take_the_role_from_each_other_at_once_leave_one() {
    let db = Db::new().await;
    acme(&db, 2).await;
    let read = admins(&db).await;
    let demote = |victim: u128| {
        let (store, read) = (db.store.clone(), read.clone());
        async move {
            let after = admins_after(&read.users, user_id(victim), Some(Roles::MEMBER)).expect("the other one is left");
            store.save_membership(&member(victim, Roles::MEMBER), &read, &after).await.expect("an answer")
        }
    };
    let (one, two) = tokio::join!(demote(1), demote(2));
    assert_ne!(one, two);
    let victim = if one.is_done() { 1 } else { 2 };
    assert_eq!(admins(&db).await.users, people([3 - victim]));
    assert_eq!(db.store.member(org_id(), user_id(victim)).await.expect("an answer"), Some(member(victim, Roles::MEMBER)));
    assert_eq!(db.store.member(org_id(), user_id(3 - victim)).await.expect("an answer"), Some(member(3 - victim, Roles::BOTH)));
}

#[tokio::test]
async fn of_two_admins_who_leave_at_once_one_stays() {
    let db = Db::new().await;
    acme(&db, 2).await;
    let read = admins(&db).await;
    let leave = |number: u128| {
        let (store, read) = (db.store.clone(), read.clone());
        async move {
            let after = admins_after(&read.users, user_id(number), None).expect("the other one is left");
            store.remove_member(org_id(), user_id(number), &read, &after).await.expect("an answer")
        }
    };
    let (one, two) = tokio::join!(leave(1), leave(2));
    assert_ne!(one, two);
    assert_eq!(db.store.count_members(org_id()).await.expect("an answer"), 1);
    assert_eq!(admins(&db).await.users.len(), 1);
}

#[tokio::test]
async fn a_change_of_one_member_loses_against_a_change_of_another() {
    let db = Db::new().await;
    acme(&db, 1).await;
    let read = admins(&db).await;
    assert_eq!(joined(&db, &member(2, Roles::MEMBER)).await, Written::Done);
    // The admins are the same, yet what was decided may not hold any more.
    assert_eq!(admins(&db).await.users, read.users);
    let late = db.store.save_membership(&member(3, Roles::MEMBER), &read, &people([1])).await.expect("an answer");
    assert_eq!(late, Written::Lost);
    assert_eq!(db.store.member(org_id(), user_id(3)).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_membership_survives_a_lost_answer() {
    let db = Db::new().await;
    acme(&db, 1).await;
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(joined(&db, &member(2, Roles::ADMIN)).await, Written::Done);
    assert_eq!(admins(&db).await.users, people([1, 2]));
    let read = admins(&db).await;
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    let removed = db.store.remove_member(org_id(), user_id(2), &read, &people([1])).await.expect("an answer");
    assert_eq!(removed, Written::Done);
    assert_eq!(db.store.member(org_id(), user_id(2)).await.expect("an answer"), None);
}

#[tokio::test]
async fn whoever_is_not_in_an_org_is_not_removed_from_it() {
    let db = Db::new().await;
    acme(&db, 1).await;
    let read = admins(&db).await;
    let removed = db.store.remove_member(org_id(), user_id(2), &read, &people([1])).await.expect("an answer");
    assert_eq!(removed, Written::Lost);
    assert_eq!(admins(&db).await, read, "nothing of it is written");
}

#[tokio::test]
async fn admins_that_do_not_fit_the_member_are_not_stored() {
    let db = Db::new().await;
    acme(&db, 1).await;
    let read = admins(&db).await;
    let save = async |member: &Member, after: &BTreeSet<UserId>| db.store.save_membership(member, &read, after).await;
    assert!(matches!(save(&member(2, Roles::MEMBER), &people([1, 2])).await, Err(Error::Unstorable { .. })));
    assert!(matches!(save(&member(2, Roles::ADMIN), &people([1])).await, Err(Error::Unstorable { .. })));
    assert!(matches!(save(&member(1, Roles::MEMBER), &people([])).await, Err(Error::Unstorable { .. })));
    let removed = db.store.remove_member(org_id(), user_id(1), &read, &people([])).await;
    assert!(matches!(removed, Err(Error::Unstorable { .. })));
    assert_eq!(admins(&db).await, read);
}

#[tokio::test]
async fn nobody_joins_an_org_that_does_not_exist() {
    let db = Db::new().await;
    assert_eq!(joined(&db, &member(1, Roles::BOTH)).await, Written::Lost);
    assert_eq!(db.store.orgs_of(user_id(1)).await.expect("an answer"), []);
}

#[tokio::test]
async fn the_first_admin_of_an_org_without_any_is_one_person() {
    let db = Db::new().await;
    assert!(db.store.create_org(&org(org_id(), "acme")).await.expect("an answer").is_done());
    let read = admins(&db).await;
    assert_eq!(read, Admins::default());
    let adopt = |number: u128| {
        let (store, read) = (db.store.clone(), read.clone());
        async move { store.save_membership(&member(number, Roles::BOTH), &read, &people([number])).await.expect("an answer") }
    };
    let (one, two) = tokio::join!(adopt(1), adopt(2));
    assert_ne!(one, two);
    assert_eq!(admins(&db).await.users.len(), 1);
    assert_eq!(db.store.count_members(org_id()).await.expect("an answer"), 1);
}

fn invite(number: u128) -> Invite {
    Invite {
        id: InviteId::from_parts(1_700_000_000_000, number),
        org: org_id(),
        roles: Roles::MEMBER,
        invitee: "ann-b".parse::<Invitee>().expect("a login"),
        invited_by: "Person 1 (login-1)".to_owned(),
        created_at: at(0),
        expires_at: quillon_core::attempt::later(at(0), INVITE_LIFETIME),
    }
}

#[tokio::test]
async fn an_invitation_can_be_accepted_until_it_expires_or_is_taken_back() {
    let db = Db::new().await;
    acme(&db, 1).await;
    for number in [1, 2] {
        let written = db.store.create_invite(&invite(number), &format!("hash-{number}")).await.expect("an answer");
        assert_eq!(written, Written::Done);
    }
    assert_eq!(db.store.create_invite(&invite(3), "hash-1").await.expect("an answer"), Written::Lost);
    let week = 7 * 86_400;
    let found = async |hash: &str, seconds| db.store.invite(hash, at(seconds)).await.expect("an answer");
    assert_eq!(found("hash-1", week - 1).await, Some(invite(1)));
    assert_eq!(found("hash-1", week).await, None);
    assert_eq!(found("hash-3", 0).await, None);
    assert_eq!(db.store.invites_of(org_id(), at(0)).await.expect("an answer"), [invite(1), invite(2)]);
    assert_eq!(db.store.invites_of(org_id(), at(week)).await.expect("an answer"), []);
    assert_eq!(db.store.invites_of(other_org_id(), at(0)).await.expect("an answer"), []);

    assert_eq!(db.store.delete_invite(other_org_id(), invite(1).id).await.expect("an answer"), Written::Lost);
    assert_eq!(db.store.delete_invite(org_id(), invite(1).id).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.delete_invite(org_id(), invite(1).id).await.expect("an answer"), Written::Lost);
    assert_eq!(found("hash-1", 0).await, None);
    let read = admins(&db).await;
    let late = db.store.accept_invite("hash-1", &invite(1), &member(2, Roles::MEMBER), &read, &people([1])).await.expect("an answer");
    assert_eq!(late, Written::Lost);
    assert_eq!(db.store.member(org_id(), user_id(2)).await.expect("an answer"), None);
}

#[tokio::test]
async fn of_two_who_accept_one_invitation_at_once_one_is_in() {
    let db = Db::new().await;
    acme(&db, 1).await;
    assert!(db.store.create_invite(&invite(1), "hash").await.expect("an answer").is_done());
    // Each reads again and tries again, as callers do.
    let accept = |number: u128| {
        let store = db.store.clone();
        async move {
            loop {
                if store.invite("hash", at(0)).await.expect("an answer").is_none() {
                    return Written::Lost;
                }
                let read = store.admins(org_id()).await.expect("an answer");
                let joining = member(number, Roles::MEMBER);
                let written = store.accept_invite("hash", &invite(1), &joining, &read, &read.users).await.expect("an answer");
                if written.is_done() {
                    return written;
                }
            }
        }
    };
    let (one, two) = tokio::join!(accept(2), accept(3));
    assert_ne!(one, two);
    assert_eq!(db.store.count_members(org_id()).await.expect("an answer"), 2);
    assert_eq!(db.store.invites_of(org_id(), at(0)).await.expect("an answer"), []);
}

#[tokio::test]
async fn an_acceptance_survives_a_lost_answer_and_is_not_repeated() {
    let db = Db::new().await;
    acme(&db, 1).await;
    assert!(db.store.create_invite(&invite(1), "hash").await.expect("an answer").is_done());
    let read = admins(&db).await;
    let accept = async |read: &Admins| {
        db.store.accept_invite("hash", &invite(1), &member(2, Roles::MEMBER), read, &read.users).await.expect("an answer")
    };
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(accept(&read).await, Written::Done);
    assert_eq!(accept(&admins(&db).await).await, Written::Lost);
    assert_eq!(db.store.member(org_id(), user_id(2)).await.expect("an answer"), Some(member(2, Roles::MEMBER)));
}

#[tokio::test]
async fn an_invitation_under_another_hash_lets_nobody_in() {
    let db = Db::new().await;
    acme(&db, 1).await;
    for number in [1, 2] {
        assert!(db.store.create_invite(&invite(number), &format!("hash-{number}")).await.expect("an answer").is_done());
    }
    let read = admins(&db).await;
    let swapped = db.store.accept_invite("hash-2", &invite(1), &member(2, Roles::MEMBER), &read, &read.users).await.expect("an answer");
    assert_eq!(swapped, Written::Lost);
    assert_eq!(db.store.invites_of(org_id(), at(0)).await.expect("an answer").len(), 2);
}
