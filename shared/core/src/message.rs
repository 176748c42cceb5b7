//! What travels on the queues: keys and a version, never state, under 2 KB each.
//!
//! A message is a hint to look. Handlers read the table and decide from it, so duplicates, late and reordered messages are
//! harmless, and a lost one is replaced by the sweep.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::hint::Hint;
use crate::id::{CommitSha, InstallationId, OrgId, RepositoryId};
use crate::name::Ref;
use crate::trace::TraceId;
use crate::trust::Trust;

/// The version that this build writes. Readers refuse others, and ignore fields that they do not know.
pub const VERSION: u8 = 1;

/// A message with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<M> {
    /// Always [`VERSION`].
    pub v: u8,
    /// The body, tagged with its `kind`.
    #[serde(flatten)]
    pub message: M,
    /// Why it was sent (`gh:<delivery>`, `sweep`, `agent`, …), for the log.
    pub cause: String,
    /// W3C trace context of the sender, so that one push is one trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// A message that this build cannot read; it belongs in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Written by another version.
    #[error("message of version `{0}`, this build reads version `{VERSION}`")]
    Version(u64),
    /// Not a message at all.
    #[error("not a message")]
    Form(#[source] serde_json::Error),
}

/// Reads a message of a queue.
///
/// # Errors
/// When it was written by another version or is no message: it can never be read.
pub fn decode<M: DeserializeOwned>(body: &str) -> Result<Envelope<M>, Undecodable> {
    #[derive(Deserialize)]
    struct Version {
        v: u64,
    }
    // The version first: what another version wrote may look like anything.
    let Version { v } = serde_json::from_str(body).map_err(Undecodable::Form)?;
    if v != u64::from(VERSION) {
        return Err(Undecodable::Version(v));
    }
    serde_json::from_str(body).map_err(Undecodable::Form)
}

/// On `events`, read by the scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventMessage {
    /// A webhook arrived.
    Delivery(Hint),
    /// Look at a ref again: its mergeability was not known, or the head sweep found that it moved.
    Look {
        /// Under which installation.
        installation: InstallationId,
        /// In which repository.
        repository: RepositoryId,
        /// At which ref.
        #[serde(rename = "ref")]
        reference: Ref,
    },
    /// Compare all heads of a repository with what the table knows.
    SweepHeads {
        /// Under which installation.
        installation: InstallationId,
        /// Which repository.
        repository: RepositoryId,
    },
    /// An org claimed an installation, released it, or wants it looked at again.
    Claim {
        /// Which installation.
        installation: InstallationId,
        /// The org that claimed or released it; what is stored of the installation says which.
        org: OrgId,
    },
}

/// On `dispatch`, read by the dispatcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DispatchMessage {
    /// Something of this org waits, or made room.
    Admit {
        /// Which org.
        org: OrgId,
    },
}

/// On `seal`, read by the sealer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SealMessage {
    /// A trace may be over, large, or deleted.
    Seal {
        /// Whose.
        org: OrgId,
        /// Which.
        trace: TraceId,
    },
}

/// On `status`, FIFO per commit, read by the reporter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StatusMessage {
    /// Make GitHub agree with what is stored about a commit.
    Report {
        /// In which repository.
        repository: RepositoryId,
        /// Which commit.
        sha: CommitSha,
    },
}

/// On `offers`: wakes one waiting agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OfferMessage {
    /// An attempt of this trust can be leased.
    Offer {
        /// Which agents may take it.
        trust: Trust,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip_and_ignore_what_they_do_not_know() {
        let message = DispatchMessage::Admit { org: OrgId::from_parts(1, 2) };
        let envelope = Envelope { v: VERSION, message, cause: "test".to_owned(), traceparent: None };
        let mut json = serde_json::to_value(&envelope).expect("serializes");
        json["from_the_future"] = 1.into();
        assert_eq!(decode::<DispatchMessage>(&json.to_string()).expect("decodes"), envelope);
    }

    #[test]
    fn other_versions_and_rubbish_are_refused() {
        assert!(matches!(decode::<DispatchMessage>(r#"{"v":2,"kind":"admit"}"#), Err(Undecodable::Version(2))));
        for body in ["", "{}", "[]", r#"{"v":1,"kind":"explode","cause":""}"#] {
            assert!(matches!(decode::<DispatchMessage>(body), Err(Undecodable::Form(_))), "{body}");
        }
    }
}
