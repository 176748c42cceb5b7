//! The login against a small server: what is asked, what is written, and what is said when something is wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use quillon_core::Sensitive;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::device::{Code, Server};
use super::files::{Credentials, Directories, Login};
use super::{Membership, NoOrg, base, choose, clear_text, printable, quoted, server_url};

/// Those that are left, the next one last.
type Answers = Vec<(u16, Value)>;

/// Answers in order, the last one for ever, and keeps what was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<BTreeMap<String, Answers>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn answers(self, path: &str, answers: &[(u16, Value)]) -> Self {
        self.answers.lock().expect("a lock").insert(path.to_owned(), answers.iter().rev().cloned().collect());
        self
    }

    async fn serve(&self) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url: Url = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a url");
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Server::new(url).expect("a client")
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let credential = request.headers().get("authorization").map(|value| value.to_str().expect("text").to_owned());
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.expect("a body");
    script.asked.lock().expect("a lock").push(format!("{path} {} {}", credential.unwrap_or_default(), String::from_utf8_lossy(&body)));
    let mut answers = script.answers.lock().expect("a lock");
    let Some(left) = answers.get_mut(&path) else { return axum::http::StatusCode::NOT_FOUND.into_response() };
    let (status, body) = if left.len() > 1 { left.pop() } else { left.last().cloned() }.expect("an answer");
    (axum::http::StatusCode::from_u16(status).expect("a status"), axum::Json(body)).into_response()
}

fn device() -> (u16, Value) {
    let answer = json!({
        "device_code": "secret", "user_code": "BCDF-GHJK", "verification_uri": "http://s/activate",
        "verification_uri_complete": "http://s/activate?user_code=BCDF-GHJK", "expires_in": 60, "interval": 5,
    });
    (200, answer)
}

fn refused(error: &str) -> (u16, Value) {
    (400, json!({ "error": error, "error_description": format!("because of {error}") }))
}

/// Signs in; gives the outcome, what was shown and how long was waited each time.
async fn sign_in(server: &Server) -> (Result<String, String>, Option<Code>, Vec<u64>) {
    let (waits, shown) = (RefCell::new(vec![]), RefCell::new(None));
    let wait = async |time: Duration| waits.borrow_mut().push(time.as_secs());
    let token = server.sign_in("quillon on laptop", |code| *shown.borrow_mut() = Some(code.clone()), wait).await;
    let token = token.map(|token| token.expose().clone()).map_err(|error| format!("{error:#}"));
    (token, shown.into_inner(), waits.into_inner())
}

#[tokio::test]
async fn the_server_is_asked_as_slowly_as_it_wants_until_the_person_has_answered() {
    let polls = [
        refused("authorization_pending"),
        refused("slow_down"),
        (503, json!("restarting")),
        refused("authorization_pending"),
        (200, json!({ "access_token": "qat_1", "token_type": "Bearer" })),
    ];
    let script = Script::default().answers("/oauth/device/code", &[device()]).answers("/oauth/token", &polls);
    let (token, shown, waits) = sign_in(&script.serve().await).await;
    assert_eq!((token.as_deref(), waits), (Ok("qat_1"), vec![5, 5, 10, 20, 20]));
    let code = shown.expect("a code");
    assert_eq!((code.link.as_str(), code.user_code.as_str()), ("http://s/activate?user_code=BCDF-GHJK", "BCDF-GHJK"));
    let asked = script.asked();
    assert_eq!(asked[0], "/oauth/device/code  client_id=quillon&scope=openid&client_name=quillon+on+laptop");
    let poll = "/oauth/token  client_id=quillon&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=secret";
    assert!(asked[1..].iter().all(|asked| asked == poll), "{asked:?}");
}

#[tokio::test]
async fn every_end_of_the_device_flow_is_told() {
    for (poll, words) in [
        (refused("access_denied"), "refused on the page"),
        (refused("expired_token"), "run `quillon login` again"),
        (refused("authorization_pending"), "run `quillon login` again"),
        (refused("invalid_grant"), "refused: because of invalid_grant"),
        ((500, json!({})), "run `quillon login` again"),
        ((200, json!({ "access_token": "a\r\nb" })), "a token that is none"),
    ] {
        let script = Script::default().answers("/oauth/device/code", &[device()]).answers("/oauth/token", std::slice::from_ref(&poll));
        let (token, _, waits) = sign_in(&script.serve().await).await;
        let error = token.expect_err("no token");
        assert!(error.contains(words) && !error.contains("secret"), "{poll:?}: {error}");
        assert!(waits.iter().sum::<u64>() < 120);
    }
}

