//! `quillon admin org`: orgs, as the operator sees them.

use clap::Subcommand;
use quillon_core::org::OrgName;
use reqwest::Method;
use serde_json::{Value, json};

use super::{list, print};
use crate::command::client::Client;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the orgs.
    List,
    /// Make an org that has no members yet.
    Create {
        /// Its name: letters, digits and dashes.
        org: OrgName,
    },
    /// Give an org another name; links with the old one lead nowhere, tokens keep working.
    Rename {
        /// Its name now.
        org: OrgName,
        /// Its new name.
        name: OrgName,
    },
    /// Delete an org after a time in which it can be had back.
    Delete {
        /// Name of the org.
        org: OrgName,
    },
    /// Have an org back that is being deleted.
    Restore {
        /// Name of the org.
        org: OrgName,
    },
    /// Set how many checks of an org run at once.
    Concurrency {
        /// Name of the org.
        org: OrgName,
        /// The limit.
        limit: u32,
    },
    /// Say whether traces of CI runs of an org's public repositories are public.
    PublicTraces {
        /// Name of the org.
        org: OrgName,
        /// `true` or `false`.
        #[arg(action = clap::ArgAction::Set)]
        allowed: bool,
    },
}

pub(super) async fn run(client: &Client, command: Command) -> anyhow::Result<()> {
    let change = |org: OrgName, change: Value| (Method::PUT, format!("orgs/{org}"), Some(change));
    let (method, path, body) = match command {
        Command::List => return print(&list(client, "orgs", "orgs", "after").await?),
        Command::Create { org } => (Method::POST, "orgs".to_owned(), Some(json!({ "name": org }))),
        Command::Rename { org, name } => change(org, json!({ "name": name })),
        Command::Delete { org } => (Method::DELETE, format!("orgs/{org}"), None),
        Command::Restore { org } => (Method::POST, format!("orgs/{org}/restore"), Some(json!({}))),
        Command::Concurrency { org, limit } => change(org, json!({ "concurrency": limit })),
        Command::PublicTraces { org, allowed } => change(org, json!({ "public_traces": allowed })),
    };
    print(&client.operator(method, &path, body.as_ref()).await?)
}
