//! Which span stands for a trace, and how the commands of a trace ended.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::trace::hint::{Flags, flags};
use crate::trace::id::SpanId;
use crate::trace::outline::{Outline, Row};
use crate::trace::span::Span;
use crate::trace::state::{RootEnd, root_rank};

/// Longest name of a root, in characters.
const MAX_NAME: usize = 300;

/// A heartbeat alone is worth a write when the last one is older than this, in milliseconds.
const HEARTBEAT_MS: i64 = 20_000;

/// Most commands of one trace that are told apart: the first ones.
const MAX_COMMANDS: usize = 16;

/// A record of a span that may be the root of its trace: one without a parent, or whose parent is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RootSeen {
    /// Its id.
    pub id: SpanId,
    /// Its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// Whether the parent is in another process.
    pub is_remote: bool,
    /// Whether the CLI emitted it.
    pub is_cli: bool,
    /// Its name: the command line.
    pub name: String,
    /// When it started.
    pub start_ns: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ns: Option<u64>,
    /// Whether it ended with an error.
    pub is_error: bool,
    /// Whether it was stopped.
    #[serde(default)]
    pub is_canceled: bool,
    /// When this record was taken in, epoch milliseconds.
    pub received_ms: i64,
}

impl RootSeen {
    /// What a record says, if it may be that of a root.
    #[must_use]
    pub fn of(span: &Span) -> Option<Self> {
        if span.parent.is_some() && !span.has_remote_parent() {
            return None;
        }
        let flags = flags(span);
        Some(Self {
            id: span.id,
            parent: span.parent,
            is_remote: span.parent.is_some(),
            is_cli: flags.contains(Flags::CLI),
            name: shorten(&span.name, MAX_NAME),
            start_ns: span.start_ns,
            end_ns: span.end_ns,
            is_error: flags.contains(Flags::ERROR),
            is_canceled: flags.contains(Flags::CANCELED),
            received_ms: span.received_ms,
        })
    }

    /// A root of an outline.
    #[must_use]
    pub fn of_row(outline: &Outline, row: &Row) -> Self {
        Self {
            id: row.id,
            parent: row.parent,
            is_remote: row.parent.is_some(),
            is_cli: row.flags.contains(Flags::CLI),
            name: shorten(outline.name(row.name), MAX_NAME),
            start_ns: row.start_ns,
            end_ns: row.end_ns,
            is_error: row.flags.contains(Flags::ERROR),
            is_canceled: row.flags.contains(Flags::CANCELED),
            received_ms: row.received_ms,
        }
    }

    /// How it ended.
    pub(crate) fn end(&self) -> RootEnd {
        match (self.end_ns, self.is_canceled, self.is_error) {
            (None, _, _) => RootEnd::Running,
            (Some(_), true, _) => RootEnd::Canceled,
            (Some(_), false, true) => RootEnd::Error,
            (Some(_), false, false) => RootEnd::Ok,
        }
    }

    /// The order among records: first which span is the root ([`root_rank`]), then which record of it counts (finished, received
    /// last). It is total, so that the largest of any records is always the same one.
    fn rank(&self) -> impl Ord + '_ {
        (
            Reverse(root_rank(self.parent.is_some(), self.is_cli, self.start_ns, self.id)),
            (self.end_ns.is_some(), self.received_ms, self.end_ns, self.is_error, self.is_canceled),
            (&self.name, self.is_remote, self.parent),
        )
    }

    /// Takes over a record that counts more; whether what it says is worth a write.
    pub(super) fn join(slot: &mut Option<Self>, other: &Self) -> bool {
        let Some(known) = slot else {
            *slot = Some(other.clone());
            return true;
        };
        if other.rank() <= known.rank() {
            return false;
        }
        let is_heartbeat = Self { received_ms: known.received_ms, ..other.clone() } == *known;
        let is_due = other.received_ms >= known.received_ms.saturating_add(HEARTBEAT_MS);
        other.clone_into(known);
        !is_heartbeat || is_due
    }
}

