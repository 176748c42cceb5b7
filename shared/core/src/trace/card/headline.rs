//! What one batch of telemetry says about its trace.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::root::{Commands, RootSeen};
use crate::trace::hint::flags;
use crate::trace::label::{Labels, Remote};
use crate::trace::span::Span;

/// Labels, and since when their process is known to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LabelsSeen {
    /// The earliest start of a span of the process. Of two CLIs in one trace (one may run inside the other) the first counts.
    pub(super) start_ns: u64,
    pub(super) labels: Labels,
}

impl LabelsSeen {
    fn rank(&self) -> impl Ord + '_ {
        (Reverse(self.start_ns), self.labels.fullness(), &self.labels)
    }

    pub(super) fn join(slot: &mut Option<Self>, other: &Self) -> bool {
        let wins = slot.as_ref().is_none_or(|known| other.rank() > known.rank());
        if wins {
            *slot = Some(other.clone());
        }
        wins
    }
}

/// What one batch says about its trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headline {
    pub(super) root: Option<RootSeen>,
    pub(super) commands: Commands,
    pub(super) labels: Option<LabelsSeen>,
    pub(super) has_failed_check: bool,
    pub(super) times: Option<(u64, u64)>,
}

impl Headline {
    /// Takes a whole record into account. Costs a look at every attribute: where records come by the thousand, say the parts.
    pub fn span(&mut self, span: &Span) {
        self.times(span.start_ns, span.end_ns);
        if let Some(root) = RootSeen::of(span) {
            self.root(&root);
        }
        if flags(span).is_failed_check() {
            self.check_failed();
        }
        if let Some(labels) = Labels::of(&span.resource) {
            self.labels(span.start_ns, &labels);
        }
    }

    /// A span ran from here to there.
    pub fn times(&mut self, start_ns: u64, end_ns: Option<u64>) {
        let end_ns = end_ns.unwrap_or(start_ns);
        let (first, last) = self.times.unwrap_or((start_ns, end_ns));
        self.times = Some((first.min(start_ns), last.max(end_ns)));
    }

    /// A record was seen that may be the root's.
    pub fn root(&mut self, root: &RootSeen) {
        self.commands.see(root);
        RootSeen::join(&mut self.root, root);
    }

    /// A CLI with these labels was seen, in a span that started then.
    pub fn labels(&mut self, start_ns: u64, labels: &Labels) {
        if let Some(seen) = &mut self.labels
            && seen.labels == *labels
        {
            seen.start_ns = seen.start_ns.min(start_ns);
            return;
        }
        LabelsSeen::join(&mut self.labels, &LabelsSeen { start_ns, labels: labels.clone() });
    }

    /// A check was seen to fail.
    pub fn check_failed(&mut self) {
        self.has_failed_check = true;
    }

    /// The repository that its labels name.
    #[must_use]
    pub fn remote(&self) -> Option<&Remote> {
        self.labels.as_ref()?.labels.git_remote.as_ref()
    }

    /// Whether it says something of what may be the root.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
