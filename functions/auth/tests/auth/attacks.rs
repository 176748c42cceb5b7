//! Somebody wants into another person's account, or another person into theirs.

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, SET_COOKIE};
use quillon_core::session::Holder;
use quillon_test_vendors::openid::{Attack, Person};
use url::Url;

use crate::browser::{Browser, SIGN_IN};
use crate::world::{World, visit};

/// What the address of a callback says under a name.
fn parameter(address: &str, name: &str) -> String {
    let url = Url::parse(address).expect("an address");
    let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("no `{name}` in {address}"))
}

/// The same address with another value.
fn with(address: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(address).expect("an address");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(key, old)| (key, if key == name { value } else { old })));
    url.into()
}

/// Cross-site request forgery ([RFC 9700 section 4.7](https://www.rfc-editor.org/rfc/rfc9700#section-4.7)): the attacker wants a victim's
/// browser signed in as the attacker, by sending it to a callback with a code of the attacker's.
#[tokio::test]
async fn a_callback_that_a_browser_did_not_begin_does_nothing() {
    let world = World::new().await;
    let mut attacker = Browser::default();
    let callback = world.consent(world.ben, attacker.get(&world, "/auth/github").await.location());

    // A browser that has begun nothing; one that has begun its own; one with a cookie of this attacker's own making.
    let mut innocent = Browser::default();
    let mut busy = Browser::default();
    let own = world.consent(world.ann, busy.get(&world, "/auth/github").await.location());
    let mut planted = Browser::default();
    planted.cookies.insert(SIGN_IN.to_owned(), "e30.00".to_owned());
    for browser in [&mut innocent, &mut busy, &mut planted] {
        let before = browser.cookies.clone();
        for address in [callback.clone(), with(&callback, "state", ""), "/auth/github/callback".to_owned(), with(&callback, "state", "é")]
        {
            let shown = browser.get(&world, &address).await;
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{address}: {}", shown.body);
            assert!(shown.headers.get(SET_COOKIE).is_none(), "nothing happens");
        }
        assert_eq!(browser.cookies, before, "what it had begun goes on");
    }
    assert!(world.user("github", &world.ben.to_string()).await.is_none(), "the code was not even redeemed");
    let shown = busy.get(&world, &own).await;
    assert_eq!(shown.status, StatusCode::SEE_OTHER, "{}", shown.body);
    assert_eq!(attacker.get(&world, &callback).await.status, StatusCode::SEE_OTHER, "whose code it was can use it");
}

#[tokio::test]
async fn a_sign_in_belongs_to_its_provider_and_to_ten_minutes() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let callback = world.consent(world.ann, browser.get(&world, "/auth/github").await.location());
    // Mixed up ([RFC 9700 section 4.4](https://www.rfc-editor.org/rfc/rfc9700#section-4.4)).
    for provider in ["google", "oidc"] {
        let shown = browser.get(&world, &callback.replace("/auth/github/", &format!("/auth/{provider}/"))).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{}", shown.body);
    }
    world.pass(600);
    let shown = browser.get(&world, &callback).await;
    assert!(shown.status == StatusCode::BAD_REQUEST && shown.body.contains("ten minutes"), "{}", shown.body);

    let back = visit(browser.get(&world, "/auth/google").await.location()).await;
    let shown = browser.get(&world, &format!("{back}&iss=https%3A%2F%2Fevil.example")).await;
    assert!(shown.status == StatusCode::BAD_REQUEST && browser.secret().is_none(), "{}", shown.body);
    let back = visit(browser.get(&world, "/auth/google").await.location()).await;
    let issuer: String = url::form_urlencoded::byte_serialize(world.google.issuer().as_bytes()).collect();
    assert_eq!(browser.get(&world, &format!("{back}&iss={issuer}")).await.status, StatusCode::SEE_OTHER);
}

