//! `quillon login` and `quillon logout`: let the stock `dagger` CLI of this person work with a server.
//!
//! What is for people goes to stderr; on stdout is nothing but the line for the shell, so that `eval "$(quillon login)"` works.

mod device;
mod files;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use quillon_core::Sensitive;
use quillon_core::org::OrgName;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};

use device::{Code, Server};
use files::{Credentials, Directories, Login};

/// The server where nothing says otherwise: a `quillon up` or a demo on this machine.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8800";

/// What every access token of Quillon begins with; others are never sent anywhere.
const OURS: &str = "qat_";

/// Sign the `dagger` CLI of this user in to a server.
///
/// Writes the files that `dagger login` would write: who is signed in (`credentials.json`) and in which org (`org`).
#[derive(Debug, Args)]
pub(crate) struct LoginOptions {
    /// The org to work in; needed by those who are in several.
    org: Option<OrgName>,
    /// Address of the server; without it `DAGGER_CLOUD_URL`, else the one that is signed in to, else `http://127.0.0.1:8800`.
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
    /// Print the link without opening a browser.
    #[arg(long)]
    no_browser: bool,
    /// Sign in anew, also when somebody is signed in.
    #[arg(long)]
    switch_account: bool,
}

/// Sign out: the login ends on the server, and the files of `quillon login` are removed.
#[derive(Debug, Args)]
pub(crate) struct LogoutOptions {
    /// Address of the server; without it the one that was signed in to.
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
}

/// An org, as the API and the CLI's file have it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
struct Membership {
    id: String,
    name: String,
}

/// Whoever holds a token.
#[derive(Debug, Deserialize)]
struct Who {
    orgs: Vec<Membership>,
}

pub(crate) async fn login(options: LoginOptions, environment: &BTreeMap<String, String>) -> anyhow::Result<ExitCode> {
    let directories = Directories::of(environment)?;
    // What cannot be read is replaced.
    let last = directories.login().ok().flatten().map(|login| login.server);
    let server = Server::new(server_url(options.server, environment, last)?)?;
    if let Some(warning) = clear_text(server.url()) {
        say(&warning);
    }
    if environment.get("DAGGER_CLOUD_TOKEN").is_some_and(|token| !token.is_empty()) {
        say("warning: `DAGGER_CLOUD_TOKEN` is set, and the dagger CLI prefers it to this login: unset it");
    }
    let known = if options.switch_account { None } else { known_login(&directories, &server).await? };
    let who = match known {
        Some(who) => {
            say(&format!("you are signed in to {} already", server.url()));
            who
        }
        None => {
            let browser = may_open(options.no_browser, environment);
            let token = server.sign_in(&device_name(environment), |code| show(&server, code, browser), wait).await?;
            let who = server.who(&token).await?.context("the server gave a token and does not know it: try again")?;
            // The token is kept before the org is chosen: who is asked for an org need not sign in again.
            directories.save_login(&Credentials::new(&token), &Login::new(server.address(), &token))?;
            who
        }
    };
    match choose(&who.orgs, options.org.as_ref()) {
        Ok(org) => {
            directories.save_org(&serde_json::to_string(org)?)?;
            say(&format!("signed in, working in the org `{}`; this shell needs", org.name));
            print_line(&format!("export DAGGER_CLOUD_URL={}", quoted(&server.address())));
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            // What is there may be of somebody else, or of another server; it would be sent with every trace.
            let is_theirs = directories.org().is_some_and(|org| who.orgs.iter().any(|theirs| theirs.id == org.id));
            if !is_theirs {
                directories.remove_org()?;
            }
            bail!("{}", why.words(&server))
        }
    }
}

pub(crate) async fn logout(options: LogoutOptions, environment: &BTreeMap<String, String>) -> anyhow::Result<ExitCode> {
    let directories = Directories::of(environment)?;
    let Some(credentials) = directories.credentials()? else {
        directories.remove_login()?;
        say("nobody is signed in");
        return Ok(ExitCode::SUCCESS);
    };
    let token = credentials.token();
    if !token.expose().starts_with(OURS) {
        bail!("who is signed in is not signed in to Quillon: `dagger logout` ends that");
    }
    let address = match (options.server, directories.login()?.filter(|login| login.is_of(&token))) {
        (Some(url), _) => Some(url),
        (None, Some(login)) => Some(login.server.parse().context("the file of the login is damaged: name the server with `--server`")?),
        (None, None) => None,
    };
    let revoked = match address {
        Some(url) => Server::new(base(url)?)?.revoke(&token).await,
        None => Err(anyhow::anyhow!("which server it was is not known: name it with `--server`")),
    };
    // Whatever the server says, this machine forgets.
    directories.remove_login()?;
    revoked.context("signed out on this machine; the server was not told, so end the login on its page `/account` too")?;
    say("signed out");
    Ok(ExitCode::SUCCESS)
}

/// Who the stored token belongs to, where it is of this server and works; a token of another server stays on this machine.
async fn known_login(directories: &Directories, server: &Server) -> anyhow::Result<Option<Who>> {
    // What cannot be read is replaced.
    let (Ok(Some(credentials)), Ok(Some(login))) = (directories.credentials(), directories.login()) else { return Ok(None) };
    let token = credentials.token();
    if login.server != server.address() || !login.is_of(&token) {
        return Ok(None);
    }
    server.who(&token).await
}

