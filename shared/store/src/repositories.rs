//! Repositories and their settings, in table `orgs`.
//!
//! | pk | sk | gsi1 |
//! |---|---|---|
//! | `REPO#<repository>` | `REPO` | `O#<org>` / `REPO#<name in lower case>` |

use quillon_core::id::{OrgId, RepositoryId};
use quillon_core::name::RepositoryName;
use quillon_core::org::Repository;

use crate::item::{Item, Kind, Place, decode};
use crate::keys::Key;
use crate::page::{Page, Paged};
use crate::read::Sort;
use crate::{Result, Store};

const PREFIX: &str = "REPO#";

/// Most repositories of one name that are looked at.
const MAX_NAMESAKES: usize = 10;

fn key(repository: RepositoryId) -> Key {
    Key::new(format!("{PREFIX}{repository}"), "REPO")
}

fn place(org: OrgId, repository: &Repository) -> Place {
    Place::in_gsi1(format!("O#{org}"), sort(&repository.name))
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

    /// The repository of an org that has this name today, whatever the case of its letters. Of several, which can only be
    /// leftovers of a name that moved on, the one that still takes part.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn repository_by_name(&self, org: OrgId, name: &RepositoryName) -> Result<Option<Repository>> {
        let range = self.list_orgs("find a repository by its name", format!("O#{org}"), Sort::Is(sort(name)));
        let items = self.access.range(&range, Some(MAX_NAMESAKES)).await?;
        let found = items.into_iter().map(|item| decode(Kind::Repository, item)).collect::<Result<Vec<Repository>>>()?;
        Ok(found.iter().find(|repository| repository.is_enabled).or(found.first()).cloned())
    }

    /// The repositories of an org by name.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn repositories_of(&self, org: OrgId, page: &Page) -> Result<Paged<Repository>> {
        let range = self.list_orgs("list repositories", format!("O#{org}"), Sort::Prefix(PREFIX));
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Repository, item))
    }
}
