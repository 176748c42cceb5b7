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

    /// The runs of the commits that a ref pointed at, the latest first; a page may hold fewer than were asked for.
    ///
    /// # Errors
    /// Transient, refused, corrupt, or an invalid cursor.
    pub async fn ref_feed(&self, repository: RepositoryId, reference: &Ref, page: &Page) -> Result<Paged<Run>> {
        let range = self.feed("list the commits of a ref", Index::Gsi1, heads::feed_partition(repository, reference));
        let refs = self.access.page(&range, page).await?.try_map(|item| decode::<CommitRef>(Kind::CommitRef, item))?;
        let keys: Vec<Key> = refs.items.into_iter().map(|known| runs::key(&known.run())).collect();
        let found = self.access.get_many("read the runs of a ref", &self.tables.checks, &keys).await?;
        // A run that is gone was purged with its org; where another org has run the commit too, the ref stays.
        let kept = keys.iter().filter_map(|key| found.get(key));
        Ok(Paged { items: kept.map(|item| decode(Kind::Run, item.clone())).collect::<Result<_>>()?, next: refs.next })
    }

    fn feed(&self, operation: &'static str, index: Index, partition: String) -> Range<'_> {
        Range { operation, table: &self.tables.checks, index, partition, sort: Sort::All, order: Order::Descending }
    }
}
