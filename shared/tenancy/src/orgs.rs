//! Orgs: made, renamed, set, deleted with a grace period, had back.

use jiff::SignedDuration;
use quillon_core::attempt::later;
use quillon_core::audit::AuditAction;
use quillon_core::id::{OrgId, UserId};
use quillon_core::member::{Member, Roles};
use quillon_core::org::{DELETION_GRACE, Deletion, MAX_CONCURRENCY, Org, OrgName};
use quillon_core::person::User;
use quillon_core::plan;
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::members::MAX_ORGS;
use crate::purge::is_over;
use crate::{Deed, Tenancy, secret};

/// Most orgs that one person has made and is still in. Several at once may exceed it by as many as run at once.
pub const MAX_ORGS_MADE: usize = 20;

/// Within this time the same person who makes the same org again gets the one they made.
const SAME_WISH: SignedDuration = SignedDuration::from_mins(10);

/// What the maker of an org has in place of somebody who let them in.
const MADE: &str = "";

/// What is to change in an org.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// Most attempts at once, between 1 and [`MAX_CONCURRENCY`].
    pub concurrency: Option<u32>,
    /// Whether traces from CI of its public repositories are public.
    pub public_traces: Option<bool>,
}

/// What an admin is told who comes too late.
const TOO_LATE: &str = "it is too late: the org is being deleted for good";

fn taken(name: &OrgName) -> Error {
    Error::refused(format!("the name `{name}` is taken: choose another one"))
}

impl Tenancy {
    /// Makes an org whose maker has both roles.
    ///
    /// # Errors
    /// When the name is taken, when they have made too many, or when the table cannot be used.
    pub async fn create_org(&self, maker: &User, name: OrgName, deed: &Deed<'_>) -> Result<Org> {
        if let Some(known) = self.store.org_by_name(&name).await? {
            let is_recent = known.is_open() && deed.now.duration_since(known.created_at) <= SAME_WISH;
            let is_again = is_recent && self.has_made(maker.id, known.id).await?;
            return if is_again { Ok(known) } else { Err(taken(&name)) };
        }
        let memberships = self.store.orgs_of(maker.id).await?;
        let made = memberships.iter().filter(|member| member.invited_by == MADE).count();
        if made >= MAX_ORGS_MADE || memberships.len() >= MAX_ORGS {
            return Err(Error::refused(format!("you have made {made} orgs and are in {}: delete or leave one first", memberships.len())));
        }
        let org = Org::new(secret::new_id(OrgId::from_parts, deed.now)?, name, deed.now);
        let member = Member {
            org: org.id,
            user: maker.id,
            roles: Roles::BOTH,
            name: maker.name.clone(),
            joined_at: deed.now,
            invited_by: MADE.to_owned(),
        };
        let store = self.recording(deed, org.id, AuditAction::OrgMade, org.name.as_str(), "")?;
        match store.create_org_with(&org, &member).await? {
            Written::Done => Ok(org),
            Written::Lost => Err(taken(&org.name)),
        }
    }

    async fn has_made(&self, user: UserId, org: OrgId) -> Result<bool> {
        Ok(self.store.member(org, user).await?.is_some_and(|member| member.invited_by == MADE))
    }

    /// Makes an org that has nobody yet, as the operator does; its first admin comes by [`Tenancy::add_member`].
    ///
    /// # Errors
    /// When the name is taken, or the table cannot be used.
    pub async fn found_org(&self, name: OrgName, deed: &Deed<'_>) -> Result<Org> {
        if self.store.org_by_name(&name).await?.is_some() {
            return Err(taken(&name));
        }
        let org = Org::new(secret::new_id(OrgId::from_parts, deed.now)?, name, deed.now);
        let store = self.recording(deed, org.id, AuditAction::OrgMade, org.name.as_str(), "")?;
        match store.create_org(&org).await? {
            Written::Done => Ok(org),
            Written::Lost => Err(taken(&org.name)),
        }
    }

