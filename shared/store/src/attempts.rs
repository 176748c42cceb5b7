//! Attempts and the pointers from their ids, in table `checks`.
//!
//! | item | pk | sk | gsi2 | gsi3 | gsi4, keys only |
//! |---|---|---|---|---|---|
//! | attempt | `R#<repository>#<sha>` | `ATT#<lane>#<module>#<task>#<number>` | offered: `OFFER#<trust>` / `<since>#<id>` | unfinished: `DUE` / due | queued: `W#<org>` / `q#<created>#<id>`; offered or running: `W#<org>` / `a#<created>#<id>` |
//! | pointer | `ID#<attempt>` | `ID` | | | |
//!
//! An index with all of an attempt in it is written again with every heartbeat; one with keys only is not.

use std::borrow::Cow;
use std::collections::HashMap;

use quillon_core::attempt::{Attempt, AttemptKey, AttemptState, ListedCheck};
use quillon_core::id::{AttemptId, OrgId};
use quillon_core::run::{CommitKey, RunKey};
use quillon_core::trust::Trust;
use serde::{Deserialize, Serialize};

use crate::commits::partition;
use crate::error::Error;
use crate::item::{Item, Kind, Place, decode};
use crate::keys::{Attributes, Key, millis, number, segment, text};
use crate::read::{Index, Order, Range, Sort};
use crate::runs::lane_segment;
use crate::write::{Action, Condition, Transacted};
use crate::{Result, Store, Written};
use quillon_core::name::from_key_segment;

/// What a sort key begins with when it is an attempt's.
pub(crate) const PREFIX: &str = "ATT#";

/// Longest module within a key, in bytes.
const MAX_MODULE: usize = 400;

/// Longest task within a key, in bytes.
const MAX_TASK: usize = 250;

/// Most attempts that one transaction creates: two actions each, of at most 100.
const MAX_CREATED: usize = 40;

/// Longest description of a check that is stored, in bytes: 512 checks with it stay far below an item's 400 KB.
const MAX_DESCRIPTION: usize = 200;

/// The key of an attempt.
pub(crate) fn key(attempt: &AttemptKey) -> Key {
    let lane = lane_segment(&attempt.run.lane);
    let module = segment(attempt.module.as_str(), MAX_MODULE);
    let task = segment(&attempt.task.to_string(), MAX_TASK);
    Key::new(partition(&attempt.run.commit), format!("{PREFIX}{lane}#{module}#{task}#{:06}", attempt.number))
}

/// The attempt behind a key; `None` when the key does not say it all.
pub(crate) fn parse(commit: &CommitKey, sort: &str) -> Option<AttemptKey> {
    let mut segments = sort.strip_prefix(PREFIX)?.split('#');
    let lane = segments.next()?.parse().ok()?;
    let module = from_key_segment(segments.next()?).parse().ok()?;
    let task = from_key_segment(segments.next()?).parse().ok()?;
    let number = segments.next()?.parse().ok()?;
    Some(AttemptKey { run: RunKey { commit: commit.clone(), lane }, module, task, number })
}

/// The key of the item that leads from an id to its attempt.
pub(crate) fn pointer_key(id: AttemptId) -> Key {
    Key::new(format!("ID#{id}"), "ID")
}

/// Where an id leads.
#[derive(Serialize, Deserialize)]
struct Pointer {
    key: AttemptKey,
}

fn waiting_partition(org: OrgId) -> String {
    format!("W#{org}")
}

fn offer_partition(trust: Trust) -> String {
    format!("OFFER#{trust}")
}

/// An attempt in the index of what its state waits for; a finished one is in none.
fn place(attempt: &Attempt) -> Place {
    let waiting = |letter: &str| Some((waiting_partition(attempt.org), format!("{letter}#{}#{}", millis(attempt.created_at), attempt.id)));
    let due_at = attempt.due_at;
    match &attempt.state {
        AttemptState::Queued { .. } => Place { work: waiting("q"), due_at, ..Place::nowhere() },
        AttemptState::Offered { since } => {
            let offer = (offer_partition(attempt.key.run.lane.trust), format!("{}#{}", millis(*since), attempt.id));
            Place { work: waiting("a"), gsi2: Some(offer), due_at, ..Place::nowhere() }
        }
        AttemptState::Running { .. } => Place { work: waiting("a"), due_at, ..Place::nowhere() },
        AttemptState::Expanding { .. } => Place { due_at, ..Place::nowhere() },
        AttemptState::Finished { .. } => Place::nowhere(),
    }
}