#[tokio::test]
async fn what_is_no_quillon_server_is_told() {
    let page = (200, json!("<html>"));
    let mut script_page = device();
    script_page.1["verification_uri_complete"] = "javascript:alert(1)".into();
    for (first, words) in [
        ((404, json!({})), "knows no logins of devices"),
        (page, "is it a Quillon server?"),
        (script_page, "names no page"),
        ((429, json!({ "error": "slow_down", "error_description": "too many\u{1b}[2J codes" })), "too many[2J codes"),
    ] {
        let script = Script::default().answers("/oauth/device/code", &[first]);
        let (token, shown, _) = sign_in(&script.serve().await).await;
        let error = token.expect_err("no token");
        assert!(error.contains(words), "{words}: {error}");
        assert_eq!(shown, None);
    }
    let nobody = Server::new("http://127.0.0.1:1".parse().expect("a url")).expect("a client");
    let error = sign_in(&nobody).await.0.expect_err("nobody there");
    assert!(error.contains("cannot reach `http://127.0.0.1:1/`"), "{error}");
}

#[tokio::test]
async fn a_token_is_shown_to_its_own_server_only() {
    let known = (200, json!({ "data": { "user": { "id": "u", "orgs": [{ "id": "o", "name": "acme" }] } } }));
    let script = Script::default().answers("/query", &[known, (401, json!({}))]);
    let server = script.serve().await;
    let (_home, directories, _) = directories();
    let token = Sensitive::new("qat_1".to_owned());
    let ours = Login::new(server.address(), &token);
    for (credentials, login, is_asked) in [
        (Credentials::new(&token), Login::new("http://other.example".to_owned(), &token), false),
        (Credentials::new(&Sensitive::new("a token of somebody else".to_owned())), ours, false),
        (Credentials::new(&token), Login::new(server.address(), &token), true),
    ] {
        directories.save_login(&credentials, &login).expect("written");
        let known = super::known_login(&directories, &server).await.expect("an answer");
        assert_eq!((known.is_some(), script.asked().len()), (is_asked, usize::from(is_asked)));
    }
    assert!(script.asked()[0].starts_with("/query Bearer qat_1 "));
    // One that ended on the server is none.
    assert!(super::known_login(&directories, &server).await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_revocation_that_the_server_refuses_is_told() {
    let script = Script::default().answers("/oauth/revoke", &[(200, json!({})), (500, json!({}))]);
    let server = script.serve().await;
    let token = Sensitive::new("qat_1".to_owned());
    server.revoke(&token).await.expect("revoked");
    assert_eq!(script.asked(), ["/oauth/revoke  client_id=quillon&token=qat_1"]);
    assert!(server.revoke(&token).await.is_err());
}

/// A home, the files in it, and where they are.
fn directories() -> (TempDir, Directories, std::path::PathBuf) {
    let home = TempDir::new().expect("a directory");
    let environment = BTreeMap::from([("XDG_CONFIG_HOME".to_owned(), home.path().to_str().expect("text").to_owned())]);
    let directories = Directories::of(&environment).expect("directories");
    let dagger = home.path().join("dagger");
    (home, directories, dagger)
}

#[test]
fn the_files_are_those_of_the_dagger_cli() {
    let (_home, directories, dagger) = directories();
    let token = Sensitive::new("qat_1".to_owned());
    directories.save_login(&Credentials::new(&token), &Login::new("http://s".to_owned(), &token)).expect("written");
    directories.save_org(r#"{"id":"org_1","name":"acme"}"#).expect("written");
    assert_eq!(fs::read_to_string(dagger.join("credentials.json")).expect("a file"), r#"{"access_token":"qat_1","token_type":"Bearer"}"#);
    assert_eq!(fs::read_to_string(dagger.join("org")).expect("a file"), r#"{"id":"org_1","name":"acme"}"#);
    assert_eq!(directories.org(), Some(Membership { id: "org_1".to_owned(), name: "acme".to_owned() }));
    let mode = |name: &str| fs::metadata(dagger.join(name)).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("credentials.json"), mode("org"), mode("")), (0o600, 0o600, 0o755));
    let left: Vec<_> = fs::read_dir(&dagger).expect("a directory").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".new")), "{left:?}");
    directories.remove_login().expect("removed");
    assert!(directories.credentials().expect("readable").is_none() && !dagger.join("org").exists());
    directories.remove_login().expect("nothing to remove");
}

