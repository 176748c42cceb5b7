//! Heads of refs, and the refs that a commit was the head of, in table `checks`.
//!
//! | item | pk | sk | gsi1 |
//! |---|---|---|---|
//! | head | `H#<repository>` | `HEAD#<ref>`; expires 30 days after its ref is gone | |
//! | ref | `R#<repository>#<sha>` | `REF#<ref>` | `B#<repository>#<ref>` / `<time>#<sha>` |

use jiff::Timestamp;
use quillon_core::attempt::Attempt;
use quillon_core::id::{CommitSha, RepositoryId};
use quillon_core::lane::Lane;
use quillon_core::name::Ref;
use quillon_core::run::{CommitKey, Run, RunKey};
use serde::{Deserialize, Serialize};

use crate::commits::partition;
use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Key, millis, number, segment};
use crate::read::{Index, Order, Range, Sort};
use crate::write::{Action, Condition};
use crate::{Result, Store, Written, attempts, runs};

/// Most attempts that one change of a head creates: a transaction has 100 parts, an attempt is two of them.
pub const MAX_HEAD_ATTEMPTS: usize = 48;

/// Longest ref within a key, in bytes.
const MAX_REF: usize = 900;

/// Most heads of one repository that are listed.
const MAX_HEADS: usize = 10_000;

/// Most refs of one commit that are looked at.
const MAX_COMMIT_REFS: usize = 1_000;

/// How long the head of a ref that is gone is remembered, in days. Far longer than any reader holds a version.
const TOMBSTONE_DAYS: i64 = 30;

/// What is known of the head of a ref.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The commit; none for a ref that is gone, or was never seen.
    pub sha: Option<CommitSha>,
    /// Grows with every change; 0 for a ref that was never seen.
    pub version: u64,
}

/// A move of a head with all that follows from it, stored together or not at all.
#[derive(Debug, Clone)]
pub struct HeadChange {
    /// In which repository.
    pub repository: RepositoryId,
    /// Of which ref.
    pub reference: Ref,
    /// The new head; none for a ref that was deleted or a pull request that was closed.
    pub sha: Option<CommitSha>,
    /// The version of the head that was read before GitHub was asked.
    pub seen: u64,
    /// What becomes of the run.
    pub run: RunChange,
    /// New attempts, at most [`MAX_HEAD_ATTEMPTS`]; none of them may exist.
    pub attempts: Vec<Attempt>,
    /// When.
    pub now: Timestamp,
}

/// What a head's move does to a run of its commit.
#[derive(Debug, Clone)]
pub enum RunChange {
    /// Nothing.
    None,
    /// Makes it; it must not exist.
    Create(Box<Run>),
    /// Saves it; its version is one higher than the stored one.
    Save(Box<Run>),
}

#[derive(Serialize, Deserialize)]
struct HeadBody {
    #[serde(rename = "ref")]
    reference: Ref,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha: Option<CommitSha>,
    version: u64,
    at: Timestamp,
}

/// That a commit was the head of a ref, and which of its runs answers for it.
#[derive(Serialize, Deserialize)]
pub(crate) struct CommitRef {
    #[serde(rename = "ref")]
    reference: Ref,
    commit: CommitKey,
    lane: Lane,
    at: Timestamp,
}

impl CommitRef {
    /// The run that answers for the ref.
    pub(crate) fn run(self) -> RunKey {
        RunKey { commit: self.commit, lane: self.lane }
    }
}

fn ref_segment(reference: &Ref) -> String {
    segment(&reference.to_string(), MAX_REF)
}

fn heads_partition(repository: RepositoryId) -> String {
    format!("H#{repository}")
}

fn head_key(repository: RepositoryId, reference: &Ref) -> Key {
    Key::new(heads_partition(repository), format!("HEAD#{}", ref_segment(reference)))
}

/// The ref's partition of the feed index.
pub(crate) fn feed_partition(repository: RepositoryId, reference: &Ref) -> String {
    format!("B#{repository}#{}", ref_segment(reference))
}

fn head_item(change: &HeadChange) -> Result<Item> {
    let body =
        HeadBody { reference: change.reference.clone(), sha: change.sha.clone(), version: change.seen.saturating_add(1), at: change.now };
    let place = match body.sha {
        Some(_) => Place::nowhere(),
        None => Place::for_days(change.now, TOMBSTONE_DAYS),
    };
    Item::new(Kind::Head, head_key(change.repository, &change.reference), &body, &place)
}

