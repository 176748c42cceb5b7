//! People of the forge: what they are called, where they belong, and how an App learns who one of them is.
//!
//! The last is GitHub's web flow for
//! [user access tokens](https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    Account, AccountKind, Forge, ForgeError, Installation,
    keys::{random_token, token_hash},
    lock,
    names::check_person,
    state::State,
};

/// How long a code can be exchanged.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How long a person's token works.
pub(crate) const USER_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(8);
/// Codes that wait at once; the oldest sign-ins are long over by then.
const CODES_KEPT: usize = 1000;
/// Length of a challenge: 32 bytes in base64url ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
const CHALLENGE_LENGTH: usize = 43;

/// What somebody is in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Membership {
    /// An owner, whom the API calls `admin`.
    Admin,
    /// A member.
    Member,
}

impl Membership {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Membership::Admin => "admin",
            Membership::Member => "member",
        }
    }
}

/// An e-mail address of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The address.
    pub address: String,
    /// Whether it is the one that mail goes to.
    pub primary: bool,
    /// Whether the person has shown that it is theirs.
    pub verified: bool,
}

impl Email {
    /// A person's one address, verified.
    pub fn verified(address: &str) -> Email {
        Email { address: address.to_owned(), primary: true, verified: true }
    }
}

/// What a person says about themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name that is displayed, where it is not the login.
    pub name: Option<String>,
    /// Addresses; the API shows them with the permission `email_addresses` only.
    pub emails: Vec<Email>,
}

/// A person's token, known by its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserToken {
    pub(crate) user: u64,
    pub(crate) expires_at: Timestamp,
}

/// A code on its way through a browser.
pub(crate) struct Code {
    user: u64,
    redirect_uri: String,
    challenge: String,
    expires_at: Timestamp,
}

/// What an application wants of the authorization page.
pub(crate) struct Wish {
    pub(crate) redirect_uri: Url,
    pub(crate) state: String,
    challenge: String,
}

/// Why a code was not exchanged, with GitHub's word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExchangeRefused {
    Client,
    Redirect,
    Code,
}

impl Forge {
    /// Makes somebody an owner or a member of an organization, or ends that.
    ///
    /// # Errors
    /// When the organization or the person does not exist.
    pub fn set_membership(&self, organization: u64, user: u64, membership: Option<Membership>) -> Result<(), ForgeError> {
        let mut state = self.state();
        if state.account(organization)?.kind != AccountKind::Organization {
            return Err(ForgeError::Missing(format!("organization {organization}")));
        }
        if state.account(user)?.kind != AccountKind::User {
            return Err(ForgeError::Missing(format!("person {user}")));
        }
        state.save_membership(organization, user, membership)
    }

    /// Replaces what a person says about themselves.
    ///
    /// # Errors
    /// When there is no such person, or a name or an address has line breaks or angle brackets.
    pub fn set_profile(&self, user: u64, profile: Profile) -> Result<(), ForgeError> {
        for text in profile.name.iter().chain(profile.emails.iter().map(|email| &email.address)) {
            check_person(text)?;
        }
        let mut state = self.state();
        if state.account(user)?.kind != AccountKind::User {
            return Err(ForgeError::Missing(format!("person {user}")));
        }
        state.save_profile(user, profile)
    }

    /// The OAuth client id of the App.
    pub fn client_id(&self) -> &str {
        &self.inner.app.client_id
    }

    /// The OAuth client secret of the App; it is a secret.
    pub fn client_secret(&self) -> &str {
        &self.inner.client_secret
    }

    /// What a person does at the authorization page: they say yes. Gives the address that their browser is sent to.
    ///
    /// # Errors
    /// When the query is not one that GitHub would show its page for, or there is no such person.
    pub fn authorize(&self, user: u64, query: &str) -> Result<String, ForgeError> {
        let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let wish = self.wish(&query).map_err(|why| ForgeError::Refused(why.to_owned()))?;
        Ok(self.grant(user, &wish)?.into())
    }

