//! People: signing in through the App, what their tokens see, and installing the App by hand.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use quillon_forge::{Account, AccountKind, Email, ForgeConfig, Membership, Profile, Selection};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::world::{World, client};

const CALLBACK: &str = "http://quillon.example/auth/github/callback";
const SETUP: &str = "http://quillon.example/github/setup";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn with_app(config: &mut ForgeConfig) {
    config.callback_urls = vec![CALLBACK.parse().unwrap()];
    config.setup_url = Some(SETUP.parse().unwrap());
}

/// A forge with `ann`, who owns `acme`, and `ben`, a member.
async fn world() -> (World, Account, Account) {
    world_with(|_| {}).await
}

async fn world_with(change: impl FnOnce(&mut ForgeConfig)) -> (World, Account, Account) {
    let world = World::with(|config| {
        with_app(config);
        change(config);
    })
    .await;
    let person = |login: &str| world.forge.create_account(login, AccountKind::User).unwrap();
    let (ann, ben) = (person("ann"), person("ben"));
    world.forge.set_membership(world.acme.id, ann.id, Some(Membership::Admin)).unwrap();
    world.forge.set_membership(world.acme.id, ben.id, Some(Membership::Member)).unwrap();
    let emails = vec![Email::verified("ann@acme.example"), Email { primary: false, verified: false, ..Email::verified("a@old.example") }];
    world.forge.set_profile(ann.id, Profile { name: Some("Ann Example".to_owned()), emails }).unwrap();
    (world, ann, ben)
}

