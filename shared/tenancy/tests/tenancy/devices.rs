//! Devices: codes, their answers, tokens, their rotation and their end.

use quillon_core::device::{MAX_GUESSES, UserCode};
use quillon_core::person::User;
use quillon_tenancy::{DevicePoll, DeviceTokens, Principal, RefreshError};

use crate::world::{World, at, deed, hours, is_refused, is_unknown};

/// Signs a device of somebody in.
async fn signed_in(world: &World, user: &User, wants_refresh: bool) -> DeviceTokens {
    let (grant, code) = world.tenancy.begin_device("laptop", None, wants_refresh, at(0)).await.expect("begun");
    world.tenancy.answer_device(&grant.user_code, user, true, &deed(at(1))).await.expect("answered");
    match world.tenancy.poll_device(code.expose(), at(5)).await.expect("an answer") {
        DevicePoll::Granted(tokens) => tokens,
        other => panic!("{other:?}"),
    }
}

async fn whose(world: &World, access: &str, second: i64) -> Option<quillon_core::id::UserId> {
    match world.tenancy.identify(access, at(second)).await.expect("an answer")? {
        Principal::Person(user) => Some(user.id),
        Principal::Token(token) => panic!("{token:?}"),
    }
}

#[tokio::test]
async fn an_approved_device_gets_its_tokens_once() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (grant, code) = world.tenancy.begin_device("laptop", Some("192.0.2.7".to_owned()), false, at(0)).await.expect("begun");
    assert!(matches!(world.tenancy.poll_device(code.expose(), at(1)).await, Ok(DevicePoll::Pending)));
    assert!(matches!(world.tenancy.poll_device(code.expose(), at(2)).await, Ok(DevicePoll::SlowDown)));
    let shown = world.tenancy.device_for(&grant.user_code, &ann.id.to_string(), at(3)).await.expect("a device");
    assert_eq!((shown.client.as_str(), shown.from.as_deref()), ("laptop", Some("192.0.2.7")));
    world.tenancy.answer_device(&grant.user_code, &ann, true, &deed(at(4))).await.expect("answered");
    world.tenancy.answer_device(&grant.user_code, &ann, true, &deed(at(4))).await.expect("the button twice");
    let DevicePoll::Granted(tokens) = world.tenancy.poll_device(code.expose(), at(20)).await.expect("an answer") else {
        panic!("no tokens")
    };
    assert!(tokens.refresh.is_none() && tokens.expires_in_s.is_none());
    assert_eq!(whose(&world, tokens.access.expose(), 30).await, Some(ann.id));
    assert!(matches!(world.tenancy.poll_device(code.expose(), at(60)).await, Ok(DevicePoll::Unknown)), "a replay");
    assert!(is_unknown(&world.tenancy.answer_device(&grant.user_code, &ann, true, &deed(at(61))).await), "used up");
    for text in ["", "x", &"0".repeat(64), grant.user_code.as_str()] {
        assert!(matches!(world.tenancy.poll_device(text, at(61)).await, Ok(DevicePoll::Unknown)), "{text}");
    }
}

#[tokio::test]
async fn a_device_that_was_refused_or_came_too_late_gets_nothing() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let (grant, code) = world.tenancy.begin_device("laptop", None, true, at(0)).await.expect("begun");
    world.tenancy.answer_device(&grant.user_code, &ann, false, &deed(at(1))).await.expect("answered");
    assert!(is_unknown(&world.tenancy.answer_device(&grant.user_code, &ben, true, &deed(at(2))).await), "answered by ann");
    assert!(matches!(world.tenancy.poll_device(code.expose(), at(5)).await, Ok(DevicePoll::Denied)));

    let (grant, code) = world.tenancy.begin_device("laptop", None, true, at(0)).await.expect("begun");
    let late = 15 * 60;
    assert!(is_unknown(&world.tenancy.device_for(&grant.user_code, "ann", at(late)).await));
    assert!(is_unknown(&world.tenancy.answer_device(&grant.user_code, &ann, true, &deed(at(late))).await));
    assert!(matches!(world.tenancy.poll_device(code.expose(), at(late)).await, Ok(DevicePoll::Expired)));
}