/// How a command ended, as far as is known: the greatest record counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Ending {
    is_ended: bool,
    received_ms: i64,
    is_error: bool,
    is_canceled: bool,
}

impl Ending {
    fn of(root: &RootSeen) -> Self {
        let RootSeen { end_ns, received_ms, is_error, is_canceled, .. } = *root;
        Self { is_ended: end_ns.is_some(), received_ms, is_error, is_canceled }
    }

    fn end(self) -> RootEnd {
        match (self.is_ended, self.is_canceled, self.is_error) {
            (false, _, _) => RootEnd::Running,
            (true, true, _) => RootEnd::Canceled,
            (true, false, true) => RootEnd::Error,
            (true, false, false) => RootEnd::Ok,
        }
    }
}

/// The commands of a trace that may be its roots. Several of one CI job share the parent that the job gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Commands {
    /// The first ones, by whether they have a parent, their start and their id.
    #[serde(with = "as_list")]
    first: BTreeMap<Key, Ending>,
    /// Whether any without a parent, and any with one, ever ended with an error.
    has_failed: (bool, bool),
}

type Key = (bool, u64, SpanId);

impl Commands {
    /// Takes in a record of a root, if it is that of a command; whether that is worth a write.
    ///
    /// The start is part of the key: a sender that changes it makes two commands, and the order of records still does not matter.
    pub(super) fn see(&mut self, root: &RootSeen) -> bool {
        if !root.is_cli {
            return false;
        }
        let has_parent = root.parent.is_some();
        let failed = root.end() == RootEnd::Error;
        let is_failure = self.fail((failed && !has_parent, failed && has_parent));
        self.put((has_parent, root.start_ns, root.id), Ending::of(root)) || is_failure
    }

    /// Takes in what other batches said; whether that is worth a write.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let is_failure = self.fail(other.has_failed);
        other.first.iter().fold(is_failure, |is_news, (key, ending)| self.put(*key, *ending) || is_news)
    }

    fn fail(&mut self, failed: (bool, bool)) -> bool {
        let before = self.has_failed;
        self.has_failed = (before.0 || failed.0, before.1 || failed.1);
        self.has_failed != before
    }

    fn put(&mut self, key: Key, ending: Ending) -> bool {
        let known = self.first.get(&key).copied();
        if known.is_some_and(|known| known >= ending) {
            return false;
        }
        self.first.insert(key, ending);
        // The last ones are dropped, which is what they would be whenever they came.
        let is_dropped = self.first.len() > MAX_COMMANDS && self.first.pop_last().is_some_and(|(dropped, _)| dropped == key);
        !is_dropped && known.is_none_or(|known| is_news(known, ending))
    }

    /// How those ended that stand beside a root: without a parent as it is, or with one as it is.
    pub(super) fn ends(&self, has_parent: bool) -> impl Iterator<Item = RootEnd> {
        let first = self.first.iter().filter(move |((parent, _, _), _)| *parent == has_parent).map(|(_, ending)| ending.end());
        // Of those that are too many to tell apart, it is known whether one failed.
        let has_failed = if has_parent { self.has_failed.1 } else { self.has_failed.0 };
        first.chain((self.first.len() >= MAX_COMMANDS && has_failed).then_some(RootEnd::Error))
    }

    /// When one of them was last heard of.
    pub(super) fn heard_ms(&self) -> Option<i64> {
        self.first.values().map(|ending| ending.received_ms).max()
    }
}

/// A map as the list of its entries: a key of three parts is no text.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Ending, Key};

    pub(super) fn serialize<S: Serializer>(first: &BTreeMap<Key, Ending>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(first)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Key, Ending>, D::Error> {
        Ok(Vec::<(Key, Ending)>::deserialize(deserializer)?.into_iter().collect())
    }
}

fn is_news(known: Ending, ending: Ending) -> bool {
    let is_heartbeat = Ending { received_ms: known.received_ms, ..ending } == known;
    !is_heartbeat || ending.received_ms >= known.received_ms.saturating_add(HEARTBEAT_MS)
}
