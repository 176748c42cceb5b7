//! The steps from nothing to the first trace, as plain data.

use askama::Template;
use quillon_core::org::{Org, OrgName};
use quillon_core::plan::{Billing, Plan};

use super::objection::Objection;
use super::settings::members::{InviteDraft, InviteRow};
use super::trace::setup::{Snippet, snippets};
use crate::link::Paths;
use crate::link::settings::Step;

/// The form for a new org.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "onboarding/new.html")]
pub struct NewOrgPage {
    /// What was typed.
    pub name: String,
    /// Why it is refused.
    pub problem: Option<Objection>,
    /// Whether whoever looks may make one.
    pub may_make: bool,
    /// Whether they are in no org yet.
    pub is_first: bool,
    /// The address of these pages, before the name.
    pub site: String,
    /// The token of the form.
    pub csrf: String,
    /// Where GitHub says which accounts one administers.
    pub look_up: Option<String>,
    /// Name and id of each org that their GitHub account has and nobody administers.
    pub adoptable: Vec<(String, String)>,
}

/// Why a text is no name of an org, as precisely as it can be said.
#[must_use]
pub fn why_no_name(text: &str) -> String {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() {
        "give it a name".to_owned()
    } else if text.len() > 64 {
        "the name is longer than 64 characters: choose a shorter one".to_owned()
    } else if !text.bytes().all(is_letter) {
        "a name has letters of a to z, digits and dashes, nothing else".to_owned()
    } else if text.starts_with('-') || text.ends_with('-') {
        "a name neither begins nor ends with a dash".to_owned()
    } else if text.parse::<OrgName>().is_err() {
        format!("the name `{text}` means something else in addresses here: choose another one")
    } else {
        format!("the name `{text}` cannot be taken: choose another one")
    }
}

/// Where one is among the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The org's name.
    pub org: String,
    /// The steps: what each is called, where it is, and whether it is this one.
    pub steps: Vec<(&'static str, String, bool)>,
    /// The step after this one; none after the last.
    pub next: Option<String>,
}

impl Progress {
    /// The steps as seen at one of them. The plan is one where there is something to pay.
    #[must_use]
    pub fn new(paths: &Paths, at: Step, billing: Billing) -> Self {
        let steps: Vec<Step> = Step::ALL.into_iter().filter(|step| billing == Billing::On || *step != Step::Plan).collect();
        let next = steps.iter().skip_while(|step| **step != at).nth(1).map(|step| paths.welcome(*step));
        let list = steps.iter().map(|step| (name_of(*step), paths.welcome(*step), *step == at)).collect();
        Self { org: paths.org().to_owned(), steps: list, next }
    }
}

fn name_of(step: Step) -> &'static str {
    match step {
        Step::Plan => "Plan",
        Step::Team => "Team",
        Step::Token => "Token",
        Step::Github => "GitHub",
    }
}

/// The choice of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "onboarding/plan.html")]
pub struct PlanStep {
    /// Where one is.
    pub progress: Progress,
    /// The token of the forms.
    pub csrf: String,
    /// Where a choice is posted to.
    pub action: String,
    /// Word, label and explanation of each plan.
    pub plans: Vec<(&'static str, &'static str, String)>,
    /// The plan that the org has.
    pub chosen: Option<&'static str>,
}

impl PlanStep {
    /// The choice for an org.
    #[must_use]
    pub fn new(org: &Org, progress: Progress, csrf: String) -> Self {
        let plans = Plan::ALL.into_iter().map(|plan| (plan.word(), plan.label(), super::notice::sentence(plan.explanation())));
        let chosen = org.subscription.as_ref().map(|subscription| subscription.plan.label());
        Self { progress, csrf, action: format!("/{}/billing/choose", org.name), plans: plans.collect(), chosen }
    }
}

/// The invitations.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "onboarding/team.html")]
pub struct TeamStep {
    /// Where one is.
    pub progress: Progress,
    /// The token of the form.
    pub csrf: String,
    /// Where an invitation is made.
    pub action: String,
    /// Those that are open.
    pub invites: Vec<InviteRow>,
    /// The form, as it is filled in.
    pub draft: InviteDraft,
    /// Why it was refused.
    pub problem: Option<Objection>,
}

/// The button that makes the first token.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "onboarding/token.html")]
pub struct TokenStep {
    /// Where one is.
    pub progress: Progress,
    /// The token of the form.
    pub csrf: String,
    /// Where the token is made.
    pub action: String,
    /// Tokens that the org has already.
    pub known: usize,
    /// Where they are.
    pub tokens_href: String,
}

/// The first token, shown once.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "onboarding/token-made.html")]
pub struct TokenMade {
    /// Where one is.
    pub progress: Progress,
    /// Its text.
    pub token: String,
    /// What to do with it, for each place.
    pub snippets: Vec<Snippet>,
}

impl TokenMade {
    /// The page of a token of an org.
    #[must_use]
    pub fn new(token: &str, public_url: &str, org: &Org, progress: Progress) -> Self {
        let mut snippets = snippets(public_url.trim_end_matches('/'), org.name.as_str());
        // This one makes a token by itself, which this page has done.
        snippets.retain(|snippet| snippet.id != "laptop");
        Self { progress, token: token.to_owned(), snippets }
    }
}

/// The way to the repositories.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "onboarding/github.html")]
pub struct GithubStep {
    /// Where one is.
    pub progress: Progress,
    /// Where GitHub says what one administers; none where this instance does not know GitHub.
    pub connect: Option<String>,
    /// Where one begins once all is done.
    pub done_href: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_name_says_what_is_wrong_with_it() {
        for (text, expected) in [
            ("", "give it a name"),
            ("a b", "nothing else"),
            ("ü", "nothing else"),
            ("-a", "begins nor ends"),
            ("a-", "begins nor ends"),
            ("Settings", "something else in addresses"),
            (&"a".repeat(65), "longer than 64"),
        ] {
            assert!(why_no_name(text).contains(expected), "{text}");
            assert!(text.parse::<OrgName>().is_err());
        }
    }
}
