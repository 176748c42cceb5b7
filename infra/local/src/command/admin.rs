//! `quillon admin`: orgs, people, tokens, agents and settings of a running `up`, or of an instance elsewhere.

mod installation;
mod member;
mod org;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use quillon_core::name::RepositoryName;
use quillon_core::org::{OrgName, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::DataDirectory;
use super::client::Client;
use super::data::{Contact, Data};

/// Where the operator's key is, for an instance that is not beside.
const OPERATOR_KEY: &str = "QUILLON_OPERATOR_KEY";

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
    /// Address of an instance elsewhere, such as one on AWS; its operator's key is read from `QUILLON_OPERATOR_KEY`.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<Url>,
    #[command(flatten)]
    data: DataDirectory,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tokens of an org, for the dagger CLI and for CI.
    #[command(subcommand)]
    Token(Token),
    /// Agents on other machines.
    #[command(subcommand)]
    Agent(Agent),
    /// How a repository wants to be treated.
    #[command(subcommand)]
    Repository(Repository),
    /// Orgs: made, renamed, limited, deleted.
    #[command(subcommand)]
    Org(org::Command),
    /// Who is in an org.
    #[command(subcommand)]
    Member(member::Command),
    /// Where the GitHub App is installed.
    #[command(subcommand)]
    Installation(installation::Command),
    /// Print a new link that signs a browser in as the operator.
    SignIn,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token (and the org, where it is new); prints it alone, once.
    Create {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        /// What to call the token.
        #[arg(long, default_value = "cli")]
        name: String,
        /// Days until it expires; without it, it does not.
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
        /// What it may do: `telemetry:write`, `checks:read`, `checks:rerun`, `engines:use`, `admin`; repeat it for several, without it the
        /// first three.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
    },
    /// List the tokens of an org.
    List {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
    },
    /// Make a token stop working.
    Revoke {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        /// Its id, as `list` shows it.
        id: quillon_core::id::TokenId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Make a one-time enrolment token for `quillon agent` on another machine; prints it alone.
    Enrol {
        /// The only org whose checks the agent may run; without it, all.
        #[arg(long)]
        org: Option<OrgName>,
        /// Minutes until the token expires.
        #[arg(long, default_value_t = 60, value_name = "MINUTES")]
        expires_in_minutes: u32,
    },
    /// List the agents.
    List,
    /// Make an agent's credential stop working.
    Remove {
        /// Its id, as `list` shows it.
        id: quillon_core::id::AgentId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Repository {
    /// Print the settings as JSON.
    Show {
        /// `owner/name`.
        repository: RepositoryName,
    },
    /// Replace the settings.
    Set {
        /// `owner/name`.
        repository: RepositoryName,
        /// The settings as JSON, as `show` prints them; what is left out gets its default.
        settings: String,
    },
}

pub(crate) async fn run(options: Options, environment: &BTreeMap<String, String>) -> anyhow::Result<ExitCode> {
    let client = &Client::new(contact(&options, environment)?)?;
    match options.command {
        Command::Token(command) => token(client, command).await?,
        Command::Agent(command) => agent(client, command).await?,
        Command::Repository(command) => repository(client, command).await?,
        Command::Org(command) => org::run(client, command).await?,
        Command::Member(command) => member::run(client, command).await?,
        Command::Installation(command) => installation::run(client, command).await?,
        Command::SignIn => {
            let contact = client.contact();
            say(&format!("{}operator/sign-in?key={}", contact.url, contact.operator_key));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The instance that is meant: one of this machine, or any whose operator's key is at hand.
fn contact(options: &Options, environment: &BTreeMap<String, String>) -> anyhow::Result<Contact> {
    let Some(server) = &options.server else { return Data::contact(&options.data.data) };
    let key = environment.get(OPERATOR_KEY).map(|key| key.trim()).filter(|key| !key.is_empty());
    let key = key.with_context(|| format!("`{OPERATOR_KEY}` is not set: with `--server` it holds the operator's key of that instance"))?;
    Contact::elsewhere(server.clone(), key)
}

async fn token(client: &Client, command: Token) -> anyhow::Result<()> {
    match command {
        Token::Create { org, name, expires_in_days, scopes } => {
            let mut body = json!({ "org": org, "name": name });
            if let Some(days) = expires_in_days {
                body["expires_in_days"] = days.into();
            }
            if !scopes.is_empty() {
                body["scopes"] = json!(scopes);
            }
            let answer = client.operator(Method::POST, "tokens", Some(&body)).await?;
            // Alone on stdout, so that a script can take it.
            say(answer["token"].as_str().context("the server answered without a token")?);
        }
        Token::List { org } => print(&client.operator(Method::GET, &format!("tokens?org={org}"), None).await?)?,
        Token::Revoke { org, id } => {
            client.operator(Method::DELETE, &format!("tokens/{id}?org={org}"), None).await?;
        }
    }
    Ok(())
}

async fn agent(client: &Client, command: Agent) -> anyhow::Result<()> {
    match command {
        Agent::Enrol { org, expires_in_minutes } => {
            let mut body = json!({ "expires_in_minutes": expires_in_minutes });
            if let Some(org) = org {
                body["org"] = org.to_string().into();
            }
            let answer = client.operator(Method::POST, "agent-enrolments", Some(&body)).await?;
            say(answer["token"].as_str().context("the server answered without a token")?);
        }
        Agent::List => print(&client.operator(Method::GET, "agents", None).await?)?,
        Agent::Remove { id } => {
            client.operator(Method::DELETE, &format!("agents/{id}"), None).await?;
        }
    }
    Ok(())
}

async fn repository(client: &Client, command: Repository) -> anyhow::Result<()> {
    let path = |repository: &RepositoryName| format!("repositories/{repository}/settings");
    let answer = match command {
        Repository::Show { repository } => client.operator(Method::GET, &path(&repository), None).await?,
        Repository::Set { repository, settings } => {
            let settings: Value = serde_json::from_str(&settings).context("the settings are not JSON")?;
            client.operator(Method::PUT, &path(&repository), Some(&settings)).await?
        }
    };
    print(&answer)
}

/// All parts of a list; each part says by `next` what to send as `after` or `page` for the one behind it.
async fn list(client: &Client, path: &str, what: &str, cursor: &str) -> anyhow::Result<Value> {
    let mut all = vec![];
    let mut path_of_part = path.to_owned();
    loop {
        let mut answer = client.operator(Method::GET, &path_of_part, None).await?;
        if let Value::Array(part) = answer[what].take() {
            all.extend(part);
        }
        let next = match &answer["next"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Ok(all.into()),
        };
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(cursor, &next).finish();
        path_of_part = format!("{path}?{query}");
    }
}

fn print(answer: &Value) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(answer)?);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn say(text: &str) {
    println!("{text}");
}
