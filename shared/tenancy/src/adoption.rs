//! Orgs that an installation made: they have nobody until somebody who administers the account at GitHub comes.

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use quillon_core::audit::AuditAction;
use quillon_core::id::{OrgId, UserId};
use quillon_core::member::{Member, Roles, admins_after};
use quillon_core::org::Org;
use quillon_core::person::User;
use quillon_core::source::SeenInstallation;
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::members::joining;
use crate::{Deed, MAX_DECISIONS, Tenancy};

/// How many installations are read at once.
const SIDE_BY_SIDE: usize = 16;

impl Tenancy {
    /// The orgs without an admin that a person can adopt: those that have claimed an installation on an account that the person
    /// administers, as GitHub has said within the last minutes. By name.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn adoptable(&self, user: UserId, now: Timestamp) -> Result<Vec<Org>> {
        let Some(sources) = self.store.seen_sources(user, now).await? else { return Ok(vec![]) };
        let reads: Vec<_> = sources.installations.into_iter().filter(|seen| seen.is_admin).map(|seen| self.forlorn(seen)).collect();
        let found: Vec<Option<Org>> = futures::stream::iter(reads).buffered(SIDE_BY_SIDE).try_collect().await?;
        let mut orgs: Vec<Org> = found.into_iter().flatten().collect();
        orgs.sort_by_key(|org| org.name.folded());
        orgs.dedup_by_key(|org| org.id);
        Ok(orgs)
    }

    /// The org without an admin that has claimed an installation.
    async fn forlorn(&self, seen: SeenInstallation) -> Result<Option<Org>> {
        let known = self.store.installation(seen.id).await?.filter(|known| known.account == seen.account);
        let Some(id) = known.and_then(|known| known.org) else { return Ok(None) };
        if !self.store.admins(id).await?.users.is_empty() {
            return Ok(None);
        }
        Ok(self.store.org(id).await?.filter(Org::is_open))
    }

    /// Makes a person the first admin of an org that has none, because an installation made it: see [`Tenancy::adoptable`].
    ///
    /// # Errors
    /// When the org has an admin, when the person has not shown lately that they administer its account, or when the table cannot be
    /// used.
    pub async fn adopt(&self, org: OrgId, user: &User, deed: &Deed<'_>) -> Result<Member> {
        for _ in 0..MAX_DECISIONS {
            let admins = self.store.admins(org).await?;
            let member = self.store.member(org, user.id).await?;
            if let Some(member) = member.clone().filter(|_| admins.users.contains(&user.id)) {
                return Ok(member);
            }
            let adoptable = self.adoptable(user.id, deed.now).await?;
            let Some(known) = adoptable.into_iter().find(|known| known.id == org) else {
                let reason = "the org is not yours to take over: connect GitHub again, or ask an admin of the org to invite you";
                return Err(Error::refused(reason));
            };
            if member.is_none() {
                self.check_room(&known, user, deed).await?;
            }
            let after = admins_after(&admins.users, user.id, Some(Roles::BOTH)).map_err(Error::refused)?;
            let store = self.recording(deed, org, AuditAction::OrgAdopted, known.name.as_str(), "")?;
            let member = match member {
                Some(member) => Member { roles: Roles::BOTH, ..member },
                None => joining(org, user, Roles::BOTH, "the installation", deed),
            };
            if store.save_membership(&member, &admins, &after).await? == Written::Done {
                return Ok(member);
            }
        }
        Err(Error::Contended("membership of the org"))
    }
}
