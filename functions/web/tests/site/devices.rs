//! The page on which a person signs a device in.

use http::StatusCode;
use quillon_core::device::UserCode;
use quillon_tenancy::DevicePoll;

use crate::world::World;

#[tokio::test]
async fn a_device_is_signed_in_by_a_yes_and_by_nothing_less() {
    let world = World::new().await;
    let browser = world.browser_of(&world.person(1, "ann").await).await;
    let tenancy = &world.deps.tenancy;
    let from = Some("198.51.100.7".to_owned());
    let (grant, device) = tenancy.begin_device("quillon <b>on</b> laptop", from, true, world.now()).await.expect("a code");
    let code = grant.user_code.to_string();
    assert!(browser.get("/activate").await.text.contains("name=\"user_code\""));
    let typed = code.to_lowercase().replace('-', "+");
    let page = browser.get(&format!("/activate?user_code={typed}")).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        code.as_str(),
        "198.51.100.7",
        "quillon &#60;b&#62;on&#60;/b&#62; laptop",
        "ANN (ann at github)",
        "Approve only if",
        "2027-01-15 08:00:00 UTC",
    ] {
        assert!(page.text.contains(text), "{text}");
    }
    world.pass(6);
    assert!(matches!(tenancy.poll_device(device.expose(), world.now()).await, Ok(DevicePoll::Pending)), "looking at it approves nothing");
    for fields in [format!("user_code={code}"), format!("user_code={code}&answer=maybe")] {
        assert_eq!(browser.press("/activate", &fields).await.status, StatusCode::BAD_REQUEST);
    }
    let answer = browser.press("/activate", &format!("user_code={code}&answer=approve")).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/activate?answered=yes"));
    assert!(browser.get("/activate?answered=yes").await.text.contains("The device is signed in"));
    world.pass(6);
    let Ok(DevicePoll::Granted(tokens)) = tenancy.poll_device(device.expose(), world.now()).await else { panic!("it was approved") };
    assert!(tokens.access.expose().starts_with("qat_"));

    let page = browser.get("/account").await.text;
    assert!(page.contains("quillon &#60;b&#62;on&#60;/b&#62; laptop"));
    let login = page.split("name=\"login\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a device").to_owned();
    let stranger = world.browser_of(&world.person(2, "ben").await).await;
    let _unknown = stranger.press("/account/end-login", &format!("login={login}")).await;
    assert!(browser.get("/account").await.text.contains(&login));
    assert_eq!(browser.press("/account/end-login", &format!("login={login}")).await.header("location"), "/account?done=device-signed-out");
    assert!(tenancy.identify(tokens.access.expose(), world.now()).await.expect("a table").is_none());
}

#[tokio::test]
async fn a_no_is_final_and_a_code_that_is_over_leads_nowhere() {
    let world = World::new().await;
    let browser = world.browser_of(&world.person(1, "ann").await).await;
    let tenancy = &world.deps.tenancy;
    let (grant, device) = tenancy.begin_device("laptop", None, false, world.now()).await.expect("a code");
    let fields = format!("user_code={}", grant.user_code);
    assert_eq!(browser.press("/activate", &format!("{fields}&answer=deny")).await.header("location"), "/activate?answered=no");
    world.pass(6);
    assert!(matches!(tenancy.poll_device(device.expose(), world.now()).await, Ok(DevicePoll::Denied)));
    assert_eq!(browser.press("/activate", &format!("{fields}&answer=approve")).await.status, StatusCode::NOT_FOUND);
    let (late, _) = tenancy.begin_device("laptop", None, false, world.now()).await.expect("a code");
    world.pass(16 * 60);
    let answer = browser.get(&format!("/activate?user_code={}", late.user_code)).await;
    assert!(answer.status == StatusCode::NOT_FOUND && answer.text.contains("begin again on the device"));
}

#[tokio::test]
async fn codes_cannot_be_guessed_neither_by_looking_nor_by_answering() {
    let world = World::new().await;
    let ann = world.person(1, "ann").await;
    let browser = world.browser_of(&ann).await;
    let (grant, device) = world.deps.tenancy.begin_device("laptop", None, false, world.now()).await.expect("a code");
    let wrong = |number: u128| UserCode::of_entropy(number).to_string();
    for number in 0..5 {
        let looked = browser.get(&format!("/activate?user_code={}", wrong(number))).await;
        let answered = browser.press("/activate", &format!("user_code={}&answer=approve", wrong(number + 100))).await;
        assert_eq!((looked.status, answered.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{number}");
    }
    for path in [format!("/activate?user_code={}", wrong(50)), format!("/activate?user_code={}", grant.user_code)] {
        let answer = browser.get(&path).await;
        assert!(answer.status == StatusCode::CONFLICT && answer.text.contains("Too many wrong codes"), "{}", answer.text);
    }
    let right = browser.press("/activate", &format!("user_code={}&answer=approve", grant.user_code)).await;
    assert_eq!(right.status, StatusCode::CONFLICT, "not even the right one, for an hour");
    world.pass(6);
    assert!(matches!(world.deps.tenancy.poll_device(device.expose(), world.now()).await, Ok(DevicePoll::Pending)));
    // What is no code at all is not looked for, and another browser of the same person is the same person.
    assert_eq!(browser.get("/activate?user_code=hello").await.status, StatusCode::BAD_REQUEST);
    let again = world.browser_of(&ann).await.get(&format!("/activate?user_code={}", grant.user_code)).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
}
