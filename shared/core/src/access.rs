//! Who may do what in an org: one table, read by every function.
//!
//! The rows of roles are those of the
//! [documented table](https://docs.dagger.io/reference/cloud/#roles-and-permissions): Admin is not a superset of Member.
//! What the table says nothing of is here what it is most like.

use std::str::FromStr;

use crate::id::InvalidId;
use crate::member::{Role, Roles};
use crate::org::Scope;

/// Something that can be done in an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Know that the org is there: its name, id, age and plan.
    SeeOrg,
    /// See checks, traces and modules.
    ViewRuns,
    /// Send telemetry.
    WriteTelemetry,
    /// Run checks again.
    RerunChecks,
    /// Stop checks.
    CancelChecks,
    /// Start cloud engines.
    UseEngines,
    /// See who is in the org and who is invited.
    ViewMembers,
    /// Invite somebody, take an invitation back.
    InviteMembers,
    /// Take somebody out.
    RemoveMembers,
    /// Change somebody's roles.
    ChangeRoles,
    /// Leave the org oneself.
    Leave,
    /// Make a trace public or private, share it by a link.
    ShareTraces,
    /// Delete a trace.
    DeleteTraces,
    /// See settings: general ones, git sources, tokens without their texts, visibility.
    ViewSettings,
    /// Change the org's name and its general settings, and delete it.
    ManageOrg,
    /// Claim installations, choose repositories, change how one is treated.
    ManageSources,
    /// Make, rotate and revoke tokens, and trust CI systems.
    ManageTokens,
    /// Say whether traces may be public.
    ManageVisibility,
    /// See plan and usage.
    ViewPlan,
    /// Change the plan, pay.
    ManagePlan,
    /// Read and export the audit log.
    ReadAudit,
}

/// Who may do one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The thing.
    pub permission: Permission,
    /// Whether an admin may.
    pub admin: bool,
    /// Whether a member may.
    pub member: bool,
    /// The scopes of tokens that may; none where a token cannot.
    pub scopes: &'static [Scope],
    /// Whether a job of a CI system may, which has shown who it is ([`crate::ci`]).
    pub ci_job: bool,
}

const fn rule(permission: Permission, (admin, member): (bool, bool), scopes: &'static [Scope], ci_job: bool) -> Rule {
    Rule { permission, admin, member, scopes, ci_job }
}

const ADMIN: (bool, bool) = (true, false);
const MEMBER: (bool, bool) = (false, true);
const EITHER: (bool, bool) = (true, true);

/// The table, in the order of [`Permission`].
pub const TABLE: [Rule; 21] = [
    rule(Permission::SeeOrg, EITHER, &Scope::ALL, true),
    rule(Permission::ViewRuns, MEMBER, &[Scope::ChecksRead], true),
    rule(Permission::WriteTelemetry, MEMBER, &[Scope::TelemetryWrite], true),
    rule(Permission::RerunChecks, MEMBER, &[Scope::ChecksRerun], false),
    rule(Permission::CancelChecks, MEMBER, &[Scope::ChecksRerun], false),
    rule(Permission::UseEngines, MEMBER, &[Scope::EnginesUse], true),
    rule(Permission::ViewMembers, EITHER, &[Scope::Admin], false),
    rule(Permission::InviteMembers, ADMIN, &[Scope::Admin], false),
    rule(Permission::RemoveMembers, ADMIN, &[Scope::Admin], false),
    rule(Permission::ChangeRoles, ADMIN, &[Scope::Admin], false),
    rule(Permission::Leave, EITHER, &[], false),
    rule(Permission::ShareTraces, ADMIN, &[Scope::Admin], false),
    rule(Permission::DeleteTraces, ADMIN, &[Scope::Admin], false),
    rule(Permission::ViewSettings, EITHER, &[Scope::Admin], false),
    rule(Permission::ManageOrg, ADMIN, &[Scope::Admin], false),
    rule(Permission::ManageSources, ADMIN, &[Scope::Admin], false),
    // A token cannot make tokens: one that leaked could outlive its revocation.
    rule(Permission::ManageTokens, ADMIN, &[], false),
    rule(Permission::ManageVisibility, ADMIN, &[Scope::Admin], false),
    rule(Permission::ViewPlan, EITHER, &[Scope::Admin], false),
    rule(Permission::ManagePlan, ADMIN, &[Scope::Admin], false),
    rule(Permission::ReadAudit, ADMIN, &[Scope::Admin], false),
];

impl Permission {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.into_iter().map(|rule| rule.permission)
    }

    /// Its row.
    #[must_use]
    pub fn rule(self) -> Rule {
        TABLE[self as usize]
    }
}

/// What somebody is to one org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Whoever runs the instance.
    Operator,
    /// A person in the org.
    Person(Roles),
    /// The holder of a token of the org.
    Token(Vec<Scope>),
    /// A job of a CI system that the org trusts.
    CiJob,
    /// Nobody, or somebody of another org.
    Stranger,
}

