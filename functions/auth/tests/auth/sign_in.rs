//! People sign in, link a second account, and show what they administer.

use std::sync::Arc;

use http::StatusCode;
use quillon_core::session::Holder;
use quillon_forge::{Email, HookAction, Profile, RequestInfo};
use quillon_test_vendors::openid::Person;

use crate::browser::{Browser, SIGN_IN};
use crate::world::{World, visit};

#[tokio::test]
async fn a_person_signs_in_with_github_and_goes_where_they_wanted() {
    let world = World::new().await;
    let emails = vec![Email { address: "ann@example.com".to_owned(), primary: true, verified: true }];
    world.forge.set_profile(world.ann, Profile { name: Some("Ann B.".to_owned()), emails }).expect("a profile");
    let mut browser = Browser::default();
    let shown = browser.through_github(&world, "/auth/github?next=%2Facme%2Fsettings%3Ftab%3DTokens", world.ann).await;
    assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "/acme/settings?tab=Tokens"), "{}", shown.body);
    let user = world.user("github", &world.ann.to_string()).await.expect("a person");
    assert_eq!((user.name.as_str(), user.identities.len()), ("Ann B.", 1));
    assert_eq!(user.identities[0].email.as_deref(), Some("ann@example.com"));
    let session = browser.session(&world).await.expect("a session");
    assert_eq!((session.holder, session.client.as_str(), session.from.as_deref()), (Holder::Person(user.id), "Firefox", Some("192.0.2.7")));
    assert!(!browser.cookies.contains_key(SIGN_IN), "the sign-in is over");
    // Again, elsewhere: the same person, another session.
    let second = Browser::of(&world, world.ann).await;
    assert_eq!(second.user(&world).await, Some(user.id));
    assert_ne!(second.secret(), browser.secret());
    assert!(browser.session(&world).await.is_some());
}

#[tokio::test]
async fn people_of_openid_providers_sign_in_with_either_kind_of_key() {
    let world = World::new().await;
    for (provider, fake) in [("google", &world.google), ("oidc", &world.company)] {
        fake.sign_in_as(Person::new("s-1", "Ada", "ada@example.com"));
        let mut browser = Browser::default();
        let shown = browser.through_openid(&world, &format!("/auth/{provider}?next=/orgs/new")).await;
        assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "/orgs/new"), "{}", shown.body);
        let user = world.user(provider, "s-1").await.expect("a person");
        assert_eq!((user.name.as_str(), browser.user(&world).await), ("Ada", Some(user.id)));
        assert_eq!(user.identities[0].email.as_deref(), Some("ada@example.com"));
        assert_eq!((fake.discoveries(), fake.key_reads()), (1, 1));
    }
}

#[tokio::test]
async fn an_address_makes_nobody_somebody_else() {
    let world = World::new().await;
    let emails = vec![Email { address: "ann@example.com".to_owned(), primary: true, verified: true }];
    world.forge.set_profile(world.ann, Profile { name: None, emails }).expect("a profile");
    let ann = Browser::of(&world, world.ann).await;
    world.google.sign_in_as(Person::new("7", "Mallory", "ann@example.com"));
    let mut other = Browser::default();
    other.through_openid(&world, "/auth/google").await;
    assert_ne!(other.user(&world).await.expect("somebody"), ann.user(&world).await.expect("somebody"));
    // Nor is an address worth anything that the provider did not verify.
    let unverified = Person { email_verified: Some(false), ..Person::new("8", "Mallory", "ann@example.com") };
    let silent = Person { email_verified: None, ..Person::new("9", "Mallory", "ann@example.com") };
    for person in [unverified, silent] {
        let subject = person.subject.clone();
        world.google.sign_in_as(person);
        Browser::default().through_openid(&world, "/auth/google").await;
        assert_eq!(world.user("google", &subject).await.expect("a person").identities[0].email, None);
    }
}

#[tokio::test]
async fn a_second_account_is_linked_and_both_are_one_person() {
    let world = World::new().await;
    let mut browser = Browser::of(&world, world.ann).await;
    let (ann, secret) = (browser.user(&world).await, browser.secret().map(str::to_owned));
    let shown = browser.through_openid(&world, "/auth/google?purpose=link&next=/account").await;
    assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "/account"), "{}", shown.body);
    assert_eq!(browser.secret().map(str::to_owned), secret, "the session goes on");
    let mut by_google = Browser::default();
    by_google.through_openid(&world, "/auth/google").await;
    assert_eq!(by_google.user(&world).await, ann);

    // Somebody else's account stays theirs.
    let mut ben = Browser::of(&world, world.ben).await;
    let shown = ben.through_openid(&world, "/auth/google?purpose=link&next=/account").await;
    assert_eq!(shown.status, StatusCode::CONFLICT, "{}", shown.body);
    assert_eq!(world.user("google", "1001").await.map(|user| user.id), ann);
}

