//! Who looks at pages, and what they are to an org.

use futures::{StreamExt as _, TryStreamExt as _};
use quillon_core::access::Standing;
use quillon_core::id::{OrgId, UserId};
use quillon_core::member::{Member, Roles};
use quillon_core::org::Org;
use quillon_core::person::User;
use quillon_core::session::{Holder, Session};
use quillon_store::{Page, Paged};

use crate::Tenancy;
use crate::error::Result;

/// The operator, as people read it.
pub const OPERATOR: &str = "the operator";

/// How many orgs are read at once.
const SIDE_BY_SIDE: usize = 16;

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// Whoever runs this instance.
    Operator,
    /// A person.
    Person(User),
}

impl Viewer {
    /// Who they are as people read it in the audit log.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Operator => OPERATOR.to_owned(),
            Self::Person(user) => user.label(),
        }
    }

    /// The person, where it is one.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::Operator => None,
            Self::Person(user) => Some(user),
        }
    }
}

impl Tenancy {
    /// Who is behind a session; none when the person is gone.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn viewer(&self, session: &Session) -> Result<Option<Viewer>> {
        match session.holder {
            Holder::Operator => Ok(Some(Viewer::Operator)),
            Holder::Person(user) => Ok(self.store.user(user).await?.map(Viewer::Person)),
        }
    }

    /// What somebody is to an org, as of now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn standing(&self, viewer: &Viewer, org: OrgId) -> Result<Standing> {
        match viewer {
            Viewer::Operator => Ok(Standing::Operator),
            Viewer::Person(user) => self.standing_of_user(user.id, org).await,
        }
    }

    /// What a person is to an org, as of now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn standing_of_user(&self, user: UserId, org: OrgId) -> Result<Standing> {
        let member = self.store.member(org, user).await?;
        Ok(member.map_or(Standing::Stranger, |member| Standing::Person(member.roles)))
    }

    /// The orgs that somebody may see, by name. Those of a person come on one page.
    ///
    /// # Errors
    /// When the table cannot be read, or the cursor is none.
    pub async fn orgs_of(&self, viewer: &Viewer, page: &Page) -> Result<Paged<Org>> {
        match viewer {
            Viewer::Operator => Ok(self.store.orgs(page).await?),
            Viewer::Person(user) => {
                let items = self.memberships(user.id).await?.into_iter().map(|(org, _)| org).collect();
                Ok(Paged { items, next: None })
            }
        }
    }

    /// The orgs of a person with what they are there, by name.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn memberships(&self, user: UserId) -> Result<Vec<(Org, Roles)>> {
        let members = self.store.orgs_of(user).await?;
        let read: Vec<_> = members.into_iter().map(|member| self.org_of_member(member)).collect();
        let found: Vec<(Option<Org>, Roles)> = futures::stream::iter(read).buffered(SIDE_BY_SIDE).try_collect().await?;
        let mut orgs: Vec<(Org, Roles)> = found.into_iter().filter_map(|(org, roles)| Some((org?, roles))).collect();
        orgs.sort_by_key(|(org, _)| org.name.folded());
        Ok(orgs)
    }

    async fn org_of_member(&self, member: Member) -> Result<(Option<Org>, Roles)> {
        Ok((self.store.org(member.org).await?, member.roles))
    }
}
