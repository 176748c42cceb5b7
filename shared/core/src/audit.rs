//! Deeds that an org can be asked about later: who did what, when and from where.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, OrgId};

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
    /// What came of it, where that is not in the action: the new roles, the scopes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// From where: an address, or the name of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Makes the actions and their words from one list, so that none can lack either.
macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident, $word:tt, $label:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum AuditAction {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl AuditAction {
            /// All of them, by what they are done to.
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::$name),*].into_iter()
            }

            /// Its word, as it is stored, exported and chosen by.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What people read between who did it and what it was done to: `deleted the trace`.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

actions! {
    /// A trace was deleted.
    TraceDeleted, "trace_deleted", "deleted the trace";
    /// A trace was made public.
    TraceMadePublic, "trace_made_public", "made public the trace";
    /// A trace was made private.
    TraceMadePrivate, "trace_made_private", "made private the trace";
    /// A trace follows the rule again.
    TraceByRule, "trace_by_rule", "took back what was said of who may read the trace";
    /// A trace was shared with whoever has the link.
    TraceShared, "trace_shared", "made a link to share the trace";
    /// All links to a trace were taken back.
    TraceUnshared, "trace_unshared", "took back all links to the trace";
    /// The org allows public traces.
    OrgTracesAllowed, "org_traces_allowed", "allowed public traces in";
    /// The org allows no public traces.
    OrgTracesForbidden, "org_traces_forbidden", "forbade public traces in";
    /// The traces of a repository are public.
    RepositoryTracesPublic, "repository_traces_public", "made public the traces of";
    /// The traces of a repository are private.
    RepositoryTracesPrivate, "repository_traces_private", "made private the traces of";
    /// The traces of a repository follow the rule again.
    RepositoryTracesByRule, "repository_traces_by_rule", "took back what was said of who may read the traces of";
    /// The org was made.
    OrgMade, "org_made", "made the org";
    /// The org has another name.
    OrgRenamed, "org_renamed", "renamed the org to";
    /// The org may run another number of attempts at once.
    OrgConcurrencyChanged, "org_concurrency_changed", "changed how many checks run at once in";
    /// The org is to be deleted.
    OrgDeleted, "org_deleted", "deleted the org";
    /// The org is not to be deleted after all.
    OrgRestored, "org_restored", "took back the deletion of the org";
    /// An org that an installation had made got its first admin.
    OrgAdopted, "org_adopted", "became the first admin of the org";
    /// Somebody was invited.
    InviteMade, "invite_made", "invited";
    /// An invitation was taken back.
    InviteRevoked, "invite_revoked", "took back the invitation of";
    /// Somebody came in by an invitation.
    InviteAccepted, "invite_accepted", "accepted the invitation of";
    /// Somebody was put in by the operator.
    MemberAdded, "member_added", "added";
    /// Somebody's roles changed.
    MemberRolesChanged, "member_roles_changed", "changed the roles of";
    /// Somebody was taken out.
    MemberRemoved, "member_removed", "removed";
    /// Somebody left.
    MemberLeft, "member_left", "left the org";
    /// A token was made.
    TokenMade, "token_made", "made the token";
    /// A token was replaced by another one.
    TokenRotated, "token_rotated", "rotated the token";
    /// A token was revoked.
    TokenRevoked, "token_revoked", "revoked the token";
    /// A project of a CI system may send telemetry.
    CiTrustMade, "ci_trust_made", "trusted the CI project";
    /// A project of a CI system may send telemetry no longer.
    CiTrustRemoved, "ci_trust_removed", "no longer trusts the CI project";
    /// An installation was claimed.
    SourceClaimed, "source_claimed", "connected the GitHub account";
    /// An installation was released.
    SourceReleased, "source_released", "disconnected the GitHub account";
    /// Other repositories of an installation are checked.
    SourceModeChanged, "source_mode_changed", "chose which repositories are checked of";
    /// The commits of a repository are checked.
    AutocheckOn, "autocheck_on", "turned on the checks of";
    /// The commits of a repository are no longer checked.
    AutocheckOff, "autocheck_off", "turned off the checks of";
    /// A repository is treated in another way.
    RepositorySettingsChanged, "repository_settings_changed", "changed the settings of";
    /// A plan was chosen.
    PlanChosen, "plan_chosen", "chose the plan";
    /// The payment provider said something that changed how the plan stands.
    PlanChanged, "plan_changed", "changed the plan to";
    /// The pages of the payment provider were opened.
    PortalOpened, "portal_opened", "opened the billing pages of";
    /// The audit log was exported.
    AuditExported, "audit_exported", "exported the audit log of";
}

impl fmt::Display for AuditAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FromStr for AuditAction {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::all().find(|action| action.word() == text).ok_or_else(|| InvalidId::new(text, "an action such as `token_made`"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_has_words_of_its_own() {
        let count = AuditAction::all().count();
        assert_eq!(AuditAction::all().map(AuditAction::word).collect::<BTreeSet<_>>().len(), count);
        assert_eq!(AuditAction::all().map(AuditAction::label).collect::<BTreeSet<_>>().len(), count);
        for action in AuditAction::all() {
            assert_eq!(action.word().parse(), Ok(action));
            assert_eq!(serde_json::to_value(action).expect("a word"), action.word());
        }
        assert!("org".parse::<AuditAction>().is_err());
    }

    #[test]
    fn an_entry_of_an_older_build_is_read() {
        let org = OrgId::from_parts(1, 2);
        let old = format!(r#"{{"org":"{org}","at":"1970-01-01T00:00:00Z","who":"the operator","action":"trace_deleted","subject":"x"}}"#);
        let entry: AuditEntry = serde_json::from_str(&old).expect("an entry");
        assert_eq!((entry.detail.as_str(), entry.action), ("", AuditAction::TraceDeleted));
        assert_eq!(serde_json::to_string(&entry).expect("a text"), old);
    }
}
