//! Tokens of orgs: made, rotated, revoked, listed.

use jiff::SignedDuration;
use quillon_core::Sensitive;
use quillon_core::audit::AuditAction;
use quillon_core::id::{OrgId, TokenId};
use quillon_core::org::{MAX_TOKENS, Org, Scope, Token, token_text};
use quillon_core::token::{Wish, check_overlap};
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::{Deed, Tenancy, secret};

impl Tenancy {
    /// Makes a token; gives it and its text, which is nowhere else.
    ///
    /// # Errors
    /// When it makes no sense, when the org is being deleted or has too many, or when the table cannot be used.
    pub async fn create_token(
        &self,
        org: OrgId,
        name: &str,
        scopes: &[Scope],
        expires_in_days: Option<u32>,
        deed: &Deed<'_>,
    ) -> Result<(Token, Sensitive<String>)> {
        let wish = Wish::new(name, scopes, expires_in_days).map_err(Error::invalid)?;
        let org = self.open(org).await?;
        self.check_tokens(&org, deed).await?;
        let (id, text) = fresh(&org, deed)?;
        let token = wish.token(id, &org, text.expose(), deed.who, deed.now);
        let store = self.recording(deed, org.id, AuditAction::TokenMade, &token.name, &described(&token))?;
        match store.create_token(&token, &secret::hash(text.expose())).await? {
            Written::Done => Ok((token, text)),
            Written::Lost => Err(Error::Contended("token")),
        }
    }

    /// Checks that an org may have one token more. Of several that are made at once, some may come on top.
    async fn check_tokens(&self, org: &Org, deed: &Deed<'_>) -> Result<()> {
        let alive = self.store.tokens_of(org.id).await?.iter().filter(|token| token.is_alive(deed.now)).count();
        if alive >= MAX_TOKENS {
            return Err(Error::refused(format!("the org has {alive} tokens, which is the most: revoke some first")));
        }
        Ok(())
    }

    /// Replaces a token by one with the same name, scopes and span of life; the old one works on for the overlap.
    ///
    /// # Errors
    /// When there is no such token, when it was rotated before or has expired, or when the table cannot be used.
    pub async fn rotate_token(
        &self,
        org: OrgId,
        token: TokenId,
        overlap: SignedDuration,
        deed: &Deed<'_>,
    ) -> Result<(Token, Sensitive<String>)> {
        check_overlap(overlap).map_err(Error::invalid)?;
        let org = self.open(org).await?;
        let old = self.token_of(org.id, token).await?;
        let (id, text) = fresh(&org, deed)?;
        let new = old.successor(id, &org, text.expose(), deed.who, deed.now).map_err(Error::refused)?;
        self.check_tokens(&org, deed).await?;
        let store = self.recording(deed, org.id, AuditAction::TokenRotated, &old.name, &described(&new))?;
        let replace = |old: Token| old.replaced(id, overlap, deed.now).ok();
        match store.rotate_token(token, &new, &secret::hash(text.expose()), replace).await? {
            Written::Done => Ok((new, text)),
            Written::Lost => Err(Error::refused("the token was rotated or revoked by somebody else: look again")),
        }
    }

    /// Revokes a token, which stops it at once; where telemetry is taken in, within a minute.
    ///
    /// # Errors
    /// When there is no such token, or the table cannot be used.
    pub async fn revoke_token(&self, org: OrgId, token: TokenId, deed: &Deed<'_>) -> Result<()> {
        let known = self.token_of(org, token).await?;
        let store = self.recording(deed, org, AuditAction::TokenRevoked, &known.name, &described(&known))?;
        match store.delete_token(org, token).await? {
            Written::Done => Ok(()),
            Written::Lost => Err(Error::NotFound("token")),
        }
    }

    /// The tokens of an org, the oldest first, those that have expired among them.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tokens(&self, org: OrgId) -> Result<Vec<Token>> {
        Ok(self.store.tokens_of(org).await?)
    }

    async fn token_of(&self, org: OrgId, token: TokenId) -> Result<Token> {
        let known = self.store.tokens_of(org).await?.into_iter().find(|known| known.id == token);
        known.ok_or(Error::NotFound("token"))
    }
}

/// An id and a text for a new token.
fn fresh(org: &Org, deed: &Deed<'_>) -> Result<(TokenId, Sensitive<String>)> {
    let id = secret::new_id(TokenId::from_parts, deed.now)?;
    Ok((id, Sensitive::new(token_text(&org.name, secret::fresh()?.expose()))))
}

/// What the audit log says of a token.
fn described(token: &Token) -> String {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
    format!("ending in {} with {}", token.hint, scopes.join(", "))
}
