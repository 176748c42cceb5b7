//! `quillon admin installation`: where the GitHub App is, and which org works with it.

use clap::Subcommand;
use quillon_core::id::InstallationId;
use quillon_core::org::OrgName;
use reqwest::Method;
use serde_json::json;

use super::{client, list, print};
use crate::command::DataDirectory;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the installations that GitHub knows, with the orgs that have claimed them.
    List {
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Give an installation that nobody has to an org, without asking who administers the account at GitHub.
    Claim {
        /// Its number at GitHub, as `list` shows it.
        id: InstallationId,
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        #[command(flatten)]
        data: DataDirectory,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { data } => print(&list(&client(&data)?, "installations", "installations", "page").await?),
        Command::Claim { id, org, data } => {
            let body = json!({ "org": org });
            print(&client(&data)?.operator(Method::POST, &format!("installations/{id}/claim"), Some(&body)).await?)
        }
    }
}
