//! Whether plans are paid for on an instance, and with which account at Stripe.

use quillon_core::Sensitive;
use quillon_core::plan::Billing;
use quillon_runtime::Reader;

use crate::template::Parameters;

/// An account at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    key: Sensitive<String>,
    webhook_secret: Sensitive<String>,
    previous_webhook_secret: Option<Sensitive<String>>,
    price_team: String,
    api_url: Option<String>,
}

/// Payments; none where everything is free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BillingSettings(Option<Account>);

impl BillingSettings {
    /// Reads the settings; with `QUILLON_BILLING=stripe` all of them have to be there.
    pub(crate) fn read(read: &mut Reader<'_>) -> Self {
        match read.parsed("QUILLON_BILLING", Billing::Off) {
            Billing::Off => Self(None),
            Billing::On => Self(Some(Account {
                key: Sensitive::new(read.required("QUILLON_STRIPE_SECRET_KEY")),
                webhook_secret: Sensitive::new(read.required("QUILLON_STRIPE_WEBHOOK_SECRET")),
                previous_webhook_secret: read.optional("QUILLON_STRIPE_WEBHOOK_SECRET_PREVIOUS").map(Sensitive::new),
                price_team: read.required("QUILLON_STRIPE_PRICE_TEAM"),
                api_url: read.optional("QUILLON_STRIPE_API_URL"),
            })),
        }
    }

    /// The parameters with these.
    pub(crate) fn added_to(&self, parameters: Parameters) -> Parameters {
        let Some(account) = &self.0 else { return parameters };
        let previous = account.previous_webhook_secret.as_ref().map_or("", |secret| secret.expose().as_str());
        let parameters = parameters
            .with("BillingMode", "stripe")
            .with_json_text("StripeSecretKey", account.key.expose())
            .with_json_text("StripeWebhookSecret", account.webhook_secret.expose())
            .with_json_text("StripeWebhookSecretPrevious", previous)
            .with("StripePriceTeam", account.price_team.clone());
        match &account.api_url {
            Some(url) => parameters.with("StripeApiUrl", url.clone()),
            None => parameters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quillon_runtime::Settings;

    fn read(pairs: &[(&str, &str)]) -> (BillingSettings, Vec<String>) {
        let settings = Settings::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let mut reader = settings.reader();
        let found = BillingSettings::read(&mut reader);
        (found, reader.finish().err().map(|error| error.0).unwrap_or_default())
    }

    #[test]
    fn payments_are_set_up_whole_or_not_at_all() {
        assert_eq!(read(&[]), (BillingSettings::default(), vec![]));
        assert_eq!(read(&[("QUILLON_BILLING", "off")]), (BillingSettings::default(), vec![]));
        assert_eq!(read(&[("QUILLON_BILLING", "stripe")]).1.len(), 3);
        assert_eq!(read(&[("QUILLON_BILLING", "yes")]).1.len(), 1);
        let (settings, problems) = read(&[
            ("QUILLON_BILLING", "stripe"),
            ("QUILLON_STRIPE_SECRET_KEY", "sk_test_1"),
            ("QUILLON_STRIPE_WEBHOOK_SECRET", "whsec_1"),
            ("QUILLON_STRIPE_PRICE_TEAM", "price_1"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        let expected = Parameters::new()
            .with("BillingMode", "stripe")
            .with("StripeSecretKey", "sk_test_1")
            .with("StripeWebhookSecret", "whsec_1")
            .with("StripeWebhookSecretPrevious", "")
            .with("StripePriceTeam", "price_1");
        assert_eq!(settings.added_to(Parameters::new()), expected);
        assert!(!format!("{settings:?}").contains("sk_test"));
    }
}
