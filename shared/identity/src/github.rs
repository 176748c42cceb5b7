//! Signing in with GitHub: the [web application flow](https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app)
//! of a GitHub App, with PKCE, and what a person administers there.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::id::{AccountId, InstallationId};
use quillon_core::person::{Profile, ProviderId};
use quillon_core::source::{SeenInstallation, SeenSources};
use quillon_core::text::shorten;
use serde::Deserialize;
use url::Url;

use crate::http::{Http, below, host};
use crate::openid::{Redeemed, picture};
use crate::{Error, pkce};

/// Most installations of a person that are looked at, one page of GitHub's.
const MAX_INSTALLATIONS: usize = 100;

/// How long all of them may take: somebody waits for it in a browser.
const PATIENCE: Duration = Duration::from_secs(12);

/// How many accounts are asked about at once.
const SIDE_BY_SIDE: usize = 8;

/// GitHub, and what our App is to it.
#[derive(Debug, Clone)]
pub struct GithubOAuth {
    /// Base of its pages: `https://github.com`.
    pub web_url: Url,
    /// Base of its REST API: `https://api.github.com`.
    pub api_url: Url,
    /// The App's client id.
    pub client_id: String,
    /// Asks it.
    pub http: Http,
}

/// The right to ask GitHub on behalf of a person. It is used for one sign-in and kept nowhere.
#[derive(Debug, Clone)]
pub struct UserToken(Sensitive<String>);

/// GitHub answers a code that is not good with 200 and an error in it.
#[derive(Deserialize)]
struct Exchange {
    access_token: Option<Sensitive<String>>,
}

#[derive(Deserialize)]
struct Email {
    email: String,
    primary: bool,
    verified: bool,
}

#[derive(Deserialize)]
struct Person {
    id: u64,
    login: String,
    name: Option<String>,
    avatar_url: Option<String>,
}

#[derive(Deserialize)]
struct Installations {
    installations: Vec<Installation>,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    account: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    /// An enterprise has none.
    login: Option<String>,
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
    role: String,
}

impl GithubOAuth {
    /// Where to send a person who signs in.
    #[must_use]
    pub fn authorize_url(&self, redirect: &Url, state: &str, verifier: &str) -> Url {
        let mut url = below(&self.web_url, "/login/oauth/authorize");
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("state", state)
            .append_pair("code_challenge", &pkce::challenge(verifier))
            .append_pair("code_challenge_method", pkce::METHOD);
        url
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// [`Error::Refused`] with GitHub's word: a code that was used or is old, a secret that is not the App's.
    pub async fn exchange(&self, secret: &Sensitive<String>, redeemed: Redeemed<'_>) -> Result<UserToken, Error> {
        let address = below(&self.web_url, "/login/oauth/access_token");
        let fields = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", secret.expose().as_str()),
            ("code", redeemed.code),
            ("redirect_uri", redeemed.redirect.as_str()),
            ("code_verifier", redeemed.verifier),
        ];
        let answer = self.http.form(&address, &fields, None).await?;
        match answer.read::<Exchange>()?.access_token {
            Some(token) if !token.expose().is_empty() => Ok(UserToken(token)),
            Some(_) | None => {
                let cause = answer.error_word().unwrap_or_else(|| "it gave no token".to_owned());
                Err(Error::Refused { host: host(&address), cause })
            }
        }
    }

    /// Who it is: [`GET /user`](https://docs.github.com/en/rest/users/users#get-the-authenticated-user), and their primary address where
    /// the App may see it ([`GET /user/emails`](https://docs.github.com/en/rest/users/emails#list-email-addresses-for-the-authenticated-user)).
    ///
    /// # Errors
    /// When GitHub does not say.
    pub async fn profile(&self, token: &UserToken) -> Result<Profile, Error> {
        let person: Person = self.get("/user", token).await?.read()?;
        Ok(Profile {
            provider: ProviderId::github(),
            subject: person.id.to_string(),
            login: shorten(&person.login, 100),
            name: shorten(&person.name.unwrap_or_default(), 100),
            email: self.email(token).await?,
            avatar_url: person.avatar_url.as_deref().and_then(picture),
        })
    }

    /// Their primary address, if GitHub has verified it and the App may see it.
    async fn email(&self, token: &UserToken) -> Result<Option<String>, Error> {
        let answer = self.get("/user/emails", token).await?;
        // The App has no right to see addresses, which is a choice of whoever made it.
        if answer.is_hidden() {
            return Ok(None);
        }
        let emails: Vec<Email> = answer.read()?;
        Ok(emails.into_iter().find(|email| email.primary && email.verified && email.email.len() <= 254).map(|email| email.email))
    }

    /// The installations of the App that a person sees, and whether they administer each one's account:
    /// [`GET /user/installations`](https://docs.github.com/en/rest/apps/installations#list-app-installations-accessible-to-the-user-access-token),
    /// [`GET /user/memberships/orgs/{org}`](https://docs.github.com/en/rest/orgs/members#get-an-organization-membership-for-the-authenticated-user).
    ///
    /// # Errors
    /// When GitHub does not say, or takes too long about it.
    pub async fn sources(&self, token: &UserToken, now: Timestamp) -> Result<SeenSources, Error> {
        let late = |_| Error::Unavailable { host: host(&self.api_url), cause: format!("it takes longer than {} s", PATIENCE.as_secs()) };
        tokio::time::timeout(PATIENCE, self.ask_sources(token, now)).await.map_err(late)?
    }

    async fn ask_sources(&self, token: &UserToken, now: Timestamp) -> Result<SeenSources, Error> {
        let me: Person = self.get("/user", token).await?.read()?;
        let path = format!("/user/installations?per_page={MAX_INSTALLATIONS}");
        let seen: Installations = self.get(&path, token).await?.read()?;
        let seen = seen.installations.into_iter().take(MAX_INSTALLATIONS).filter_map(|installation| {
            let account = installation.account?;
            let (login, is_org) = (account.login?, account.kind == "Organization");
            Some(SeenInstallation {
                id: InstallationId(installation.id),
                account: AccountId(account.id),
                login,
                is_org,
                is_admin: account.id == me.id,
            })
        });
        let asked = futures::stream::iter(seen.collect::<Vec<_>>()).map(async |seen| {
            let is_admin = seen.is_admin || (seen.is_org && self.is_admin(&seen.login, token).await?);
            Ok::<_, Error>(SeenInstallation { is_admin, ..seen })
        });
        Ok(SeenSources { at: now, installations: asked.buffered(SIDE_BY_SIDE).try_collect().await? })
    }

    /// Whether they administer an organization. No answer that says so means no.
    async fn is_admin(&self, org: &str, token: &UserToken) -> Result<bool, Error> {
        let is_login = org.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if org.is_empty() || !is_login {
            return Ok(false);
        }
        let answer = self.get(&format!("/user/memberships/orgs/{org}"), token).await?;
        if answer.is_hidden() {
            return Ok(false);
        }
        let membership: Membership = answer.read()?;
        Ok(membership.state == "active" && membership.role == "admin")
    }

    async fn get(&self, path: &str, token: &UserToken) -> Result<crate::http::Answer, Error> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = below(&self.api_url, path);
        url.set_query(query);
        self.http.get(&url, Some(&token.0)).await
    }
}
