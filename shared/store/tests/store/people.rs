//! People and their identities.

use quillon_core::id::OrgId;
use quillon_core::person::{ProviderId, User};
use quillon_store::{Error, Store, Written};

use crate::sample::{identity, org_id, user, user_id};
use quillon_test_tables::{Db, Fault};

async fn by_identity(store: &Store, provider: &str, subject: &str) -> Option<User> {
    store.user_by_identity(&provider.parse().expect("a provider"), subject).await.expect("an answer")
}

#[tokio::test]
async fn an_identity_leads_to_its_person() {
    let db = Db::new().await;
    let two = User { identities: vec![identity("github", "1"), identity("google", "1")], ..user(1) };
    assert_eq!(db.store.create_user(&two).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.user(user_id(1)).await.expect("an answer"), Some(two.clone()));
    assert_eq!(by_identity(&db.store, "github", "1").await, Some(two.clone()));
    assert_eq!(by_identity(&db.store, "google", "1").await, Some(two));
    assert_eq!(by_identity(&db.store, "github", "2").await, None);
    assert_eq!(by_identity(&db.store, "oidc", "1").await, None);
    assert_eq!(db.store.user(user_id(2)).await.expect("an answer"), None);
}

#[tokio::test]
async fn subjects_that_look_like_keys_stay_apart() {
    let db = Db::new().await;
    let subjects = ["a#b", "a%23b", "A#B", &"ü".repeat(500), &format!("{}x", "ü".repeat(500))];
    for (number, subject) in (1..).zip(subjects) {
        let person = User { identities: vec![identity("oidc", subject)], ..user(number) };
        assert_eq!(db.store.create_user(&person).await.expect("an answer"), Written::Done, "{subject}");
    }
    for (number, subject) in (1..).zip(subjects) {
        assert_eq!(by_identity(&db.store, "oidc", subject).await.map(|found| found.id), Some(user_id(number)));
    }
}

#[tokio::test]
async fn of_many_first_sign_ins_with_one_identity_one_makes_the_person() {
    let db = Db::new().await;
    let mut racers = tokio::task::JoinSet::new();
    for number in 1..=6 {
        let store = db.store.clone();
        let person = User { identities: vec![identity("github", "7")], ..user(number) };
        racers.spawn(async move { (number, store.create_user(&person).await.expect("an answer")) });
    }
    let won: Vec<u128> = racers.join_all().await.into_iter().filter(|(_, written)| written.is_done()).map(|(number, _)| number).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(by_identity(&db.store, "github", "7").await.map(|found| found.id), Some(user_id(won[0])));
    let all: Vec<_> = (1..=6).map(user_id).collect();
    assert_eq!(db.store.users(&all).await.expect("an answer").len(), 1, "the others left nothing");
}

#[tokio::test]
async fn a_new_person_survives_a_lost_answer() {
    let db = Db::new().await;
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(db.store.create_user(&user(1)).await.expect("an answer"), Written::Done);
    assert_eq!(db.store.create_user(&user(1)).await.expect("an answer"), Written::Lost);
}

#[tokio::test]
async fn people_come_in_the_order_asked_for() {
    let db = Db::new().await;
    for number in [1, 2, 3] {
        assert!(db.store.create_user(&user(number)).await.expect("an answer").is_done());
    }
    let asked = [user_id(3), user_id(9), user_id(1), user_id(3)];
    assert_eq!(db.store.users(&asked).await.expect("an answer"), [user(3), user(1), user(3)]);
    assert_eq!(db.store.users(&[]).await.expect("an answer"), []);
}

#[tokio::test]
async fn a_person_is_changed_but_not_in_who_they_are() {
    let db = Db::new().await;
    assert!(db.store.create_user(&user(1)).await.expect("an answer").is_done());
    let visited = |org: OrgId| move |stored: User| Some(User { last_org: Some(org), ..stored });
    let expected = User { last_org: Some(org_id()), ..user(1) };
    assert_eq!(db.store.change_user(user_id(1), visited(org_id())).await.expect("an answer"), Some(expected.clone()));
    assert_eq!(db.store.change_user(user_id(1), |_| None).await.expect("an answer"), None);
    assert_eq!(db.store.change_user(user_id(2), visited(org_id())).await.expect("an answer"), None);
    let renewed = |mut stored: User| {
        stored.identities[0].login = "renamed".to_owned();
        Some(stored)
    };
    let renamed = db.store.change_user(user_id(1), renewed).await.expect("an answer").expect("changed");
    assert_eq!(renamed.identities[0].login, "renamed");
    for identities in [vec![], vec![identity("github", "2")], vec![identity("github", "1"), identity("google", "1")]] {
        let other = |stored: User| Some(User { identities: identities.clone(), ..stored });
        assert!(matches!(db.store.change_user(user_id(1), other).await, Err(Error::Unstorable { .. })));
    }
    assert_eq!(db.store.user(user_id(1)).await.expect("an answer"), Some(renamed));
}