/// Session fixation ([CWE-384](https://cwe.mitre.org/data/definitions/384.html)): the attacker gives the victim's browser a session that
/// the attacker knows, before the victim signs in.
#[tokio::test]
async fn every_sign_in_is_a_new_session_and_ends_the_one_before() {
    let world = World::new().await;
    let attacker = Browser::of(&world, world.ben).await;
    let known = attacker.secret().expect("a session").to_owned();
    let mut victim = Browser::default();
    victim.set_secret(&known);
    victim.through_github(&world, "/auth/github", world.ann).await;
    let ann = world.user("github", &world.ann.to_string()).await.expect("a person").id;
    assert_eq!(victim.user(&world).await, Some(ann));
    assert_ne!(victim.secret(), Some(known.as_str()));
    assert!(attacker.session(&world).await.is_none(), "what the attacker knows opens nothing");

    // A value that no session has yet does not become one, nor does one of a form of its own.
    for fixed in ["0".repeat(64), "fixed".to_owned()] {
        let mut victim = Browser::default();
        victim.set_secret(&fixed);
        victim.through_github(&world, "/auth/github", world.ann).await;
        assert_ne!(victim.secret(), Some(fixed.as_str()));
        assert!(world.deps.tenancy.session(&fixed, world.now()).await.expect("a table").is_none());
    }
    // The operator's session ends as well: two people must not be one browser.
    let (_, secret) = world.deps.tenancy.begin_session(Holder::Operator, "x", None, world.now()).await.expect("a session");
    let mut operator = Browser::default();
    operator.set_secret(secret.expose());
    operator.through_github(&world, "/auth/github", world.ann).await;
    assert!(world.deps.tenancy.session(secret.expose(), world.now()).await.expect("a table").is_none());
}

/// Open redirect ([CWE-601](https://cwe.mitre.org/data/definitions/601.html)).
#[tokio::test]
async fn nobody_is_led_away_after_signing_in() {
    let world = World::new().await;
    for next in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/%0d%0aset-cookie:x",
        "http:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "///evil.example",
        "evil.example",
        "@evil.example",
        " /evil.example",
    ] {
        let coded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        for start in [format!("/auth/github?next={coded}"), format!("/github/setup?state={coded}")] {
            let mut browser = Browser::default();
            let shown = browser.through_github(&world, &start, world.ann).await;
            let here = Url::parse("http://127.0.0.1:8800/auth/github/callback").expect("an address");
            let there = here.join(shown.location()).expect("an address");
            assert_eq!(there.origin(), here.origin(), "{next:?}");
            assert!(shown.location() == "/" || next == "/%0d%0aset-cookie:x", "{next:?} leads to {}", shown.location());
            assert_eq!(shown.headers.get_all(SET_COOKIE).iter().count(), 2, "{next:?}");
        }
    }
    // Nor by what somebody appends to the callback.
    let mut browser = Browser::default();
    let callback = world.consent(world.ann, browser.get(&world, "/auth/github?next=/acme").await.location());
    assert_eq!(browser.get(&world, &format!("{callback}&next=https://evil.example")).await.location(), "/acme");
}

