//! Who may read a trace.
//!
//! A trace is public by rule, or because somebody who may do so said it. The rule needs proof: the repository is the one of
//! the credential that sent the trace, matched by id, never one that labels name. Whatever is public is asked anew at
//! every read, so a repository that becomes private takes its traces back at once.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::card::Card;
use super::id::TraceId;
use crate::id::{InvalidId, OrgId};
use crate::org::{Repository, TraceAccess};
use crate::text::shorten;

/// Longest life of a share link, in seconds.
pub const MAX_SHARE_S: i64 = 90 * 86_400;

/// What an admin said about one trace. It wins over the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Whether everyone may read it.
    pub is_public: bool,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether its repository was private then, or none was known: it was made public with that in view.
    pub was_private_then: bool,
}

impl Override {
    /// What somebody says of a trace, given its repository of this moment.
    #[must_use]
    pub fn new(is_public: bool, by: &str, at: Timestamp, card: &Card, repository: Option<&Repository>) -> Self {
        let was_private_then = of_card(card, repository).is_none_or(|repository| repository.is_private);
        Self { is_public, by: shorten(by, 100), at, was_private_then }
    }
}

/// Who may read a trace, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everyone.
    Public(PublicReason),
    /// Members of its org, and holders of a share link.
    Private(PrivateReason),
}

/// Why everyone may read a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicReason {
    /// It is from CI and from a public repository.
    Rule,
    /// The repository's settings say so.
    Repository,
    /// An admin made it public.
    Override,
}

/// Why only members may read a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateReason {
    /// An admin made it private.
    Override,
    /// Nobody proved from which repository it is.
    NoRepository,
    /// Its repository is private.
    RepositoryIsPrivate,
    /// An admin made it public while its repository was public, which it no longer is.
    RepositoryBecamePrivate,
    /// Its repository takes no part: archived, deleted or taken out.
    RepositoryIsOff,
    /// The repository's settings say so.
    Repository,
    /// The org's settings say so.
    Org,
    /// It is not from CI.
    NotFromCi,
}

impl Visibility {
    /// Whether everyone may read it.
    #[must_use]
    pub fn is_public(self) -> bool {
        match self {
            Self::Public(_) => true,
            Self::Private(_) => false,
        }
    }

    /// The reason in words, for the trace's page.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Public(PublicReason::Rule) => "from CI of a public repository",
            Self::Public(PublicReason::Repository) => "the repository's settings make its traces public",
            Self::Public(PublicReason::Override) => "an admin made it public",
            Self::Private(PrivateReason::Override) => "an admin made it private",
            Self::Private(PrivateReason::NoRepository) => "no credential proves which repository it is from",
            Self::Private(PrivateReason::RepositoryIsPrivate) => "its repository is private",
            Self::Private(PrivateReason::RepositoryBecamePrivate) => "it was public, but its repository no longer is",
            Self::Private(PrivateReason::RepositoryIsOff) => "its repository is archived, deleted or taken out",
            Self::Private(PrivateReason::Repository) => "the repository's settings keep its traces private",
            Self::Private(PrivateReason::Org) => "the org's settings keep traces private",
            Self::Private(PrivateReason::NotFromCi) => "it is not from CI",
        }
    }
}

