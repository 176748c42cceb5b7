//! Runs, in table `checks`.
//!
//! | pk | sk | gsi1 | gsi2 | gsi3 |
//! |---|---|---|---|---|
//! | `R#<repository>#<sha>` | `RUN#<lane>` | `O#<org>` / `<created>#<repository>#<sha>#<lane>` | `R#<repository>` / same | `DUE` / due |

use quillon_core::lane::Lane;
use quillon_core::run::{CommitKey, Run, RunKey};

use crate::commits::partition;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, bounded, millis, number};
use crate::write::Condition;
use crate::{Result, Store, Written};

/// What a sort key begins with when it is a run's.
pub(crate) const PREFIX: &str = "RUN#";

/// Longest lane within a key, in bytes.
const MAX_LANE: usize = 300;

/// A lane as a segment of a key; its text is free of our separator already.
pub(crate) fn lane_segment(lane: &Lane) -> String {
    bounded(lane.to_string(), MAX_LANE)
}

/// The key of a run.
pub(crate) fn key(run: &RunKey) -> Key {
    Key::new(partition(&run.commit), format!("{PREFIX}{}", lane_segment(&run.lane)))
}

/// The run behind a key; `None` when the key does not say it all.
pub(crate) fn parse(commit: &CommitKey, sort: &str) -> Option<RunKey> {
    let lane = sort.strip_prefix(PREFIX)?.parse().ok()?;
    Some(RunKey { commit: commit.clone(), lane })
}

/// The org's partition of the feed index.
pub(crate) fn org_feed_partition(org: quillon_core::id::OrgId) -> String {
    format!("O#{org}")
}

/// The repository's partition of the feed index.
pub(crate) fn repository_feed_partition(repository: quillon_core::id::RepositoryId) -> String {
    format!("R#{repository}")
}

/// A run in the feeds of its org and repository, and due while the sweep has to look at it.
fn place(run: &Run) -> Place {
    let commit = &run.key.commit;
    let position = format!("{}#{}#{}#{}", millis(run.created_at), commit.repository, commit.sha, lane_segment(&run.key.lane));
    Place {
        gsi1: Some((org_feed_partition(run.org), position.clone())),
        gsi2: Some((repository_feed_partition(commit.repository), position)),
        due_at: run.due_at,
        ..Place::nowhere()
    }
}

/// The item of a run.
pub(crate) fn item(run: &Run) -> Result<Item> {
    Item::new(Kind::Run, key(&run.key), run, &place(run))
}

/// What a save of a run demands: that the version before it is stored.
pub(crate) fn condition(run: &Run) -> Condition {
    Condition::Is("version", number(run.version.saturating_sub(1)))
}

impl Store {
    /// A run as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn run(&self, run: &RunKey) -> Result<Option<Run>> {
        let item = self.access.get("read a run", &self.tables.checks, &key(run)).await?;
        item.map(|item| decode(Kind::Run, item)).transpose()
    }

    /// Saves a run whose `version` is one higher than the stored one; `Lost` when the stored one is not.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_run(&self, run: &Run) -> Result<Written> {
        self.access.put_if("save a run", &self.tables.checks, item(run)?, &condition(run)).await
    }
}
