//! Signing in at an OpenID provider: [authorization code flow](https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth) with PKCE.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use quillon_core::Sensitive;
use quillon_core::person::{MAX_SUBJECT, Profile, ProviderId};
use quillon_core::text::shorten;
use serde::Deserialize;
use url::Url;

use crate::issuers::host_of;
use crate::jwt::{Claims, TokenError};
use crate::{Error, Issuers, pkce};

/// What of a person is asked for.
const SCOPE: &str = "openid profile email";

/// An OpenID provider, and what we are to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenId {
    /// Its word here.
    pub provider: ProviderId,
    /// Its issuer, to the letter.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
}

/// A sign-in that came back with a code.
#[derive(Debug, Clone, Copy)]
pub struct Redeemed<'a> {
    /// The code.
    pub code: &'a str,
    /// The verifier that its challenge was made from.
    pub verifier: &'a str,
    /// Where the person was sent back to, the same as when they were sent away.
    pub redirect: &'a Url,
    /// The nonce that they were sent away with.
    pub nonce: &'a str,
}

impl OpenId {
    /// Where to send a person who signs in.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the provider does not say where that is.
    pub async fn authorize_url(
        &self,
        issuers: &Issuers,
        redirect: &Url,
        (state, nonce, verifier): (&str, &str, &str),
        now: Timestamp,
    ) -> Result<Url, Error> {
        let published = issuers.published(&self.issuer, now).await?;
        let mut url = published.authorization.clone().ok_or_else(|| self.unavailable("it does not say where people sign in"))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("scope", SCOPE)
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", &pkce::challenge(verifier))
            .append_pair("code_challenge_method", pkce::METHOD);
        Ok(url)
    }

    /// Redeems a code: who signed in.
    ///
    /// # Errors
    /// [`Error::Refused`] for a code that is not good, [`Error::Token`] for an ID token that is not for this sign-in.
    pub async fn profile(
        &self,
        issuers: &Issuers,
        secret: &Sensitive<String>,
        redeemed: Redeemed<'_>,
        now: Timestamp,
    ) -> Result<Profile, Error> {
        #[derive(Deserialize)]
        struct Wire {
            id_token: Option<String>,
        }
        let published = issuers.published(&self.issuer, now).await?;
        let address = published.token.clone().ok_or_else(|| self.unavailable("it does not say where codes are redeemed"))?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", redeemed.code),
            ("redirect_uri", redeemed.redirect.as_str()),
            ("code_verifier", redeemed.verifier),
        ];
        let basic = published.takes_basic.then(|| basic(&self.client_id, secret));
        if basic.is_none() {
            fields.extend([("client_id", self.client_id.as_str()), ("client_secret", secret.expose().as_str())]);
        }
        let answer: Wire = issuers.http().form(&address, &fields, basic.as_ref()).await?.read()?;
        let token = answer.id_token.ok_or_else(|| self.wrong(TokenError::Malformed))?;
        let claims = issuers.verify(&self.issuer, &token, now).await?;
        self.person(&claims, redeemed.nonce).map_err(|source| self.wrong(source))
    }

    /// Who the claims are about ([OpenID Connect Core section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).
    fn person(&self, claims: &Claims, nonce: &str) -> Result<Profile, TokenError> {
        let audiences = claims.audiences()?;
        if !audiences.contains(&self.client_id.as_str()) {
            return Err(TokenError::Audience);
        }
        // Made for several, it has to say that we asked for it.
        let party = claims.text("azp");
        if (audiences.len() > 1 && party.is_none()) || party.is_some_and(|party| party != self.client_id) {
            return Err(TokenError::Audience);
        }
        if claims.text("nonce") != Some(nonce) {
            return Err(TokenError::Nonce);
        }
        let subject = claims.text("sub").filter(|subject| subject.len() <= MAX_SUBJECT).ok_or(TokenError::Claim("sub"))?;
        let email = claims.text("email").filter(|email| claims.is_true("email_verified") && email.len() <= 254);
        let login = claims.text("preferred_username").or(email).unwrap_or(subject);
        Ok(Profile {
            provider: self.provider.clone(),
            subject: subject.to_owned(),
            login: shorten(login, 100),
            name: shorten(claims.text("name").unwrap_or_default(), 100),
            email: email.map(str::to_owned),
            avatar_url: claims.text("picture").and_then(picture),
        })
    }

    fn unavailable(&self, cause: &str) -> Error {
        Error::Unavailable { host: host_of(&self.issuer), cause: cause.to_owned() }
    }

    fn wrong(&self, source: TokenError) -> Error {
        Error::Token { host: host_of(&self.issuer), source }
    }
}

/// A picture's address, if a page may show it.
pub(crate) fn picture(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    (url.scheme() == "https" && text.len() <= 500).then(|| url.to_string())
}

/// Client credentials for the header ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
fn basic(client_id: &str, secret: &Sensitive<String>) -> Sensitive<String> {
    let coded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    Sensitive::new(STANDARD.encode(format!("{}:{}", coded(client_id), coded(secret.expose()))))
}
