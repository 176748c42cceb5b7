//! Where a trace comes from: repository, commit, branch or pull request, CI job, person.
//!
//! Labels are claims of the sender. A link that they name is followed at the reader's own risk, and leads to the web or nowhere.

use quillon_core::name::{Ref, RepositoryName};
use quillon_core::trace::card::Card;
use quillon_core::trace::label::{Advice, Ci, GIT_REMOTE, Remote, Vendor};

use super::filter::{Source, TraceFilter};
use crate::link::{Paths, Site};
use crate::page::advice::{Step, step};
use crate::page::card::RefChip;
use crate::page::text::label;

/// Where a trace comes from, as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Which part of the list it belongs to.
    pub source: Source,
    /// `host/owner/name`.
    pub repository: Option<String>,
    /// The list of traces of the repository.
    pub repository_href: Option<String>,
    /// The branch or tag, or the pull request; a link without target is shown as text.
    pub refs: Vec<RefChip>,
    /// The whole SHA, and its first digits.
    pub commit: Option<(String, String)>,
    /// The forge's page of the commit, where that is certain.
    pub commit_href: Option<String>,
    /// The first line of the commit's message.
    pub title: Option<String>,
    /// Who started it.
    pub who: Option<String>,
    /// Where it ran: the CI system with workflow and job, or the machine.
    pub place: String,
    /// The page of the CI job, as the sender says.
    pub place_href: Option<String>,
    /// The label without which it belongs nowhere.
    pub missing: Option<&'static str>,
}

impl Origin {
    /// Where the trace of a card comes from.
    #[must_use]
    pub fn of(card: &Card, site: &Site, paths: &Paths) -> Self {
        let labels = card.labels();
        let remote = card.remote();
        let commit = card.commit().map(|sha| label(&sha)).filter(|sha| !sha.is_empty());
        let ci = labels.ci.as_ref();
        let forge = card.native.as_ref().map(|native| &native.repository);
        let of_repository = |remote: &Remote| TraceFilter { repository: Some(remote.to_string()), ..TraceFilter::default() };
        Self {
            source: source_of(card),
            repository: remote.as_ref().map(|remote| label(remote.as_str())),
            repository_href: remote.as_ref().map(|remote| paths.filtered_traces(&of_repository(remote))),
            refs: refs(card, site, paths),
            commit_href: forge
                .zip(card.native.as_ref())
                .map(|(name, native)| site.forge_commit(name, &native.commit).unwrap_or_else(|| paths.commit(name, &native.commit))),
            commit: commit.map(|sha| (sha.clone(), sha.chars().take(7).collect())),
            title: labels.title.as_deref().map(label).filter(|title| !title.is_empty()),
            who: labels.user.as_deref().map(label).filter(|who| !who.is_empty()),
            place: place(card, ci),
            place_href: ci.and_then(|ci| ci.url.as_deref()).and_then(web_link),
            missing: if remote.is_some() { None } else { labels.missing_git().or(Some(GIT_REMOTE)) },
        }
    }
}

/// Which part of the list a trace belongs to.
#[must_use]
pub fn source_of(card: &Card) -> Source {
    match (card.remote().is_some(), card.is_from_ci()) {
        (false, _) => Source::NoRepository,
        (true, true) => Source::Ci,
        (true, false) => Source::People,
    }
}

/// An address that somebody else wrote, if it leads to the web and nowhere else.
fn web_link(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none();
    is_web.then(|| url.to_string())
}

fn place(card: &Card, ci: Option<&Ci>) -> String {
    if card.attempt.is_some() {
        return "Quillon".to_owned();
    }
    let Some(ci) = ci else { return "own machine".to_owned() };
    let parts = [Some(ci.vendor.name()), ci.workflow.as_deref(), ci.job.as_deref()];
    parts.into_iter().flatten().map(label).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn refs(card: &Card, site: &Site, paths: &Paths) -> Vec<RefChip> {
    let labels = card.labels();
    let native = card.native.as_ref();
    let remote = card.remote();
    let forge =
        |reference: Ref| native.and_then(|native: &quillon_core::trace::card::Native| site.forge_ref(&native.repository, &reference));
    let ours = |filter: TraceFilter| paths.filtered_traces(&TraceFilter { repository: remote.as_ref().map(ToString::to_string), ..filter });
    let mut chips = Vec::new();
    if let Some(number) = card.pull() {
        let claimed = labels.pull.as_ref();
        let href = forge(Ref::Pull(number))
            .or_else(|| claimed.and_then(|pull| pull.url.as_deref()).and_then(web_link))
            .unwrap_or_else(|| ours(TraceFilter { pull: Some(number.0), ..TraceFilter::default() }));
        let title = claimed.and_then(|pull| pull.title.as_deref()).map(label).filter(|title| !title.is_empty());
        chips.push(RefChip { kind: "pull", name: format!("#{number}"), title, href });
    } else if let Some(branch) = card.branch() {
        let href = branch
            .parse()
            .ok()
            .and_then(|name| forge(Ref::Branch(name)))
            .unwrap_or_else(|| ours(TraceFilter { branch: Some(label(&branch)), ..TraceFilter::default() }));
        chips.push(RefChip { kind: "branch", name: label(&branch), title: None, href });
    }
    if let Some(tag) = labels.tag.as_deref().map(label).filter(|tag| !tag.is_empty()) {
        let href = ours(TraceFilter { branch: Some(tag.clone()), ..TraceFilter::default() });
        chips.push(RefChip { kind: "tag", name: tag, title: None, href });
    }
    chips
}

/// The name of a repository of ours behind a filter's text: `owner/name`, with or without the forge's host.
#[must_use]
pub fn repository_name(text: &str, forge_host: &str) -> Option<RepositoryName> {
    text.strip_prefix(forge_host).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text).parse().ok()
}

/// What brings git metadata into the traces of a CI system, or of a person's machine.
#[must_use]
pub fn advice(vendor: Option<Vendor>) -> Step {
    let advice = Advice::of(vendor, GIT_REMOTE);
    let place = vendor.map_or("Your machine", Vendor::name);
    step(&format!("{place}: {}; {}.", advice.cause, advice.fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_others_lead_to_the_web_only() {
        assert_eq!(web_link("https://ci.example.com/job/7").as_deref(), Some("https://ci.example.com/job/7"));
        for text in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/acme", "https://user:pw@evil.example/", "x"] {
            assert_eq!(web_link(text), None, "{text}");
        }
    }

    #[test]
    fn every_vendor_has_advice() {
        assert!(Vendor::ALL.into_iter().map(Some).chain([None]).all(|vendor| !advice(vendor).pieces.is_empty()));
    }

    #[test]
    fn a_repository_is_named_with_or_without_its_host() {
        for text in ["acme/api", "github.com/acme/api"] {
            assert_eq!(repository_name(text, "github.com").map(|name| name.to_string()).as_deref(), Some("acme/api"));
        }
        assert_eq!(repository_name("gitlab.com/acme/api", "github.com"), None);
    }
}
