//! Who is in an org and as what. Every change is ordered by the org's admins, which it writes along: no org loses its last one.

use quillon_core::audit::AuditAction;
use quillon_core::id::{OrgId, UserId};
use quillon_core::member::{Member, Roles, admins_after};
use quillon_core::org::Org;
use quillon_core::person::User;
use quillon_core::plan;
use quillon_store::{Page, Paged, Store, Written};

use crate::error::{Error, Result};
use crate::{Deed, MAX_DECISIONS, Tenancy};

/// Most orgs that one person is in: more would not be listed.
pub(crate) const MAX_ORGS: usize = 200;

impl Tenancy {
    /// Who is in an org, the longest known people first.
    ///
    /// # Errors
    /// When the table cannot be read, or the cursor is none.
    pub async fn members(&self, org: OrgId, page: &Page) -> Result<Paged<Member>> {
        Ok(self.store.members(org, page).await?)
    }

    /// Somebody in an org.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn member(&self, org: OrgId, user: UserId) -> Result<Option<Member>> {
        Ok(self.store.member(org, user).await?)
    }

    /// Changes what somebody is in an org.
    ///
    /// # Errors
    /// When they are not in it, when no admin would be left, or when the table cannot be used.
    pub async fn set_roles(&self, org: OrgId, user: UserId, roles: Roles, deed: &Deed<'_>) -> Result<Member> {
        for _ in 0..MAX_DECISIONS {
            let admins = self.store.admins(org).await?;
            let member = self.store.member(org, user).await?.ok_or(Error::NotFound("member"))?;
            if member.roles == roles {
                return Ok(member);
            }
            let after = admins_after(&admins.users, user, Some(roles)).map_err(Error::refused)?;
            let detail = format!("from {} to {roles}", member.roles);
            let store = self.recording(deed, org, AuditAction::MemberRolesChanged, &member.name, &detail)?;
            let changed = Member { roles, ..member };
            if store.save_membership(&changed, &admins, &after).await? == Written::Done {
                return Ok(changed);
            }
        }
        Err(Error::Contended("membership of the org"))
    }

    /// Puts somebody into an org, or changes what they are there, as the operator does.
    ///
    /// # Errors
    /// When there is no such person or org, when no admin would be left, or when the table cannot be used.
    pub async fn add_member(&self, org: OrgId, user: UserId, roles: Roles, deed: &Deed<'_>) -> Result<Member> {
        for _ in 0..MAX_DECISIONS {
            let known = self.open(org).await?;
            let user = self.store.user(user).await?.ok_or(Error::NotFound("person"))?;
            let admins = self.store.admins(org).await?;
            if self.store.member(org, user.id).await?.is_some() {
                return self.set_roles(org, user.id, roles, deed).await;
            }
            self.check_room(&known, &user, deed).await?;
            let after = admins_after(&admins.users, user.id, Some(roles)).map_err(Error::refused)?;
            let store = self.recording(deed, org, AuditAction::MemberAdded, &user.label(), &format!("as {roles}"))?;
            let member = joining(org, &user, roles, deed.who, deed);
            if store.save_membership(&member, &admins, &after).await? == Written::Done {
                return Ok(member);
            }
        }
        Err(Error::Contended("membership of the org"))
    }

    /// Takes somebody out of an org. What they ran stays; invitations that are still open for them are taken back.
    ///
    /// # Errors
    /// When they are not in it, when no admin would be left, or when the table cannot be used.
    pub async fn remove_member(&self, org: OrgId, user: UserId, deed: &Deed<'_>) -> Result<()> {
        self.take_out(org, user, AuditAction::MemberRemoved, deed).await
    }

    /// Leaves an org.
    ///
    /// # Errors
    /// As for [`Tenancy::remove_member`].
    pub async fn leave(&self, org: OrgId, user: UserId, deed: &Deed<'_>) -> Result<()> {
        self.take_out(org, user, AuditAction::MemberLeft, deed).await
    }

    async fn take_out(&self, org: OrgId, user: UserId, action: AuditAction, deed: &Deed<'_>) -> Result<()> {
        let member = self.store.member(org, user).await?.ok_or(Error::NotFound("member"))?;
        let store = self.recording(deed, org, action, &member.name, &format!("was {}", member.roles))?;
        for _ in 0..MAX_DECISIONS {
            let admins = self.store.admins(org).await?;
            self.store.member(org, user).await?.ok_or(Error::NotFound("member"))?;
            let after = admins_after(&admins.users, user, None).map_err(Error::refused)?;
            // First: who is out must not come back by an older link.
            self.close_invites(&store, org, user, deed).await?;
            if store.remove_member(org, user, &admins, &after).await? == Written::Done {
                return Ok(());
            }
        }
        Err(Error::Contended("membership of the org"))
    }

    async fn close_invites(&self, store: &Store, org: OrgId, user: UserId, deed: &Deed<'_>) -> Result<()> {
        let Some(user) = self.store.user(user).await? else { return Ok(()) };
        for invite in self.store.invites_of(org, deed.now).await? {
            if invite.invitee.is(&user) {
                let _gone = store.delete_invite(org, invite.id).await?;
            }
        }
        Ok(())
    }

    /// Checks that somebody can come in: that the plan of the org has room, and that they are not in too many orgs.
    pub(crate) async fn check_room(&self, org: &Org, user: &User, deed: &Deed<'_>) -> Result<()> {
        let entitlements = plan::entitlements(self.billing, org.subscription.as_ref(), deed.now);
        if entitlements.members.is_some() {
            // Between the admins and their write, which orders all who come in: exact.
            plan::may_join(&entitlements, self.store.count_members(org.id).await?).map_err(Error::refused)?;
        }
        if self.store.orgs_of(user.id).await?.len() >= MAX_ORGS {
            return Err(Error::refused(format!("{} is in {MAX_ORGS} orgs, which is the most: leave one first", user.name)));
        }
        Ok(())
    }
}

/// Somebody who comes in.
pub(crate) fn joining(org: OrgId, user: &User, roles: Roles, invited_by: &str, deed: &Deed<'_>) -> Member {
    Member { org, user: user.id, roles, name: user.name.clone(), joined_at: deed.now, invited_by: invited_by.to_owned() }
}
