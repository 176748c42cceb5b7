//! `quillon demo`: the main job, from a push to commit statuses, with everything embedded.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use quillon_core::id::{CommitSha, RepositoryId};
use quillon_core::name::Task;
use quillon_core::run::{CheckLine, CommitKey, Phase};
use quillon_core::text;
use quillon_forge::{AccountKind, FileChange, Forge, Person, Repository, Selection};

use super::Common;
use super::billing::BillingSettings;
use super::data::Data;
use super::github::{ForgeChoice, InstanceSettings};
use super::instance::{Instance, Plan};
use super::policy::PolicySettings;
use super::sign_in::SignInSettings;
use crate::system::people;

/// How often the table is looked at for the terminal.
const LOOK: Duration = Duration::from_millis(40);

/// After so long something is wrong, and waiting on would hide it.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// End when the checks are done, with exit code 0; without it the pages stay up until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Keep the demo's state in this directory instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The module of the demo: two checks that pass, one that takes its time, one that fails.
const FILES: [(&str, &str); 6] = [
    ("README.md", "# hello\n\nA module with four checks.\n"),
    (
        "dagger.json",
        "{\n  \"name\": \"hello\",\n  \"engineVersion\": \"v0.21.8\",\n  \"sdk\": { \"source\": \"go\" },\n  \"source\": \".dagger\"\n}\n",
    ),
    (
        ".dagger/checks/lint",
        "#!/bin/sh\n# Checks that every text ends with a line end.\nset -e\nfor file in *.md; do\n  printf 'looking at %s\\n' \"$file\"\n  test \"$(tail -c 1 \"$file\" | wc -l)\" -eq 1\ndone\n",
    ),
    (
        ".dagger/checks/unit-tests",
        "#!/bin/sh\n# Runs the tests.\nfor number in 1 2 3 4; do\n  sleep 0.3\n  printf 'ok %s - test %s\\n' \"$number\" \"$number\"\ndone\n",
    ),
    (".dagger/checks/readme", "#!/bin/sh\n# The readme names the module.\ngrep -n hello README.md\n"),
    (
        ".dagger/checks/spelling",
        "#!/bin/sh\n# Finds words that are not words.\nsleep 0.5\nprintf 'README.md:3: \\033[31mchekcs\\033[0m is not a word\\n' >&2\nexit 1\n",
    ),
];

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::Builder::new().prefix("quillon-demo-").tempdir()?;
    let data = Data::open(options.data.as_deref().unwrap_or(temporary.path()))?;
    let dagger = engine_script(&data)?;
    let mut common = options.common;
    common.listen = free_address(common.listen).await;
    let plan = Plan {
        common,
        data,
        settings: InstanceSettings {
            forge: ForgeChoice::Embedded,
            public_url: None,
            sign_in: SignInSettings::default(),
            billing: BillingSettings::default(),
            policy: PolicySettings::default(),
        },
        auto_claim: true,
        run_forks: false,
        run_as: None,
        dagger: Some(dagger),
        heartbeat_s: 1,
    };
    say("Quillon demo: a push becomes checks, checks become commit statuses\n");
    let mut instance = Instance::start(plan).await?;
    say(&step("started", &format!("functions, queues, tables and forge at {}", instance.url)));
    let outcome = show(&instance).await;
    if let Err(error) = outcome {
        instance.stop().await;
        return Err(error);
    }
    if options.once {
        instance.stop().await;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "\nThe pages are up. Sign in as the operator:\n  {}\nor as one of the forge's people, ann (who owns acme) or ben (a member):\n  {}sign-in\nthen see what the checks did, span by span:\n  {}acme/traces",
        instance.sign_in, instance.url, instance.url
    ));
    if let Some(key) = &instance.forge_key {
        say(&format!("Others can reach these pages, so the forge asks for its key: {key}"));
    }
    say("\nCtrl-C ends the demo");
    instance.wait().await?;
    instance.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The demo engine as a program of its own, for an agent that drives programs.
fn engine_script(data: &Data) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let quoted = program.to_string_lossy().replace('\'', "'\\''");
    let script = data.write("dagger", &format!("#!/bin/sh\nexec '{quoted}' demo-engine \"$@\"\n"))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700))?;
    Ok(script)
}

/// The wanted address, or one that is free: a demo beside a running `up` works too.
async fn free_address(wanted: SocketAddr) -> SocketAddr {
    match tokio::net::TcpListener::bind(wanted).await {
        Ok(_) => wanted,
        Err(_) => SocketAddr::new(wanted.ip(), 0),
    }
}

async fn show(instance: &Instance) -> anyhow::Result<()> {
    let forge = instance.forge.as_ref().context("the demo needs the embedded forge")?;
    let repository = make_repository(forge).await?;
    let full_name = forge.full_name(repository.id)?;
    say(&step("forge", &format!("org acme, repository {full_name}, the GitHub App installed")));
    let pushed = Instant::now();
    let sha = push(forge, &repository).await?;
    say(&step("push", &format!("{} to main: hello: four checks", &sha[..7])));
    let key = CommitKey { repository: RepositoryId(repository.id), sha: sha.parse::<CommitSha>()? };
    follow_webhook(forge, pushed).await?;
    follow_checks(instance, &key, pushed).await?;
    follow_statuses(forge, &repository, &sha, pushed).await
}

