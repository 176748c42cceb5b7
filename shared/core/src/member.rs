//! Members of orgs: the two roles, invitations, and the one rule that no org loses its last admin.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, InviteId, OrgId, UserId};
use crate::person::{ProviderId, User};

/// How long an invitation can be accepted.
pub const INVITE_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Most invitations of an org that are open at one time.
pub const MAX_INVITES: usize = 200;

/// What somebody is in an org. Neither contains the other: see [`crate::access::TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Administers the org.
    Admin,
    /// Sees its runs.
    Member,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Admin, Self::Member];

    /// Its word, as in forms and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|role| role.word() == text).ok_or_else(|| InvalidId::new(text, "a role: `admin` or `member`"))
    }
}

/// The roles of somebody in an org: one of them or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Role>", into = "Vec<Role>")]
pub struct Roles {
    is_admin: bool,
    is_member: bool,
}

/// Somebody in an org has at least one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no role: choose `admin`, `member` or both")]
pub struct NoRole;

impl Roles {
    /// Both, what the maker of an org gets.
    pub const BOTH: Self = Self { is_admin: true, is_member: true };
    /// The role Admin alone.
    pub const ADMIN: Self = Self { is_admin: true, is_member: false };
    /// The role Member alone.
    pub const MEMBER: Self = Self { is_admin: false, is_member: true };

    /// The roles of a list.
    ///
    /// # Errors
    /// When it is empty.
    pub fn of(roles: &[Role]) -> Result<Self, NoRole> {
        let found = Self { is_admin: roles.contains(&Role::Admin), is_member: roles.contains(&Role::Member) };
        if found.is_admin || found.is_member { Ok(found) } else { Err(NoRole) }
    }

    /// Whether a role is among them.
    #[must_use]
    pub fn has(self, role: Role) -> bool {
        match role {
            Role::Admin => self.is_admin,
            Role::Member => self.is_member,
        }
    }

    /// These and others together.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self { is_admin: self.is_admin || others.is_admin, is_member: self.is_member || others.is_member }
    }

    /// As a list.
    #[must_use]
    pub fn list(self) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.has(*role)).collect()
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.is_admin, self.is_member) {
            (true, false) => "admin",
            (false, true | false) => "member",
            (true, true) => "admin and member",
        })
    }
}

impl TryFrom<Vec<Role>> for Roles {
    type Error = NoRole;

    fn try_from(roles: Vec<Role>) -> Result<Self, NoRole> {
        Self::of(&roles)
    }
}

impl From<Roles> for Vec<Role> {
    fn from(roles: Roles) -> Self {
        roles.list()
    }
}

/// Somebody in an org.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which org.
    pub org: OrgId,
    /// Who.
    pub user: UserId,
    /// What they are.
    pub roles: Roles,
    /// What people called them when this was last written, a label.
    pub name: String,
    /// Since when.
    pub joined_at: Timestamp,
    /// Who let them in, as people read it.
    pub invited_by: String,
}

/// Why a membership is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembershipRefused {
    /// Nobody could administer the org.
    #[error("an org needs an admin: make somebody else one first")]
    LastAdmin,
}

/// The admins of an org once somebody has these roles, or none.
///
/// # Errors
/// When none would be left.
pub fn admins_after(admins: &BTreeSet<UserId>, user: UserId, roles: Option<Roles>) -> Result<BTreeSet<UserId>, MembershipRefused> {
    let mut after = admins.clone();
    if roles.is_some_and(|roles| roles.has(Role::Admin)) {
        after.insert(user);
    } else {
        after.remove(&user);
    }
    // An org that was made by an installation has none yet: whoever comes first need not be one.
    if after.is_empty() && !admins.is_empty() { Err(MembershipRefused::LastAdmin) } else { Ok(after) }
}

/// Whom an invitation is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Invitee {
    /// Whoever a provider calls so when the invitation is accepted, without regard to case.
    Login {
        /// The provider.
        provider: ProviderId,
        /// The login.
        login: String,
    },
    /// Whoever has this address verified at a provider, without regard to case.
    Email {
        /// The address.
        email: String,
    },
}

impl Invitee {
    /// Whether it is this person.
    #[must_use]
    pub fn is(&self, user: &User) -> bool {
        match self {
            Self::Login { provider, login } => {
                user.identities.iter().any(|known| known.provider == *provider && known.login.eq_ignore_ascii_case(login))
            }
            Self::Email { email } => {
                user.identities.iter().any(|known| known.email.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(email)))
            }
        }
    }
}

impl fmt::Display for Invitee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login { provider, login } => write!(formatter, "{login} ({provider})"),
            Self::Email { email } => formatter.write_str(email),
        }
    }
}

