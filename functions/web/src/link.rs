//! Addresses: our own pages as paths, and the forge's pages as URLs.

/// Things that are named by a word each, such as the last segment of an address.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$case_doc])* $case,)* }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$case),*];

            /// Its word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$case => $word,)* }
            }

            /// What a word means.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.word() == word)
            }
        }
    };
}

pub mod settings;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quillon_core::id::CommitSha;
use quillon_core::name::{ModulePath, Ref, RepositoryName, Task};
use quillon_core::org::OrgName;
use quillon_core::report::Links;
use quillon_core::trace::id::{SpanId, TraceId};
use url::Url;

use self::settings::{SettingsAction, Step, Tab};
use crate::page::filter::Filter;
use crate::page::trace::filter::TraceFilter;

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':').remove(b'/');

/// Where this instance and its forge are.
#[derive(Debug, Clone)]
pub struct Site {
    /// Base URL of these pages.
    pub public: Url,
    /// Base URL of the forge's pages, such as `https://github.com`.
    pub forge: Url,
}

impl Site {
    /// Host of the forge as module references name it.
    #[must_use]
    pub fn forge_host(&self) -> String {
        let host = self.forge.host_str().unwrap_or("github.com");
        self.forge.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The links of an org's pages, as paths of this site.
    #[must_use]
    pub fn paths(&self, org: &OrgName) -> Paths {
        Paths { links: Links { public_url: String::new(), forge_host: self.forge_host(), org: org.to_string() } }
    }

    /// A page of the forge; none where the forge is the embedded one, which shares our address and has no pages.
    fn forge_page(&self, repository: &RepositoryName, rest: &str) -> Option<String> {
        let base = self.forge.as_str().trim_end_matches('/');
        (self.forge.origin() != self.public.origin()).then(|| format!("{base}/{repository}{rest}"))
    }

    /// The forge's page of an account.
    #[must_use]
    pub fn forge_account(&self, login: &str) -> Option<String> {
        let base = self.forge.as_str().trim_end_matches('/');
        (self.forge.origin() != self.public.origin()).then(|| format!("{base}/{}", utf8_percent_encode(login, QUERY)))
    }

    /// The forge's page that installs the GitHub App of this name, and leads back to one of our pages.
    #[must_use]
    pub fn install_app(&self, slug: &str, back: &str) -> String {
        let base = self.forge.as_str().trim_end_matches('/');
        format!("{base}/apps/{slug}/installations/new?state={}", utf8_percent_encode(back, NON_ALPHANUMERIC))
    }

    /// The forge's page of a repository.
    #[must_use]
    pub fn forge_repository(&self, repository: &RepositoryName) -> Option<String> {
        self.forge_page(repository, "")
    }

    /// The forge's page of a commit.
    #[must_use]
    pub fn forge_commit(&self, repository: &RepositoryName, sha: &CommitSha) -> Option<String> {
        self.forge_page(repository, &format!("/commit/{sha}"))
    }

    /// The forge's page of a branch, a tag or a pull request.
    #[must_use]
    pub fn forge_ref(&self, repository: &RepositoryName, reference: &Ref) -> Option<String> {
        let rest = match reference {
            Ref::Branch(name) | Ref::Tag(name) => format!("/tree/{}", utf8_percent_encode(name.as_str(), QUERY)),
            Ref::Pull(number) => format!("/pull/{number}"),
        };
        self.forge_page(repository, &rest)
    }
}

/// Paths of one org's pages.
#[derive(Debug, Clone)]
pub struct Paths {
    links: Links,
}

impl Paths {
    /// The org's name.
    #[must_use]
    pub fn org(&self) -> &str {
        &self.links.org
    }

    /// The Checks page.
    #[must_use]
    pub fn checks(&self) -> String {
        format!("/{}/checks", self.links.org)
    }

    /// The Checks page with a filter.
    #[must_use]
    pub fn filtered(&self, filter: &Filter) -> String {
        with_query(self.checks(), filter.pairs())
    }

    /// The list of traces.
    #[must_use]
    pub fn traces(&self) -> String {
        format!("/{}/traces", self.links.org)
    }

    /// The list of traces with a filter.
    #[must_use]
    pub fn filtered_traces(&self, filter: &TraceFilter) -> String {
        with_query(self.traces(), filter.pairs())
    }

    /// How to send traces to this org.
    #[must_use]
    pub fn trace_setup(&self) -> String {
        format!("{}/setup", self.traces())
    }

    /// The page of a trace.
    #[must_use]
    pub fn trace(&self, trace: TraceId) -> String {
        format!("{}/{trace}", self.traces())
    }

    /// The page of a trace, open at a span.
    #[must_use]
    pub fn span(&self, trace: TraceId, span: SpanId) -> String {
        format!("{}?span={span}", self.trace(trace))
    }

    /// Data of a trace, or another page of it.
    #[must_use]
    pub fn trace_view(&self, trace: TraceId, view: TraceView) -> String {
        match view {
            TraceView::Page => self.trace(trace),
            TraceView::Outline
            | TraceView::Spans
            | TraceView::Logs
            | TraceView::Metrics
            | TraceView::Search
            | TraceView::Insight
            | TraceView::Download
            | TraceView::Compare => format!("{}/{}", self.trace(trace), view.word()),
        }
    }

