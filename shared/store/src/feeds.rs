//! Runs as people look for them: by org, by repository, by ref; the newest first.
//!
//! | list | index | partition | sort |
//! |---|---|---|---|
//! | of an org | gsi1 | `O#<org>` | `<created>#<repository>#<sha>#<lane>` |
//! | of a repository | gsi2 | `R#<repository>` | same |
//! | of a ref | gsi1 | `B#<repository>#<ref>` | `<time>#<sha>`, refs that lead to runs |

use quillon_core::id::{OrgId, RepositoryId};
use quillon_core::name::Ref;
use quillon_core::run::Run;

use crate::error::Error;
use crate::heads::{self, CommitRef};
use crate::item::{Kind, decode};
use crate::keys::Key;
use crate::page::{Page, Paged};
use crate::read::{Index, Order, Range, Sort};
use crate::{Result, Store, runs};

impl Store {
    /// The runs of an org, the newest first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn org_feed(&self, org: OrgId, page: &Page) -> Result<Paged<Run>> {
        let range = self.feed("list the runs of an org", Index::Gsi1, runs::org_feed_partition(org));
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Run, item))
    }

    /// The runs of a repository, the newest first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn repository_feed(&self, repository: RepositoryId, page: &Page) -> Result<Paged<Run>> {
        let range = self.feed("list the runs of a repository", Index::Gsi2, runs::repository_feed_partition(repository));
        self.access.page(&range, page).await?.try_map(|item| decode(Kind::Run, item))
    }

    /// The runs of the commits that a ref pointed at, the latest first.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn ref_feed(&self, repository: RepositoryId, reference: &Ref, page: &Page) -> Result<Paged<Run>> {
        let range = self.feed("list the commits of a ref", Index::Gsi1, heads::feed_partition(repository, reference));
        let refs = self.access.page(&range, page).await?.try_map(|item| decode::<CommitRef>(Kind::CommitRef, item))?;
        let keys: Paged<Key> = refs.try_map(|known| Ok(runs::key(&known.run())))?;
        let found = self.access.get_many("read the runs of a ref", &self.tables.checks, &keys.items).await?;
        keys.try_map(|key| match found.get(&key) {
            Some(item) => decode(Kind::Run, item.clone()),
            // Both are written in one transaction, and a run is never deleted.
            None => Err(Error::corrupt(&key, "a ref leads to it, but it does not exist")),
        })
    }

    fn feed(&self, operation: &'static str, index: Index, partition: String) -> Range<'_> {
        Range { operation, table: &self.tables.checks, index, partition, sort: Sort::All, order: Order::Descending }
    }
}
