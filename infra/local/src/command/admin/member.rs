//! `quillon admin member`: who is in an org; how one that nobody administers gets its first admin.

use anyhow::Context as _;
use clap::Subcommand;
use quillon_core::id::UserId;
use quillon_core::member::Role;
use quillon_core::org::OrgName;
use reqwest::Method;
use serde_json::json;

use super::{client, list, print, say};
use crate::command::DataDirectory;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put somebody into an org who has signed in once, or change their roles.
    Add {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        /// Their id, as their account page and `list` show it.
        user: UserId,
        /// `admin` or `member`; repeat it for both.
        #[arg(long = "role", default_value = "member", value_name = "ROLE")]
        roles: Vec<Role>,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Invite somebody; prints the link alone, once.
    Invite {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        /// Their login at GitHub, or an e-mail address that their provider has verified.
        invitee: String,
        /// `admin` or `member`; repeat it for both.
        #[arg(long = "role", default_value = "member", value_name = "ROLE")]
        roles: Vec<Role>,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// List the members of an org.
    List {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        #[command(flatten)]
        data: DataDirectory,
    },
    /// Take somebody out of an org; what they ran stays.
    Remove {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        /// Their id, as `list` shows it.
        user: UserId,
        #[command(flatten)]
        data: DataDirectory,
    },
}

pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { org, user, roles, data } => {
            let body = json!({ "user": user, "roles": roles });
            print(&client(&data)?.operator(Method::POST, &format!("orgs/{org}/members"), Some(&body)).await?)
        }
        Command::Invite { org, invitee, roles, data } => {
            let body = json!({ "invitee": invitee, "roles": roles });
            let answer = client(&data)?.operator(Method::POST, &format!("orgs/{org}/invites"), Some(&body)).await?;
            // Alone on stdout, so that a script can take it.
            say(answer["url"].as_str().context("the server answered without a link")?);
            Ok(())
        }
        Command::List { org, data } => print(&list(&client(&data)?, &format!("orgs/{org}/members"), "members", "after").await?),
        Command::Remove { org, user, data } => {
            client(&data)?.operator(Method::DELETE, &format!("orgs/{org}/members/{user}"), None).await.map(drop)
        }
    }
}
