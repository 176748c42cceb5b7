//! Whether a trace is to be sealed now, and if not, when to look again. Pure.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::trace::outline::MAX_SPANS;
use quillon_store::TraceHead;

use crate::sealed::Receipt;
use crate::snapshot::RECEIPT_MS;

/// When a sealer looks at a trace for the first time after telemetry came.
pub(crate) const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(90);

/// How long nothing must have come of a trace whose root has ended.
const QUIET: SignedDuration = SignedDuration::from_secs(60);

/// How long nothing must have come of any other trace.
const SILENT: SignedDuration = SignedDuration::from_mins(15);

/// After how long what there is gets sealed, whatever else comes.
const LONG: SignedDuration = SignedDuration::from_hours(24);

/// Fewest records that are worth a compaction.
const LEAST: u64 = 8_192;

/// Of how many sealed records one must be new: so that all compactions together write each record a few times only. Less often would
/// make somebody who opens a large running trace wait for its tail.
const SHARE: u64 = 2;

/// Near the most spans that a trace may have, how many records are worth a compaction at least: only it says how many spans those are
/// of, and whether more are taken in.
const LEAST_NEAR_THE_END: u64 = 65_536;

/// What to do with a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing for now.
    Nothing {
        /// When to look again; none for not before more comes.
        look_at: Option<Timestamp>,
    },
    /// Seal it.
    Seal {
        /// Whether it is over.
        is_final: bool,
    },
}

/// Whether so much has come in that reading it becomes slow.
pub(crate) fn is_worth_compacting(head: &TraceHead) -> bool {
    let least = head.seal.as_ref().map_or(LEAST, |pointer| {
        let share = LEAST.max((pointer.spans + pointer.logs + pointer.metrics) / SHARE);
        match (MAX_SPANS as u64).saturating_sub(pointer.spans) {
            // It is full: of spans nothing more comes.
            0 => share,
            room => share.min(room.max(LEAST_NEAR_THE_END)),
        }
    });
    head.unsealed >= least
}

/// Decides.
pub(super) fn plan(head: &TraceHead, has_root_ended: bool, now: Timestamp) -> Plan {
    let through = head.seal.as_ref().map_or(0, |pointer| pointer.through_seq);
    let is_final = head.seal.as_ref().is_some_and(|pointer| pointer.is_final);
    if head.seq <= through && (is_final || head.seq == 0) {
        return Plan::Nothing { look_at: None };
    }
    let at = |ms| Timestamp::from_millisecond(ms).unwrap_or(now);
    let quiet = later(at(head.last_ms), if has_root_ended { QUIET } else { SILENT });
    if now >= quiet {
        return Plan::Seal { is_final: true };
    }
    let since = head.seal.as_ref().map_or(at(head.first_ms), |pointer| pointer.sealed_at);
    let is_long = head.seq > through && now >= later(since, LONG);
    if is_long || (head.seq > through && is_worth_compacting(head)) {
        return Plan::Seal { is_final: false };
    }
    Plan::Nothing { look_at: Some(quiet.min(later(since, LONG)).max(later(now, SignedDuration::from_secs(1)))) }
}

/// The batches that may still be sent again, in the order in which they came.
pub(super) fn receipts(known: &HashMap<[u8; 16], i64>, now_ms: i64) -> Vec<Receipt> {
    let recent = known.iter().filter(|(_, at_ms)| now_ms.saturating_sub(**at_ms) <= RECEIPT_MS);
    let mut receipts: Vec<Receipt> = recent.map(|(digest, at_ms)| Receipt { digest: digest.to_vec(), at_ms: *at_ms }).collect();
    receipts.sort_by(|one, other| (one.at_ms, &one.digest).cmp(&(other.at_ms, &other.digest)));
    receipts
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_store::SealPointer;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn head(unsealed: u64, last_s: i64, seal: Option<(u64, bool)>) -> TraceHead {
        let pointer = |(through_seq, is_final)| SealPointer {
            generation: 1,
            through_seq,
            sealed_at: at(0),
            is_final,
            spans: 100_000,
            logs: 0,
            metrics: 0,
            bytes: 0,
            outline_parts: 1,
            span_parts: 1,
            log_parts: 0,
            metric_parts: 0,
            digest_parts: 1,
        };
        TraceHead {
            seq: 10,
            unsealed,
            first_ms: at(0).as_millisecond(),
            last_ms: at(last_s).as_millisecond(),
            seal: seal.map(pointer),
            ..TraceHead::default()
        }
    }

    #[test]
    fn a_trace_is_sealed_when_it_is_over_large_or_old() {
        let seal = |is_final| Plan::Seal { is_final };
        let wait = |seconds| Plan::Nothing { look_at: Some(at(seconds)) };
        for (what, head, has_ended, now, expected) in [
            ("just begun", head(10, 0, None), false, 30, wait(900)),
            ("just ended", head(10, 0, None), true, 30, wait(60)),
            ("ended and quiet", head(10, 0, None), true, 60, seal(true)),
            ("silent without an end", head(10, 0, None), false, 900, seal(true)),
            ("large", head(8_192, 0, None), false, 1, seal(false)),
            ("large beside what is sealed", head(50_000, 0, Some((5, false))), false, 1, seal(false)),
            ("not large beside that", head(49_999, 0, Some((5, false))), false, 1, wait(900)),
            ("a day old", head(10, 86_400, None), false, 86_400, seal(false)),
            ("nothing new since it was over", head(0, 0, Some((10, true))), true, 9_999, Plan::Nothing { look_at: None }),
            ("late telemetry after that", head(5, 100, Some((9, true))), true, 120, wait(160)),
            ("compacted to the last, not over yet", head(0, 0, Some((10, false))), true, 30, wait(60)),
            ("compacted to the last, and over", head(0, 0, Some((10, false))), true, 60, seal(true)),
        ] {
            assert_eq!(plan(&head, has_ended, at(now)), expected, "{what}");
        }
        let buried = TraceHead { seq: 0, ..head(0, 0, None) };
        assert_eq!(plan(&buried, false, at(0)), Plan::Nothing { look_at: None });
    }

    #[test]
    fn near_the_most_spans_a_trace_is_compacted_sooner() {
        for (spans, unsealed) in
            [(100_000, 50_000), (1_000_000, 500_000), (1_800_000, 200_000), (1_999_999, 65_536), (2_000_000, 1_000_000)]
        {
            let of = |unsealed| {
                let mut head = head(unsealed, 0, Some((5, false)));
                head.seal.as_mut().expect("sealed").spans = spans;
                head
            };
            assert!(is_worth_compacting(&of(unsealed)) && !is_worth_compacting(&of(unsealed - 1)), "{spans}");
        }
    }

    #[test]
    fn receipts_are_kept_as_long_as_a_batch_may_come_again() {
        let known = HashMap::from([([1; 16], 0), ([2; 16], RECEIPT_MS), ([3; 16], 5)]);
        let kept: Vec<u8> = receipts(&known, RECEIPT_MS + 3).iter().map(|receipt| receipt.digest[0]).collect();
        assert_eq!(kept, [3, 2]);
    }
}
