//! An invitation, as whoever holds its link sees it, and its link, as whoever made it sees it once.

use askama::Template;
use quillon_core::member::{Invite, Role, Roles};
use quillon_core::org::Org;
use quillon_core::person::User;

use super::objection::Objection;
use super::text::label;

/// The page of an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "invite.html")]
pub struct InvitePage {
    /// The org's name.
    pub org: String,
    /// Who invites.
    pub by: String,
    /// As what, in words.
    pub roles: String,
    /// What that allows.
    pub allows: Vec<&'static str>,
    /// For whom it is.
    pub invitee: String,
    /// Whether that is whoever looks.
    pub is_mine: bool,
    /// Who looks.
    pub me: String,
    /// Until when it can be accepted.
    pub until: String,
    /// Why it was not accepted.
    pub problem: Option<Objection>,
    /// Where it is accepted.
    pub action: String,
    /// The token of the form.
    pub csrf: String,
}

impl InvitePage {
    /// The page without form.
    #[must_use]
    pub fn new(invite: &Invite, org: &Org, user: &User) -> Self {
        Self {
            org: org.name.to_string(),
            by: label(&invite.invited_by),
            roles: invite.roles.to_string(),
            allows: allowances(invite.roles),
            invitee: label(&invite.invitee.to_string()),
            is_mine: invite.invitee.is(user),
            me: label(&user.label()),
            until: invite.expires_at.strftime("%-d %b %Y %H:%M UTC").to_string(),
            problem: None,
            action: String::new(),
            csrf: String::new(),
        }
    }
}

/// What roles allow, for whoever chooses them.
#[must_use]
pub fn allowances(roles: Roles) -> Vec<&'static str> {
    Role::ALL.into_iter().filter(|role| roles.has(*role)).map(allowance).collect()
}

/// What a role allows.
#[must_use]
pub fn allowance(role: Role) -> &'static str {
    match role {
        Role::Admin => "Admin: settings, members, tokens, git sources and the plan, and who may read a trace",
        Role::Member => "Member: see checks and traces, rerun and cancel checks",
    }
}

/// The link of an invitation, shown once.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/invite-link.html")]
pub struct InviteLink {
    /// The link.
    pub link: String,
    /// For whom.
    pub invitee: String,
    /// As what.
    pub roles: String,
    /// Until when.
    pub until: String,
    /// Where to go from here.
    pub back_href: String,
}
