//! Deeds that an org can be asked about later: who did what, when and from where.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::OrgId;

/// One deed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// In which org.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
    /// Who, as people read it.
    pub who: String,
    /// What.
    pub action: AuditAction,
    /// To what: an id or a name.
    pub subject: String,
    /// From where: an address, or the name of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// A trace was deleted.
    TraceDeleted,
    /// A trace was made public.
    TraceMadePublic,
    /// A trace was made private.
    TraceMadePrivate,
    /// A trace follows the rule again.
    TraceByRule,
    /// A trace was shared with whoever has the link.
    TraceShared,
    /// All links to a trace were taken back.
    TraceUnshared,
    /// The org allows public traces.
    OrgTracesAllowed,
    /// The org allows no public traces.
    OrgTracesForbidden,
    /// The traces of a repository are public.
    RepositoryTracesPublic,
    /// The traces of a repository are private.
    RepositoryTracesPrivate,
    /// The traces of a repository follow the rule again.
    RepositoryTracesByRule,
}
