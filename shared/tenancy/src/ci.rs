//! Jobs of CI systems: for which org one sends telemetry, and which projects an org trusts.

use quillon_core::audit::AuditAction;
use quillon_core::ci::{CiJob, CiProvider, CiTrust, check_project};
use quillon_core::id::{AccountId, OrgId, RepositoryId};
use quillon_core::org::{Org, OrgName};
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::{Deed, Tenancy};

/// Most projects that an org trusts. Several at once may exceed it by as many as run at once.
const MAX_TRUSTS: usize = 200;

impl Tenancy {
    /// The org that a job sends for, and its repository where GitHub names one.
    ///
    /// # Errors
    /// When no org takes its telemetry, or the table cannot be read.
    pub async fn ci_org(&self, job: &CiJob) -> Result<(Org, Option<RepositoryId>)> {
        match job {
            CiJob::GitHub { repository, owner } => self.org_of_repository(*repository, *owner).await,
            CiJob::Project { provider, project, org } => self.org_that_trusts(*provider, project, org).await,
        }
    }

    async fn org_of_repository(&self, repository: RepositoryId, owner: AccountId) -> Result<(Org, Option<RepositoryId>)> {
        let unknown = || Error::refused("no org has connected this repository: connect it in Settings, Git Sources");
        let known = self.store.repository(repository).await?.filter(|known| known.is_enabled).ok_or_else(unknown)?;
        let installation = self.store.installation(known.installation).await?;
        // A repository that was transferred is its new owner's from then on, whatever we have heard of it.
        let is_right = |known: &quillon_core::org::Installation| known.account == owner && !known.is_suspended;
        let holder = installation.filter(is_right).and_then(|installation| installation.org).ok_or_else(unknown)?;
        let org = self.store.org(holder).await?.ok_or_else(unknown)?;
        if !org.is_open() {
            return Err(Error::refused(quillon_core::org::BeingDeleted));
        }
        Ok((org, Some(repository)))
    }

    async fn org_that_trusts(&self, provider: CiProvider, project: &str, org: &str) -> Result<(Org, Option<RepositoryId>)> {
        // The same for an org that there is not: who may be here is not a job's to find out.
        let unknown = || Error::refused(format!("no such org trusts this project of {}: add it in Settings, Tokens", provider.label()));
        let name: OrgName = org.parse().map_err(|_| unknown())?;
        let org = self.store.org_by_name(&name).await?.ok_or_else(unknown)?;
        self.store.trust(org.id, provider, project).await?.ok_or_else(unknown)?;
        if !org.is_open() {
            return Err(Error::refused(quillon_core::org::BeingDeleted));
        }
        Ok((org, None))
    }

    /// The projects that an org trusts.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn trusts(&self, org: OrgId) -> Result<Vec<CiTrust>> {
        Ok(self.store.trusts_of(org).await?)
    }

    /// Trusts a project from now on; the one that is trusted already, where it is.
    ///
    /// # Errors
    /// When it cannot be a project, when the org is being deleted or trusts too many, or when the table cannot be used.
    pub async fn add_trust(&self, org: OrgId, provider: CiProvider, project: &str, name: &str, deed: &Deed<'_>) -> Result<CiTrust> {
        let project = check_project(provider, project).map_err(Error::invalid)?;
        let name = quillon_core::name::label(name).map_err(Error::invalid)?;
        self.open(org).await?;
        if let Some(known) = self.store.trust(org, provider, &project).await? {
            return Ok(known);
        }
        if self.store.trusts_of(org).await?.len() >= MAX_TRUSTS {
            return Err(Error::refused(format!("the org trusts {MAX_TRUSTS} projects, which is the most: remove some first")));
        }
        let trust = CiTrust { org, provider, project, name, created_at: deed.now, created_by: deed.who.to_owned() };
        let store = self.recording(deed, org, AuditAction::CiTrustMade, &trust.name, &described(provider, &trust.project))?;
        match store.create_trust(&trust).await? {
            Written::Done => Ok(trust),
            Written::Lost => self.store.trust(org, provider, &trust.project).await?.ok_or(Error::Contended("project")),
        }
    }

    /// Trusts a project no longer; the tokens that its jobs have work on for at most their lifetime.
    ///
    /// # Errors
    /// When the org does not trust it, or the table cannot be used.
    pub async fn delete_trust(&self, org: OrgId, provider: CiProvider, project: &str, deed: &Deed<'_>) -> Result<()> {
        let known = self.store.trust(org, provider, project).await?.ok_or(Error::NotFound("project"))?;
        let store = self.recording(deed, org, AuditAction::CiTrustRemoved, &known.name, &described(provider, project))?;
        match store.delete_trust(org, provider, project).await? {
            Written::Done => Ok(()),
            Written::Lost => Err(Error::NotFound("project")),
        }
    }
}

fn described(provider: CiProvider, project: &str) -> String {
    format!("{} project {project}", provider.label())
}
