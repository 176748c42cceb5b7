//! The filter of the Checks page: it lives in the URL.

use quillon_core::name::{BranchName, Ref, RepositoryName};
use quillon_core::run::Phase;

/// Which runs the Checks page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this repository.
    pub repository: Option<RepositoryName>,
    /// Only those of this branch, tag or pull request; needs a repository.
    pub reference: Option<Ref>,
    /// Only those in this state.
    pub state: Option<Wanted>,
    /// Those after this cursor of the store.
    pub after: Option<String>,
}

/// The states that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Not over yet.
    Unfinished,
    /// Failed or could not run.
    Failed,
    /// Passed.
    Passed,
    /// Cancelled.
    Cancelled,
}

impl Wanted {
    /// All of them, in the order of the select box.
    pub const ALL: [Self; 4] = [Self::Unfinished, Self::Failed, Self::Passed, Self::Cancelled];

    /// The value in the URL.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Failed => "failed",
            Self::Passed => "passed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The label in the select box.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unfinished => "Queued or running",
            Self::Failed => "Failed or could not run",
            Self::Passed => "Passed",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether a run is in this state.
    #[must_use]
    pub fn fits(self, phase: Option<Phase>) -> bool {
        match (self, phase) {
            (Self::Unfinished, Some(Phase::Queued | Phase::Running))
            | (Self::Failed, Some(Phase::Failure | Phase::Error))
            | (Self::Passed, Some(Phase::Success))
            | (Self::Cancelled, Some(Phase::Cancelled)) => true,
            (Self::Unfinished | Self::Failed | Self::Passed | Self::Cancelled, _) => false,
        }
    }
}

/// Something in the URL that is not understood, in words.
pub type Problem = String;

impl Filter {
    /// Reads the filter from the pairs of a query; what does not fit is left out and named.
    pub fn read<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> (Self, Vec<Problem>) {
        let mut filter = Self::default();
        let mut problems = Vec::new();
        let mut branch = None;
        for (name, value) in pairs {
            let value = value.trim();
            match name {
                _ if value.is_empty() => {}
                "repository" => match value.parse() {
                    Ok(repository) => filter.repository = Some(repository),
                    Err(error) => problems.push(error.to_string()),
                },
                "branch" => branch = Some(value),
                "state" => match Wanted::ALL.into_iter().find(|wanted| wanted.word() == value) {
                    Some(wanted) => filter.state = Some(wanted),
                    None => problems.push("this state is not known".to_owned()),
                },
                "after" if value.len() <= 4_096 => filter.after = Some(value.to_owned()),
                _ => {}
            }
        }
        match branch.map(reference) {
            None => {}
            Some(Ok(reference)) if filter.repository.is_some() => filter.reference = Some(reference),
            Some(Ok(_)) => problems.push("choose a repository to filter by branch".to_owned()),
            Some(Err(problem)) => problems.push(problem),
        }
        (filter, problems)
    }

    /// The filter as pairs of a query, in a fixed order.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = [
            ("repository", self.repository.as_ref().map(ToString::to_string)),
            ("branch", self.branch_text()),
            ("state", self.state.map(|state| state.word().to_owned())),
            ("after", self.after.clone()),
        ];
        pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    /// The text of the branch field: a branch's name, `#7`, or a tag's full name.
    #[must_use]
    pub fn branch_text(&self) -> Option<String> {
        self.reference.as_ref().map(|reference| match reference {
            Ref::Branch(name) => name.to_string(),
            Ref::Tag(_) => reference.to_string(),
            Ref::Pull(number) => format!("#{number}"),
        })
    }

    /// The same filter from another place on.
    #[must_use]
    pub fn from(&self, after: Option<String>) -> Self {
        Self { after, ..self.clone() }
    }

    /// Whether it leaves anything out.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.repository.is_some() || self.reference.is_some() || self.state.is_some()
    }
}

/// A branch's name, `#7` or `refs/…`.
fn reference(text: &str) -> Result<Ref, Problem> {
    if let Some(number) = text.strip_prefix('#') {
        return number.parse().map(Ref::Pull).map_err(|error| error.to_string());
    }
    if text.starts_with("refs/") {
        return text.parse().map_err(|error: quillon_core::id::InvalidId| error.to_string());
    }
    text.parse::<BranchName>().map(Ref::Branch).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Filter, Vec<Problem>) {
        Filter::read(pairs.iter().copied())
    }

    #[test]
    fn filters_survive_the_url() {
        for pairs in [
            vec![],
            vec![("repository", "acme/api")],
            vec![("repository", "acme/api"), ("branch", "feature/x"), ("state", "failed"), ("after", "abc")],
            vec![("repository", "acme/api"), ("branch", "#7")],
            vec![("repository", "acme/api"), ("branch", "refs/tags/v1")],
        ] {
            let (filter, problems) = read(&pairs);
            assert_eq!(problems, Vec::<String>::new());
            let again: Vec<(&str, String)> = filter.pairs();
            assert_eq!(again.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), pairs);
        }
    }

    #[test]
    fn what_does_not_fit_is_named_and_left_out() {
        for pairs in [[("repository", "x"), ("", "")], [("branch", "main"), ("", "")], [("state", "<b>"), ("repository", "a/b")]] {
            let (_, problems) = read(&pairs);
            assert_eq!(problems.len(), 1, "{pairs:?}");
        }
        let (filter, _) = read(&[("repository", "acme/api"), ("branch", "a..b")]);
        assert_eq!(filter.reference, None);
        assert!(filter.is_set());
    }

    #[test]
    fn states_cover_every_phase_once() {
        for phase in [Phase::Queued, Phase::Running, Phase::Success, Phase::Failure, Phase::Error, Phase::Cancelled] {
            assert_eq!(Wanted::ALL.iter().filter(|wanted| wanted.fits(Some(phase))).count(), 1, "{phase:?}");
        }
        assert!(Wanted::ALL.iter().all(|wanted| !wanted.fits(None)));
    }
}
