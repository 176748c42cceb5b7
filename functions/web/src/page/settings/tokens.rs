//! Tokens of an org and CI systems that need none, as plain data.

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use quillon_core::ci::{CiProvider, CiTrust};
use quillon_core::org::{Scope, Token};

use crate::page::advice::{Step, step};
use crate::page::text::{counted, label};
use crate::page::time::Moment;
use crate::page::trace::setup::{Snippet, snippets};

/// How long a new token may last: days, and what the box says; none for as long as nobody revokes it.
pub const LIVES: [(&str, &str); 5] =
    [("30", "30 days"), ("90", "90 days"), ("180", "180 days"), ("365", "a year"), ("never", "until it is revoked")];

/// How long a token that is replaced works on: hours, and what the box says.
pub const OVERLAPS: [(&str, &str); 4] = [("0", "stops at once"), ("1", "for an hour"), ("24", "for a day"), ("168", "for 7 days")];

/// The tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/tokens.html")]
pub struct TokensPage {
    /// The tokens, those that work first.
    pub tokens: Vec<TokenRow>,
    /// The projects that are trusted.
    pub trusts: Vec<TrustRow>,
    /// How the jobs of each CI system show who they are.
    pub systems: Vec<CiSystem>,
    /// The forms; none for those who only look.
    pub forms: Option<TokenForms>,
}

/// A token in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The last characters of its text.
    pub hint: String,
    /// Words and meanings of what it may do.
    pub scopes: Vec<(&'static str, &'static str)>,
    /// When it was made.
    pub made: Moment,
    /// By whom.
    pub by: String,
    /// When it was last used, to the hour.
    pub used: Option<Moment>,
    /// When it ends or has ended, in words.
    pub end: String,
    /// Whether it has ended.
    pub is_over: bool,
    /// Whether another one has replaced it.
    pub is_replaced: bool,
}

impl TokenRow {
    /// A token as it is now.
    #[must_use]
    pub fn new(token: &Token, now: Timestamp) -> Self {
        let is_over = !token.is_alive(now);
        let end = match token.expires_at {
            None => "until it is revoked".to_owned(),
            Some(end) => ending(end, now),
        };
        Self {
            id: token.id.to_string(),
            name: label(&token.name),
            hint: label(&token.hint),
            scopes: token.scopes.iter().map(|scope| (scope.word(), scope.explanation())).collect(),
            made: Moment::new(token.created_at, now),
            by: label(&token.created_by),
            used: token.last_used_at.map(|at| Moment::new(at, now)),
            end,
            is_over,
            is_replaced: token.replaced_by.is_some(),
        }
    }

    /// Whether it can be replaced.
    #[must_use]
    pub fn can_rotate(&self) -> bool {
        !self.is_over && !self.is_replaced
    }
}

/// When something ends or has ended.
fn ending(end: Timestamp, now: Timestamp) -> String {
    let left = end.duration_since(now);
    let day = end.strftime("%-d %b %Y");
    if left <= SignedDuration::ZERO {
        format!("ended {}", Moment::new(end, now).ago)
    } else if left < SignedDuration::from_hours(48) {
        format!("until {}", end.strftime("%-d %b %Y %H:%M UTC"))
    } else {
        let days = usize::try_from(left.as_hours() / 24).unwrap_or(0);
        format!("until {day}, {} left", counted(days, "day"))
    }
}

/// A trusted project in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRow {
    /// The word of its system.
    pub provider: &'static str,
    /// What people call the system.
    pub system: &'static str,
    /// The project's id there.
    pub project: String,
    /// What people call it.
    pub name: String,
    /// When it was added.
    pub made: Moment,
    /// By whom.
    pub by: String,
}

impl TrustRow {
    /// A trusted project.
    #[must_use]
    pub fn new(trust: &CiTrust, now: Timestamp) -> Self {
        Self {
            provider: trust.provider.word(),
            system: trust.provider.label(),
            project: trust.project.clone(),
            name: label(&trust.name),
            made: Moment::new(trust.created_at, now),
            by: label(&trust.created_by),
        }
    }
}

