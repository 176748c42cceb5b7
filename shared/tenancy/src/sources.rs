//! Git sources: which installations an org has, which repositories of them are checked, and how.

use std::collections::BTreeSet;

use jiff::Timestamp;
use quillon_core::audit::AuditAction;
use quillon_core::id::{InstallationId, OrgId, RepositoryId, UserId};
use quillon_core::org::{Installation, Repository, RepositorySettings, SourceMode, TraceAccess};
use quillon_core::person::User;
use quillon_core::source::SeenSources;
use quillon_store::{Store, Written};

use crate::error::{Error, Result};
use crate::{Deed, Tenancy};

impl Tenancy {
    /// Remembers for some minutes what a person administers, as GitHub has just said.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn note_sources(&self, user: UserId, sources: &SeenSources, now: Timestamp) -> Result<()> {
        Ok(self.store.save_seen_sources(user, sources, now).await?)
    }

    /// What a person administers, if GitHub has said so within the last minutes.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn sources_of(&self, user: UserId, now: Timestamp) -> Result<Option<SeenSources>> {
        Ok(self.store.seen_sources(user, now).await?)
    }

    /// Claims an installation for an org, which a person may who administers its account.
    ///
    /// # Errors
    /// When they do not, or have not shown it lately, when another org has it, or when the table cannot be used.
    pub async fn claim(&self, org: OrgId, installation: InstallationId, user: &User, deed: &Deed<'_>) -> Result<Installation> {
        self.open(org).await?;
        let stale = || Error::refused("what you administer at GitHub is no longer known here: connect GitHub again");
        let sources = self.store.seen_sources(user.id, deed.now).await?.ok_or_else(stale)?;
        let seen = sources.installation(installation).ok_or(Error::NotFound("installation that you can see"))?;
        if !seen.is_admin {
            let reason = format!("only who administers `{}` at GitHub can connect it: ask one of them", seen.login);
            return Err(Error::Refused(reason));
        }
        if self.store.installation(installation).await?.is_none() {
            // GitHub tells the person before it tells us.
            let new = Installation::new(installation, None, seen.account, seen.login.clone());
            self.store.save_installation(&new).await?;
        }
        self.claim_known(org, installation, deed).await
    }

    /// Claims an installation for an org, as the operator does.
    ///
    /// # Errors
    /// When nobody has heard of it, when another org has it, or when the table cannot be used.
    pub async fn claim_as_operator(&self, org: OrgId, installation: InstallationId, deed: &Deed<'_>) -> Result<Installation> {
        self.open(org).await?;
        self.claim_known(org, installation, deed).await
    }

    async fn claim_known(&self, org: OrgId, id: InstallationId, deed: &Deed<'_>) -> Result<Installation> {
        let known = self.store.installation(id).await?.ok_or(Error::NotFound("installation"))?;
        let taken = || Error::refused(format!("another org has `{}`: an admin there disconnects it first", known.login));
        match known.org {
            Some(holder) if holder == org => return Ok(known),
            Some(_) => return Err(taken()),
            None => {}
        }
        let store = self.recording(deed, org, AuditAction::SourceClaimed, &known.login, "")?;
        match store.claim_installation(id, org, deed.now).await? {
            Written::Done => self.store.installation(id).await?.ok_or(Error::NotFound("installation")),
            Written::Lost => Err(taken()),
        }
    }

    /// Gives an installation up; nothing claims it again by itself.
    ///
    /// # Errors
    /// When the org does not have it, or the table cannot be used.
    pub async fn release(&self, org: OrgId, installation: InstallationId, deed: &Deed<'_>) -> Result<()> {
        let known = self.installation_of(org, installation).await?;
        let store = self.recording(deed, org, AuditAction::SourceReleased, &known.login, "")?;
        match store.release_installation(installation, org).await? {
            Written::Done => Ok(()),
            Written::Lost => Err(Error::NotFound("installation")),
        }
    }

    async fn installation_of(&self, org: OrgId, installation: InstallationId) -> Result<Installation> {
        let known = self.store.installation(installation).await?.filter(|known| known.org == Some(org));
        known.ok_or(Error::NotFound("installation"))
    }

    /// Says which repositories of an installation are checked: all of them, new ones too, or those that are selected.
    ///
    /// The mode is stored first, then what each repository is; stopped half-way, the same call again does the rest.
    ///
    /// # Errors
    /// When the org does not have the installation or one of the repositories, or when the table cannot be used.
    pub async fn set_mode(
        &self,
        org: OrgId,
        installation: InstallationId,
        mode: SourceMode,
        selected: &[RepositoryId],
        deed: &Deed<'_>,
    ) -> Result<Installation> {
        self.open(org).await?;
        let known = self.installation_of(org, installation).await?;
        let reached = self.store.repositories_reached(org, installation).await?;
        let selected: BTreeSet<RepositoryId> = selected.iter().copied().collect();
        let known_ids: BTreeSet<RepositoryId> = reached.iter().map(|repository| repository.id).collect();
        if !selected.is_subset(&known_ids) {
            return Err(Error::NotFound("repository of this GitHub account"));
        }
        let wanted = |repository: &Repository| match mode {
            SourceMode::All => true,
            SourceMode::Selected => selected.contains(&repository.id),
        };
        let changed: Vec<&Repository> = reached.iter().filter(|known| known.settings.autocheck != wanted(known)).collect();
        if known.mode == mode && changed.is_empty() {
            return Ok(known);
        }
        let detail = match mode {
            SourceMode::All => "all of them".to_owned(),
            SourceMode::Selected => format!("{} of {}", selected.len(), reached.len()),
        };
        let store = self.recording(deed, org, AuditAction::SourceModeChanged, &known.login, &detail)?;
        let apply = |stored: Installation| (stored.org == Some(org)).then_some(Installation { mode, ..stored });
        let saved = store.change_installation(installation, apply).await?.ok_or(Error::NotFound("installation"))?;
        for repository in changed {
            change_settings(&self.store, org, repository.id, |settings| settings.autocheck = wanted(repository)).await?;
        }
        Ok(saved)
    }

    /// Says whether the commits of a repository are checked.
    ///
    /// # Errors
    /// When the org does not have it, or the table cannot be used.
    pub async fn set_autocheck(&self, org: OrgId, repository: RepositoryId, wanted: bool, deed: &Deed<'_>) -> Result<Repository> {
        let known = self.repository_of(org, repository).await?;
        if known.settings.autocheck == wanted {
            return Ok(known);
        }
        let action = if wanted { AuditAction::AutocheckOn } else { AuditAction::AutocheckOff };
        let store = self.recording(deed, org, action, &known.name.to_string(), "")?;
        change_settings(&store, org, repository, |settings| settings.autocheck = wanted).await
    }

    /// Says who may read the traces of a repository.
    ///
    /// # Errors
    /// When the org does not have it, or the table cannot be used.
    pub async fn set_repository_traces(
        &self,
        org: OrgId,
        repository: RepositoryId,
        wanted: TraceAccess,
        deed: &Deed<'_>,
    ) -> Result<Repository> {
        let known = self.repository_of(org, repository).await?;
        if known.settings.traces == wanted {
            return Ok(known);
        }
        let action = match wanted {
            TraceAccess::Automatic => AuditAction::RepositoryTracesByRule,
            TraceAccess::Public => AuditAction::RepositoryTracesPublic,
            TraceAccess::Private => AuditAction::RepositoryTracesPrivate,
        };
        let store = self.recording(deed, org, action, &known.name.to_string(), "")?;
        change_settings(&store, org, repository, |settings| settings.traces = wanted).await
    }

    /// Changes how a repository is treated, but for whether it is checked at all, from the settings that were `seen`.
    ///
    /// # Errors
    /// When the org does not have it, when somebody else has changed it since, or when the table cannot be used.
    pub async fn set_repository_settings(
        &self,
        org: OrgId,
        repository: RepositoryId,
        seen: &RepositorySettings,
        wanted: RepositorySettings,
        deed: &Deed<'_>,
    ) -> Result<Repository> {
        let wanted = wanted.checked().map_err(Error::invalid)?;
        let moved = || Error::refused("the settings were changed by somebody else meanwhile: look again");
        let known = self.repository_of(org, repository).await?;
        let as_wanted = |stored: &RepositorySettings| RepositorySettings { autocheck: stored.autocheck, ..wanted.clone() };
        let is_as_seen = |stored: &RepositorySettings| *stored == RepositorySettings { autocheck: stored.autocheck, ..seen.clone() };
        if known.settings == as_wanted(&known.settings) {
            return Ok(known);
        }
        if !is_as_seen(&known.settings) {
            return Err(moved());
        }
        let store = self.recording(deed, org, AuditAction::RepositorySettingsChanged, &known.name.to_string(), "")?;
        let apply =
            |stored: Repository| is_as_seen(&stored.settings).then(|| Repository { settings: as_wanted(&stored.settings), ..stored });
        store.change_repository(org, repository, apply).await?.ok_or_else(moved)
    }

    async fn repository_of(&self, org: OrgId, repository: RepositoryId) -> Result<Repository> {
        let unknown = || Error::NotFound("repository");
        let known = self.store.repository(repository).await?.ok_or_else(unknown)?;
        let holder = self.store.installation(known.installation).await?.and_then(|installation| installation.org);
        if holder == Some(org) { Ok(known) } else { Err(unknown()) }
    }
}

async fn change_settings(
    store: &Store,
    org: OrgId,
    repository: RepositoryId,
    change: impl Fn(&mut RepositorySettings),
) -> Result<Repository> {
    let apply = |mut stored: Repository| {
        change(&mut stored.settings);
        Some(stored)
    };
    store.change_repository(org, repository, apply).await?.ok_or(Error::NotFound("repository"))
}
