//! Who calls: the App by a JWT that it signed itself, an installation or a person by a token that the forge gave out.

use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::{Forge, Repository, http::call::Refusal, keys::token_hash, state::Token};

/// Longest time that an App JWT may be valid for, seconds from now.
const JWT_LIFE: i64 = 600;
/// How far a client's clock may be ahead, seconds.
const JWT_LEEWAY: i64 = 60;

/// Who made a call.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    App,
    Installation {
        id: u64,
        token: Token,
        hash: String,
    },
    /// A person, through the App.
    User {
        id: u64,
    },
}

/// What a call needs to be allowed: a permission and a level of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) permission: &'static str,
    pub(crate) write: bool,
}

impl Need {
    pub(crate) const METADATA: Need = Need { permission: "metadata", write: false };
    pub(crate) const CONTENTS: Need = Need { permission: "contents", write: false };
    pub(crate) const PULLS: Need = Need { permission: "pull_requests", write: false };
    pub(crate) const READ_STATUSES: Need = Need { permission: "statuses", write: false };
    pub(crate) const WRITE_STATUSES: Need = Need { permission: "statuses", write: true };
}

#[derive(Deserialize)]
struct Claims {
    iss: Value,
    iat: Option<i64>,
    exp: Option<i64>,
}

impl Forge {
    /// Finds out who calls from the `Authorization` header.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(value) = value else {
            return Err(Refusal::unauthorized("Requires authentication").violates("there is no `Authorization` header"));
        };
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") => token.trim(),
            _ => return Err(Refusal::unauthorized("Bad credentials").violates("the `Authorization` scheme is not `Bearer`")),
        };
        match token {
            jwt if jwt.split('.').count() == 3 => self.authenticate_app(jwt),
            person if person.starts_with("ghu_") => self.authenticate_person(person),
            installation => self.authenticate_installation(installation),
        }
    }

    fn authenticate_app(&self, jwt: &str) -> Result<Caller, Refusal> {
        let refuse = |message: &str| Err(Refusal::unauthorized(message).violates(&format!("the App's JWT is refused: {message}")));
        let mut validation = Validation::new(Algorithm::RS256);
        // The times are compared with the clock that was passed in, below.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let Ok(decoded) = jsonwebtoken::decode::<Claims>(jwt, &self.inner.key.public, &validation) else {
            return refuse("A JSON web token could not be decoded");
        };
        let now = self.inner.config.jwt_clock.as_ref().map_or_else(|| self.now(), |clock| clock()).as_second();
        let Claims { iss, iat, exp } = decoded.claims;
        let app = self.inner.app.id;
        if iss.as_u64() != Some(app) && iss.as_str() != Some(app.to_string().as_str()) {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "Integration not found").violates("the JWT's `iss` is not the App's id"));
        }
        match (iat, exp) {
            (None, _) => refuse("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"),
            (Some(iat), _) if iat > now + JWT_LEEWAY => {
                refuse("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
            }
            (_, None) => refuse(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            ),
            (_, Some(exp)) if exp <= now => refuse(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            ),
            (_, Some(exp)) if exp > now + JWT_LIFE => refuse("'Expiration time' claim ('exp') is too far in the future"),
            (Some(_), Some(_)) => Ok(Caller::App),
        }
    }

    /// Accepts a person's token. An expired one is refused and no violation.
    fn authenticate_person(&self, token: &str) -> Result<Caller, Refusal> {
        let state = self.state();
        let Some(token) = state.user_tokens.get(&token_hash(token)) else {
            return Err(Refusal::unauthorized("Bad credentials").violates("the token is unknown"));
        };
        if token.expires_at <= self.now() || !state.accounts.contains_key(&token.user) {
            return Err(Refusal::unauthorized("Bad credentials"));
        }
        Ok(Caller::User { id: token.user })
    }

    /// Accepts an installation's token. An expired one is refused and no violation: clocks differ and time passes.
    pub(crate) fn authenticate_installation(&self, token: &str) -> Result<Caller, Refusal> {
        let hash = token_hash(token);
        let state = self.state();
        let Some(token) = state.tokens.get(&hash) else {
            return Err(Refusal::unauthorized("Bad credentials").violates("the token is unknown"));
        };
        if token.expires_at <= self.now() {
            return Err(Refusal::unauthorized("Bad credentials"));
        }
        let Some(installation) = state.installations.get(&token.installation) else {
            return Err(Refusal::unauthorized("Bad credentials"));
        };
        if installation.suspended_at.is_some() {
            return Err(Refusal::forbidden("This installation has been suspended"));
        }
        Ok(Caller::Installation { id: installation.id, token: token.clone(), hash })
    }

    /// Lets a caller use a repository, or answers as GitHub does: what one may not see does not exist.
    pub(crate) fn allow(&self, caller: &Caller, repository: &Repository, need: Need) -> Result<(), Refusal> {
        let Caller::Installation { id, token, .. } = caller else {
            return Err(Refusal::unauthorized("Bad credentials").violates("a repository is asked for without an installation's token"));
        };
        let forbidden = || Refusal::forbidden("Resource not accessible by integration");
        if !self.covers(*id, token, repository) {
            return match (repository.private, need.write) {
                (true, _) => Err(Refusal::not_found()),
                (false, true) => Err(forbidden()),
                (false, false) => Ok(()),
            };
        }
        let level = token.permissions.get(need.permission).map(String::as_str);
        let enough = match level {
            Some("write" | "admin") => true,
            Some("read") => !need.write,
            // What anybody may read needs no permission, and `metadata` is always granted.
            _ => !need.write && (!repository.private || need.permission == "metadata"),
        };
        if enough { Ok(()) } else { Err(forbidden().violates(&format!("the token lacks the permission `{}`", need.permission))) }
    }

    /// Whether an installation's token reaches a repository.
    pub(crate) fn covers(&self, installation: u64, token: &Token, repository: &Repository) -> bool {
        let state = self.state();
        let narrowed = token.repositories.as_ref().is_none_or(|ids| ids.contains(&repository.id));
        narrowed && state.installations.get(&installation).is_some_and(|found| state.covers(found, repository))
    }
}