#[tokio::test]
async fn changes_of_a_person_at_once_all_count() {
    let db = Db::new().await;
    assert!(db.store.create_user(&user(1)).await.expect("an answer").is_done());
    let mut racers = tokio::task::JoinSet::new();
    for word in ["a", "b", "c"] {
        let store = db.store.clone();
        racers.spawn(async move {
            let longer = |stored: User| Some(User { name: format!("{}{word}", stored.name), ..stored });
            store.change_user(user_id(1), longer).await.expect("an answer").expect("changed")
        });
    }
    racers.join_all().await;
    let name = db.store.user(user_id(1)).await.expect("an answer").expect("a person").name;
    let mut letters: Vec<char> = name.trim_start_matches("Person 1").chars().collect();
    letters.sort_unstable();
    assert_eq!(letters, ['a', 'b', 'c'], "{name}");
}

#[tokio::test]
async fn an_identity_of_somebody_is_not_linked_to_another() {
    let db = Db::new().await;
    for number in [1, 2] {
        assert!(db.store.create_user(&user(number)).await.expect("an answer").is_done());
    }
    let taken = identity("github", "2");
    let greedy = user(1).with(taken.clone());
    assert_eq!(db.store.link_identity(&greedy, &taken).await.expect("an answer"), Written::Lost);
    assert_eq!(by_identity(&db.store, "github", "2").await, Some(user(2)));
    assert_eq!(db.store.user(user_id(1)).await.expect("an answer"), Some(user(1)));
    assert_eq!(db.store.link_identity(&user(9).with(taken.clone()), &taken).await.expect("an answer"), Written::Lost);
    assert!(matches!(db.store.link_identity(&user(1), &taken).await, Err(Error::Unstorable { .. })));
}

#[tokio::test]
async fn of_two_people_who_link_one_identity_at_once_one_has_it() {
    let db = Db::new().await;
    let wanted = identity("google", "g");
    for number in [1, 2] {
        assert!(db.store.create_user(&user(number)).await.expect("an answer").is_done());
    }
    let link = |number| {
        let (store, wanted) = (db.store.clone(), wanted.clone());
        async move { store.link_identity(&user(number).with(wanted.clone()), &wanted).await.expect("an answer") }
    };
    let (one, two) = tokio::join!(link(1), link(2));
    assert_ne!(one, two);
    let (winner, loser) = if one.is_done() { (1, 2) } else { (2, 1) };
    assert_eq!(by_identity(&db.store, "google", "g").await, Some(user(winner).with(wanted)));
    assert_eq!(db.store.user(user_id(loser)).await.expect("an answer"), Some(user(loser)));
}

#[tokio::test]
async fn a_link_to_somebody_who_changed_meanwhile_is_lost() {
    let db = Db::new().await;
    assert!(db.store.create_user(&user(1)).await.expect("an answer").is_done());
    let read = user(1);
    let changed = db.store.change_user(user_id(1), |stored| Some(User { name: "Ann".to_owned(), ..stored })).await;
    let changed = changed.expect("an answer").expect("changed");
    let wanted = identity("google", "g");
    assert_eq!(db.store.link_identity(&read.with(wanted.clone()), &wanted).await.expect("an answer"), Written::Lost);
    assert_eq!(by_identity(&db.store, "google", "g").await, None);
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(db.store.link_identity(&changed.with(wanted.clone()), &wanted).await.expect("an answer"), Written::Done);
}

#[tokio::test]
async fn an_unlinked_identity_is_free_and_the_last_one_stays() {
    let db = Db::new().await;
    let both = user(1).with(identity("google", "g"));
    assert!(db.store.create_user(&both).await.expect("an answer").is_done());
    let (github, google) = (identity("github", "1"), identity("google", "g"));
    let left = both.clone().without(&ProviderId::github(), "1").expect("another is left");
    assert!(matches!(db.store.unlink_identity(&both, &github).await, Err(Error::Unstorable { .. })), "it still has it");
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    assert_eq!(db.store.unlink_identity(&left, &github).await.expect("an answer"), Written::Done);
    assert_eq!(by_identity(&db.store, "github", "1").await, None);
    assert_eq!(by_identity(&db.store, "google", "g").await, Some(left.clone()));
    assert_eq!(db.store.unlink_identity(&left, &github).await.expect("an answer"), Written::Lost, "it is gone already");
    let nobody = User { identities: vec![], ..left };
    assert!(matches!(db.store.unlink_identity(&nobody, &google).await, Err(Error::Unstorable { .. })));
    let other = User { identities: vec![github], ..user(2) };
    assert_eq!(db.store.create_user(&other).await.expect("an answer"), Written::Done);
}

#[tokio::test]
async fn of_two_identities_unlinked_at_once_one_stays() {
    let db = Db::new().await;
    let both = user(1).with(identity("google", "g"));
    assert!(db.store.create_user(&both).await.expect("an answer").is_done());
    let unlink = |gone: quillon_core::person::Identity| {
        let (store, both) = (db.store.clone(), both.clone());
        async move {
            let left = both.without(&gone.provider, &gone.subject).expect("another is left");
            store.unlink_identity(&left, &gone).await.expect("an answer")
        }
    };
    let (one, other) = tokio::join!(unlink(identity("github", "1")), unlink(identity("google", "g")));
    assert_ne!(one, other);
    let left = db.store.user(user_id(1)).await.expect("an answer").expect("a person").identities;
    assert_eq!(left.len(), 1);
    assert_eq!(by_identity(&db.store, left[0].provider.as_str(), &left[0].subject).await.map(|found| found.id), Some(user_id(1)));
}