    /// Two traces beside each other.
    #[must_use]
    pub fn comparison(&self, trace: TraceId, with: TraceId) -> String {
        format!("{}?with={with}", self.trace_view(trace, TraceView::Compare))
    }

    /// Where a button of a trace posts to.
    #[must_use]
    pub fn trace_action(&self, trace: TraceId, action: TraceAction) -> String {
        format!("{}/{}", self.trace(trace), action.word())
    }

    /// Where reruns and cancellations are posted to.
    #[must_use]
    pub fn action(&self, action: Action) -> String {
        format!("{}/{}", self.checks(), action.word())
    }

    /// A page of the settings.
    #[must_use]
    pub fn settings(&self, tab: Tab) -> String {
        format!("/{}/settings?tab={}", self.links.org, tab.word().replace(' ', "+"))
    }

    /// Where a button of the settings posts to.
    #[must_use]
    pub fn settings_action(&self, action: SettingsAction) -> String {
        format!("/{}/settings/{}", self.links.org, action.word())
    }

    /// A step after the org was made.
    #[must_use]
    pub fn welcome(&self, step: Step) -> String {
        format!("/{}/welcome/{}", self.links.org, step.word())
    }

    /// The page of a commit.
    #[must_use]
    pub fn commit(&self, repository: &RepositoryName, sha: &CommitSha) -> String {
        self.links.check_page(repository, &ModulePath::root(), sha, None)
    }

    /// The page of a check, with its newest attempt.
    #[must_use]
    pub fn check(&self, repository: &RepositoryName, module: &ModulePath, sha: &CommitSha, task: &Task) -> String {
        self.links.check_page(repository, module, sha, Some(task.label()))
    }

    /// How people name a module: `host/owner/name[/path]`.
    #[must_use]
    pub fn module_ref(&self, repository: &RepositoryName, module: &ModulePath) -> String {
        self.links.module_ref(repository, module)
    }
}

/// A path with a query.
fn with_query(mut path: String, pairs: Vec<(&'static str, String)>) -> String {
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str(name);
        path.push('=');
        path.extend(utf8_percent_encode(&value, QUERY));
    }
    path
}

words! {
    /// What of a trace is asked for.
    TraceView {
        /// Its page.
        Page = "",
        /// All its spans in a few dozen bytes each.
        Outline = "outline",
        /// Some spans whole.
        Spans = "spans",
        /// Logs of a span or of all.
        Logs = "logs",
        /// Metrics of a span.
        Metrics = "metrics",
        /// Where a text occurs.
        Search = "search",
        /// What is worth looking at first.
        Insight = "insight",
        /// All of it as OTLP JSON.
        Download = "download",
        /// It beside another trace.
        Compare = "compare",
    }
}

words! {
    /// What can be done about a trace.
    TraceAction {
        /// Make it public, private, or leave it to the rule again.
        Visibility = "visibility",
        /// Make a link that opens it for a time.
        Share = "share",
        /// Take all such links back.
        Revoke = "revoke-shares",
        /// Delete it.
        Delete = "delete",
    }
}

words! {
    /// What can be done about checks.
    Action {
        /// Run checks again.
        Rerun = "rerun",
        /// Load a module again.
        RerunLoad = "rerun-load",
        /// Stop checks.
        Cancel = "cancel",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(forge: &str) -> Site {
        Site { public: Url::parse("http://127.0.0.1:8800").expect("a URL"), forge: Url::parse(forge).expect("a URL") }
    }

    #[test]
    fn forge_pages() {
        let site = site("https://github.com/");
        let name: RepositoryName = "acme/api".parse().expect("a name");
        let branch = Ref::Branch("feature/a#b".parse().expect("a branch"));
        let page = |reference| site.forge_ref(&name, &reference);
        assert_eq!(page(branch).as_deref(), Some("https://github.com/acme/api/tree/feature/a%23b"));
        assert_eq!(page(Ref::Pull(quillon_core::id::PullNumber(7))).as_deref(), Some("https://github.com/acme/api/pull/7"));
        assert_eq!(site.forge_host(), "github.com");
        assert_eq!(self::site("http://ghes.example/git").forge_repository(&name).as_deref(), Some("http://ghes.example/git/acme/api"));
        let embedded = self::site("http://127.0.0.1:8800/forge");
        assert_eq!((embedded.forge_repository(&name), embedded.forge_host().as_str()), (None, "127.0.0.1:8800"));
    }

    #[test]
    fn the_check_page_has_the_path_that_the_cli_prints() {
        let paths = site("https://github.com").paths(&"acme".parse().expect("an org"));
        let name: RepositoryName = "acme/api".parse().expect("a name");
        let sha: CommitSha = "0123456789abcdef0123456789abcdef01234567".parse().expect("a SHA");
        let page = paths.check(&name, &"ci".parse().expect("a path"), &sha, &Task::Check("go:lint".parse().expect("a check")));
        assert_eq!(page, format!("/acme/checks/github.com/acme/api/ci@{sha}?check=go:lint"));
    }
}