/// Who may read a trace. `repository` is the one of the card's id among those of the card's org, `org_allows` the org's switch.
#[must_use]
pub fn visibility(card: &Card, repository: Option<&Repository>, org_allows: bool) -> Visibility {
    let repository = of_card(card, repository);
    if let Some(said) = &card.visibility {
        let is_known_public = repository.is_some_and(|repository| !repository.is_private);
        return match (said.is_public, said.was_private_then || is_known_public) {
            (true, true) => Visibility::Public(PublicReason::Override),
            (true, false) => Visibility::Private(PrivateReason::RepositoryBecamePrivate),
            (false, _) => Visibility::Private(PrivateReason::Override),
        };
    }
    let Some(repository) = repository else { return Visibility::Private(PrivateReason::NoRepository) };
    if repository.is_private {
        return Visibility::Private(PrivateReason::RepositoryIsPrivate);
    }
    if !repository.is_enabled {
        return Visibility::Private(PrivateReason::RepositoryIsOff);
    }
    match repository.settings.traces {
        TraceAccess::Private => Visibility::Private(PrivateReason::Repository),
        TraceAccess::Automatic | TraceAccess::Public if !org_allows => Visibility::Private(PrivateReason::Org),
        TraceAccess::Public => Visibility::Public(PublicReason::Repository),
        TraceAccess::Automatic if card.is_from_ci() => Visibility::Public(PublicReason::Rule),
        TraceAccess::Automatic => Visibility::Private(PrivateReason::NotFromCi),
    }
}

/// The repository, if it is the one that the card's senders proved.
fn of_card<'a>(card: &Card, repository: Option<&'a Repository>) -> Option<&'a Repository> {
    repository.filter(|repository| card.repository == Some(repository.id))
}

/// The right to read one trace until a time, for whoever holds the link. Its text is what gets signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Whose trace.
    pub org: OrgId,
    /// Which.
    pub trace: TraceId,
    /// Until when, in whole seconds.
    pub expires_at: Timestamp,
    /// The card's number at the time; see [`Card::share_epoch`].
    pub epoch: u32,
}

impl Share {
    /// A link to a trace for some seconds, at most [`MAX_SHARE_S`].
    #[must_use]
    pub fn new(card: &Card, now: Timestamp, seconds: i64) -> Self {
        let until = now.as_second().saturating_add(seconds.clamp(1, MAX_SHARE_S));
        let expires_at = Timestamp::from_second(until).unwrap_or(Timestamp::MAX);
        Self { org: card.org, trace: card.trace, expires_at, epoch: card.share_epoch }
    }

    /// Whether it opens this trace now: of this trace, not expired, not revoked.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp, card: &Card) -> bool {
        self.org == card.org && self.trace == card.trace && self.epoch == card.share_epoch && now < self.expires_at
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s1.{}.{}.{}.{}", self.org, self.trace, self.expires_at.as_second(), self.epoch)
    }
}

