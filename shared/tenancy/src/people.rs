//! People: their first sign-in, the next ones, and the accounts that they link.

use jiff::Timestamp;
use quillon_core::id::{OrgId, UserId};
use quillon_core::person::{Profile, ProviderId, User};
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::{MAX_DECISIONS, Tenancy, secret};

/// What somebody is told whose account belongs to somebody else here.
const TAKEN: &str = "this account is linked to another person here: sign in with it and unlink it there, or link another one";

impl Tenancy {
    /// The person behind a profile, made at their first sign-in, with labels as the provider gives them now.
    ///
    /// Of two first sign-ins at once, one makes the person and the other finds them. Somebody new has to be listed, or to hold the
    /// secret of an invitation that is for them.
    ///
    /// # Errors
    /// When the profile names nobody, when somebody new is not to get an account, or when the table cannot be used.
    pub async fn sign_in(&self, profile: &Profile, invitation: Option<&str>, now: Timestamp) -> Result<User> {
        let identity = profile.identity(now).map_err(Error::invalid)?;
        for _ in 0..MAX_DECISIONS {
            if let Some(known) = self.store.user_by_identity(&identity.provider, &identity.subject).await? {
                return self.refresh_labels(known, profile, now).await;
            }
            let id = secret::new_id(UserId::from_parts, now)?;
            let user = User::begin(id, profile, now).map_err(Error::invalid)?;
            if let Err(reason) = self.sign_ups.admit(&user)
                && !self.is_invited(&user, invitation, now).await?
            {
                tracing::info!("{} is not to get an account", user.label());
                return Err(Error::refused(reason));
            }
            if self.store.create_user(&user).await? == Written::Done {
                tracing::info!(user.id = %user.id, "{} signed in for the first time", user.label());
                return Ok(user);
            }
        }
        Err(Error::Contended("account"))
    }

    async fn is_invited(&self, user: &User, invitation: Option<&str>, now: Timestamp) -> Result<bool> {
        let Some(secret) = invitation else { return Ok(false) };
        Ok(self.invite_of(secret, now).await?.is_some_and(|(invite, _)| invite.invitee.is(user)))
    }

    /// Writes down what the provider says of somebody now, where that is news.
    async fn refresh_labels(&self, known: User, profile: &Profile, now: Timestamp) -> Result<User> {
        if known.seen(profile, now).map_err(Error::invalid)?.is_none() {
            return Ok(known);
        }
        // Only an identity that they still have: `seen` would link it again.
        let has = |user: &User| user.identities.iter().any(|known| known.provider == profile.provider && known.subject == profile.subject);
        let change = |user: User| if has(&user) { user.seen(profile, now).ok().flatten() } else { None };
        Ok(self.store.change_user(known.id, change).await?.unwrap_or(known))
    }

    /// A person.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn user(&self, user: UserId) -> Result<Option<User>> {
        Ok(self.store.user(user).await?)
    }

    /// Links another account to a person who has shown that it is theirs.
    ///
    /// # Errors
    /// When it is linked to somebody else, when they have too many, or when the table cannot be used.
    pub async fn link(&self, user: UserId, profile: &Profile, now: Timestamp) -> Result<User> {
        let identity = profile.identity(now).map_err(Error::invalid)?;
        for _ in 0..MAX_DECISIONS {
            let user = self.store.user(user).await?.ok_or(Error::NotFound("person"))?;
            match self.store.user_by_identity(&identity.provider, &identity.subject).await? {
                Some(holder) if holder.id == user.id => return self.refresh_labels(user, profile, now).await,
                Some(_) => return Err(Error::refused(TAKEN)),
                None => {}
            }
            let linked = user.linked(profile, now).map_err(Error::refused)?;
            if self.store.link_identity(&linked, &identity).await? == Written::Done {
                tracing::info!(user.id = %user.id, "linked {} at {}", identity.login, identity.provider);
                return Ok(linked);
            }
        }
        Err(Error::Contended("account"))
    }

    /// Takes an account from a person.
    ///
    /// # Errors
    /// When it is their last one or none of theirs, or when the table cannot be used.
    pub async fn unlink(&self, user: UserId, provider: &ProviderId, subject: &str) -> Result<User> {
        for _ in 0..MAX_DECISIONS {
            let user = self.store.user(user).await?.ok_or(Error::NotFound("person"))?;
            let identity = user.identities.iter().find(|known| known.provider == *provider && known.subject == subject).cloned();
            let left = user.without(provider, subject).map_err(Error::refused)?;
            let Some(identity) = identity else { return Err(Error::NotFound("linked account")) };
            if self.store.unlink_identity(&left, &identity).await? == Written::Done {
                tracing::info!(user.id = %left.id, "unlinked {} at {}", identity.login, identity.provider);
                return Ok(left);
            }
        }
        Err(Error::Contended("account"))
    }

    /// Remembers whose pages somebody saw last, where that is news.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn set_last_org(&self, user: UserId, org: OrgId) -> Result<()> {
        let change = |user: User| (user.last_org != Some(org)).then_some(User { last_org: Some(org), ..user });
        self.store.change_user(user, change).await?;
        Ok(())
    }
}