fn challenge() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// The query of the authorization page, with some of it changed; an empty value takes one away.
fn query(world: &World, change: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let mut pairs = vec![
        ("client_id", world.forge.client_id()),
        ("redirect_uri", CALLBACK),
        ("state", "s&t"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    pairs.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    pairs.extend(change);
    encode(&pairs)
}

fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn parameter(location: &str, name: &str) -> Option<String> {
    let url: Url = location.parse().unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn post(world: &World, path: &str, pairs: &[(&str, &str)]) -> (u16, Option<String>, String) {
    let request = client().post(format!("{}{path}", world.base)).body(encode(pairs));
    let request = request.header("content-type", "application/x-www-form-urlencoded").header("accept", "application/json");
    let answer = request.send().await.unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location, answer.text().await.unwrap())
}

async fn exchange(world: &World, code: &str, change: &[(&str, &str)]) -> (u16, Value) {
    let mut pairs = vec![
        ("client_id", world.forge.client_id()),
        ("client_secret", world.forge.client_secret()),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    pairs.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    pairs.extend(change);
    let (status, _, body) = post(world, "/login/oauth/access_token", &pairs).await;
    (status, serde_json::from_str(&body).unwrap())
}

fn code(world: &World, user: &Account) -> String {
    let location = world.forge.authorize(user.id, &query(world, &[])).unwrap();
    parameter(&location, "code").unwrap()
}

async fn token(world: &World, user: &Account) -> String {
    let (status, answer) = exchange(world, &code(world, user), &[]).await;
    assert_eq!(status, 200);
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn get(world: &World, token: &str, path: &str) -> (u16, Value) {
    let (status, _, answer) = world.call(Method::GET, path, token, None).await;
    (status, answer)
}

#[tokio::test]
async fn a_person_signs_in_through_the_page() {
    let (world, ann, _) = world().await;
    let page = client().get(format!("{}/login/oauth/authorize?{}", world.base, query(&world, &[]))).send().await.unwrap();
    // Without a referrer browsers send `Origin: null` with the form, which no front door takes.
    assert!(page.status() == 200 && page.headers()["referrer-policy"] == "same-origin", "{page:?}");
    assert_eq!(page.headers()["x-frame-options"], "DENY", "no page of somebody else shows it");
    let page = page.text().await.unwrap();
    assert!(page.contains("Continue as ann") && page.contains("Ann Example, admin of acme") && page.contains("Continue as ben"), "{page}");
    assert!(page.contains(r#"name="state" value="s&#38;t""#), "{page}");
    let mut form: Vec<(String, String)> = url::form_urlencoded::parse(query(&world, &[]).as_bytes()).into_owned().collect();
    form.push(("account".to_owned(), ann.id.to_string()));
    let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (status, location, _) = post(&world, "/login/oauth/authorize", &pairs).await;
    let location = location.unwrap();
    assert_eq!((status, location.starts_with(CALLBACK), parameter(&location, "state").as_deref()), (302, true, Some("s&t")));
    let (status, answer) = exchange(&world, &parameter(&location, "code").unwrap(), &[]).await;
    assert_eq!((status, &answer["token_type"], &answer["expires_in"]), (200, &json!("bearer"), &json!(28_800)));
    assert!(answer["access_token"].as_str().unwrap().starts_with("ghu_"));
    // Whoever does not want to is sent back too.
    form.pop();
    let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (_, location, _) = post(&world, "/login/oauth/authorize", &pairs).await;
    let location = location.unwrap();
    assert_eq!(parameter(&location, "error").as_deref(), Some("access_denied"));
    assert_eq!((parameter(&location, "state").as_deref(), parameter(&location, "code")), (Some("s&t"), None));
    world.assert_no_violations();
}

#[tokio::test]
async fn what_github_would_not_show_a_page_for_is_a_violation() {
    let (world, ann, _) = world().await;
    let short = "x".repeat(42);
    for change in [
        ("client_id", "Iv1.other"),
        ("redirect_uri", ""),
        ("redirect_uri", "http://evil.example/auth/github/callback"),
        ("redirect_uri", "http://quillon.example/auth/github/callback/more"),
        ("state", ""),
        ("code_challenge", ""),
        ("code_challenge", short.as_str()),
        ("code_challenge_method", "plain"),
    ] {
        world.forge.clear_violations();
        let query = query(&world, &[change]);
        let answer = client().get(format!("{}/login/oauth/authorize?{query}", world.base)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().get("location")), (400, None), "{change:?}");
        assert_eq!(world.forge.violations().len(), 1, "{change:?}");
        assert!(world.forge.authorize(ann.id, &query).is_err());
    }
}

#[tokio::test]
async fn a_code_is_exchanged_once_by_whoever_asked_for_it() {
    let (world, ann, _) = world().await;
    let used = code(&world, &ann);
    assert!(exchange(&world, &used, &[]).await.1["access_token"].is_string());
    let late = code(&world, &ann);
    world.advance(601);
    for (what, code, change, error, violations) in [
        ("a code that was used", used, ("scope", ""), "bad_verification_code", 0),
        ("a code that is over", late, ("scope", ""), "bad_verification_code", 0),
        ("a code that never was", "abc".to_owned(), ("scope", ""), "bad_verification_code", 0),
        ("another verifier", code(&world, &ann), ("code_verifier", "x"), "bad_verification_code", 0),
        ("no verifier", code(&world, &ann), ("code_verifier", ""), "bad_verification_code", 0),
        ("another callback", code(&world, &ann), ("redirect_uri", "http://quillon.example/"), "redirect_uri_mismatch", 1),
        ("a wrong secret", code(&world, &ann), ("client_secret", "x"), "incorrect_client_credentials", 1),
        ("another client", code(&world, &ann), ("client_id", "x"), "incorrect_client_credentials", 1),
    ] {
        world.forge.clear_violations();
        let (status, answer) = exchange(&world, &code, &[change]).await;
        assert_eq!((status, &answer["error"], answer["error_description"].is_string()), (200, &json!(error), true), "{what}");
        assert_eq!((answer.get("access_token"), world.forge.violations().len()), (None, violations), "{what}");
    }
}

#[tokio::test]
async fn the_answer_is_a_form_unless_json_is_wanted() {
    let (world, ann, _) = world().await;
    let form = encode(&[
        ("client_id", world.forge.client_id()),
        ("client_secret", world.forge.client_secret()),
        ("code", &code(&world, &ann)),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]);
    let request = client().post(format!("{}/login/oauth/access_token", world.base)).body(form);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-www-form-urlencoded; charset=utf-8");
    assert!(answer.text().await.unwrap().starts_with("access_token=ghu_"));
}

#[tokio::test]
async fn a_token_says_who_somebody_is() {
    let (world, ann, ben) = world().await;
    let token = token(&world, &ann).await;
    let (status, user) = get(&world, &token, "/user").await;
    assert_eq!((status, &user["id"], &user["login"], &user["name"]), (200, &json!(ann.id), &json!("ann"), &json!("Ann Example")));
    // The address of a profile is the one that people make public, and nobody here does.
    assert_eq!((&user["email"], &user["user_view_type"]), (&Value::Null, &json!("public")));
    let (_, emails) = get(&world, &token, "/user/emails").await;
    assert_eq!(emails[0], json!({ "email": "ann@acme.example", "primary": true, "verified": true, "visibility": "private" }));
    assert_eq!(emails[1], json!({ "email": "a@old.example", "primary": false, "verified": false, "visibility": null }));
    world.assert_no_violations();
    // It is for nothing else, and over after eight hours.
    assert_eq!(get(&world, &token, "/app").await.0, 401);
    assert_eq!(get(&world, &token, "/repos/acme/hello").await.0, 401);
    world.forge.clear_violations();
    world.advance(8 * 3600);
    assert_eq!(get(&world, &token, "/user").await.0, 401);
    world.assert_no_violations();
    assert_eq!(get(&world, "ghu_made_up", "/user").await.0, 401);
    assert_eq!(world.forge.violations().len(), 1);
    let installation = world.token(json!({})).await;
    assert_eq!(get(&world, &installation, "/user").await.0, 403);
    assert_eq!(ben.login, "ben");
}

#[tokio::test]
async fn an_app_may_have_no_permission_for_addresses() {
    let (world, ann, _) = world_with(|config| config.email_permission = false).await;
    let token = token(&world, &ann).await;
    assert_eq!(get(&world, &token, "/user/emails").await.0, 403);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_person_sees_the_installations_where_they_belong() {
    let (world, ann, ben) = world().await;
    let other = world.forge.create_account("other", AccountKind::Organization).unwrap();
    let foreign = world.forge.install(other.id, Selection::All).unwrap();
    let own = world.forge.install(ben.id, Selection::All).unwrap();
    let (anns, bens) = (token(&world, &ann).await, token(&world, &ben).await);
    let ids = |answer: &Value| -> Vec<u64> {
        answer["installations"].as_array().unwrap().iter().map(|found| found["id"].as_u64().unwrap()).collect()
    };
    let (_, seen) = get(&world, &anns, "/user/installations").await;
    assert_eq!((ids(&seen), &seen["total_count"]), (vec![world.installation.id], &json!(1)));
    let (_, seen) = get(&world, &bens, "/user/installations?per_page=1&page=2").await;
    assert_eq!((ids(&seen), &seen["total_count"]), (vec![own.id], &json!(2)));
    let (_, seen) = get(&world, &anns, &format!("/user/installations/{}/repositories", world.installation.id)).await;
    let hello = &seen["repositories"][0];
    assert_eq!(
        (&seen["total_count"], &hello["full_name"], &hello["permissions"]["admin"]),
        (&json!(1), &json!("acme/hello"), &json!(true))
    );
    assert_eq!(get(&world, &anns, &format!("/user/installations/{}/repositories", foreign.id)).await.0, 404);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_role_in_an_organization_is_told_where_the_app_is_installed() {
    let (world, ann, ben) = world().await;
    let (anns, bens) = (token(&world, &ann).await, token(&world, &ben).await);
    let (status, membership) = get(&world, &anns, "/user/memberships/orgs/acme").await;
    assert_eq!((status, &membership["role"], &membership["state"]), (200, &json!("admin"), &json!("active")));
    assert_eq!((&membership["organization"]["id"], &membership["user"]["id"]), (&json!(world.acme.id), &json!(ann.id)));
    assert_eq!(get(&world, &bens, "/user/memberships/orgs/acme").await.1["role"], json!("member"));
    let other = world.forge.create_account("other", AccountKind::Organization).unwrap();
    assert_eq!(get(&world, &anns, "/user/memberships/orgs/other").await.0, 404);
    world.forge.set_membership(other.id, ann.id, Some(Membership::Admin)).unwrap();
    assert_eq!(get(&world, &anns, "/user/memberships/orgs/other").await.0, 403);
    world.forge.set_membership(world.acme.id, ben.id, None).unwrap();
    assert_eq!(get(&world, &bens, "/user/memberships/orgs/acme").await.0, 404);
    assert_eq!(get(&world, &bens, "/user/installations").await.1["total_count"], json!(0));
    world.forge.suspend(world.installation.id).unwrap();
    assert_eq!(get(&world, &anns, "/user/memberships/orgs/acme").await.0, 403);
    world.assert_no_violations();
}

#[tokio::test]
async fn an_owner_installs_the_app_and_chooses_its_repositories() {
    let (world, ann, ben) = world().await;
    let other = world.forge.create_account("other", AccountKind::Organization).unwrap();
    let (one, two) = (
        world.forge.create_repository(other.id, "one", true).await.unwrap(),
        world.forge.create_repository(other.id, "two", true).await.unwrap(),
    );
    world.forge.set_membership(other.id, ann.id, Some(Membership::Admin)).unwrap();
    let path = "/apps/quillon/installations/new";
    let page = client().get(format!("{}{path}", world.base)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Install on other as ann") && page.contains("Configure on acme as ann"), "{page}");
    assert!(page.contains("Install on ben as ben") && !page.contains("acme as ben"), "{page}");
    let (anns, bens, others) = (ann.id.to_string(), ben.id.to_string(), other.id.to_string());
    let (ones, twos) = (one.id.to_string(), two.id.to_string());
    let page = client().get(format!("{}{path}?as={anns}&account={others}", world.base)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Only select repositories") && page.contains(&format!(r#"value="{ones}""#)), "{page}");
    let form = [("as", anns.as_str()), ("account", &others), ("selection", "selected"), ("repository", &ones), ("state", "x")];
    world.webhooks().await;
    let (status, location, _) = post(&world, path, &form).await;
    let location = location.unwrap();
    let made = world.forge.installations().into_iter().find(|found| found.account == other.id).unwrap();
    assert_eq!((status, &made.selection), (302, &Selection::Selected(vec![one.id])));
    assert_eq!(location, format!("{SETUP}?installation_id={}&setup_action=install&state=x", made.id));
    // The settings page changes what it covers, and whoever does not own the organization has no page.
    let settings = format!("/settings/installations/{}", made.id);
    let (_, location, _) = post(&world, &settings, &[("as", &anns), ("selection", "selected"), ("repository", &twos)]).await;
    assert!(location.unwrap().ends_with("setup_action=update"));
    let webhooks = world.webhooks().await;
    let (last, before) = (&webhooks[webhooks.len() - 3..], &webhooks[..webhooks.len() - 3]);
    assert_eq!(last, ["installation.created", "installation_repositories.added", "installation_repositories.removed"], "{before:?}");
    for (path, user, status) in [(settings.as_str(), &bens, 404), (path, &bens, 404), ("/settings/installations/7", &anns, 404)] {
        assert_eq!(post(&world, path, &[("as", user), ("account", &others), ("selection", "all")]).await.0, status, "{path}");
    }
    let theirs =
        [("as", anns.as_str()), ("selection", "selected"), ("repository", &world.hello.id.to_string())].map(|(a, b)| (a, b.to_owned()));
    let theirs: Vec<(&str, &str)> = theirs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(post(&world, &settings, &theirs).await.0, 422);
    assert_eq!(post(&world, &settings, &[("as", &anns), ("action", "uninstall")]).await.0, 302);
    assert_eq!(world.forge.installations().len(), 1);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_forge_that_others_reach_asks_for_its_key() {
    let (world, ann, _) = world_with(|config| config.people_key = Some("open sesame".to_owned())).await;
    let query = query(&world, &[]);
    let anns = ann.id.to_string();
    for (key, expected) in [("", 403), ("open", 403), ("open sesame", 302)] {
        let mut form: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        form.extend([("account", anns.as_str()), ("key", key)].map(|(name, value)| (name.to_owned(), value.to_owned())));
        let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(post(&world, "/login/oauth/authorize", &pairs).await.0, expected, "{key}");
        let settings = format!("/settings/installations/{}", world.installation.id);
        assert_eq!(post(&world, &settings, &[("as", &anns), ("selection", "all"), ("key", key)]).await.0, expected, "{key}");
    }
}

#[tokio::test]
async fn people_and_their_tokens_survive_the_process() {
    let (world, ann, _) = world().await;
    let token = token(&world, &ann).await;
    let secret = world.forge.client_secret().to_owned();
    let world = world.restarted().await;
    assert_eq!(world.forge.client_secret(), secret);
    assert_eq!(get(&world, &token, "/user").await.1["name"], json!("Ann Example"));
    assert_eq!(get(&world, &token, "/user/memberships/orgs/acme").await.1["role"], json!("admin"));
}