    /// Reads what an application wants; the error is a violation in words.
    pub(crate) fn wish(&self, query: &[(String, String)]) -> Result<Wish, &'static str> {
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|text| !text.is_empty());
        if value("client_id") != Some(self.client_id()) {
            return Err("the `client_id` is not the App's");
        }
        let redirect_uri = value("redirect_uri").ok_or("there is no `redirect_uri`")?;
        let known = self.inner.config.callback_urls.iter().find(|known| known.as_str() == redirect_uri);
        let redirect_uri = known.ok_or("the `redirect_uri` is not a callback URL of the App")?.clone();
        let state = value("state").ok_or("there is no `state`: anybody could send a browser back")?.to_owned();
        if value("code_challenge_method") != Some("S256") {
            return Err("the `code_challenge_method` is not `S256`, the only one");
        }
        let challenge = value("code_challenge").filter(|challenge| challenge.len() == CHALLENGE_LENGTH);
        let challenge = challenge.ok_or("the `code_challenge` is not 32 bytes in base64url")?.to_owned();
        Ok(Wish { redirect_uri, state, challenge })
    }

    /// Sends a person back with a code.
    pub(crate) fn grant(&self, user: u64, wish: &Wish) -> Result<Url, ForgeError> {
        if self.state().account(user)?.kind != AccountKind::User {
            return Err(ForgeError::Missing(format!("person {user}")));
        }
        let now = self.now();
        let text = random_token("")?;
        let code = Code {
            user,
            redirect_uri: wish.redirect_uri.to_string(),
            challenge: wish.challenge.clone(),
            expires_at: now.saturating_add(CODE_LIFE).unwrap_or(now),
        };
        let mut codes = lock(&self.inner.codes);
        codes.retain(|_, code| code.expires_at > now);
        if codes.len() >= CODES_KEPT {
            codes.clear();
        }
        codes.insert(token_hash(&text), code);
        Ok(wish.back(&[("code", &text)]))
    }

    /// Exchanges a code for the token of the person; a code is gone whatever comes of it.
    pub(crate) fn exchange(&self, form: &[(String, String)]) -> Result<String, ExchangeRefused> {
        let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default();
        if value("client_id") != self.client_id() || value("client_secret") != self.client_secret() {
            return Err(ExchangeRefused::Client);
        }
        let now = self.now();
        let code = lock(&self.inner.codes).remove(&token_hash(value("code"))).ok_or(ExchangeRefused::Code)?;
        if code.redirect_uri != value("redirect_uri") {
            return Err(ExchangeRefused::Redirect);
        }
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(value("code_verifier")));
        if code.expires_at <= now || code.challenge != challenge {
            return Err(ExchangeRefused::Code);
        }
        let text = random_token("ghu_").map_err(|_| ExchangeRefused::Code)?;
        let token = UserToken { user: code.user, expires_at: now.saturating_add(USER_TOKEN_LIFE).unwrap_or(now) };
        self.state().save_user_token(token_hash(&text), token, now).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a token could not be kept");
            ExchangeRefused::Code
        })?;
        Ok(text)
    }
}

impl Wish {
    /// Where the browser goes, with this and the state.
    pub(crate) fn back(&self, pairs: &[(&str, &str)]) -> Url {
        let mut url = self.redirect_uri.clone();
        url.query_pairs_mut().extend_pairs(pairs).append_pair("state", &self.state);
        url
    }
}

impl State {
    pub(crate) fn membership(&self, organization: u64, user: u64) -> Option<Membership> {
        self.memberships.get(&(organization, user)).copied()
    }

    /// Whether a person sees what is on an account: it is theirs, or an organization that they belong to.
    pub(crate) fn belongs(&self, user: u64, account: u64) -> bool {
        user == account || self.membership(account, user).is_some()
    }

    /// Whether a person may install Apps on an account.
    pub(crate) fn administers(&self, user: u64, account: u64) -> bool {
        user == account || self.membership(account, user) == Some(Membership::Admin)
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().filter(|account| account.kind == AccountKind::User)
    }

    /// The installations that a person sees.
    pub(crate) fn installations_for(&self, user: u64) -> impl Iterator<Item = &Installation> {
        self.installations.values().filter(move |installation| self.belongs(user, installation.account))
    }

    pub(crate) fn save_membership(&mut self, organization: u64, user: u64, to: Option<Membership>) -> Result<(), ForgeError> {
        let id = format!("{organization}/{user}");
        match to {
            Some(membership) => {
                self.storage.put("membership", &id, &membership)?;
                self.memberships.insert((organization, user), membership);
            }
            None => {
                self.storage.remove("membership", &id)?;
                self.memberships.remove(&(organization, user));
            }
        }
        Ok(())
    }

    pub(crate) fn save_profile(&mut self, user: u64, profile: Profile) -> Result<(), ForgeError> {
        self.storage.put("profile", &user.to_string(), &profile)?;
        self.profiles.insert(user, profile);
        Ok(())
    }

    fn save_user_token(&mut self, hash: String, token: UserToken, now: Timestamp) -> Result<(), ForgeError> {
        // Kept for a day beyond their end, so that an old one is told apart from one that never was.
        let is_old = |token: &UserToken| token.expires_at.as_second() + 86_400 < now.as_second();
        let old: Vec<String> = self.user_tokens.iter().filter(|(_, token)| is_old(token)).map(|(hash, _)| hash.clone()).collect();
        for hash in old {
            self.storage.remove("user-token", &hash)?;
            self.user_tokens.remove(&hash);
        }
        self.storage.put("user-token", &hash, &token)?;
        self.user_tokens.insert(hash, token);
        Ok(())
    }
}

/// The two account ids in the name of a stored membership.
pub(crate) fn membership_ids(id: &str) -> (u64, u64) {
    let (organization, user) = id.split_once('/').unwrap_or_default();
    (organization.parse().unwrap_or_default(), user.parse().unwrap_or_default())
}