#[tokio::test]
async fn linking_takes_a_person_and_their_own_click() {
    let world = World::new().await;
    let mut nobody = Browser::default();
    let shown = nobody.get(&world, "/auth/google?purpose=link&next=/account").await;
    assert_eq!(shown.location(), "/sign-in?next=%2Fauth%2Fgoogle%3Fpurpose%3Dlink%26next%3D%252Faccount");
    let mut ann = Browser::of(&world, world.ann).await;
    // Another site can send a browser here, but not through.
    for site in ["cross-site", "same-site", "?"] {
        ann.site = Some(site);
        let shown = ann.get(&world, "/auth/google?purpose=link&next=/account").await;
        assert_eq!(shown.status, StatusCode::OK);
        assert!(shown.body.contains("href=\"/auth/google?purpose=link&#38;next=%2Faccount\""), "{}", shown.body);
        assert!(!ann.cookies.contains_key(SIGN_IN));
    }
    for site in ["same-origin", "none"] {
        ann.site = Some(site);
        assert_eq!(ann.get(&world, "/auth/google?purpose=link&next=/account").await.status, StatusCode::SEE_OTHER);
    }
    let (_, secret) = world.deps.tenancy.begin_session(Holder::Operator, "x", None, world.now()).await.expect("a session");
    let mut operator = Browser::default();
    operator.set_secret(secret.expose());
    let shown = operator.get(&world, "/auth/google?purpose=link").await;
    assert_eq!(shown.status, StatusCode::FORBIDDEN, "{}", shown.body);
    assert_eq!(ann.get(&world, "/auth/google?purpose=sources").await.status, StatusCode::BAD_REQUEST, "Google has none");
    assert_eq!(ann.get(&world, "/auth/google?purpose=steal").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_a_person_administers_is_asked_of_github() {
    let world = World::new().await;
    let own = world.forge.install(world.ben, quillon_forge::Selection::All).expect("an installation").id;
    for (person, expected) in [(world.ann, vec![(world.installation, true)]), (world.ben, vec![(own, true), (world.installation, false)])] {
        let mut browser = Browser::of(&world, person).await;
        let user = browser.user(&world).await.expect("a person");
        assert!(world.deps.tenancy.sources_of(user, world.now()).await.expect("a table").is_some(), "signing in asks as well");
        world.pass(900);
        assert_eq!(world.deps.tenancy.sources_of(user, world.now()).await.expect("a table"), None, "but not for long");
        let shown = browser.through_github(&world, "/auth/github?purpose=sources&next=/acme/settings", person).await;
        assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "/acme/settings"), "{}", shown.body);
        let seen = world.deps.tenancy.sources_of(user, world.now()).await.expect("a table").expect("sources");
        let mut found: Vec<_> = seen.installations.iter().map(|seen| (seen.id.0, seen.is_admin)).collect();
        found.sort_unstable_by_key(|(id, is_admin)| (!is_admin, *id));
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn sources_of_an_account_that_is_not_theirs_are_not_noted() {
    let world = World::new().await;
    let mut ben = Browser::of(&world, world.ben).await;
    let user = ben.user(&world).await.expect("a person");
    world.pass(900);
    // At GitHub the browser is signed in as Ann.
    let shown = ben.through_github(&world, "/auth/github?purpose=sources&next=/acme/settings", world.ann).await;
    assert_eq!(shown.status, StatusCode::CONFLICT, "{}", shown.body);
    assert!(shown.body.contains("/auth/github?purpose=link&#38;next=%2Facme%2Fsettings"), "{}", shown.body);
    assert_eq!(world.deps.tenancy.sources_of(user, world.now()).await.expect("a table"), None);

    // Somebody who came by Google links GitHub, which notes them too.
    let mut ada = Browser::default();
    ada.through_openid(&world, "/auth/google").await;
    let user = ada.user(&world).await.expect("a person");
    let shown = ada.through_github(&world, "/auth/github?purpose=link&next=/acme/settings", world.ann).await;
    assert_eq!(shown.location(), "/acme/settings");
    assert!(world.deps.tenancy.sources_of(user, world.now()).await.expect("a table").is_some());
}

#[tokio::test]
async fn github_sends_people_here_who_have_installed_the_app() {
    let world = World::new().await;
    let setup = format!("/github/setup?installation_id={}&setup_action=install&state=%2Facme%2Fsettings", world.installation);
    // Not signed in yet: one trip does both. GitHub's own page is another site.
    let mut browser = Browser { site: Some("cross-site"), ..Browser::default() };
    let shown = browser.through_github(&world, &setup, world.ann).await;
    assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "/acme/settings"), "{}", shown.body);
    let user = browser.user(&world).await.expect("a person");
    assert!(world.deps.tenancy.sources_of(user, world.now()).await.expect("a table").is_some());
    // Signed in: the session stays.
    let secret = browser.secret().map(str::to_owned);
    let shown = browser.through_github(&world, "/github/setup?installation_id=1&setup_action=update", world.ann).await;
    assert_eq!((shown.location(), browser.secret().map(str::to_owned)), ("/", secret));
    // The operator claims by command.
    let (_, secret) = world.deps.tenancy.begin_session(Holder::Operator, "x", None, world.now()).await.expect("a session");
    let mut operator = Browser::default();
    operator.set_secret(secret.expose());
    assert_eq!(operator.get(&world, &setup).await.location(), "/acme/settings");
}

