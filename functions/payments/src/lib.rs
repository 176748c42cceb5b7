//! Plans and payments: what can be chosen, checkout, portal, and Stripe's webhook.
