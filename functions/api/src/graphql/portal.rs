//! The pages of the payment provider.

use crate::Deps;
use crate::credential::{Asker, OrgAccess};
use crate::error::ApiError;

/// Where an org changes how it pays. It comes back by way of our own address, which looks at what was changed.
///
/// # Errors
/// Unprocessable where nothing is paid for: on this installation, or by this org.
pub(super) async fn url(deps: &Deps, access: &OrgAccess, asker: &Asker) -> Result<String, ApiError> {
    let Some(stripe) = &deps.stripe else {
        return Err(ApiError::Unprocessable("this installation takes no payments: everything is free".to_owned()));
    };
    let pages = format!("{}/{}", deps.options.public_url, access.org().name);
    let customer = access.org().subscription.as_ref().and_then(|paid| paid.customer.as_deref());
    let nothing = || ApiError::Unprocessable(format!("nothing is paid for yet: choose a plan at {pages}/settings?tab=Plan"));
    let customer = customer.ok_or_else(nothing)?;
    let now = deps.clock.now();
    let secret = deps.secrets.stripe(&deps.options.stripe_secret_arn, now).await?;
    let url = stripe.portal(&secret.key, customer, &format!("{pages}/billing/back")).await?;
    deps.tenancy.open_portal(access.org(), &asker.deed(&asker.caller.name(), now)).await?;
    Ok(url)
}
