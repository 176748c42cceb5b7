//! The addresses of this function, and what each needs.

use http::Method;
use quillon_core::access::{Needs, Permission};
use quillon_core::org::OrgName;

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `GET /plans`: what can be chosen, for everybody.
    Plans,
    /// `POST /billing/webhook`: Stripe, which signs.
    Webhook,
    /// `/{org}/billing/{step}`.
    Billing {
        /// Which org.
        org: OrgName,
        /// What is wanted.
        step: Step,
    },
}

/// A step of choosing and paying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `POST`: choose a plan.
    Choose,
    /// `POST`: give payment details for the Team plan.
    Checkout,
    /// `POST`: change payment details, read invoices, end the plan.
    Portal,
    /// `GET`: the way back from Stripe.
    Back,
}

/// Why there is no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// Nothing is at the address.
    Unknown,
    /// The address is asked with another method.
    Method(&'static str),
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Choose, Self::Checkout, Self::Portal, Self::Back];

    /// Its word in the path.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Choose => "choose",
            Self::Checkout => "checkout",
            Self::Portal => "portal",
            Self::Back => "back",
        }
    }

    /// Its method.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Choose | Self::Checkout | Self::Portal => Method::POST,
            Self::Back => Method::GET,
        }
    }
}

impl Route {
    /// The route of a request.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(method: &Method, path: &str) -> Result<Self, NoRoute> {
        let (route, expected) = match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
            ["plans"] => (Self::Plans, Method::GET),
            ["billing", "webhook"] => (Self::Webhook, Method::POST),
            [org, "billing", step] => {
                let org = org.parse().map_err(|_| NoRoute::Unknown)?;
                let step = Step::ALL.into_iter().find(|known| known.word() == *step).ok_or(NoRoute::Unknown)?;
                (Self::Billing { org, step }, step.method())
            }
            _ => return Err(NoRoute::Unknown),
        };
        if *method == expected { Ok(route) } else { Err(NoRoute::Method(if expected == Method::GET { "GET" } else { "POST" })) }
    }

    /// What it needs.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::Plans | Self::Webhook => Needs::Nothing,
            Self::Billing { .. } => Needs::In(Permission::ManagePlan),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_one_method() {
        let find = |method: Method, path: &str| Route::of(&method, path).map(|route| route.needs());
        let admin = Ok(Needs::In(Permission::ManagePlan));
        assert_eq!(find(Method::GET, "/plans"), Ok(Needs::Nothing));
        assert_eq!(find(Method::POST, "/plans"), Err(NoRoute::Method("GET")));
        assert_eq!(find(Method::POST, "/billing/webhook"), Ok(Needs::Nothing));
        assert_eq!(find(Method::GET, "/billing/webhook"), Err(NoRoute::Method("POST")));
        for step in Step::ALL {
            let path = format!("/acme/billing/{}", step.word());
            assert_eq!(find(step.method(), &path), admin, "{path}");
            assert!(matches!(find(Method::DELETE, &path), Err(NoRoute::Method(_))));
        }
        for path in [
            "/",
            "/plans/",
            "/acme/billing",
            "/acme/billing/other",
            "/billing/billing/choose",
            "/a_b/billing/choose",
            "/acme/billing/choose/x",
        ] {
            assert_eq!(find(Method::POST, path), Err(NoRoute::Unknown), "{path}");
        }
    }
}