async fn make_repository(forge: &Forge) -> anyhow::Result<Repository> {
    if let Some(account) = forge.account("acme") {
        people::join(forge, &account)?;
    }
    if let Some(known) = forge.find_repository("acme/hello") {
        return Ok(known);
    }
    let account = match forge.account("acme") {
        Some(account) => account,
        None => forge.create_account("acme", AccountKind::Organization)?,
    };
    people::join(forge, &account)?;
    forge.install(account.id, Selection::All)?;
    Ok(forge.create_repository(account.id, "hello", false).await?)
}

async fn push(forge: &Forge, repository: &Repository) -> anyhow::Result<String> {
    let files: Vec<FileChange<'_>> = FILES
        .iter()
        .map(|(path, text)| if path.contains("/checks/") { FileChange::script(path, text) } else { FileChange::write(path, text) })
        .collect();
    let author = Person::new("Ada Lovelace", "ada@acme.example");
    Ok(forge.commit_and_push(repository.id, "main", &files, "hello: four checks", &author).await?)
}

async fn follow_webhook(forge: &Forge, since: Instant) -> anyhow::Result<()> {
    loop {
        let delivered = forge.deliveries()?.into_iter().find(|delivery| delivery.event == "push" && delivery.outcome.is_some());
        if let Some(outcome) = delivered.and_then(|delivery| delivery.outcome) {
            say(&step("webhook", &format!("push delivered, answered {} after {}", outcome.status_code, took(since))));
            return Ok(());
        }
        give_up(since)?;
        tokio::time::sleep(LOOK).await;
    }
}

/// One line per check, as the table has it.
async fn follow_checks(instance: &Instance, key: &CommitKey, since: Instant) -> anyhow::Result<()> {
    let lines = MultiProgress::new();
    let mut bars: BTreeMap<Task, (ProgressBar, Phase)> = BTreeMap::new();
    loop {
        let commit = instance.system.store().commit(key).await?;
        let Some(run) = commit.runs.last() else {
            give_up(since)?;
            tokio::time::sleep(LOOK).await;
            continue;
        };
        let summary = run.summarize(&commit.latest(&run.key));
        for line in &summary.lines {
            let (bar, shown) = bars.entry(line.task.clone()).or_insert_with(|| (new_bar(&lines), Phase::Queued));
            let is_news = *shown != line.phase || bar.prefix().is_empty();
            if is_news {
                *shown = line.phase;
                draw(&lines, bar, line);
            }
        }
        if commit.is_over(run) {
            break;
        }
        give_up(since)?;
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn new_bar(lines: &MultiProgress) -> ProgressBar {
    let bar = lines.add(ProgressBar::new_spinner());
    // The template is a constant: were it wrong, the plain style would do.
    let style = ProgressStyle::with_template("  {prefix:10} {msg} {spinner}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn draw(lines: &MultiProgress, bar: &ProgressBar, line: &CheckLine) {
    let time = match (line.started_at, line.ended_at) {
        (Some(start), Some(end)) => format!(" in {}", text::duration(start, end)),
        (Some(_) | None, _) => String::new(),
    };
    let kind = match line.task {
        Task::Load => "load",
        Task::Check(_) => "check",
    };
    let sign = sign(line.phase);
    let message = format!("{sign} {:24} {}{time}{}", line.task.label(), line.phase.word(), note(line));
    bar.set_prefix(kind);
    if lines.is_hidden() {
        // Not a terminal: every change is a line of its own.
        say(&format!("  {kind:10} {message}"));
    }
    if line.phase.is_terminal() { bar.finish_with_message(message) } else { bar.set_message(message) }
}

fn note(line: &CheckLine) -> String {
    line.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default()
}

fn sign(phase: Phase) -> &'static str {
    match phase {
        Phase::Queued => "◌",
        Phase::Running => "●",
        Phase::Success => "✓",
        Phase::Failure | Phase::Error => "✕",
        Phase::Cancelled => "–",
    }
}

async fn follow_statuses(forge: &Forge, repository: &Repository, sha: &str, since: Instant) -> anyhow::Result<()> {
    loop {
        let statuses = forge.latest_statuses(repository.id, sha)?;
        let is_over = |state: &str| state != "pending";
        let aggregate = statuses.iter().find(|status| status.context == quillon_core::report::AGGREGATE);
        if aggregate.is_some_and(|status| is_over(&status.state)) {
            say(&format!("\ncommit statuses on the forge, {} after the push:", took(since)));
            for status in &statuses {
                let sign = if status.state == "success" { "✓" } else { "✕" };
                say(&format!("  {sign} {:32} {:8} {}", status.context, status.state, status.description.as_deref().unwrap_or_default()));
            }
            return Ok(());
        }
        give_up(since)?;
        tokio::time::sleep(LOOK).await;
    }
}

fn give_up(since: Instant) -> anyhow::Result<()> {
    if since.elapsed() > PATIENCE {
        bail!("nothing happened for {} seconds: run again with QUILLON_LOG=info to see why", PATIENCE.as_secs());
    }
    Ok(())
}

fn took(since: Instant) -> String {
    format!("{} ms", since.elapsed().as_millis())
}

fn step(what: &str, text: &str) -> String {
    format!("  {what:10} {text}")
}

#[expect(clippy::print_stdout, reason = "what a person watches")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_manifest_of_the_demo_names_the_directory_of_its_checks() {
        let manifest: serde_json::Value = FILES
            .iter()
            .find(|(path, _)| *path == "dagger.json")
            .and_then(|(_, text)| serde_json::from_str(text).ok())
            .expect("a manifest");
        let source = manifest["source"].as_str().expect("a source");
        assert!(FILES.iter().filter(|(path, _)| Path::new(path).starts_with(Path::new(source).join("checks"))).count() == 4);
    }
}
