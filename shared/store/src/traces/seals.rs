//! Sealing: who may write parts under which number, and when readers are pointed at them.

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::later;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use serde::{Deserialize, Serialize};

use super::heads::{Head, decode, due};
use super::{TraceStore, head_key};
use crate::error::Error;
use crate::keys::number;
use crate::update::{Test, Update, Updated};
use crate::{Result, Written};

/// How long after a seal a trace is looked at again that got telemetry while it was sealed.
const QUIET: SignedDuration = SignedDuration::from_secs(60);

/// What is sealed of a trace, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealPointer {
    /// Under which number its parts are.
    pub generation: u32,
    /// The chunks up to this sequence number are in the parts; those behind it are to be read as well.
    pub through_seq: u64,
    /// When.
    pub sealed_at: Timestamp,
    /// Whether the trace was over, and not just large.
    pub is_final: bool,
    /// Spans, each counted once.
    pub spans: u64,
    /// Log records, each counted once.
    pub logs: u64,
    /// Points of metrics.
    pub metrics: u64,
    /// Bytes of all parts.
    pub bytes: u64,
    /// How many parts of [`super::PartKind::Outline`].
    pub outline_parts: u32,
    /// How many of spans.
    pub span_parts: u32,
    /// How many of log records.
    pub log_parts: u32,
    /// How many of metric points.
    pub metric_parts: u32,
    /// How many of digests.
    pub digest_parts: u32,
}

impl TraceStore {
    /// Begins a generation of parts that nobody else writes, and keeps other sealers away until `due_at`. None when there is no
    /// such trace or it was deleted.
    ///
    /// A sealer that died leaves parts of its generation behind; the next one that finishes deletes them.
    ///
    /// # Errors
    /// Transient, refused or corrupt.
    pub async fn begin_seal(&self, org: OrgId, trace: TraceId, due_at: Timestamp) -> Result<Option<(u32, Head)>> {
        let key = head_key(org, trace);
        let update = Update {
            set: due(due_at).into(),
            add: vec![("generation", number(1))],
            tests: vec![Test::Has("seq"), Test::Lacks("deleted_at")],
            ..Update::default()
        };
        let Updated::Done(stored) = self.access.update("begin to seal a trace", &self.table, &key, &update).await? else { return Ok(None) };
        let generation = stored.get("generation").and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok());
        let generation = generation.ok_or_else(|| Error::corrupt(&key, "its `generation` is no number"))?;
        Ok(Some((generation, decode(stored)?)))
    }

    /// Points readers at a generation whose parts are all there. `base` is the generation of the pointer that this sealer began
    /// from; `Lost` when another one was faster, or the trace was deleted. `sealed` is how many records of chunks the parts have taken in.
    ///
    /// With no `due_at` the trace is looked at again only once more telemetry comes; telemetry that came meanwhile counts.
    ///
    /// # Errors
    /// Transient, refused or unstorable.
    pub async fn finish_seal(
        &self,
        org: OrgId,
        trace: TraceId,
        base: Option<u32>,
        pointer: &SealPointer,
        sealed: u64,
        due_at: Option<Timestamp>,
    ) -> Result<Written> {
        let key = head_key(org, trace);
        let value = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(pointer).map_err(|error| Error::unstorable(&key, error))?;
        let mut tests = vec![Test::Has("seq"), Test::Lacks("deleted_at")];
        tests.push(match base {
            Some(base) => Test::Is("seal.generation", number(base)),
            None => Test::Lacks("seal"),
        });
        let sealed = i64::try_from(sealed).unwrap_or(i64::MAX);
        let mut update =
            Update { set: vec![("seal", value)], add: vec![("unsealed", number(-sealed))], tests, is_once: true, ..Update::default() };
        if due_at.is_none() {
            let mut quiet = update.clone();
            quiet.remove = vec!["due_pk", "due_at"];
            quiet.tests.push(Test::Is("seq", number(pointer.through_seq)));
            match self.access.update("finish the seal of a trace", &self.table, &key, &quiet).await? {
                Updated::Done(_) => return Ok(Written::Done),
                // Either lost for good, or only not quiet: the next try says which.
                Updated::Lost(_) => {}
            }
        }
        update.set.extend(due(due_at.unwrap_or_else(|| later(pointer.sealed_at, QUIET))));
        match self.access.update("finish the seal of a trace", &self.table, &key, &update).await? {
            Updated::Done(_) => Ok(Written::Done),
            Updated::Lost(_) => Ok(Written::Lost),
        }
    }
}