/// What the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Allowed,
    /// They know the org, but may not: 403 with [`Refusal`] as the reason.
    Refused(Refusal),
    /// To them the org does not exist: 404, as for one that really does not.
    Hidden,
}

/// What somebody lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The person lacks a role.
    #[error("this takes the role `{0}`: ask an admin of the org for it")]
    Role(Role),
    /// The token lacks a scope.
    #[error("the token has no scope `{0}`: use one that has")]
    Scope(Scope),
    /// No token may.
    #[error("no token may do this: sign in on the pages")]
    NoToken,
    /// A CI job may not.
    #[error("a CI job may not do this: use a token of the org")]
    NoCiJob,
}

/// Whether somebody of this standing may do something.
#[must_use]
pub fn allows(standing: &Standing, permission: Permission) -> Verdict {
    let rule = permission.rule();
    match standing {
        Standing::Operator => Verdict::Allowed,
        Standing::Person(roles) => {
            let may = rule.admin && roles.has(Role::Admin) || rule.member && roles.has(Role::Member);
            let lacks = if rule.member { Role::Member } else { Role::Admin };
            if may { Verdict::Allowed } else { Verdict::Refused(Refusal::Role(lacks)) }
        }
        Standing::Token(held) => match rule.scopes {
            [] => Verdict::Refused(Refusal::NoToken),
            scopes if scopes.iter().any(|scope| held.contains(scope)) => Verdict::Allowed,
            [scope, ..] => Verdict::Refused(Refusal::Scope(*scope)),
        },
        Standing::CiJob => {
            if rule.ci_job {
                Verdict::Allowed
            } else {
                Verdict::Refused(Refusal::NoCiJob)
            }
        }
        Standing::Stranger => Verdict::Hidden,
    }
}

/// Who may make organizations on an installation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OrgCreation {
    /// Whoever signs in.
    #[default]
    Anyone,
    /// The operator alone; others are invited, or take over the org that their installation made.
    Operator,
}

impl OrgCreation {
    /// Its word in settings.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for OrgCreation {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let found = [Self::Anyone, Self::Operator].into_iter().find(|known| known.word() == text);
        found.ok_or_else(|| InvalidId::new(text, "`anyone` or `operator`"))
    }
}

/// What a request needs: every route of every function, every field of the API and every command has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is open, or brings a credential of its own kind (a signature, a job's token).
    Nothing,
    /// A person who is signed in, whatever orgs they are in.
    SignedIn,
    /// The operator.
    Operator,
    /// A standing in the org that the request names.
    In(Permission),
    /// As [`Needs::In`], or that what is asked for is public or shared by a link.
    InOrPublic(Permission),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table() {
        let may = |roles, permission| allows(&Standing::Person(roles), permission) == Verdict::Allowed;
        for (permission, admin, member) in [
            (Permission::ViewRuns, false, true),
            (Permission::ViewMembers, true, true),
            (Permission::InviteMembers, true, false),
            (Permission::RemoveMembers, true, false),
            (Permission::ShareTraces, true, false),
            (Permission::DeleteTraces, true, false),
        ] {
            assert_eq!((may(Roles::ADMIN, permission), may(Roles::MEMBER, permission)), (admin, member), "{permission:?}");
            assert!(may(Roles::BOTH, permission));
        }
    }

    #[test]
    fn every_permission_has_its_row_and_somebody() {
        for (index, rule) in TABLE.into_iter().enumerate() {
            assert_eq!((rule.permission as usize, rule.permission.rule()), (index, rule));
            assert!(rule.admin || rule.member);
        }
    }

    #[test]
    fn a_stranger_learns_nothing_and_the_operator_may_everything() {
        for permission in Permission::all() {
            assert_eq!(allows(&Standing::Stranger, permission), Verdict::Hidden);
            assert_eq!(allows(&Standing::Operator, permission), Verdict::Allowed);
            assert_ne!(allows(&Standing::Token(vec![]), permission), Verdict::Allowed);
        }
    }

    #[test]
    fn a_scope_gives_what_it_says_and_no_more() {
        for scope in Scope::ALL {
            let standing = Standing::Token(vec![scope]);
            for permission in Permission::all() {
                let is_allowed = allows(&standing, permission) == Verdict::Allowed;
                assert_eq!(is_allowed, permission.rule().scopes.contains(&scope), "{scope} {permission:?}");
                // Whatever a token may, somebody with a role may; what the scope `admin` may, an admin may.
                assert!(!is_allowed || scope != Scope::Admin || permission.rule().admin, "{permission:?}");
            }
        }
        assert_eq!(allows(&Standing::Token(vec![Scope::Admin]), Permission::ManageTokens), Verdict::Refused(Refusal::NoToken));
    }
}