#[tokio::test]
async fn a_code_is_good_once() {
    let world = World::new().await;
    for provider in ["github", "google"] {
        let mut browser = Browser::default();
        let sent = browser.get(&world, &format!("/auth/{provider}")).await;
        let back = if provider == "github" { world.consent(world.ann, sent.location()) } else { visit(sent.location()).await };
        let begun = browser.clone();
        assert_eq!(browser.get(&world, &back).await.status, StatusCode::SEE_OTHER);
        // The same browser again, a thief with the address, and a thief with the address and the cookie.
        assert_eq!(browser.get(&world, &back).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(Browser::default().get(&world, &back).await.status, StatusCode::BAD_REQUEST);
        let mut thief = begun;
        let shown = thief.get(&world, &back).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{}", shown.body);
        assert!(thief.secret().is_none());
    }
}

/// A code of another sign-in in one's own ([RFC 9700 section 4.5](https://www.rfc-editor.org/rfc/rfc9700#section-4.5)), and a sign-in
/// whose challenge was taken out on the way ([section 4.8](https://www.rfc-editor.org/rfc/rfc9700#section-4.8)).
#[tokio::test]
async fn a_code_is_worth_nothing_without_the_verifier_of_its_challenge() {
    let world = World::new().await;
    for provider in ["github", "google", "oidc"] {
        let path = format!("/auth/{provider}");
        let go = async |sent: &str| if provider == "github" { world.consent(world.ann, sent) } else { visit(sent).await };
        let (mut victim, mut attacker) = (Browser::default(), Browser::default());
        let sent = victim.get(&world, &path).await.location().to_owned();
        assert_eq!(parameter(&sent, "code_challenge_method"), "S256");
        assert_eq!(parameter(&sent, "code_challenge").len(), 43);
        assert!(!sent.contains(&victim.cookies[SIGN_IN]), "the verifier stays in the cookie");
        let stolen = parameter(&go(&sent).await, "code");
        let own = go(attacker.get(&world, &path).await.location()).await;
        let shown = attacker.get(&world, &with(&own, "code", &stolen)).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{provider}: {}", shown.body);
        assert!(attacker.secret().is_none());
    }
    // Both providers take nothing without a challenge; ours never leaves it out.
    let mut browser = Browser::default();
    let sent = browser.get(&world, "/auth/github").await.location().to_owned();
    for stripped in [with(&sent, "code_challenge_method", "plain"), with(&sent, "code_challenge", "")] {
        let url = Url::parse(&stripped).expect("an address");
        assert!(world.forge.authorize(world.ann, url.query().unwrap_or_default()).is_err(), "{stripped}");
    }
}

#[tokio::test]
async fn tokens_that_are_not_of_this_sign_in_sign_nobody_in() {
    let world = World::new().await;
    for (provider, fake) in [("google", &world.google), ("oidc", &world.company)] {
        for attack in Attack::all() {
            // A key that nobody knows is looked for once a minute.
            world.pass(60);
            fake.sign_in_as(Person::new("victim", "Victim", "victim@example.com"));
            fake.attack(Some(attack));
            let mut browser = Browser::default();
            let shown = browser.through_openid(&world, &format!("/auth/{provider}")).await;
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{provider} {attack:?}: {}", shown.body);
            assert!(browser.cookies.is_empty(), "{provider} {attack:?}");
        }
        assert!(world.user(provider, "victim").await.is_none());
        fake.attack(None);
        assert_eq!(Browser::default().through_openid(&world, &format!("/auth/{provider}")).await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn keys_that_a_provider_took_back_sign_nobody_in_for_long() {
    let world = World::new().await;
    Browser::default().through_openid(&world, "/auth/google").await;
    // A new key is found at once, however young what is known is: nobody looked for a minute.
    world.pass(60);
    world.google.rotate(false);
    assert_eq!(Browser::default().through_openid(&world, "/auth/google").await.status, StatusCode::SEE_OTHER);
    let reads = world.google.key_reads();
    // Then a key that is not there is not looked for again and again.
    for _ in 0..5 {
        world.google.rotate(true);
        assert_eq!(Browser::default().through_openid(&world, "/auth/google").await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(world.google.key_reads(), reads);
}

/// The attacker wants their own account linked to the victim's person.
#[tokio::test]
async fn an_account_is_linked_in_the_session_that_asked_for_it_only() {
    let world = World::new().await;
    let mut ann = Browser::of(&world, world.ann).await;
    let person = ann.user(&world).await.expect("a person");
    let back = visit(ann.get(&world, "/auth/google?purpose=link").await.location()).await;
    // Meanwhile the browser has become somebody else's, nobody's, or the same person's in another session.
    let others = [Some(Browser::of(&world, world.ben).await), None, Some(Browser::of(&world, world.ann).await)];
    for other in others {
        let mut changed = ann.clone();
        match other {
            Some(other) => changed.set_secret(other.secret().expect("a session")),
            None => changed.cookies.retain(|name, _| name == SIGN_IN),
        }
        let shown = changed.get(&world, &back).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{}", shown.body);
        assert!(world.user("google", "1001").await.is_none());
    }
    // The code was never redeemed: it still serves who asked for it.
    assert_eq!(ann.get(&world, &back).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.user("google", "1001").await.map(|user| user.id), Some(person));
}

#[tokio::test]
async fn cookies_are_for_this_host_and_no_script() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let sent = browser.get(&world, "/auth/github").await;
    let cookie = sent.headers[SET_COOKIE].to_str().expect("text");
    assert!(cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"), "{cookie}");
    let back = world.consent(world.ann, sent.location());
    let shown = browser.get(&world, &back).await;
    let cookies: Vec<_> = shown.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().expect("text")).collect();
    assert_eq!(cookies[0], "quillon_sign_in=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    assert!(cookies[1].starts_with("quillon_session=") && cookies[1].ends_with("; HttpOnly; SameSite=Lax"), "{}", cookies[1]);
    for header in ["cache-control", "referrer-policy"] {
        let value = shown.headers[header].to_str().expect("text");
        assert!(matches!(value, "no-store" | "no-referrer"), "{header}: {value}");
    }
}

#[tokio::test]
async fn what_stands_in_an_address_is_shown_as_text_if_at_all() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let sent = browser.get(&world, "/auth/github").await;
    let state = parameter(sent.location(), "state");
    let shown = browser.get(&world, &format!("/auth/github/callback?error=%3Cscript%3Ealert(1)%3C/script%3E&state={state}")).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    assert!(!shown.body.contains("<script") && !shown.body.contains("alert(1)"), "{}", shown.body);
    assert!(shown.headers[CONTENT_SECURITY_POLICY].to_str().expect("text").starts_with("default-src 'none'"));
    for query in ["state=1&state=2&code=x", "code=x", "state=", &format!("state={}", "x".repeat(9_000))] {
        let shown = browser.get(&world, &format!("/auth/github/callback?{query}")).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{query}");
    }
}