#[test]
fn what_an_interrupted_attempt_left_does_no_harm() {
    let (home, directories, dagger) = directories();
    fs::create_dir_all(&dagger).expect("a directory");
    let elsewhere = home.path().join("elsewhere");
    fs::write(&elsewhere, "kept").expect("written");
    std::os::unix::fs::symlink(&elsewhere, dagger.join("credentials.json.new")).expect("a link");
    fs::write(dagger.join("credentials.json"), "{\"access").expect("written");
    assert!(
        directories.credentials().is_err_and(|error| error.to_string().contains("is damaged") && !error.to_string().contains("access"))
    );
    let token = Sensitive::new("qat_1".to_owned());
    directories.save_login(&Credentials::new(&token), &Login::new("http://s".to_owned(), &token)).expect("written");
    assert_eq!(fs::read_to_string(&elsewhere).expect("a file"), "kept");
    let read = directories.credentials().expect("readable").expect("there").token();
    assert!(directories.login().expect("readable").is_some_and(|login| login.is_of(&read)));
    // A login that the CLI has refreshed elsewhere is another one.
    assert!(!directories.login().expect("readable").expect("there").is_of(&Sensitive::new("qat_2".to_owned())));
}

#[test]
fn the_directory_is_the_one_of_the_cli() {
    let of = |pairs: &[(&str, &str)]| {
        let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Directories::of(&environment).map(|directories| directories.dagger.display().to_string()).ok()
    };
    let home = if cfg!(target_os = "macos") { "/h/Library/Application Support/dagger" } else { "/h/.config/dagger" };
    assert_eq!(of(&[("HOME", "/h")]).as_deref(), Some(home));
    assert_eq!(of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]).as_deref(), Some("/c/dagger"));
    assert_eq!(of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")]).as_deref(), Some(home));
    assert_eq!(of(&[]), None);
}

#[test]
fn an_org_is_chosen_or_asked_for() {
    let org = |name: &str| Membership { id: format!("org_{name}"), name: name.to_owned() };
    let (one, two) = ([org("acme")], [org("acme"), org("other")]);
    let named = |name: &str| Some(name.parse().expect("a name"));
    assert_eq!(choose(&one, None), Ok(&one[0]));
    assert_eq!(choose(&two, named("Other").as_ref()), Ok(&two[1]));
    assert_eq!(choose(&[], None), Err(NoOrg::None));
    assert_eq!(choose(&two, None), Err(NoOrg::Several(vec!["acme".to_owned(), "other".to_owned()])));
    let other = choose(&one, named("third").as_ref()).expect_err("not theirs");
    let server = Server::new("http://s/".parse().expect("a url")).expect("a client");
    assert_eq!(other.words(&server), "you are signed in, and not in the org `third`: name one of these with `quillon login ORG`\n  - acme");
    assert!(NoOrg::None.words(&server).contains("http://s/orgs/new"));
}

#[test]
fn the_server_is_the_one_that_was_named() {
    let environment = |value: &str| BTreeMap::from([("DAGGER_CLOUD_URL".to_owned(), value.to_owned())]);
    let url = |text: &str| text.parse::<Url>().expect("a url");
    let of = |given: Option<&str>, environment: &BTreeMap<String, String>| {
        server_url(given.map(url), environment, None).map(|url| url.to_string()).ok()
    };
    assert_eq!(of(None, &BTreeMap::new()).as_deref(), Some("http://127.0.0.1:8800/"));
    assert_eq!(of(None, &environment("https://ci.example.com")).as_deref(), Some("https://ci.example.com/"));
    assert_eq!(of(Some("https://a.example"), &environment("https://b.example")).as_deref(), Some("https://a.example/"));
    assert_eq!(of(None, &environment("nonsense")), None);
    // Whoever is told to name an org does not have to name the server again.
    let after = |last: &str, environment: &BTreeMap<String, String>| {
        server_url(None, environment, Some(last.to_owned())).map(|url| url.to_string()).ok()
    };
    assert_eq!(after("https://last.example", &BTreeMap::new()).as_deref(), Some("https://last.example/"));
    assert_eq!(after("https://last.example", &environment("https://b.example")).as_deref(), Some("https://b.example/"));
    assert_eq!(after("rubbish", &BTreeMap::new()).as_deref(), Some("http://127.0.0.1:8800/"));
    for bad in ["ftp://a.example", "https://user:secret@a.example", "https://a.example/?q=1", "file:///etc/passwd", "https://a.example/#x"]
    {
        assert!(base(url(bad)).is_err(), "{bad}");
    }
    assert!(clear_text(&url("http://ci.example.com")).is_some());
    for fine in ["https://ci.example.com", "http://localhost:8800", "http://127.0.0.1:8800", "http://[::1]:8800"] {
        assert_eq!(clear_text(&url(fine)), None, "{fine}");
    }
}

#[test]
fn words_of_others_cannot_play_tricks() {
    assert_eq!(quoted("https://ci.example.com/a"), "https://ci.example.com/a");
    assert_eq!(quoted("http://x/$(reboot)'"), r"'http://x/$(reboot)'\'''");
    assert_eq!(printable("a\u{1b}]0;x\u{7}\nb\u{202e}c"), "a]0;xbc");
    assert_eq!(printable(&"x".repeat(9999)).len(), 300);
}
