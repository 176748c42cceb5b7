//! What people do to a trace. Who may, and the audit log, are the caller's.

use jiff::Timestamp;
use quillon_core::id::OrgId;
use quillon_core::trace::TraceId;
use quillon_core::trace::card::{Card, Native};
use quillon_core::trace::visibility::Override;
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::{Traces, lock};

/// How often a change is made again after somebody else wrote first.
const MAX_CHANGES: usize = 8;

impl Traces {
    /// The card of a trace as it is now.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn card(&self, org: OrgId, trace: TraceId) -> Result<Option<Card>> {
        Ok(self.store.card(org, trace).await?)
    }

    /// Says who may read a trace; none for whom the rule says. The card as it is then; none without such a trace.
    ///
    /// # Errors
    /// When the table cannot be used, or others write faster.
    pub async fn set_visibility(&self, org: OrgId, trace: TraceId, said: Option<&Override>, now: Timestamp) -> Result<Option<Card>> {
        let change = |card: &mut Card| {
            let changes = card.visibility.as_ref() != said;
            card.visibility = said.cloned();
            changes
        };
        self.change_card(org, trace, now, change).await
    }

    /// Takes back all share links of a trace.
    ///
    /// # Errors
    /// When the table cannot be used, or others write faster.
    pub async fn revoke_shares(&self, org: OrgId, trace: TraceId, now: Timestamp) -> Result<Option<Card>> {
        let change = |card: &mut Card| {
            card.share_epoch += 1;
            true
        };
        self.change_card(org, trace, now, change).await
    }

    /// Says what the control plane knows of the commit of an attempt's trace.
    ///
    /// # Errors
    /// When the table cannot be used, or others write faster.
    pub async fn enrich(&self, org: OrgId, trace: TraceId, native: &Native, now: Timestamp) -> Result<Option<Card>> {
        self.change_card(org, trace, now, |card| card.enrich(native.clone())).await
    }

    /// Deletes a trace for good: late telemetry does not bring it back.
    ///
    /// # Errors
    /// When the table cannot be used; the trace may be gone, and what is left of it is deleted later.
    pub async fn delete(&self, org: OrgId, trace: TraceId, now: Timestamp) -> Result<()> {
        self.forget((org, trace));
        let deleted = self.store.delete_trace(org, trace, now).await;
        // What was read meanwhile is forgotten too.
        self.forget((org, trace));
        Ok(deleted?)
    }

    /// Changes the card of a trace; the change says whether there is anything to write.
    pub(crate) async fn change_card(
        &self,
        org: OrgId,
        trace: TraceId,
        now: Timestamp,
        mut change: impl FnMut(&mut Card) -> bool,
    ) -> Result<Option<Card>> {
        for _ in 0..MAX_CHANGES {
            let Some(mut card) = self.store.card(org, trace).await? else { return Ok(None) };
            if !change(&mut card) {
                return Ok(Some(card));
            }
            card.version += 1;
            // As long as what it is the card of.
            let head = self.store.head(org, trace).await?;
            let expires_at = head.and_then(|head| head.expires_at).unwrap_or_else(|| self.expires_at(card.attempt.is_some(), now));
            if self.store.save_card(&card, expires_at).await? == Written::Done {
                lock(&self.shared.cards).remove(&(org, trace));
                return Ok(Some(card));
            }
        }
        Err(Error::Contended)
    }
}
