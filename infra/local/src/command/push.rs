//! `quillon push`: gives a local git repository its checks, through the embedded forge of a running `up`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use quillon_core::name::RepositoryName;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::DataDirectory;
use super::client::Client;
use super::data::Data;

/// How often the checks are looked at while they run.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The local git repository.
    #[arg(default_value = ".")]
    repository: PathBuf,
    /// What to push: a branch, a tag or anything else that names a commit. A commit without a name is pushed as `main`.
    #[arg(long = "ref", value_name = "REF", default_value = "HEAD")]
    reference: String,
    /// Name in the forge; without it `local/<name of the directory>`.
    #[arg(long = "as", value_name = "OWNER/NAME")]
    name: Option<RepositoryName>,
    /// Return at once instead of watching the checks.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    data: DataDirectory,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let client = Client::new(Data::contact(&options.data.data)?)?;
    let Some(push_token) = client.contact().push_token.clone() else {
        bail!("this `quillon up` works with GitHub: push there, `quillon push` is for the embedded forge");
    };
    let path = options.repository.canonicalize().with_context(|| format!("there is no directory `{}`", options.repository.display()))?;
    let name = match options.name {
        Some(name) => name,
        None => name_of(&path)?,
    };
    let sha = git(&path, &["rev-parse", "--verify", "--end-of-options", &format!("{}^{{commit}}", options.reference)]).await;
    let sha = sha.with_context(|| format!("`{}` names no commit in `{}`", options.reference, path.display()))?;
    let target = target_ref(&path, &options.reference).await;
    client.control(Method::POST, "repositories", Some(&json!({ "repository": name }))).await?;
    let remote = client.contact().url.join(&format!("forge/{name}.git"))?;
    push(&path, remote.as_str(), &push_token, &sha, &target).await?;
    say(&format!("pushed {} to {name} as {target}", &sha[..7]));
    if options.no_wait {
        return Ok(ExitCode::SUCCESS);
    }
    watch(&client, &name, &sha).await
}

fn name_of(path: &Path) -> anyhow::Result<RepositoryName> {
    let name: String = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect();
    format!("local/{}", name.trim_matches('.'))
        .parse()
        .context("the directory's name makes no repository name: give one with `--as owner/name`")
}

/// The ref to push to: the name of what was asked for where it has one.
async fn target_ref(path: &Path, reference: &str) -> String {
    let full = git(path, &["rev-parse", "--symbolic-full-name", "--end-of-options", reference]).await.unwrap_or_default();
    // With `--end-of-options` git repeats the option itself on a line of its own.
    let full = full.lines().last().unwrap_or_default();
    if full.starts_with("refs/heads/") || full.starts_with("refs/tags/") { full.to_owned() } else { "refs/heads/main".to_owned() }
}

async fn git(path: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").arg("-C").arg(path).args(arguments).stdin(Stdio::null()).output().await.context("cannot run `git`")?;
    if !output.status.success() {
        bail!("git: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

async fn push(path: &Path, remote: &str, token: &str, sha: &str, target: &str) -> anyhow::Result<()> {
    let credential = STANDARD.encode(format!("quillon:{token}"));
    let pushed = Command::new("git")
        .arg("-C")
        .arg(path)
        .args(["push", "--force", "--quiet", "--", remote, &format!("{sha}:{target}")])
        // In the environment of this one process: neither in the list of processes nor in a configuration file.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "http.extraHeader")
        .env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {credential}"))
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run `git`")?;
    if !pushed.status.success() {
        bail!("git push failed: {}", String::from_utf8_lossy(&pushed.stderr).trim());
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    name: String,
    status: String,
    duration: Option<u64>,
    module_ref: String,
}

/// Follows the checks of a commit; the exit code says whether they passed.
async fn watch(client: &Client, name: &RepositoryName, sha: &str) -> anyhow::Result<ExitCode> {
    let query = "query($org: String!, $repos: [String!], $first: Int) { org(name: $org) { checks(repos: $repos, first: $first) { nodes { \
                 commitSHA checks { name status duration moduleRef } } } } }";
    let variables = json!({ "org": org_of(name), "repos": [name], "first": 20 });
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let mut looks_without_checks = 0_u32;
    loop {
        let answer = client.graphql(query, &variables).await?;
        let nodes = answer["org"]["checks"]["nodes"].as_array().cloned().unwrap_or_default();
        let mut checks: Vec<Check> = vec![];
        // A commit has an entry for each of its modules.
        for mut entry in nodes.into_iter().filter(|node| node["commitSHA"].as_str() == Some(sha)) {
            checks.extend(serde_json::from_value::<Vec<Check>>(entry["checks"].take())?);
        }
        for check in &checks {
            let line = format!("{} {}", check.module_ref.rsplit('/').next().unwrap_or_default(), check.name);
            if shown.get(&line) != Some(&check.status) {
                say(&render(&line, check));
                shown.insert(line, check.status.clone());
            }
        }
        let is_over = !checks.is_empty() && checks.iter().all(|check| !matches!(check.status.as_str(), "queued" | "running"));
        let has_checks = checks.iter().any(|check| check.name != "load" || check.status != "success");
        if is_over && has_checks {
            let page = format!("{}{}/checks", client.contact().url, org_of(name));
            say(&format!("\n{page}"));
            let has_failed = checks.iter().any(|check| check.status != "success");
            return Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        looks_without_checks = if checks.is_empty() { looks_without_checks + 1 } else { 0 };
        if looks_without_checks == 40 {
            say("no checks so far: does the commit have a `dagger.json`, `dagger-module.toml` or `dagger.toml`?");
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn render(line: &str, check: &Check) -> String {
    let sign = match check.status.as_str() {
        "success" => "✓",
        "failure" | "error" => "✕",
        "running" => "●",
        "cancelled" => "–",
        _ => "◌",
    };
    match check.duration {
        Some(seconds) => format!("  {sign} {line}  {}  {seconds}s", check.status),
        None => format!("  {sign} {line}  {}", check.status),
    }
}

fn org_of(name: &RepositoryName) -> String {
    quillon_core::org::OrgName::of_login(name.owner()).map_or_else(|| name.owner().to_owned(), |org| org.to_string())
}

#[expect(clippy::print_stdout, reason = "progress for the person who pushed")]
fn say(text: &str) {
    println!("{text}");
}