#[tokio::test]
async fn whoever_says_no_at_the_provider_can_begin_anew() {
    let world = World::new().await;
    world.google.refuse();
    let mut browser = Browser::default();
    let shown = browser.through_openid(&world, "/auth/google").await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    assert!(shown.body.contains("Sign-in was cancelled") && shown.body.contains("/sign-in"), "{}", shown.body);
    assert!(browser.cookies.is_empty(), "nothing is left of it");
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_page_that_says_so() {
    let world = World::new().await;
    world.google.set_down(true);
    let mut browser = Browser::default();
    let shown = browser.get(&world, "/auth/google").await;
    assert_eq!(shown.status, StatusCode::BAD_GATEWAY);
    assert!(shown.body.contains("Google does not answer as it should") && shown.body.contains("it answered 503"), "{}", shown.body);
    assert!(browser.cookies.is_empty());
    // It is asked again after a minute, and not before.
    world.google.set_down(false);
    assert_eq!(browser.get(&world, "/auth/google").await.status, StatusCode::BAD_GATEWAY);
    world.pass(60);
    let sent = browser.get(&world, "/auth/google").await;
    let back = visit(sent.location()).await;
    world.google.set_down(true);
    let shown = browser.get(&world, &back).await;
    assert_eq!(shown.status, StatusCode::BAD_GATEWAY, "{}", shown.body);
    assert!(browser.secret().is_none());
}

/// One failure at each request to GitHub in turn: either nobody is signed in and the next try works, or it does not matter.
#[tokio::test]
async fn github_may_fail_at_any_point_of_a_sign_in() {
    let world = World::new().await;
    let asked = Browser::of(&world, world.ann).await;
    let paths: Vec<String> = world.forge.requests().into_iter().map(|request| request.path).collect();
    let needed = paths.iter().position(|path| path.ends_with("/user/emails")).expect("the address is asked for") + 1;
    assert!(paths.len() > needed && asked.secret().is_some(), "{paths:?}");
    for (failing, path) in paths.iter().enumerate() {
        for action in [HookAction::FailBefore(502), HookAction::FailAfter(503), HookAction::FailBefore(429)] {
            let first = world.forge.requests().len() as u64;
            let hook = move |request: &RequestInfo| if request.index == first + failing as u64 { action } else { HookAction::Pass };
            world.forge.set_hook(Some(Arc::new(hook)));
            let mut browser = Browser::default();
            let shown = browser.through_github(&world, "/auth/github", world.ann).await;
            world.forge.set_hook(None);
            let expected = if failing < needed { StatusCode::BAD_GATEWAY } else { StatusCode::SEE_OTHER };
            assert_eq!(shown.status, expected, "{path} {action:?}: {}", shown.body);
            assert_eq!(browser.user(&world).await.is_some(), failing >= needed, "{path}");
            browser.through_github(&world, "/auth/github", world.ann).await;
            assert!(browser.user(&world).await.is_some(), "the next try works");
        }
    }
}

#[tokio::test]
async fn a_wrong_client_secret_is_told_to_whoever_can_mend_it() {
    let world = World::with(|parameters| parameters.with("GithubClientSecret", "wrong").with("GoogleClientSecret", "wrong")).await;
    let shown = Browser::default().through_github(&world, "/auth/github", world.ann).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    assert!(shown.body.contains("incorrect_client_credentials") && shown.body.contains("client id and secret"), "{}", shown.body);
    let shown = Browser::default().through_openid(&world, "/auth/google").await;
    assert!(shown.status == StatusCode::BAD_REQUEST && shown.body.contains("invalid_client"), "{}", shown.body);
}

#[tokio::test]
async fn a_provider_without_a_client_id_is_none() {
    let world = World::with(|parameters| parameters.with("GithubClientId", "").with("OidcClientId", "")).await;
    for path in ["/auth/github", "/auth/oidc", "/auth/unknown", "/auth/github/callback", "/auth/", "/auth/google/callback/x"] {
        let shown = Browser::default().get(&world, path).await;
        assert_eq!(shown.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(Browser::default().get(&world, "/github/setup").await.location(), "/");
    assert_eq!(Browser::default().get(&world, "/auth/google").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn where_accounts_are_for_some_others_are_told_what_to_do() {
    let world = World::with(|parameters| parameters.with("SignUps", "@example.com")).await;
    world.google.sign_in_as(Person::new("1", "Ada", "ada@example.com"));
    let mut ada = Browser::default();
    assert_eq!(ada.through_openid(&world, "/auth/google").await.status, StatusCode::SEE_OTHER);
    world.google.sign_in_as(Person::new("2", "Eve", "eve@example.com.evil.org"));
    let mut eve = Browser::default();
    let refused = eve.through_openid(&world, "/auth/google?next=/invite/0123").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert!(refused.body.contains("open the link of your invitation"), "{}", refused.body);
    assert!(eve.session(&world).await.is_none() && world.user("google", "2").await.is_none());
}
