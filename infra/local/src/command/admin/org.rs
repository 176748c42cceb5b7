//! `quillon admin org`: orgs, as the operator sees them.

use clap::Subcommand;
use quillon_core::org::OrgName;
use reqwest::Method;
use serde_json::{Value, json};

use super::{client, list, print};
use crate::command::DataDirectory;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the orgs.
    List {
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Make an org that has no members yet.
    Create {
        /// Its name: letters, digits and dashes.
        org: OrgName,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Give an org another name; links and tokens with the old one stop working.
    Rename {
        /// Its name now.
        org: OrgName,
        /// Its new name.
        name: OrgName,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Delete an org after a time in which it can be had back.
    Delete {
        /// Name of the org.
        org: OrgName,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Have an org back that is being deleted.
    Restore {
        /// Name of the org.
        org: OrgName,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Set how many checks of an org run at once.
    Concurrency {
        /// Name of the org.
        org: OrgName,
        /// The limit.
        limit: u32,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Say whether traces of CI runs of an org's public repositories are public.
    PublicTraces {
        /// Name of the org.
        org: OrgName,
        /// `true` or `false`.
        #[arg(action = clap::ArgAction::Set)]
        allowed: bool,
        #[command(flatten)]
        data: DataDirectory,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    let change = |org: OrgName, change: Value, data| (Method::PUT, format!("orgs/{org}"), Some(change), data);
    let (method, path, body, data) = match command {
        Command::List { data } => return print(&list(&client(&data)?, "orgs", "orgs", "after").await?),
        Command::Create { org, data } => (Method::POST, "orgs".to_owned(), Some(json!({ "name": org })), data),
        Command::Rename { org, name, data } => change(org, json!({ "name": name }), data),
        Command::Delete { org, data } => (Method::DELETE, format!("orgs/{org}"), None, data),
        Command::Restore { org, data } => (Method::POST, format!("orgs/{org}/restore"), Some(json!({})), data),
        Command::Concurrency { org, limit, data } => change(org, json!({ "concurrency": limit }), data),
        Command::PublicTraces { org, allowed, data } => change(org, json!({ "public_traces": allowed }), data),
    };
    print(&client(&data)?.operator(method, &path, body.as_ref()).await?)
}
