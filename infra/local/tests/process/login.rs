//! `quillon login` with everybody who takes part: the server, the forge that says who somebody is, and the person.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::browser::Browser;
use super::instance::{Instance, QUILLON};

/// A command of somebody whose configuration is in this directory.
fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(QUILLON);
    command.args(arguments).env("XDG_CONFIG_HOME", home).env_remove("DAGGER_CLOUD_URL").env_remove("DAGGER_CLOUD_TOKEN");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Asks the server who holds a token.
async fn who(server: &str, token: &str) -> (u16, Value) {
    let query = json!({ "query": "query User { user { id orgs { id name } } }" });
    let answer = reqwest::Client::new().post(format!("{server}/query")).bearer_auth(token).json(&query).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_the_dagger_cli_in_and_out() {
    let directory = TempDir::new().expect("a directory");
    let instance = Instance::start(directory.path(), 0);
    let server = instance.url();
    // The forge has people before anything was pushed to it.
    instance.quillon(&["admin", "org", "create", "beta"]);
    let invitation = instance.quillon(&["admin", "member", "invite", "--org", "beta", "ann", "--role", "admin"]);
    let mut ann = Browser::new(&server);
    ann.sign_in("ann").await;
    let invitation = invitation.trim();
    let page = ann.go(invitation, None).await;
    ann.submit(&page, invitation.strip_prefix(server.as_str()).expect("a page of ours"), &[]).await;

    let home = directory.path().join("home");
    let mut login = command(&home, &["login", "--server", &server, "--no-browser", "beta"]).spawn().expect("login");
    let mut said = BufReader::new(login.stderr.take().expect("stderr"));
    let link = said.by_ref().lines().map_while(Result::ok).find(|line| line.contains("/activate?user_code=")).expect("a link");
    let page = ann.go(link.trim(), None).await;
    ann.submit(&page, "/activate", &[("answer", "approve")]).await;
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    let output = login.wait_with_output().expect("an end");
    assert!(output.status.success(), "{rest}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("export DAGGER_CLOUD_URL={server}\n"));

    let file =
        |name: &str| -> Value { serde_json::from_str(&fs::read_to_string(home.join("dagger").join(name)).expect(name)).expect("JSON") };
    let token = file("credentials.json")["access_token"].as_str().expect("a token").to_owned();
    let (status, answer) = who(&server, &token).await;
    assert_eq!((status, &answer["data"]["user"]["orgs"][0]), (200, &file("org")));
    assert_eq!(file("org")["name"], "beta");
    // Once more, nobody is asked; and an org that one is not in changes nothing.
    // Nor does the server have to be named again.
    let again = command(&home, &["login"]).output().expect("login");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let other = command(&home, &["login", "--server", &server, "gamma"]).output().expect("login");
    let words = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && words.contains("not in the org `gamma`") && words.contains("- beta"), "{words}");
    assert_eq!(file("org")["name"], "beta");

    let logout = command(&home, &["logout"]).output().expect("logout");
    assert!(logout.status.success(), "{}", String::from_utf8_lossy(&logout.stderr));
    assert!(!home.join("dagger/credentials.json").exists() && !home.join("dagger/org").exists());
    assert_eq!(who(&server, &token).await.0, 401);
}

#[test]
fn a_login_without_a_server_says_what_to_do() {
    let home = TempDir::new().expect("a directory");
    let output = command(home.path(), &["login", "--server", "http://127.0.0.1:1"]).output().expect("login");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("cannot reach `http://127.0.0.1:1/`"), "{words}");
    let output = command(home.path(), &["logout"]).output().expect("logout");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("nobody is signed in"));
}