/// How jobs of a CI system show who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiSystem {
    /// Its word.
    pub word: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// Where the id of a project is found there; none where projects are not entered.
    pub project: Option<Step>,
    /// What is to be done, before the file.
    pub note: Step,
    /// Into which file it goes.
    pub file: &'static str,
    /// The text to copy.
    pub code: String,
}

impl CiSystem {
    /// All of them, for an org of an installation at this address.
    #[must_use]
    pub fn all(public_url: &str, org: &str) -> Vec<Self> {
        CiProvider::ALL.into_iter().map(|provider| Self::of(provider, public_url.trim_end_matches('/'), org)).collect()
    }

    fn of(provider: CiProvider, url: &str, org: &str) -> Self {
        let (word, label) = (provider.word(), provider.label());
        let audience = format!("{url}/{org}");
        let exchange = |variable: &str| {
            format!("curl -sS -X POST -H \"Authorization: Bearer ${variable}\" -d '{{}}' \"{url}/v1/oidc?provider={word}\" | jq -r .token")
        };
        let (project, note, file, code): (Option<&str>, &str, &'static str, String) = match provider {
            CiProvider::GitHub => (
                None,
                "Nothing to enter here: a repository of an account that is connected in Git Sources is trusted by its number. The word `oidc` in place of a token is all that its workflows need, together with the permission to ask GitHub for an identity.",
                ".github/workflows/dagger.yml",
                format!(
                    "permissions:\n  contents: read\n  id-token: write\nenv:\n  DAGGER_CLOUD_URL: {url}\n  DAGGER_CLOUD_TOKEN: oidc\n  \
                     OTEL_EXPORTER_OTLP_COMPRESSION: gzip\n"
                ),
            ),
            CiProvider::GitLab => (
                Some("the project's number: in GitLab on the project's page, in the menu beside its name, Copy project ID"),
                "The job exchanges its identity for a token of six hours before it calls `dagger`.",
                ".gitlab-ci.yml",
                format!(
                    "dagger:\n  id_tokens:\n    QUILLON_ID_TOKEN:\n      aud: {audience}\n  variables:\n    DAGGER_CLOUD_URL: {url}\n    \
                     OTEL_EXPORTER_OTLP_COMPRESSION: gzip\n  script:\n    - export DAGGER_CLOUD_TOKEN=$({})\n    - dagger check\n",
                    exchange("QUILLON_ID_TOKEN")
                ),
            ),
            CiProvider::CircleCi => (
                Some("the project's UUID: in CircleCI under Project Settings, Overview, Project ID"),
                "The job asks CircleCI for an identity with the audience of this org, and exchanges it for a token of six hours before it calls `dagger`.",
                ".circleci/config.yml",
                format!(
                    "    steps:\n      - checkout\n      - run: |\n          export DAGGER_CLOUD_URL={url} OTEL_EXPORTER_OTLP_COMPRESSION=gzip\n          \
                     IDENTITY=$(circleci run oidc get --claims '{{\"aud\": \"{audience}\"}}')\n          export DAGGER_CLOUD_TOKEN=$({})\n          \
                     dagger check\n",
                    exchange("IDENTITY")
                ),
            ),
            CiProvider::Buildkite => (
                Some("the pipeline's UUID: in Buildkite under Pipeline Settings, General, or `BUILDKITE_PIPELINE_ID` in a job"),
                "The job asks its agent for an identity with the audience of this org, and exchanges it for a token of six hours before it calls `dagger`.",
                "pipeline.yml",
                format!(
                    "steps:\n  - command: |\n      export DAGGER_CLOUD_URL={url} OTEL_EXPORTER_OTLP_COMPRESSION=gzip\n      \
                     IDENTITY=$$(buildkite-agent oidc request-token --audience {audience})\n      export DAGGER_CLOUD_TOKEN=$$({})\n      dagger check\n",
                    exchange("$IDENTITY")
                ),
            ),
        };
        Self { word, label, project: project.map(step), note: step(note), file, code }
    }
}

