//! `quillon admin installation`: where the GitHub App is, and which org works with it.

use clap::Subcommand;
use quillon_core::id::InstallationId;
use quillon_core::org::OrgName;
use reqwest::Method;
use serde_json::json;

use super::{list, print};
use crate::command::client::Client;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the installations that GitHub knows, with the orgs that have claimed them.
    List,
    /// Give an installation that nobody has to an org, without asking who administers the account at GitHub.
    Claim {
        /// Its number at GitHub, as `list` shows it.
        id: InstallationId,
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
    },
}

pub(super) async fn run(client: &Client, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => print(&list(client, "installations", "installations", "page").await?),
        Command::Claim { id, org } => {
            let body = json!({ "org": org });
            print(&client.operator(Method::POST, &format!("installations/{id}/claim"), Some(&body)).await?)
        }
    }
}
