//! What an org pays for: as its people choose, and as the payment provider says.

use quillon_core::audit::{AuditAction, AuditEntry};
use quillon_core::id::OrgId;
use quillon_core::org::Org;
use quillon_core::plan::{Event, Subscription, decide};
use quillon_store::Written;

use crate::error::{Error, Result};
use crate::{Deed, Tenancy};

impl Tenancy {
    /// Takes an event in; the subscription afterwards, which is the one before where the event was no news.
    ///
    /// # Errors
    /// When it must not happen, when there is no such org, or when the table cannot be used.
    pub async fn change_subscription(&self, org: OrgId, event: &Event, deed: &Deed<'_>) -> Result<Subscription> {
        let known = self.known(org).await?;
        let next = decide(known.subscription.as_ref(), event, deed.now).map_err(Error::refused)?;
        if known.subscription.as_ref() == Some(&next) {
            return Ok(next);
        }
        // First the way from the customer to the org: what is heard of a customer whose org knows nothing of it finds its way.
        if let Event::Known { customer } = event
            && self.store.set_customer(customer, org).await? == Written::Lost
        {
            return Err(Error::refused("the customer at the payment provider is another org's: choose the plan again"));
        }
        let store = self.store.recording(&entries(&known, &next, event, deed))?;
        let mut refused = None;
        let changed = store.change_org(org, |stored| match decide(stored.subscription.as_ref(), event, deed.now) {
            Ok(next) => Some(Org { subscription: Some(next), ..stored }),
            Err(why) => {
                refused = Some(why);
                None
            }
        });
        match (changed.await?, refused) {
            (Some(Org { subscription: Some(subscription), .. }), _) => Ok(subscription),
            (_, Some(why)) => Err(Error::refused(why)),
            (Some(_) | None, None) => Err(Error::NotFound("org")),
        }
    }

    /// Writes down that somebody goes to the pages of the payment provider.
    ///
    /// # Errors
    /// When the table cannot be used.
    pub async fn open_portal(&self, org: &Org, deed: &Deed<'_>) -> Result<()> {
        Ok(self.store.append_audit(&deed.entry(org.id, AuditAction::PortalOpened, org.name.as_str(), "")).await?)
    }
}

/// What people are told of: a choice, another plan, another state, an end that was asked for. That a period was renewed is none of it.
fn entries(known: &Org, next: &Subscription, event: &Event, deed: &Deed<'_>) -> Vec<AuditEntry> {
    let action = match event {
        Event::Chosen(_) => AuditAction::PlanChosen,
        Event::Reported(_) => AuditAction::PlanChanged,
        Event::Known { .. } => return vec![],
    };
    let words = |subscription: &Subscription| (subscription.plan, subscription.state.word(), subscription.ends_at.is_some());
    if known.subscription.as_ref().map(words) == Some(words(next)) {
        return vec![];
    }
    let (plan, state, is_ending) = words(next);
    let ending = if is_ending { ", and ends by itself" } else { "" };
    vec![deed.entry(known.id, action, plan.label(), &format!("{}{ending}", state.replace('_', " ")))]
}