impl Server {
    /// Who a token belongs to; `None` where it works no more.
    async fn who(&self, token: &Sensitive<String>) -> anyhow::Result<Option<Who>> {
        let query = json!({ "operationName": "User", "query": "query User { user { id orgs { id name } } }" });
        let (status, answer) = self.post_json("query", token, &query).await?;
        if status == 401 {
            return Ok(None);
        }
        if let Some(message) = answer["errors"][0]["message"].as_str() {
            bail!("`{}` refused: {}", self.url(), printable(message));
        }
        match serde_json::from_value::<Who>(answer["data"]["user"].clone()) {
            Ok(who) if status == 200 => Ok(Some(who)),
            Ok(_) | Err(_) => bail!("`{}` answered {status} to the question who is signed in: is it a Quillon server?", self.url()),
        }
    }
}

/// Why no org is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NoOrg {
    /// They are in none.
    None,
    /// They are in several.
    Several(Vec<String>),
    /// They are not in the one that they named.
    Other { wanted: String, names: Vec<String> },
}

impl NoOrg {
    fn words(&self, server: &Server) -> String {
        let list = |names: &[String]| names.iter().map(|name| format!("\n  - {}", printable(name))).collect::<String>();
        match self {
            Self::None => format!(
                "you are signed in, and in no org: make one at {}/orgs/new or accept an invitation, then run `quillon login` again",
                server.address()
            ),
            Self::Several(names) => {
                format!("you are signed in, and in several orgs: name one with `quillon login ORG`{}", list(names))
            }
            Self::Other { wanted, names } if names.is_empty() => {
                format!("you are signed in, and not in the org `{wanted}`, nor in any other: ask an admin of it for an invitation")
            }
            Self::Other { wanted, names } => {
                format!("you are signed in, and not in the org `{wanted}`: name one of these with `quillon login ORG`{}", list(names))
            }
        }
    }
}

fn choose<'a>(orgs: &'a [Membership], wanted: Option<&OrgName>) -> Result<&'a Membership, NoOrg> {
    let names = || orgs.iter().map(|org| org.name.clone()).collect();
    match (wanted, orgs) {
        (Some(wanted), _) => {
            let found = orgs.iter().find(|org| org.name.eq_ignore_ascii_case(wanted.as_str()));
            found.ok_or_else(|| NoOrg::Other { wanted: wanted.to_string(), names: names() })
        }
        (None, []) => Err(NoOrg::None),
        (None, [only]) => Ok(only),
        (None, _) => Err(NoOrg::Several(names())),
    }
}

/// Where to sign in: what is said, else what this shell works with, else where this person signed in last.
fn server_url(given: Option<Url>, environment: &BTreeMap<String, String>, last: Option<String>) -> anyhow::Result<Url> {
    match (given, environment.get("DAGGER_CLOUD_URL").filter(|url| !url.is_empty())) {
        (Some(url), _) => base(url),
        (None, Some(text)) => {
            let url =
                text.parse().with_context(|| format!("`DAGGER_CLOUD_URL` is `{text}`, which is no address: set it, or use `--server`"))?;
            base(url)
        }
        (None, None) => match last.and_then(|last| base(last.parse().ok()?).ok()) {
            Some(url) => Ok(url),
            None => Ok(DEFAULT_SERVER.parse()?),
        },
    }
}

/// The plain address of a server.
fn base(url: Url) -> anyhow::Result<Url> {
    let is_plain = matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.query().is_none() && url.fragment().is_none();
    if !is_plain || !url.username().is_empty() || url.password().is_some() {
        bail!("`{url}` is not the address of a server: give it as `https://host`");
    }
    Ok(url)
}

/// A warning where the token would travel readable to others.
fn clear_text(url: &Url) -> Option<String> {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    (url.scheme() == "http" && !is_here).then(|| format!("warning: {url} is not encrypted: whoever is on the way can use the login"))
}

/// What the person sees on the page where they say yes.
fn device_name(environment: &BTreeMap<String, String>) -> String {
    let host = environment.get("HOSTNAME").cloned().or_else(|| std::fs::read_to_string("/etc/hostname").ok()).unwrap_or_default();
    match printable(host.trim()) {
        host if host.is_empty() => "quillon".to_owned(),
        host => format!("quillon on {host}"),
    }
}

/// Whether there is somebody before a screen.
fn may_open(no_browser: bool, environment: &BTreeMap<String, String>) -> bool {
    let has = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
    let has_display = cfg!(target_os = "macos") || has("DISPLAY") || has("WAYLAND_DISPLAY");
    !no_browser && has_display && std::io::stderr().is_terminal()
}

fn show(server: &Server, code: &Code, open: bool) {
    let opened = open && open_browser(&code.link);
    let first = if opened { "Your browser was sent to" } else { "To sign in, open" };
    say(&format!(
        "{first}\n  {}\nThere, approve this login to {} if the code is\n  {}\n\nWaiting for you; Ctrl-C cancels.",
        code.link,
        server.url(),
        code.user_code
    ));
}

/// Whether a browser could be started.
fn open_browser(link: &Url) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = || Stdio::null();
    std::process::Command::new(program).arg(link.as_str()).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok()
}

/// A value as a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

#[expect(clippy::print_stderr, reason = "what a person reads; stdout is for the shell")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the line that the shell takes")]
fn print_line(text: &str) {
    println!("{text}");
}

/// Words of somebody else for a terminal: nothing that moves its cursor or turns its text around.
fn printable(words: &str) -> String {
    let is_plain = |c: &char| !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    words.chars().filter(is_plain).take(300).collect()
}

/// Reads an answer that may be no JSON.
fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}