    /// Renames an org. Tokens keep the name that they were made under in their text, and work on.
    ///
    /// # Errors
    /// When the name is taken, or was another org's until lately, the org is gone or being deleted, or the table cannot be used.
    pub async fn rename(&self, org: OrgId, name: OrgName, deed: &Deed<'_>) -> Result<Org> {
        let known = self.open(org).await?;
        if known.name == name {
            return Ok(known);
        }
        let store = self.recording(deed, org, AuditAction::OrgRenamed, name.as_str(), &format!("from {}", known.name))?;
        match store.rename_org(org, &name, deed.now).await? {
            Written::Done => Ok(Org { name, ..known }),
            Written::Lost => Err(taken(&name)),
        }
    }

    /// Changes settings of an org.
    ///
    /// # Errors
    /// When a number makes no sense, the org is gone or being deleted, or the table cannot be used.
    pub async fn change_settings(&self, org: OrgId, change: SettingsChange, deed: &Deed<'_>) -> Result<Org> {
        if change.concurrency.is_some_and(|wanted| !(1..=MAX_CONCURRENCY).contains(&wanted)) {
            return Err(Error::invalid(format!("between 1 and {MAX_CONCURRENCY} checks can run at once")));
        }
        let known = self.open(org).await?;
        let mut entries = Vec::new();
        if let Some(wanted) = change.concurrency.filter(|wanted| *wanted != known.concurrency) {
            let detail = format!("from {} to {wanted}", known.concurrency);
            entries.push(deed.entry(org, AuditAction::OrgConcurrencyChanged, known.name.as_str(), &detail));
        }
        if let Some(wanted) = change.public_traces.filter(|wanted| *wanted != known.public_traces) {
            let action = if wanted { AuditAction::OrgTracesAllowed } else { AuditAction::OrgTracesForbidden };
            entries.push(deed.entry(org, action, known.name.as_str(), ""));
        }
        let apply = |stored: Org| {
            let next = Org {
                concurrency: change.concurrency.unwrap_or(stored.concurrency),
                public_traces: change.public_traces.unwrap_or(stored.public_traces),
                ..stored.clone()
            };
            (next != stored).then_some(next)
        };
        match self.store.recording(&entries)?.change_org(org, apply).await? {
            Some(changed) => Ok(changed),
            None => self.known(org).await,
        }
    }

    /// Deletes an org after a grace period, in which it takes nothing new in and can be had back.
    ///
    /// # Errors
    /// When the org is gone or still paid for, or the table cannot be used.
    pub async fn delete_org(&self, org: OrgId, deed: &Deed<'_>) -> Result<Org> {
        let known = self.known(org).await?;
        if known.deletion.is_some() {
            return Ok(known);
        }
        plan::may_delete(known.subscription.as_ref()).map_err(Error::refused)?;
        let deletion = Deletion { by: deed.who.to_owned(), at: deed.now, due_at: later(deed.now, DELETION_GRACE) };
        let delete = |stored: Org| {
            let is_free = stored.deletion.is_none() && plan::may_delete(stored.subscription.as_ref()).is_ok();
            is_free.then(|| Org { deletion: Some(deletion.clone()), ..stored })
        };
        let store = self.recording(deed, org, AuditAction::OrgDeleted, known.name.as_str(), "")?;
        match store.change_org(org, delete).await? {
            Some(changed) => Ok(changed),
            // Deleted, or paid for, since the look.
            None => {
                let known = self.known(org).await?;
                if known.deletion.is_none() { Err(Error::Contended("org")) } else { Ok(known) }
            }
        }
    }

    /// Takes the deletion of an org back.
    ///
    /// # Errors
    /// When it is too late, or the table cannot be used.
    pub async fn undelete_org(&self, org: OrgId, deed: &Deed<'_>) -> Result<Org> {
        let known = self.known(org).await?;
        let Some(deletion) = &known.deletion else { return Ok(known) };
        if is_over(deletion, deed.now) {
            return Err(Error::refused(TOO_LATE));
        }
        let restore = |stored: Org| {
            let is_in_time = stored.deletion.as_ref().is_some_and(|deletion| !is_over(deletion, deed.now));
            is_in_time.then_some(Org { deletion: None, ..stored })
        };
        let store = self.recording(deed, org, AuditAction::OrgRestored, known.name.as_str(), "")?;
        match store.change_org(org, restore).await? {
            Some(changed) => Ok(changed),
            // Somebody else had it back, or it is gone.
            None => self.known(org).await,
        }
    }
}