/// The forms of the tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenForms {
    /// The token whose change was refused: its form is open.
    pub open: Option<String>,
    /// The token of the forms.
    pub csrf: String,
    /// Where a new token is posted to.
    pub create: String,
    /// Where a rotation is posted to.
    pub rotate: String,
    /// Where a revocation is posted to.
    pub revoke: String,
    /// Where a project is posted to.
    pub trust: String,
    /// Where a project is removed.
    pub distrust: String,
    /// What a token can do, and whether it is ticked.
    pub scopes: Vec<ScopeChoice>,
    /// The name that was typed.
    pub name: String,
    /// How long it shall last.
    pub life: String,
    /// The system that was chosen.
    pub provider: String,
    /// The project that was typed.
    pub project: String,
    /// The project's name that was typed.
    pub project_name: String,
}

/// A scope to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeChoice {
    /// Its word.
    pub word: &'static str,
    /// What it allows.
    pub explanation: &'static str,
    /// Whether it is ticked.
    pub is_chosen: bool,
}

impl ScopeChoice {
    /// All scopes, with those ticked that were chosen.
    #[must_use]
    pub fn all(chosen: &[Scope]) -> Vec<Self> {
        let choice = |scope: Scope| Self { word: scope.word(), explanation: scope.explanation(), is_chosen: chosen.contains(&scope) };
        Scope::ALL.into_iter().map(choice).collect()
    }
}

/// The page that shows a token once.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/token-made.html")]
pub struct TokenMade {
    /// What people call it.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What it may do, in words.
    pub scopes: Vec<(&'static str, &'static str)>,
    /// When it ends, in words.
    pub end: String,
    /// What becomes of the one that it replaces.
    pub old: Option<String>,
    /// For a shell.
    pub shell: String,
    /// For CI systems, where it may send telemetry.
    pub snippets: Vec<Snippet>,
    /// Back to the tab.
    pub back_href: String,
}

impl TokenMade {
    /// The page of a token that was just made.
    #[must_use]
    pub fn new(token: &Token, text: &str, old: Option<String>, public_url: &str, back_href: String, now: Timestamp) -> Self {
        let url = public_url.trim_end_matches('/');
        let sends = token.scopes.contains(&Scope::TelemetryWrite);
        let shell = format!(
            "export DAGGER_CLOUD_URL={url}\nexport DAGGER_CLOUD_TOKEN={text}\n{}",
            if sends { "export OTEL_EXPORTER_OTLP_COMPRESSION=gzip\n" } else { "" }
        );
        let row = TokenRow::new(token, now);
        let in_ci = snippets(url, token.org_name.as_str()).into_iter().filter(|snippet| snippet.id != "laptop");
        Self {
            name: row.name,
            text: text.to_owned(),
            scopes: row.scopes,
            end: row.end,
            old,
            shell,
            snippets: if sends { in_ci.collect() } else { vec![] },
            back_href,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    #[test]
    fn ends_are_told_ever_more_exactly() {
        for (seconds, expected) in [
            (-90, "ended 1 min ago"),
            (0, "ended just now"),
            (3_600, "until 15 Jan 2027 09:00 UTC"),
            (10 * 86_400, "until 25 Jan 2027, 10 days left"),
        ] {
            assert_eq!(ending(at(seconds), at(0)), expected);
        }
    }

    #[test]
    fn every_system_is_told_the_audience_of_the_org_and_none_a_secret() {
        for system in CiSystem::all("https://ci.example.com/", "acme") {
            assert!(system.code.contains("https://ci.example.com"), "{}", system.code);
            let is_github = system.word == "github";
            assert_eq!(system.code.contains("https://ci.example.com/acme"), !is_github, "{}", system.code);
            assert_eq!(system.code.contains(&format!("/v1/oidc?provider={}", system.word)), !is_github, "{}", system.code);
            assert_eq!((system.code.contains("DAGGER_CLOUD_TOKEN: oidc"), system.project.is_none()), (is_github, is_github));
            assert!(!system.code.contains("dag_"));
        }
    }
}