/// An address has an `@` within; everything else is a login of GitHub, with or without an `@` before it.
impl FromStr for Invitee {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let text = text.trim();
        let invalid = || InvalidId::new(text, "a GitHub login or an e-mail address");
        let is_short = |part: &str, most| !part.is_empty() && part.len() <= most && part.bytes().all(|byte| byte.is_ascii_graphic());
        // People write a login as they mention it.
        let text = text.strip_prefix('@').filter(|login| !login.contains(['@', '.'])).unwrap_or(text);
        if let Some((local, host)) = text.rsplit_once('@') {
            let is_address = is_short(local, 64) && is_short(host, 190) && host.contains('.') && !text.contains(['<', '>', '"', ',', ';']);
            return if is_address { Ok(Self::Email { email: text.to_owned() }) } else { Err(invalid()) };
        }
        let is_login = is_short(text, 64) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_login { Ok(Self::Login { provider: ProviderId::github(), login: text.to_owned() }) } else { Err(invalid()) }
    }
}

/// An invitation. Its secret is in the link; what is stored is found by the secret's hash, and gone once it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// Into which org.
    pub org: OrgId,
    /// As what.
    pub roles: Roles,
    /// For whom.
    pub invitee: Invitee,
    /// Who invites, as people read it.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it can no longer be accepted.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::Identity;

    fn user(number: u64) -> UserId {
        UserId::from_parts(number, 0)
    }

    #[test]
    fn the_last_admin_stays() {
        let one = BTreeSet::from([user(1)]);
        let two = BTreeSet::from([user(1), user(2)]);
        assert_eq!(admins_after(&one, user(1), None), Err(MembershipRefused::LastAdmin));
        assert_eq!(admins_after(&one, user(1), Some(Roles::MEMBER)), Err(MembershipRefused::LastAdmin));
        assert_eq!(admins_after(&one, user(1), Some(Roles::ADMIN)), Ok(one.clone()));
        assert_eq!(admins_after(&one, user(2), None), Ok(one.clone()));
        assert_eq!(admins_after(&one, user(2), Some(Roles::BOTH)), Ok(two.clone()));
        assert_eq!(admins_after(&two, user(2), Some(Roles::MEMBER)), Ok(one));
        assert_eq!(admins_after(&BTreeSet::new(), user(2), Some(Roles::MEMBER)), Ok(BTreeSet::new()));
    }

    #[test]
    fn roles_are_never_none() {
        assert_eq!(Roles::of(&[]), Err(NoRole));
        for roles in [Roles::BOTH, Roles::ADMIN, Roles::MEMBER] {
            let text = serde_json::to_string(&roles).expect("serializes");
            assert_eq!(serde_json::from_str::<Roles>(&text).expect(&text), roles);
        }
        assert!(serde_json::from_str::<Roles>("[]").is_err());
    }

    #[test]
    fn an_invitation_is_for_one_person() {
        let identity = |provider: &str, login: &str, email: Option<&str>| Identity {
            provider: provider.parse().expect("a provider"),
            subject: "7".to_owned(),
            login: login.to_owned(),
            email: email.map(str::to_owned),
            linked_at: Timestamp::UNIX_EPOCH,
        };
        let person = |identity| User {
            id: user(1),
            name: "Ann".to_owned(),
            avatar_url: None,
            identities: vec![identity],
            created_at: Timestamp::UNIX_EPOCH,
            last_org: None,
        };
        let by_login: Invitee = "Ann-B".parse().expect("a login");
        assert_eq!("@Ann-B".parse(), Ok(by_login.clone()));
        assert!(by_login.is(&person(identity("github", "ann-b", None))));
        assert!(!by_login.is(&person(identity("google", "ann-b", None))));
        assert!(!by_login.is(&person(identity("github", "ann", None))));
        let by_email: Invitee = "Ann@Example.com".parse().expect("an address");
        assert!(by_email.is(&person(identity("google", "x", Some("ann@example.com")))));
        assert!(!by_email.is(&person(identity("google", "ann@example.com", None))));
        for text in ["", "@", "@@a", "a b", "@example.com", "a@b", "a@", "<a@example.com>", "a/b", "ü", "a@exämple.com"] {
            assert!(text.parse::<Invitee>().is_err(), "{text}");
        }
    }

    #[test]
    fn roles_add_up() {
        assert_eq!(Roles::ADMIN.and(Roles::MEMBER), Roles::BOTH);
        assert_eq!(Roles::MEMBER.and(Roles::MEMBER), Roles::MEMBER);
    }
}
