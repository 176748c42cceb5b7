//! Payments, by Stripe's API: checkout, portal, and what Stripe tells us.