#[tokio::test]
async fn guessing_codes_ends_after_a_few() {
    let world = World::new().await;
    let (ann, eve) = (world.person("ann").await, world.person("eve").await);
    let (grant, _) = world.tenancy.begin_device("laptop", None, true, at(0)).await.expect("begun");
    let wrong = |number: u128| UserCode::of_entropy(number);
    let who = eve.id.to_string();
    for number in 0..u128::from(MAX_GUESSES) {
        // By the page that shows and by the one that answers: both count.
        let unknown = if number % 2 == 0 {
            world.tenancy.device_for(&wrong(number), &who, at(1)).await
        } else {
            world.tenancy.answer_device(&wrong(number), &eve, true, &deed(at(1))).await
        };
        assert!(is_unknown(&unknown), "{number}: {unknown:?}");
    }
    assert!(is_refused(&world.tenancy.device_for(&grant.user_code, &who, at(2)).await), "even a right one");
    assert!(is_refused(&world.tenancy.answer_device(&grant.user_code, &eve, true, &deed(at(2))).await));
    world.tenancy.device_for(&grant.user_code, &ann.id.to_string(), at(3)).await.expect("others may");
    let (grant, _) = world.tenancy.begin_device("laptop", None, true, hours(2)).await.expect("begun");
    world.tenancy.device_for(&grant.user_code, &who, hours(2)).await.expect("an hour later");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_copy_of_it_ends_the_login() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let first = signed_in(&world, &ann, true).await;
    let refresh = first.refresh.expect("a refresh token");
    assert_eq!(first.expires_in_s, Some(24 * 3_600));
    assert_eq!(whose(&world, first.access.expose(), 24 * 3_600 + 10).await, None, "access tokens that are refreshed end");

    let second = world.tenancy.refresh(refresh.expose(), at(100)).await.expect("refreshed");
    assert_eq!(whose(&world, second.access.expose(), 101).await, Some(ann.id));
    // The answer was lost: the same again, soon, is no theft.
    let third = world.tenancy.refresh(refresh.expose(), at(110)).await.expect("again");
    let newest = third.refresh.expect("a refresh token");
    // Much later it is one.
    let reused = world.tenancy.refresh(refresh.expose(), at(1_000)).await;
    assert!(matches!(reused, Err(RefreshError::Reused)), "{reused:?}");
    for access in [&first.access, &second.access, &third.access] {
        assert_eq!(whose(&world, access.expose(), 1_001).await, None);
    }
    assert!(matches!(world.tenancy.refresh(newest.expose(), at(1_001)).await, Err(RefreshError::Invalid)), "of nobody's use");
    assert_eq!(world.tenancy.logins(ann.id, at(1_001)).await.expect("a list"), []);
    for text in ["", "qrt_", "qrt_x", first.access.expose(), &format!("qrt_{}", "0".repeat(64))] {
        assert!(matches!(world.tenancy.refresh(text, at(1)).await, Err(RefreshError::Invalid)), "{text}");
    }
}

#[tokio::test]
async fn a_login_lasts_while_it_is_used() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let tokens = signed_in(&world, &ann, false).await;
    let day = 24 * 3_600;
    for days in [80, 160, 240] {
        assert_eq!(whose(&world, tokens.access.expose(), days * day).await, Some(ann.id), "{days}");
    }
    assert_eq!(whose(&world, tokens.access.expose(), 400 * day).await, None, "idle for too long");
    let refreshing = signed_in(&world, &ann, true).await.refresh.expect("a refresh token");
    assert!(matches!(world.tenancy.refresh(refreshing.expose(), at(91 * day)).await, Err(RefreshError::Invalid)));
}

#[tokio::test]
async fn a_person_signs_their_devices_out() {
    let world = World::new().await;
    let (ann, ben) = (world.person("ann").await, world.person("ben").await);
    let (one, other) = (signed_in(&world, &ann, true).await, signed_in(&world, &ann, false).await);
    let logins = world.tenancy.logins(ann.id, at(10)).await.expect("a list");
    assert_eq!(logins.len(), 2);
    assert!(is_unknown(&world.tenancy.end_login(ben.id, logins[0].id).await), "not ben's");
    world.tenancy.end_access(one.access.expose(), at(11)).await.expect("ended");
    assert_eq!((whose(&world, one.access.expose(), 12).await, whose(&world, other.access.expose(), 12).await), (None, Some(ann.id)));
    let refresh = one.refresh.expect("a refresh token");
    assert!(matches!(world.tenancy.refresh(refresh.expose(), at(12)).await, Err(RefreshError::Invalid)));
    let left = world.tenancy.logins(ann.id, at(12)).await.expect("a list");
    world.tenancy.end_login(ann.id, left[0].id).await.expect("ended");
    assert_eq!(whose(&world, other.access.expose(), 13).await, None);
    // The refresh token says as well as the access token which device it is.
    let third = signed_in(&world, &ann, true).await;
    world.tenancy.end_access(third.refresh.expect("a refresh token").expose(), at(14)).await.expect("ended");
    assert_eq!(whose(&world, third.access.expose(), 15).await, None);
    for text in ["", "x", "qat_x", third.access.expose(), &format!("qrt_{}", "0".repeat(64))] {
        world.tenancy.end_access(text, at(15)).await.expect("nothing to end");
    }
}

#[tokio::test]
async fn a_person_has_a_bounded_number_of_devices() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    for _ in 0..55 {
        signed_in(&world, &ann, true).await;
    }
    assert_eq!(world.tenancy.logins(ann.id, at(10)).await.expect("a list").len(), 50);
}

#[tokio::test]
async fn tokens_that_could_not_be_stored_are_not_given_a_second_time() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let (grant, code) = world.tenancy.begin_device("laptop", None, true, at(0)).await.expect("begun");
    world.tenancy.answer_device(&grant.user_code, &ann, true, &deed(at(1))).await.expect("answered");
    // The look, the look before the write, and the write: what follows makes the tokens.
    world.db.cut_after(3);
    assert!(world.tenancy.poll_device(code.expose(), at(10)).await.is_err());
    world.db.mend();
    assert!(matches!(world.tenancy.poll_device(code.expose(), at(20)).await, Ok(DevicePoll::Unknown)));
    assert_eq!(world.tenancy.logins(ann.id, at(20)).await.expect("a list"), []);
}
