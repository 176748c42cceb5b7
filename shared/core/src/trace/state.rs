//! Whether a span or a run is running, succeeded, failed, cancelled or lost.

use serde::{Deserialize, Serialize};

use super::hint::Flags;
use super::id::SpanId;
use super::outline::{Outline, Row, Tree};

/// How long after its last record a running span is still believed to run, in milliseconds. A sender repeats the record of a
/// running span every 30 s.
pub const LOST_AFTER: i64 = 90_000;

/// How a run, or one of its spans, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceState {
    /// It runs.
    Running,
    /// It ended well, and so did all of its checks.
    Succeeded,
    /// It, or one of its checks, failed.
    Failed,
    /// It never said that it ended, and says nothing any more.
    Lost,
    /// It was cancelled, or could not go on because something that it needs failed.
    Canceled,
}

impl TraceState {
    /// Its name on the wire and in style sheets.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Canceled => "canceled",
        }
    }
}

/// How a span stands by its own record. See [`shown_state`] for how it stands in its trace.
fn span_state(row: &Row, now_ms: i64) -> TraceState {
    if row.end_ns.is_none() {
        if is_lost(row.received_ms, now_ms) { TraceState::Lost } else { TraceState::Running }
    } else if row.flags.intersects(Flags::CANCELED.with(Flags::BLOCKED)) {
        TraceState::Canceled
    } else if row.flags.is_failure() {
        TraceState::Failed
    } else {
        TraceState::Succeeded
    }
}

/// How a span stands in a trace of this state: nothing runs any more in a trace that is over.
#[must_use]
pub fn shown_state(row: &Row, trace: TraceState, now_ms: i64) -> TraceState {
    let own = span_state(row, now_ms);
    if own == TraceState::Running && trace != TraceState::Running { TraceState::Lost } else { own }
}

/// What the roots of a trace are ranked by, the least first: a span without a parent before one whose parent is elsewhere, one of
/// the CLI before others, then the earliest.
pub(crate) fn root_rank(has_parent: bool, is_cli: bool, start_ns: u64, id: SpanId) -> (bool, bool, u64, SpanId) {
    (has_parent, !is_cli, start_ns, id)
}

/// The root that stands for the run; none in an empty trace.
#[must_use]
pub fn primary_root(outline: &Outline, tree: &Tree) -> Option<u32> {
    tree.roots().iter().copied().min_by_key(|&root| {
        let row = &outline.rows[root as usize];
        root_rank(row.parent.is_some(), row.flags.contains(Flags::CLI), row.start_ns, row.id)
    })
}

/// How a run stands: by its root, by the other commands beside that root, and by its checks.
///
/// A root that ended is final whatever still runs below it. A run is never called succeeded while one of its checks did not pass.
#[must_use]
pub fn trace_state(outline: &Outline, tree: &Tree, now_ms: i64) -> TraceState {
    let Some(primary) = primary_root(outline, tree) else { return TraceState::Running };
    let has_parent = outline.rows[primary as usize].parent.is_some();
    // Several commands of one CI job share the parent that the job gave them.
    let is_beside = |row: &Row| row.flags.contains(Flags::CLI) && row.parent.is_some() == has_parent;
    let roots = tree.roots().iter().map(|&root| (root, &outline.rows[root as usize]));
    let ends = roots.filter(|(root, row)| *root == primary || is_beside(row)).map(|(_, row)| RootEnd::of(row));
    state_of(ends, outline.failed_checks() > 0, outline.last_received_ms().unwrap_or(now_ms), now_ms)
}

/// How a root ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RootEnd {
    /// Well.
    Ok,
    /// It was cancelled.
    Canceled,
    /// With an error.
    Error,
    /// Not yet.
    Running,
}

impl RootEnd {
    fn of(row: &Row) -> Self {
        if row.end_ns.is_none() {
            Self::Running
        } else if row.flags.contains(Flags::CANCELED) {
            Self::Canceled
        } else if row.flags.contains(Flags::ERROR) {
            Self::Error
        } else {
            Self::Ok
        }
    }
}

/// How a run stands, by how its roots ended, whether one of its checks did not pass, and when its last record was taken in.
pub(crate) fn state_of(roots: impl IntoIterator<Item = RootEnd>, has_failed_check: bool, last_received_ms: i64, now_ms: i64) -> TraceState {
    match roots.into_iter().max().unwrap_or(RootEnd::Running) {
        RootEnd::Running if is_lost(last_received_ms, now_ms) => TraceState::Lost,
        RootEnd::Running => TraceState::Running,
        RootEnd::Error => TraceState::Failed,
        RootEnd::Canceled => TraceState::Canceled,
        RootEnd::Ok if has_failed_check => TraceState::Failed,
        RootEnd::Ok => TraceState::Succeeded,
    }
}