/// The item of an attempt.
pub(crate) fn item(attempt: &Attempt) -> Result<Item> {
    Item::new(Kind::Attempt, key(&attempt.key), bounded(attempt).as_ref(), &place(attempt))
}

/// The parts of a transaction that create an attempt and its pointer, if the attempt is new.
pub(crate) fn creation(table: &str, attempt: &Attempt) -> Result<[Action; 2]> {
    let pointer = Item::new(Kind::AttemptPointer, pointer_key(attempt.id), &Pointer { key: attempt.key.clone() }, &Place::nowhere())?;
    Ok([
        Action::Put { table: table.to_owned(), item: item(attempt)?, condition: Some(Condition::Absent) },
        // Not conditional: an id belongs to one key, so a pointer that is there says the same.
        Action::Put { table: table.to_owned(), item: pointer, condition: None },
    ])
}

/// The attempt with the texts of its author cut to what an item can hold.
fn bounded(attempt: &Attempt) -> Cow<'_, Attempt> {
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_DESCRIPTION);
    let listed: &[ListedCheck] = match &attempt.state {
        AttemptState::Expanding { checks, .. } => checks,
        AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Finished { .. } => &[],
    };
    if !is_long(&attempt.description) && !listed.iter().any(|check| is_long(&check.description)) {
        return Cow::Borrowed(attempt);
    }
    let mut attempt = attempt.clone();
    attempt.description = attempt.description.map(|text| cut(&text));
    match &mut attempt.state {
        AttemptState::Expanding { checks, .. } => *checks = cut_all(checks),
        AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Finished { .. } => {}
    }
    Cow::Owned(attempt)
}

/// Checks with descriptions that an item can hold.
pub(crate) fn cut_all(checks: &[ListedCheck]) -> Vec<ListedCheck> {
    let cut_one = |check: &ListedCheck| ListedCheck { name: check.name.clone(), description: check.description.as_deref().map(cut) };
    checks.iter().map(cut_one).collect()
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_DESCRIPTION {
        return text.to_owned();
    }
    const ELLIPSIS: &str = "…";
    format!("{}{ELLIPSIS}", text[..text.floor_char_boundary(MAX_DESCRIPTION - ELLIPSIS.len())].trim_end())
}

