//! Services that are neither GitHub nor AWS, at the wire, for tests: an OpenID provider, issuers of CI jobs, Stripe.
