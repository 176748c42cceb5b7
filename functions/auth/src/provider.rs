//! The providers that people can sign in at: those with a client id.

use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::person::{Profile, ProviderId};
use quillon_identity::{Error, GithubOAuth, Issuers, OpenId, Redeemed, UserToken};
use quillon_secrets::SignInSecrets;
use url::Url;

use crate::flow::Flow;

/// A provider that people can sign in at.
#[derive(Debug, Clone)]
pub(crate) enum Provider {
    /// GitHub, or the forge that this installation has instead.
    Github(GithubOAuth),
    /// Google, or the OpenID provider that is configured.
    OpenId {
        /// Its settings.
        client: OpenId,
        /// What people call it.
        label: String,
    },
}

impl Provider {
    /// Its word in addresses.
    pub(crate) fn id(&self) -> ProviderId {
        match self {
            Self::Github(_) => ProviderId::github(),
            Self::OpenId { client, .. } => client.provider.clone(),
        }
    }

    /// What people call it.
    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Github(_) => "GitHub",
            Self::OpenId { label, .. } => label,
        }
    }

    /// Where to send a browser.
    pub(crate) async fn authorize_url(&self, issuers: &Issuers, redirect: &Url, flow: &Flow, now: Timestamp) -> Result<Url, Error> {
        match self {
            Self::Github(github) => Ok(github.authorize_url(redirect, &flow.state, &flow.verifier)),
            Self::OpenId { client, .. } => client.authorize_url(issuers, redirect, (&flow.state, &flow.nonce, &flow.verifier), now).await,
        }
    }

    /// Who came back, and the right to ask GitHub more.
    pub(crate) async fn redeem(
        &self,
        issuers: &Issuers,
        secrets: &SignInSecrets,
        redeemed: Redeemed<'_>,
        now: Timestamp,
    ) -> Result<(Profile, Option<UserToken>), Error> {
        match self {
            Self::Github(github) => {
                let token = github.exchange(&secrets.github, redeemed).await?;
                Ok((github.profile(&token).await?, Some(token)))
            }
            Self::OpenId { client, .. } => Ok((client.profile(issuers, secret_of(secrets, &client.provider), redeemed, now).await?, None)),
        }
    }

    /// Whether an answer that names its issuer ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)) can be of this provider.
    pub(crate) fn may_be(&self, issuer: &str) -> bool {
        match self {
            // GitHub names `https://github.com/login/oauth` or nothing; the state and the address of the callback are of GitHub already.
            Self::Github(_) => true,
            Self::OpenId { client, .. } => client.issuer == issuer,
        }
    }
}

fn secret_of<'a>(secrets: &'a SignInSecrets, provider: &ProviderId) -> &'a Sensitive<String> {
    if *provider == ProviderId::google() { &secrets.google } else { &secrets.oidc }
}
