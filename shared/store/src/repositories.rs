//! Repositories and their settings, in table `orgs`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `REPO#<repository>` | `REPO` | `O#<org>` / `REPO#<name in lower case>` |

use quillon_core::id::{InstallationId, OrgId, RepositoryId};
use quillon_core::name::RepositoryName;
use quillon_core::org::{Repository, RepositorySettings, TraceAccess};

use crate::item::{Item, Kind, Place, decode};
use crate::keys::Key;
use crate::page::{Page, Paged};
use crate::read::Sort;
use crate::{Result, Store, Written, orgs};

pub(crate) const PREFIX: &str = "REPO#";

/// Most repositories of one name that are looked at.
const MAX_NAMESAKES: usize = 10;

fn key(repository: RepositoryId) -> Key {
    Key::new(format!("{PREFIX}{repository}"), "REPO")
}

fn place(org: OrgId, repository: &Repository) -> Place {
    Place::in_gsi1(orgs::partition(org), sort(&repository.name))
}

/// GitHub does not tell the cases of a name apart, and people do not write them alike.
fn sort(name: &RepositoryName) -> String {
    format!("{PREFIX}{}", name.to_string().to_ascii_lowercase())
}

impl Store {
    /// A repository as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn repository(&self, repository: RepositoryId) -> Result<Option<Repository>> {
        let item = self.access.get("read a repository", &self.tables.orgs, &key(repository)).await?;
        item.map(|item| decode(Kind::Repository, item)).transpose()
    }

    /// Saves a repository among those of an org, whatever was stored before: the last one to save wins.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_repository(&self, org: OrgId, repository: &Repository) -> Result<()> {
        let item = Item::new(Kind::Repository, key(repository.id), repository, &place(org, repository))?;
        self.access.put("save a repository", &self.tables.orgs, item).await
    }

    /// Writes down what is known of a repository from what is stored, among those of an org; `Lost` when `note` says none.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn note_repository(
        &self,
        org: OrgId,
        repository: RepositoryId,
        mut note: impl FnMut(Option<Repository>) -> Option<Repository>,
    ) -> Result<Written> {
        let listed = |stored| {
            let next = note(stored)?;
            let place = place(org, &next);
            Some((next, place))
        };
        self.access.rewrite("note a repository", &self.tables.orgs, Kind::Repository, &key(repository), listed).await
    }

    /// Changes a repository of an org from what is stored; none when it is not among those of the org, or `change` says none.
    ///
    /// Whose a repository is, the installation that reaches it says.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn change_repository(
        &self,
        org: OrgId,
        repository: RepositoryId,
        mut change: impl FnMut(Repository) -> Option<Repository>,
    ) -> Result<Option<Repository>> {
        let Some(known) = self.repository(repository).await? else { return Ok(None) };
        let holder = self.installation(known.installation).await?.and_then(|installation| installation.org);
        if holder != Some(org) {
            return Ok(None);
        }
        let mut changed = None;
        let note = |stored: Option<Repository>| {
            // One that was transferred meanwhile is perhaps another org's.
            let stored = stored.filter(|stored| stored.installation == known.installation)?;
            changed = change(stored);
            changed.clone()
        };
        Ok(self.note_repository(org, repository, note).await?.is_done().then_some(changed).flatten())
    }

    /// Takes a repository that an installation reaches out of every list, and out of service. Whoever has it next has its
    /// settings, but for what was chosen of the installation's repositories, and for what would make traces public.
    ///
    /// # Errors
    /// Transient, refused, corrupt or unstorable.
    pub async fn unlist_repository(&self, repository: RepositoryId, installation: InstallationId) -> Result<Written> {
        let unlisted = |stored: Option<Repository>| {
            let stored = stored.filter(|stored| stored.installation == installation)?;
            let traces = match stored.settings.traces {
                TraceAccess::Private => TraceAccess::Private,
                TraceAccess::Automatic | TraceAccess::Public => TraceAccess::Automatic,
            };
            let settings = RepositorySettings { autocheck: true, traces, ..stored.settings.clone() };
            Some((Repository { is_enabled: false, settings, ..stored }, Place::nowhere()))
        };
        self.access.rewrite("take a repository out of its org", &self.tables.orgs, Kind::Repository, &key(repository), unlisted).await
    }

    /// The repository of an org that has this name today, whatever the case of its letters. Of several, which can only be
    /// leftovers of a name that moved on, the one that still takes part.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn repository_by_name(&self, org: OrgId, name: &RepositoryName) -> Result<Option<Repository>> {
        let range = self.list_orgs("find a repository by its name", orgs::partition(org), Sort::Is(sort(name)));
        let items = self.access.range(&range, Some(MAX_NAMESAKES)).await?;
        let found = items.into_iter().map(|item| decode(Kind::Repository, item)).collect::<Result<Vec<Repository>>>()?;
        Ok(found.iter().find(|repository| repository.is_enabled).or(found.first()).cloned())
    }

    /// The repositories of an org that an installation reached when they were last looked at, by name.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn repositories_reached(&self, org: OrgId, installation: InstallationId) -> Result<Vec<Repository>> {
        let range = self.list_orgs("list what an installation reaches", orgs::partition(org), Sort::Prefix(PREFIX));
        let items = self.access.range(&range, None).await?;
        let all: Vec<Repository> = items.into_iter().map(|item| decode(Kind::Repository, item)).collect::<Result<_>>()?;
        Ok(all.into_iter().filter(|repository| repository.installation == installation).collect())
    }

    /// The repositories of an org by name.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn repositories_of(&self, org: OrgId, page: &Page) -> Result<Paged<Repository>> {
        let range = self.list_orgs("list repositories", orgs::partition(org), Sort::Prefix(PREFIX));
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Repository, item))
    }
}
