//! Who is in the org and who is invited, as plain data.

use askama::Template;
use jiff::Timestamp;
use quillon_core::id::UserId;
use quillon_core::member::{Invite, Member, Role};

use crate::page::text::{initials, label, tint};
use crate::page::time::Moment;

/// The tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/members.html")]
pub struct MembersPage {
    /// Who is in.
    pub members: Vec<MemberRow>,
    /// The next page of them.
    pub more_href: Option<String>,
    /// Who is invited.
    pub invites: Vec<InviteRow>,
    /// Whether whoever looks is in.
    pub is_in: bool,
    /// The forms.
    pub forms: Option<MembersForms>,
    /// The form of an invitation.
    pub draft: InviteDraft,
}

/// Somebody who is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Their id.
    pub id: String,
    /// What people call them.
    pub name: String,
    /// Up to two letters that stand for them.
    pub initials: String,
    /// Their tint.
    pub tint: u8,
    /// Whether they administer the org.
    pub is_admin: bool,
    /// Whether they see its runs.
    pub is_member: bool,
    /// Since when.
    pub since: Moment,
    /// Who let them in.
    pub by: String,
    /// Whether it is whoever looks.
    pub is_me: bool,
}

/// Somebody who is invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// The invitation's id.
    pub id: String,
    /// For whom.
    pub invitee: String,
    /// As what.
    pub roles: String,
    /// Who invites.
    pub by: String,
    /// When.
    pub at: Moment,
    /// Until when.
    pub until: String,
}

/// The forms of the tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersForms {
    /// The token of the forms.
    pub csrf: String,
    /// Where roles are posted to; none for those who may not.
    pub roles: Option<String>,
    /// Where a removal is posted to.
    pub remove: Option<String>,
    /// Where one leaves.
    pub leave: String,
    /// Where an invitation is made.
    pub invite: Option<String>,
    /// Where one is taken back.
    pub revoke: Option<String>,
    /// The member whose change was refused: the form is open.
    pub open: Option<String>,
    /// Whether leaving was refused.
    pub is_leaving: bool,
}

/// The form of an invitation, as it is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteDraft {
    /// Who is invited.
    pub invitee: String,
    /// Whether as an admin.
    pub admin: bool,
    /// Whether as a member.
    pub member: bool,
    /// Whether it was refused.
    pub is_refused: bool,
}

impl InviteDraft {
    /// An empty form. Whoever is the first one of an org shall be able to administer it.
    #[must_use]
    pub fn new(is_first: bool) -> Self {
        Self { invitee: String::new(), admin: is_first, member: true, is_refused: false }
    }
}

impl MembersPage {
    /// The members as somebody of them sees them.
    #[must_use]
    pub fn new(members: &[Member], me: Option<UserId>, now: Timestamp) -> Self {
        let row = |member: &Member| MemberRow {
            id: member.user.to_string(),
            name: label(&member.name),
            initials: initials(&member.name),
            tint: tint(&member.name),
            is_admin: member.roles.has(Role::Admin),
            is_member: member.roles.has(Role::Member),
            since: Moment::new(member.joined_at, now),
            by: label(&member.invited_by),
            is_me: me == Some(member.user),
        };
        let mut members: Vec<MemberRow> = members.iter().map(row).collect();
        members.sort_by_key(|member| member.name.to_lowercase());
        Self { is_in: me.is_some(), draft: InviteDraft::new(members.is_empty()), members, more_href: None, invites: vec![], forms: None }
    }
}

/// The open invitations, the newest first.
#[must_use]
pub fn open_invites(invites: &[Invite], now: Timestamp) -> Vec<InviteRow> {
    let row = |invite: &Invite| InviteRow {
        id: invite.id.to_string(),
        invitee: label(&invite.invitee.to_string()),
        roles: invite.roles.to_string(),
        by: label(&invite.invited_by),
        at: Moment::new(invite.created_at, now),
        until: invite.expires_at.strftime("%-d %b %Y").to_string(),
    };
    let mut rows: Vec<InviteRow> = invites.iter().map(row).collect();
    rows.sort_by_key(|invite| -invite.at.ms);
    rows
}
