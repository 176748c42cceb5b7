//! Whose a credential is that a program presents: a token of an org, or the access token of a person's device.

use jiff::Timestamp;
use quillon_core::org::Token;
use quillon_core::person::User;
use quillon_core::text::with_causes;
use quillon_store::Written;

use crate::Tenancy;
use crate::error::Result;
use crate::logins::{ACCESS, hash_of};
use crate::secret;

/// What tokens of orgs begin with.
const TOKEN: &str = "dag_";

/// Longest credential that is worth a read: the longest name of an org, and a secret.
const MAX_CREDENTIAL: usize = 200;

/// Somebody who presents a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The holder of a token of an org.
    Token(Box<Token>),
    /// A person, by one of their devices.
    Person(Box<User>),
}

impl Tenancy {
    /// Whose a credential is; none when it is unknown, over, or of another kind (the operator's key, tokens of jobs).
    ///
    /// That it was used is written down once an hour; when that fails, nothing but the note is missing.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn identify(&self, presented: &str, now: Timestamp) -> Result<Option<Principal>> {
        if presented.len() > MAX_CREDENTIAL {
            return Ok(None);
        }
        if presented.starts_with(TOKEN) {
            return self.identify_token(presented, now).await;
        }
        let Some(hash) = hash_of(presented, ACCESS) else { return Ok(None) };
        let Some((record, login)) = self.store.access(&hash, now).await? else { return Ok(None) };
        let Some(user) = self.store.user(record.user).await? else { return Ok(None) };
        if let Some(used) = login.used(now) {
            match self.store.save_login_use(&used).await {
                Ok(Written::Done | Written::Lost) => {}
                Err(error) => tracing::warn!(login.id = %login.id, "the use of a login was not written down: {}", with_causes(&error)),
            }
        }
        Ok(Some(Principal::Person(Box::new(user))))
    }

    async fn identify_token(&self, presented: &str, now: Timestamp) -> Result<Option<Principal>> {
        let hash = secret::hash(presented);
        let Some(token) = self.store.token(&hash, now).await? else { return Ok(None) };
        if token.is_use_news(now)
            && let Err(error) = self.store.touch_token(&hash, &token, now).await
        {
            tracing::warn!(token.id = %token.id, "the use of a token was not written down: {}", with_causes(&error));
        }
        Ok(Some(Principal::Token(Box::new(token))))
    }
}
