//! `quillon admin member`: who is in an org; how one that nobody administers gets its first admin.

use anyhow::Context as _;
use clap::Subcommand;
use quillon_core::id::UserId;
use quillon_core::member::Role;
use quillon_core::org::OrgName;
use reqwest::Method;
use serde_json::json;

use super::{list, print, say};
use crate::command::client::Client;

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
    },
    /// List the members of an org.
    List {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
    },
    /// Take somebody out of an org; what they ran stays.
    Remove {
        /// Name of the org.
        #[arg(long)]
        org: OrgName,
        /// Their id, as `list` shows it.
        user: UserId,
    },
}

pub(super) async fn run(client: &Client, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { org, user, roles } => {
            let body = json!({ "user": user, "roles": roles });
            print(&client.operator(Method::POST, &format!("orgs/{org}/members"), Some(&body)).await?)
        }
        Command::Invite { org, invitee, roles } => {
            let body = json!({ "invitee": invitee, "roles": roles });
            let answer = client.operator(Method::POST, &format!("orgs/{org}/invites"), Some(&body)).await?;
            // Alone on stdout, so that a script can take it.
            say(answer["url"].as_str().context("the server answered without a link")?);
            Ok(())
        }
        Command::List { org } => print(&list(client, &format!("orgs/{org}/members"), "members", "after").await?),
        Command::Remove { org, user } => client.operator(Method::DELETE, &format!("orgs/{org}/members/{user}"), None).await.map(drop),
    }
}
