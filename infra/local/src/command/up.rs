//! `quillon up`: the whole system on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use quillon_runtime::Settings;

use super::data::Data;
use super::github::{ForgeChoice, InstanceSettings};
use super::instance::{Instance, Plan};
use super::{Common, DataDirectory};

/// Run the whole system on this machine.
///
/// With a GitHub App (all of these are needed): `QUILLON_GITHUB_APP_ID`, `QUILLON_GITHUB_APP_PRIVATE_KEY` (PEM or a path),
/// `QUILLON_GITHUB_WEBHOOK_SECRET` and `QUILLON_PUBLIC_URL`; for a GitHub Enterprise Server also `QUILLON_GITHUB_URL`
/// (and `QUILLON_GITHUB_API_URL` where it is not `<url>/api/v3`). Without any of them the embedded forge is used:
/// `quillon push <repository>` gives a local git repository its checks.
///
/// People sign in with GitHub where `QUILLON_GITHUB_CLIENT_ID` and `QUILLON_GITHUB_CLIENT_SECRET` of that App are set, with Google by
/// `QUILLON_GOOGLE_CLIENT_ID` and `QUILLON_GOOGLE_CLIENT_SECRET`, with another OpenID provider by `QUILLON_OIDC_ISSUER`, `QUILLON_OIDC_NAME`,
/// `QUILLON_OIDC_CLIENT_ID` and `QUILLON_OIDC_CLIENT_SECRET`; each sends them back to `<public URL>/auth/<github, google or oidc>/callback`.
/// CI jobs show who they are by the issuers `QUILLON_GITHUB_ACTIONS_ISSUER`, `QUILLON_GITLAB_ISSUER`, `QUILLON_CIRCLECI_ISSUER` and
/// `QUILLON_BUILDKITE_ISSUER`: the public ones unless set, none where set to `off`.
///
/// Whoever signs in gets an account unless `QUILLON_SIGN_UPS` lists who does, and may make an org unless `QUILLON_ORG_CREATION=operator`.
/// Traces are kept for `QUILLON_TRACE_DAYS` (90), outputs and traces of checks for `QUILLON_CHECK_DAYS` (400).
///
/// Everything is free unless `QUILLON_BILLING=stripe`, with `QUILLON_STRIPE_SECRET_KEY`, `QUILLON_STRIPE_WEBHOOK_SECRET` (of the endpoint
/// `<public URL>/billing/webhook`) and `QUILLON_STRIPE_PRICE_TEAM`.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    data: DataDirectory,
    /// The dagger CLI to drive; without it, the one on PATH.
    #[arg(long, value_name = "PATH")]
    dagger: Option<PathBuf>,
    /// Run pull requests from forks. An agent on this machine has no VM around it: only for code that you trust.
    #[arg(long)]
    run_forks: bool,
    /// Run the dagger CLI as this user; needs root.
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,
    /// Whether a new installation of the GitHub App gets an org under its account's name.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    auto_claim: bool,
}

pub(crate) async fn run(options: Options, environment: BTreeMap<String, String>) -> anyhow::Result<ExitCode> {
    let engine = engine_note(options.dagger.as_deref(), environment.get("PATH").map(String::as_str));
    let settings = InstanceSettings::read(&Settings::new(environment))?;
    let data = Data::open(&options.data.data)?;
    let is_embedded = settings.forge == ForgeChoice::Embedded;
    let common = options.common.clone();
    let plan = Plan {
        common: options.common,
        data,
        settings,
        auto_claim: options.auto_claim,
        run_forks: options.run_forks,
        run_as: options.run_as,
        dagger: options.dagger,
        // On one machine a heartbeat costs nothing, and a cancellation is heard at once.
        heartbeat_s: 1,
    };
    let mut instance = Instance::start(plan).await?;
    welcome(&instance, &common, is_embedded, &engine);
    instance.wait().await?;
    say("\nstopping: agents give back what they work on");
    instance.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn welcome(instance: &Instance, common: &Common, is_embedded: bool, engine: &str) {
    let forge = if is_embedded {
        let push = "embedded; `quillon push <repository>` gives a local git repository its checks";
        match &instance.forge_key {
            Some(key) => format!("{push}\n           others can reach it, so being one of its people takes this key: {key}"),
            None => push.to_owned(),
        }
    } else {
        format!("GitHub; the App's webhook URL is {}/github/webhook", instance.url.as_str().trim_end_matches('/'))
    };
    let agents = match common.agents {
        0 => "none here; `quillon admin agent enrol` lets `quillon agent` run elsewhere".to_owned(),
        number => format!("{number}, {} checks at a time each; {engine}", common.jobs),
    };
    say(&format!(
        "quillon is running\n\n  pages    {}\n  sign in  {}\n  forge    {forge}\n  agents   {agents}\n\nCtrl-C stops it; what is under way goes on with the next start",
        instance.url, instance.sign_in,
    ));
}

/// What will run the checks, in words.
fn engine_note(dagger: Option<&Path>, path: Option<&str>) -> String {
    let on_path = || std::env::split_paths(path.unwrap_or_default()).map(|directory| directory.join("dagger")).find(|file| file.is_file());
    match dagger.map(Path::to_path_buf).or_else(on_path) {
        Some(path) => format!("dagger CLI `{}`", path.display()),
        None => "no dagger CLI on PATH: the demo engine stands in, which runs the scripts in `checks/` of a module and nothing else \
                 (install Dagger from https://docs.dagger.io/install, or name it with `--dagger`)"
            .to_owned(),
    }
}

#[expect(clippy::print_stdout, reason = "what a person starts, a person reads")]
fn say(text: &str) {
    println!("{text}");
}