fn is_lost(received_ms: i64, now_ms: i64) -> bool {
    now_ms.saturating_sub(received_ms) > LOST_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::fixture::{SpanBuilder, outline};

    const NOW: i64 = 1_000;
    const LATE: i64 = NOW + LOST_AFTER + 1;

    #[test]
    fn a_span_stands_as_its_record_says() {
        let new = || SpanBuilder::new(1);
        for (span, now, expected) in [
            (new(), NOW, TraceState::Running),
            (new(), LATE - 1, TraceState::Running),
            (new(), LATE, TraceState::Lost),
            (new(), i64::MIN, TraceState::Running),
            (new().ended(0), LATE, TraceState::Succeeded),
            (new().failed(9, "x"), NOW, TraceState::Failed),
            (new().failed(9, "x").marked("dagger.io/dag.canceled"), NOW, TraceState::Canceled),
            (new().failed(9, "x").marked("dagger.io/dag.blocked"), NOW, TraceState::Canceled),
            (new().ended(9).marked("dagger.io/dag.canceled"), NOW, TraceState::Canceled),
        ] {
            assert_eq!(span_state(&outline([span]).rows[0], now), expected);
        }
    }

    #[test]
    fn nothing_runs_in_a_trace_that_is_over() {
        let outline = outline([SpanBuilder::new(1).ended(9), SpanBuilder::new(2).under(1), SpanBuilder::new(3).under(2).failed(9, "x")]);
        let states = |trace| outline.rows.iter().map(move |row| shown_state(row, trace, NOW)).collect::<Vec<_>>();
        assert_eq!(states(TraceState::Running), [TraceState::Succeeded, TraceState::Running, TraceState::Failed]);
        for over in [TraceState::Succeeded, TraceState::Failed, TraceState::Lost, TraceState::Canceled] {
            assert_eq!(states(over), [TraceState::Succeeded, TraceState::Lost, TraceState::Failed]);
        }
    }

    #[test]
    fn a_run_stands_as_its_root_and_its_checks_say() {
        let root = || SpanBuilder::new(1).of_cli(&[]);
        let check = |passed| SpanBuilder::new(2).under(1).checked("lint", passed);
        for (spans, now, expected) in [
            (vec![], NOW, TraceState::Running),
            (vec![root()], NOW, TraceState::Running),
            (vec![root()], LATE, TraceState::Lost),
            (vec![root(), SpanBuilder::new(2).under(1).received(LATE)], LATE, TraceState::Running),
            (vec![root().ended(9)], LATE, TraceState::Succeeded),
            (vec![root().ended(9), check(None)], NOW, TraceState::Succeeded),
            (vec![root().ended(9), check(Some(true)).ended(9)], NOW, TraceState::Succeeded),
            (vec![root().ended(9), check(Some(false)).ended(9)], NOW, TraceState::Failed),
            (vec![root().ended(9), check(None).failed(9, "x")], NOW, TraceState::Failed),
            (vec![root(), check(Some(false)).ended(9)], NOW, TraceState::Running),
            (vec![root().failed(9, "exit code: 1")], NOW, TraceState::Failed),
            (vec![root().failed(9, "Post \"x\": context canceled"), check(Some(false))], NOW, TraceState::Canceled),
            // An engine span that nobody called, and one whose parent has not come.
            (vec![root().ended(9), SpanBuilder::new(3).started(1), SpanBuilder::new(4).under(9)], NOW, TraceState::Succeeded),
            // Two commands of one job.
            (vec![root().under(9).ended(9), SpanBuilder::new(3).under(9).of_cli(&[])], NOW, TraceState::Running),
            (vec![root().under(9).ended(9), SpanBuilder::new(3).under(9).of_cli(&[]).failed(9, "x")], NOW, TraceState::Failed),
        ] {
            let outline = outline(spans);
            assert_eq!(trace_state(&outline, &outline.tree(), now), expected, "{:?}", outline.rows);
        }
    }

    #[test]
    fn the_primary_root_is_the_first_command_without_a_parent() {
        let spans = [
            SpanBuilder::new(1).under(9).remote().of_cli(&[]),
            SpanBuilder::new(2).started(1),
            SpanBuilder::new(3).started(7).of_cli(&[]),
            SpanBuilder::new(4).started(6).of_cli(&[]),
        ];
        let primary = |count| {
            let outline = outline(spans.iter().take(count).cloned());
            primary_root(&outline, &outline.tree())
        };
        assert_eq!((0..=4).map(primary).collect::<Vec<_>>(), [None, Some(0), Some(1), Some(2), Some(3)]);
    }
}