impl FromStr for Share {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parse = || {
            let [form, org, trace, expires_at, epoch] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
            let share = Self {
                org: org.parse().ok()?,
                trace: trace.parse().ok()?,
                expires_at: Timestamp::from_second(expires_at.parse().ok()?).ok()?,
                epoch: epoch.parse().ok()?,
            };
            // Only the canonical spelling is what was signed.
            (form == "s1" && share.to_string() == text).then_some(share)
        };
        parse().ok_or_else(|| InvalidId::new(text, "the text of a share link"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AttemptId, RepositoryId};
    use crate::org::RepositorySettings;
    use crate::trace::card::{Claim, Headline};
    use crate::trace::fixture::SpanBuilder;

    const REPOSITORY: RepositoryId = RepositoryId(7);

    fn card(proved: Option<RepositoryId>, ci: &str) -> Card {
        let claim = Claim { org: OrgId::from_parts(1, 1), attempt: None, repository: proved };
        let trace = TraceId::of_bytes(&[1; 16]).expect("a trace id");
        let mut card = Card::new(&claim, trace, Timestamp::UNIX_EPOCH);
        let labels = [("dagger.io/git.remote", "github.com/acme/api"), ("dagger.io/ci", ci)];
        let mut headline = Headline::default();
        headline.span(&SpanBuilder::new(1).of_cli(&labels).build());
        card.fold(&headline);
        card
    }

    fn repository(id: RepositoryId, is_private: bool, is_enabled: bool, traces: TraceAccess) -> Repository {
        Repository {
            id,
            name: "acme/api".parse().expect("a name"),
            installation: crate::id::InstallationId(1),
            default_branch: "main".parse().expect("a branch"),
            is_private,
            is_enabled,
            settings: RepositorySettings { traces, ..RepositorySettings::default() },
        }
    }

    /// All there is to decide by.
    #[derive(Debug, Clone, Copy)]
    struct Case {
        is_proved: bool,
        is_known: bool,
        is_same: bool,
        is_private: bool,
        is_enabled: bool,
        traces: TraceAccess,
        org_allows: bool,
        is_ci: bool,
        said: Option<(bool, bool)>,
    }

    fn cases() -> Vec<Case> {
        let accesses = [TraceAccess::Automatic, TraceAccess::Public, TraceAccess::Private];
        let said = [None, Some((false, false)), Some((false, true)), Some((true, false)), Some((true, true))];
        let bit = |bits: u32, at: u32| bits >> at & 1 == 1;
        let mut cases = vec![];
        for bits in 0..128 {
            for traces in accesses {
                cases.extend(said.map(|said| Case {
                    is_proved: bit(bits, 0),
                    is_known: bit(bits, 1),
                    is_same: bit(bits, 2),
                    is_private: bit(bits, 3),
                    is_enabled: bit(bits, 4),
                    traces,
                    org_allows: bit(bits, 5),
                    is_ci: bit(bits, 6),
                    said,
                }));
            }
        }
        cases
    }

    impl Case {
        fn decide(self) -> Visibility {
            let mut card = card(self.is_proved.then_some(REPOSITORY), if self.is_ci { "true" } else { "false" });
            card.visibility = self.said.map(|(is_public, was_private_then)| Override {
                is_public,
                by: "ada".to_owned(),
                at: Timestamp::UNIX_EPOCH,
                was_private_then,
            });
            let id = if self.is_same { REPOSITORY } else { RepositoryId(8) };
            let repository = repository(id, self.is_private, self.is_enabled, self.traces);
            visibility(&card, self.is_known.then_some(&repository), self.org_allows)
        }

        /// Whether the repository is proved, known, and public now.
        fn is_open(self) -> bool {
            self.is_proved && self.is_known && self.is_same && !self.is_private
        }

        /// The rule in one formula, written independently of the code.
        fn is_public_by_rule(self) -> bool {
            let is_wanted = self.traces == TraceAccess::Public || self.traces == TraceAccess::Automatic && self.is_ci;
            self.is_open() && self.is_enabled && self.org_allows && is_wanted
        }
    }

    #[test]
    fn the_rule_over_all_combinations() {
        for case in cases() {
            let expected = match case.said {
                None => case.is_public_by_rule(),
                Some((false, _)) => false,
                Some((true, true)) => true,
                Some((true, false)) => case.is_open(),
            };
            assert_eq!(case.decide().is_public(), expected, "{case:?}");
        }
    }

    #[test]
    fn a_private_repository_is_never_public_but_by_an_admin_who_knew() {
        for case in cases().into_iter().filter(|case| case.is_private && case.said != Some((true, true))) {
            assert!(!case.decide().is_public(), "{case:?}");
        }
    }

    #[test]
    fn every_decision_says_why() {
        let public = Case {
            is_proved: true,
            is_known: true,
            is_same: true,
            is_private: false,
            is_enabled: true,
            traces: TraceAccess::Automatic,
            org_allows: true,
            is_ci: true,
            said: None,
        };
        use PrivateReason as Why;
        for (case, expected) in [
            (public, Visibility::Public(PublicReason::Rule)),
            (Case { traces: TraceAccess::Public, is_ci: false, ..public }, Visibility::Public(PublicReason::Repository)),
            (Case { said: Some((true, true)), is_private: true, ..public }, Visibility::Public(PublicReason::Override)),
            (Case { said: Some((true, false)), org_allows: false, ..public }, Visibility::Public(PublicReason::Override)),
            (Case { said: Some((true, false)), is_private: true, ..public }, Visibility::Private(Why::RepositoryBecamePrivate)),
            (Case { said: Some((true, false)), is_known: false, ..public }, Visibility::Private(Why::RepositoryBecamePrivate)),
            (Case { said: Some((false, false)), ..public }, Visibility::Private(Why::Override)),
            (Case { is_proved: false, ..public }, Visibility::Private(Why::NoRepository)),
            (Case { is_same: false, ..public }, Visibility::Private(Why::NoRepository)),
            (Case { is_private: true, traces: TraceAccess::Public, ..public }, Visibility::Private(Why::RepositoryIsPrivate)),
            (Case { is_enabled: false, ..public }, Visibility::Private(Why::RepositoryIsOff)),
            (Case { traces: TraceAccess::Private, ..public }, Visibility::Private(Why::Repository)),
            (Case { traces: TraceAccess::Public, org_allows: false, ..public }, Visibility::Private(Why::Org)),
            (Case { is_ci: false, ..public }, Visibility::Private(Why::NotFromCi)),
        ] {
            assert_eq!(case.decide(), expected, "{case:?}");
        }
    }

    #[test]
    fn an_attempt_of_ours_is_ci_without_any_label() {
        let attempt = AttemptId::from_parts(1, 1);
        let claim = Claim { org: OrgId::from_parts(1, 1), attempt: Some(attempt), repository: Some(REPOSITORY) };
        let trace = crate::id::TraceParent::of(attempt).trace_id.parse().expect("a trace id");
        let card = Card::new(&claim, trace, Timestamp::UNIX_EPOCH);
        let repository = repository(REPOSITORY, false, true, TraceAccess::Automatic);
        assert_eq!(visibility(&card, Some(&repository), true), Visibility::Public(PublicReason::Rule));
    }

    #[test]
    fn what_an_admin_publishes_in_view_of_a_private_repository_stays_public() {
        let card = card(Some(REPOSITORY), "true");
        let private = repository(REPOSITORY, true, true, TraceAccess::Automatic);
        let public = repository(REPOSITORY, false, true, TraceAccess::Automatic);
        let other = repository(RepositoryId(8), false, true, TraceAccess::Automatic);
        for (repository, was_private_then) in [(Some(&private), true), (Some(&public), false), (Some(&other), true), (None, true)] {
            let said = Override::new(true, "ada", Timestamp::UNIX_EPOCH, &card, repository);
            assert_eq!(said.was_private_then, was_private_then);
        }
    }

    #[test]
    fn share_links_open_one_trace_until_they_expire_or_are_revoked() {
        let now = Timestamp::from_second(1_000).expect("a time");
        let card = card(None, "false");
        let share = Share::new(&card, now, 60);
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert_eq!(share.to_string().parse(), Ok(share.clone()));
        assert!(share.is_valid(now, &card) && share.is_valid(at(1_059), &card));
        assert!(!share.is_valid(at(1_060), &card));
        let changes: [fn(&mut Card); 3] = [
            |card| card.share_epoch = 1,
            |card| card.org = OrgId::from_parts(1, 2),
            |card| card.trace = TraceId::of_bytes(&[2; 16]).expect("a trace id"),
        ];
        for change in changes {
            let mut other = card.clone();
            change(&mut other);
            assert!(!share.is_valid(now, &other), "{other:?}");
        }
        assert_eq!(Share::new(&card, now, i64::MAX).expires_at, at(1_000 + MAX_SHARE_S));
        assert!(!Share::new(&card, now, -5).is_valid(at(1_001), &card));
    }

    #[test]
    fn only_the_canonical_text_is_a_share() {
        let text = Share::new(&card(None, "false"), Timestamp::UNIX_EPOCH, 60).to_string();
        for other in [
            "",
            "s1",
            &text.replace("s1.", "s2."),
            &format!("{text}.1"),
            &format!("{text} "),
            &text.replace(".60.", ".060."),
            &text.replace(".60.", ".+60."),
        ] {
            assert!(other.parse::<Share>().is_err(), "{other}");
        }
        assert!(text.parse::<Share>().is_ok());
    }
}
