//! A trace in a list, folded from batches in any order.

use crate::id::{AttemptId, OrgId, RepositoryId};

/// Who sends telemetry: proved by a credential, never by labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose trace it is.
    pub org: OrgId,
    /// The attempt that an agent works on.
    pub attempt: Option<AttemptId>,
    /// The repository of that attempt.
    pub repository: Option<RepositoryId>,
}