impl Store {
    /// Saves an attempt whose `seq` is one higher than the stored one; `Lost` when the stored one is not.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn save_attempt(&self, attempt: &Attempt) -> Result<Written> {
        let condition = Condition::Is("seq", number(attempt.seq.saturating_sub(1)));
        self.access.put_if("save an attempt", &self.tables.checks, item(attempt)?, &condition).await
    }

    /// Makes attempts exist, with their pointers. Those that exist already stay as they are, so it can be repeated.
    ///
    /// # Errors
    /// Transient, refused or unstorable; some of the attempts may exist then.
    pub async fn create_attempts(&self, attempts: &[Attempt]) -> Result<()> {
        for batch in attempts.chunks(MAX_CREATED) {
            let mut missing: Vec<&Attempt> = batch.iter().collect();
            while !missing.is_empty() {
                let creations = missing.iter().map(|attempt| creation(&self.tables.checks, attempt)).collect::<Result<Vec<_>>>()?;
                match self.access.transact("create attempts", creations.into_iter().flatten().collect()).await? {
                    Transacted::Done => missing.clear(),
                    // Every attempt is two parts, the first with the condition. At least one goes with each round, so this ends.
                    Transacted::Lost(parts) => {
                        let left = missing.into_iter().enumerate().filter(|(index, _)| !parts.contains(&(index * 2)));
                        missing = left.map(|(_, attempt)| attempt).collect();
                    }
                }
            }
        }
        Ok(())
    }

    /// An attempt by its id, as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>> {
        let Some(item) = self.access.get("read an attempt's pointer", &self.tables.checks, &pointer_key(id)).await? else {
            return Ok(None);
        };
        let pointer: Pointer = decode(Kind::AttemptPointer, item)?;
        self.attempt_by_key(&pointer.key).await
    }

    /// An attempt by its key, as it is now.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn attempt_by_key(&self, attempt: &AttemptKey) -> Result<Option<Attempt>> {
        let item = self.access.get("read an attempt", &self.tables.checks, &key(attempt)).await?;
        item.map(|item| decode(Kind::Attempt, item)).transpose()
    }

    /// Attempts by their ids, as they are now and in the order asked for; ids of nothing are left out.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn attempts(&self, ids: &[AttemptId]) -> Result<Vec<Attempt>> {
        let pointers: Vec<Key> = ids.iter().map(|id| pointer_key(*id)).collect();
        let mut found = self.access.get_many("read attempts' pointers", &self.tables.checks, &pointers).await?;
        let mut keys = Vec::with_capacity(ids.len());
        for pointer in pointers {
            if let Some(item) = found.remove(&pointer) {
                keys.push(key(&decode::<Pointer>(Kind::AttemptPointer, item)?.key));
            }
        }
        let found: HashMap<Key, Attributes> = self.access.get_many("read attempts", &self.tables.checks, &keys).await?;
        keys.iter().filter_map(|key| found.get(key).cloned()).map(|item| decode(Kind::Attempt, item)).collect()
    }

    /// The queued attempts of an org, the oldest first. Comes from an index: some may have moved on.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn queued(&self, org: OrgId, limit: u32) -> Result<Vec<AttemptId>> {
        let items = self.access.range(&self.waiting("list queued attempts", org, "q#"), Some(limit as usize)).await?;
        let id = |item: &Attributes| {
            let position = text(item, "work_at").and_then(|sort| sort.rsplit('#').next());
            position.and_then(|id| id.parse().ok()).ok_or_else(|| {
                let key = Key::of(item).unwrap_or_else(|| Key::new(waiting_partition(org), "?"));
                Error::corrupt(&key, "its place in the queue does not end in the id of an attempt")
            })
        };
        items.iter().map(id).collect()
    }

    /// How many attempts of an org are offered or running. Comes from an index: may be behind by moments.
    ///
    /// # Errors
    /// Transient or refused.
    pub async fn active(&self, org: OrgId) -> Result<usize> {
        self.access.count(&self.waiting("count active attempts", org, "a#")).await
    }

    /// Attempts that an agent may take, the longest offered first. Comes from an index: some may be taken.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn offers(&self, trust: Trust, limit: u32) -> Result<Vec<Attempt>> {
        let range = Range {
            operation: "list offered attempts",
            table: &self.tables.checks,
            index: Index::Gsi2,
            partition: offer_partition(trust),
            sort: Sort::All,
            order: Order::Ascending,
        };
        let items = self.access.range(&range, Some(limit as usize)).await?;
        items.into_iter().map(|item| decode(Kind::Attempt, item)).collect()
    }

    fn waiting(&self, operation: &'static str, org: OrgId, prefix: &'static str) -> Range<'_> {
        Range {
            operation,
            table: &self.tables.checks,
            index: Index::Gsi4,
            partition: waiting_partition(org),
            sort: Sort::Prefix(prefix),
            order: Order::Ascending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt_key(module: &str, task: &str, lane: &str) -> AttemptKey {
        let sha = "0123456789abcdef0123456789abcdef01234567".parse().expect("a sha");
        let commit = CommitKey { repository: quillon_core::id::RepositoryId(7), sha };
        AttemptKey {
            run: RunKey { commit, lane: lane.parse().expect("a lane") },
            module: module.parse().expect("a module"),
            task: task.parse().expect("a task"),
            number: 12,
        }
    }

    #[test]
    fn keys_of_attempts_read_back() {
        for (module, task, lane) in [
            (".", "load", "trusted:head"),
            ("a#b/ü %c", "check:go:lint#1", "fork:into:release/1%231"),
            ("ci", "check:x", "trusted:queue:main"),
        ] {
            let attempt = attempt_key(module, task, lane);
            assert_eq!(parse(&attempt.run.commit, &key(&attempt).sk), Some(attempt));
        }
    }

    #[test]
    fn the_longest_key_fits_and_does_not_read_back_as_another() {
        let lane = format!("fork:into:{}", quillon_core::name::key_segment(&"ü".repeat(125)));
        let attempt = attempt_key(&"ü".repeat(250), &format!("check:{}", "#".repeat(200)), &lane);
        let sort = key(&attempt).sk;
        assert!(sort.len() <= 1_024, "{}", sort.len());
        let parsed = parse(&attempt.run.commit, &sort);
        assert!(parsed.is_none_or(|parsed| key(&parsed).sk != sort));
    }

    #[test]
    fn long_descriptions_are_cut_between_characters() {
        let text = format!("{}{}", "a".repeat(196), "ü".repeat(10));
        let cut = cut(&text);
        assert!(cut.len() <= MAX_DESCRIPTION && cut.ends_with('…'), "{cut}");
        assert_eq!(super::cut("short"), "short");
    }
}
