//! Who may read traces, as plain data.

use askama::Template;
use quillon_core::org::{Repository, TraceAccess};
use quillon_core::trace::id::TraceId;

/// Whom a repository's traces are for: the word in forms, and what the box says.
pub const ACCESSES: [(&str, &str); 3] =
    [("automatic", "as the organization's rule says"), ("public", "everyone, while the repository is public"), ("private", "members only")];

/// The tab.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "settings/visibility.html")]
pub struct VisibilityPage {
    /// Whether traces of public repositories may be public.
    pub allows_public: bool,
    /// The repositories that are told apart from the rule.
    pub overrides: Vec<OverrideRow>,
    /// Forms for the org and its repositories; none for those who only look.
    pub forms: Option<VisibilityForms>,
    /// Forms for one trace; none for those who may not.
    pub trace: Option<TraceForms>,
}

/// A repository with a rule of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideRow {
    /// GitHub's number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether it is private: then its traces are, whatever is chosen.
    pub is_private: bool,
    /// Whether it takes part.
    pub is_enabled: bool,
    /// The word of what is chosen.
    pub access: &'static str,
    /// What that means.
    pub words: &'static str,
}

impl OverrideRow {
    /// The row of a repository; none where the rule holds.
    #[must_use]
    pub fn of(repository: &Repository) -> Option<Self> {
        let access = word(repository.settings.traces);
        let (_, words) = ACCESSES.into_iter().find(|(known, _)| *known == access)?;
        (repository.settings.traces != TraceAccess::Automatic).then(|| Self {
            id: repository.id.0,
            name: repository.name.to_string(),
            is_private: repository.is_private,
            is_enabled: repository.is_enabled,
            access,
            words,
        })
    }
}

/// The forms of org and repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibilityForms {
    /// The token of the forms.
    pub csrf: String,
    /// Where the org's switch is posted to.
    pub public_traces: String,
    /// Where a repository's is posted to.
    pub repository: String,
    /// Names to choose from.
    pub names: Vec<String>,
    /// The name that was refused.
    pub name: String,
    /// Who should read its traces then.
    pub access: String,
}

/// The forms of one trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceForms {
    /// The token of the forms.
    pub csrf: String,
    /// Where its visibility is posted to.
    pub visibility: String,
    /// Where it is deleted.
    pub delete: String,
    /// The link that was refused.
    pub link: String,
    /// The link of the trace to delete that was refused.
    pub link_to_delete: String,
    /// Whether deleting was refused: its form is open.
    pub is_deleting: bool,
}

/// The word of whom traces are for.
#[must_use]
pub fn word(access: TraceAccess) -> &'static str {
    match access {
        TraceAccess::Automatic => "automatic",
        TraceAccess::Public => "public",
        TraceAccess::Private => "private",
    }
}

/// Whom a word means.
#[must_use]
pub fn of_word(text: &str) -> Option<TraceAccess> {
    [TraceAccess::Automatic, TraceAccess::Public, TraceAccess::Private].into_iter().find(|access| word(*access) == text)
}

/// The trace that a link leads to, as people copy it from the address bar or from the output of `dagger`; or its bare id.
#[must_use]
pub fn trace_of(link: &str) -> Option<TraceId> {
    let path = link.trim().split(['?', '#']).next().unwrap_or_default();
    path.split('/').find_map(|segment| segment.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_ids_name_a_trace() {
        let id = "0123456789abcdef0123456789abcdef";
        for link in [
            id.to_owned(),
            format!("  https://ci.example.com/acme/traces/{id}?span=0123456789abcdef\n"),
            format!("/acme/traces/{id}/compare?with=ffffffffffffffffffffffffffffffff"),
            format!("https://ci.example.com/acme/traces/{id}#log"),
        ] {
            assert_eq!(trace_of(&link).map(|trace| trace.to_string()).as_deref(), Some(id), "{link}");
        }
        for link in [
            "",
            "https://ci.example.com/acme/traces",
            "0123",
            "javascript:alert(1)",
            &"0".repeat(32),
            "?x=0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(trace_of(link), None, "{link}");
        }
    }

    #[test]
    fn words_of_access_round_trip() {
        for (text, _) in ACCESSES {
            assert_eq!(of_word(text).map(word), Some(text));
        }
        assert_eq!(of_word("Public"), None);
    }
}