fn ref_item(change: &HeadChange, run: &Run) -> Result<Item> {
    let commit = run.key.commit.clone();
    let key = Key::new(partition(&commit), format!("REF#{}", ref_segment(&change.reference)));
    let position = format!("{}#{}", millis(change.now), commit.sha);
    let place = Place::in_gsi1(feed_partition(change.repository, &change.reference), position);
    let body = CommitRef { reference: change.reference.clone(), commit, lane: run.key.lane.clone(), at: change.now };
    Item::new(Kind::CommitRef, key, &body, &place)
}

/// The parts of the transaction that a change is.
fn actions(table: &str, change: &HeadChange) -> Result<Vec<Action>> {
    let put = |item: Item, condition: Option<Condition>| Action::Put { table: table.to_owned(), item, condition };
    let seen = match change.seen {
        0 => Condition::Absent,
        version => Condition::Is("version", number(version)),
    };
    let mut actions = vec![put(head_item(change)?, Some(seen))];
    let run = match &change.run {
        RunChange::None => None,
        RunChange::Create(run) => Some((run, Condition::Absent)),
        RunChange::Save(run) => Some((run, runs::condition(run))),
    };
    if let Some((run, condition)) = run {
        if change.sha.as_ref() == Some(&run.key.commit.sha) {
            actions.push(put(ref_item(change, run)?, None));
        }
        actions.push(put(runs::item(run)?, Some(condition)));
    }
    for attempt in &change.attempts {
        actions.extend(attempts::creation(table, attempt)?);
    }
    Ok(actions)
}

impl Store {
    /// The head of a ref as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn head(&self, repository: RepositoryId, reference: &Ref) -> Result<Head> {
        let Some(item) = self.access.get("read a head", &self.tables.checks, &head_key(repository, reference)).await? else {
            return Ok(Head::default());
        };
        let body: HeadBody = decode(Kind::Head, item)?;
        Ok(Head { sha: body.sha, version: body.version })
    }

    /// The heads of a repository's refs as they are now, those of the last days that are gone among them; at most 10,000.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn heads(&self, repository: RepositoryId) -> Result<Vec<(Ref, Head)>> {
        let range = Range {
            operation: "list heads",
            table: &self.tables.checks,
            index: Index::Table,
            partition: heads_partition(repository),
            sort: Sort::Prefix("HEAD#"),
            order: Order::Ascending,
        };
        let items = self.access.range(&range, Some(MAX_HEADS)).await?;
        if items.len() == MAX_HEADS {
            tracing::warn!(%repository, limit = MAX_HEADS, "the repository has more heads than are listed");
        }
        let heads = items.into_iter().map(|item| decode::<HeadBody>(Kind::Head, item));
        heads.map(|body| body.map(|body| (body.reference, Head { sha: body.sha, version: body.version }))).collect()
    }

    /// The refs that a commit is the head of, as they are now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn live_refs(&self, commit: &CommitKey) -> Result<Vec<Ref>> {
        let range = Range {
            operation: "list the refs of a commit",
            table: &self.tables.checks,
            index: Index::Table,
            partition: partition(commit),
            sort: Sort::Prefix("REF#"),
            order: Order::Ascending,
        };
        let items = self.access.range(&range, Some(MAX_COMMIT_REFS)).await?;
        let refs: Vec<CommitRef> = items.into_iter().map(|item| decode(Kind::CommitRef, item)).collect::<Result<_>>()?;
        let keys: Vec<Key> = refs.iter().map(|known| head_key(commit.repository, &known.reference)).collect();
        let mut heads = self.access.get_many("read heads", &self.tables.checks, &keys).await?;
        let mut live = Vec::new();
        for (known, key) in refs.into_iter().zip(keys) {
            let Some(item) = heads.remove(&key) else { continue };
            let head: HeadBody = decode(Kind::Head, item)?;
            if head.sha.as_ref() == Some(&commit.sha) {
                live.push(known.reference);
            }
        }
        Ok(live)
    }

    /// Moves a head together with its run and the run's new attempts; `Lost` when anything of it is not as it was read.
    ///
    /// # Errors
    /// Transient, refused, or unstorable with more attempts than [`MAX_HEAD_ATTEMPTS`].
    pub async fn write_head(&self, change: &HeadChange) -> Result<Written> {
        if change.attempts.len() > MAX_HEAD_ATTEMPTS {
            let reason = format!("{} attempts at once, at most {MAX_HEAD_ATTEMPTS} fit", change.attempts.len());
            return Err(Error::unstorable(&head_key(change.repository, &change.reference), reason));
        }
        let actions = actions(&self.tables.checks, change)?;
        self.access.transact("move a head", actions).await.map(Written::from)
    }
}
