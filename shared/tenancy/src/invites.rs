//! Invitations: made, shown, accepted once, taken back.

use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::attempt::later;
use quillon_core::audit::AuditAction;
use quillon_core::id::{InviteId, OrgId};
use quillon_core::member::{INVITE_LIFETIME, Invite, Invitee, MAX_INVITES, Member, Roles, admins_after};
use quillon_core::org::Org;
use quillon_core::person::User;
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::members::joining;
use crate::{Deed, MAX_DECISIONS, Tenancy, secret};

impl Tenancy {
    /// Invites somebody; gives the invitation and its secret, which is nowhere else. Whoever was invited before gets a new
    /// link, and the old one ends.
    ///
    /// # Errors
    /// When the org is being deleted, when too many invitations are open, or when the table cannot be used.
    pub async fn invite(&self, org: OrgId, invitee: Invitee, roles: Roles, deed: &Deed<'_>) -> Result<(Invite, Sensitive<String>)> {
        self.open(org).await?;
        let known = self.store.invites_of(org, deed.now).await?;
        let (replaced, others): (Vec<Invite>, Vec<Invite>) = known.into_iter().partition(|known| is_same(&known.invitee, &invitee));
        if others.len() >= MAX_INVITES {
            return Err(Error::refused(format!("{MAX_INVITES} invitations are open, which is the most: take some back first")));
        }
        let store = self.recording(deed, org, AuditAction::InviteMade, &invitee.to_string(), &format!("as {roles}"))?;
        // Before the new one: no link with other roles stays behind when this stops half-way.
        for invite in replaced {
            let _gone = store.delete_invite(org, invite.id).await?;
        }
        let text = secret::fresh()?;
        let invite = Invite {
            id: secret::new_id(InviteId::from_parts, deed.now)?,
            org,
            roles,
            invitee,
            invited_by: deed.who.to_owned(),
            created_at: deed.now,
            expires_at: later(deed.now, INVITE_LIFETIME),
        };
        match store.create_invite(&invite, &secret::hash(text.expose())).await? {
            Written::Done => Ok((invite, text)),
            Written::Lost => Err(Error::Contended("invitation")),
        }
    }

    /// The open invitations of an org, the oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn invites(&self, org: OrgId, now: Timestamp) -> Result<Vec<Invite>> {
        Ok(self.store.invites_of(org, now).await?)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// When the org has no such invitation, or the table cannot be used.
    pub async fn revoke_invite(&self, org: OrgId, invite: InviteId, deed: &Deed<'_>) -> Result<()> {
        let open = self.store.invites_of(org, deed.now).await?;
        let known = open.into_iter().find(|known| known.id == invite).ok_or(Error::NotFound("invitation"))?;
        let store = self.recording(deed, org, AuditAction::InviteRevoked, &known.invitee.to_string(), "")?;
        match store.delete_invite(org, invite).await? {
            Written::Done => Ok(()),
            Written::Lost => Err(Error::NotFound("invitation")),
        }
    }

    /// The invitation behind a secret, with its org, if it can still be accepted.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn invite_of(&self, text: &str, now: Timestamp) -> Result<Option<(Invite, Org)>> {
        if !secret::is_fresh_form(text) {
            return Ok(None);
        }
        let Some(invite) = self.store.invite(&secret::hash(text), now).await? else { return Ok(None) };
        let org = self.store.org(invite.org).await?;
        Ok(org.filter(Org::is_open).map(|org| (invite, org)))
    }

    /// Accepts an invitation, once: the person whom it is for is in the org then, with its roles besides those they had.
    ///
    /// # Errors
    /// When it is unknown, used or over, for somebody else, or when the table cannot be used.
    pub async fn accept(&self, text: &str, user: &User, deed: &Deed<'_>) -> Result<Org> {
        let hash = secret::hash(text);
        for _ in 0..MAX_DECISIONS {
            let (invite, org) = self.invite_of(text, deed.now).await?.ok_or(Error::NotFound("invitation"))?;
            // As they are now: an account that was unlinked opens nothing.
            let user = self.store.user(user.id).await?.ok_or(Error::NotFound("person"))?;
            if !invite.invitee.is(&user) {
                let reason = format!("the invitation is for {}: sign in with that account, or link it to yours", invite.invitee);
                return Err(Error::Refused(reason));
            }
            let admins = self.store.admins(org.id).await?;
            let known = self.store.member(org.id, user.id).await?;
            let member = match known {
                Some(known) => Member { roles: known.roles.and(invite.roles), ..known },
                None => {
                    self.check_room(&org, &user, deed).await?;
                    joining(org.id, &user, invite.roles, &invite.invited_by, deed)
                }
            };
            let after = admins_after(&admins.users, user.id, Some(member.roles)).map_err(Error::refused)?;
            let detail = format!("as {}", invite.roles);
            let store = self.recording(deed, org.id, AuditAction::InviteAccepted, &invite.invited_by, &detail)?;
            if store.accept_invite(&hash, &invite, &member, &admins, &after).await? == Written::Done {
                return Ok(org);
            }
        }
        Err(Error::Contended("membership of the org"))
    }
}

/// Whether two invitations are for the same person, as far as their texts say.
fn is_same(one: &Invitee, other: &Invitee) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}
