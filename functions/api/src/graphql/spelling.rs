//! How people and the stock CLI spell repositories, modules and versions, and what they mean by it.

use std::collections::HashSet;

use quillon_core::id::{CommitSha, PullNumber};
use quillon_core::name::{ModulePath, Ref, RepositoryName};

/// Longest spelling that is looked at.
const MAX_SPELLING: usize = 1_000;

/// The forge whose repositories this instance checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forge {
    /// Host and path of its pages.
    address: String,
}

impl Forge {
    /// The forge behind a base URL such as `https://github.com`.
    #[must_use]
    pub fn of_url(url: &str) -> Self {
        Self { address: without_scheme(url).trim_end_matches('/').to_owned() }
    }

    /// What references to its modules begin with: its host, and its path where it has one, as in a clone URL.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn host(&self) -> &str {
        self.address.split('/').next().unwrap_or_default()
    }

    /// The repository that a text names: with or without scheme, user, forge and `.git`, also as git spells SSH remotes.
    pub(crate) fn repository(&self, text: &str) -> Option<RepositoryName> {
        self.module(text).map(|(repository, _)| repository)
    }

    /// The repository and the directory in it that a text names.
    pub(crate) fn module(&self, text: &str) -> Option<(RepositoryName, ModulePath)> {
        if text.len() > MAX_SPELLING {
            return None;
        }
        let text = text.trim();
        let bare = without_scheme(text);
        let bare = bare.split(['?', '#']).next().unwrap_or_default();
        // `user@host/…` and `git@host:owner/name`; a colon after a user's host is git's own syntax unless a scheme was given.
        let (is_ssh_form, bare) = match bare.split_once('@') {
            Some((user, rest)) if !user.contains('/') => (bare.len() == text.len(), rest.to_owned()),
            Some(_) | None => (false, bare.to_owned()),
        };
        let bare = if is_ssh_form { bare.replacen(':', "/", 1) } else { bare };
        let rest = self.strip(&bare)?;
        let mut parts = rest.splitn(3, '/');
        let (owner, name) = (parts.next()?, parts.next()?);
        let name = name.strip_suffix(".git").unwrap_or(name);
        let repository = format!("{owner}/{name}").parse().ok()?;
        let directory = parts.next().unwrap_or_default().trim_matches('/');
        let directory = if directory.is_empty() || directory == "." { ModulePath::root() } else { directory.parse().ok()? };
        Some((repository, directory))
    }

    /// What follows the forge in a reference, or the reference itself where it names none.
    fn strip<'a>(&self, reference: &'a str) -> Option<&'a str> {
        let known = [self.address.as_str(), self.host()];
        if let Some(rest) = known.iter().find_map(|prefix| strip_segments(reference, prefix)) {
            return Some(rest);
        }
        // An owner has neither dots nor colons, so what has some is another forge.
        let first = reference.split('/').next().unwrap_or_default();
        (!first.contains(['.', ':'])).then_some(reference)
    }
}

fn without_scheme(text: &str) -> &str {
    for scheme in ["https://", "http://", "ssh://", "git://"] {
        if let Some(head) = text.get(..scheme.len())
            && head.eq_ignore_ascii_case(scheme)
        {
            return &text[scheme.len()..];
        }
    }
    text
}

fn strip_segments<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    let rest = text[prefix.len()..].strip_prefix('/')?;
    (!prefix.is_empty() && head.eq_ignore_ascii_case(prefix)).then_some(rest)
}

/// A name as names are compared: GitHub does not tell cases apart.
pub(crate) fn folded(name: &RepositoryName) -> String {
    name.to_string().to_ascii_lowercase()
}

/// The distinct repositories that a list of filters names; those that name none of this forge are dropped.
pub(crate) fn repositories(forge: &Forge, spellings: &[String]) -> Vec<RepositoryName> {
    let mut known = HashSet::new();
    let named = spellings.iter().filter_map(|text| forge.repository(text));
    named.filter(|repository| known.insert(folded(repository))).collect()
}

/// What a `moduleVersion` can mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Version {
    /// Nothing was said: the head of the default branch.
    Default,
    /// This commit.
    Commit(CommitSha),
    /// The head of the first of these that exists; failing that, the newest commit whose SHA begins so.
    Named {
        /// The refs, the likeliest first.
        refs: Vec<Ref>,
        /// The beginning of a SHA, where it can be one.
        prefix: Option<String>,
    },
}

impl Version {
    /// Reads a version: a full or shortened SHA, a full ref, `pull/<number>/head`, or the name of a branch or tag.
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "HEAD" {
            return Self::Default;
        }
        if let Ok(sha) = text.to_ascii_lowercase().parse() {
            return Self::Commit(sha);
        }
        let pull = |text: &str| text.strip_prefix("pull/")?.split('/').next()?.parse::<PullNumber>().ok();
        let mut refs: Vec<Ref> = Vec::new();
        if let Some(number) = pull(text.strip_prefix("refs/").unwrap_or(text)) {
            refs.push(Ref::Pull(number));
        } else if let Ok(reference) = text.parse() {
            refs.push(reference);
        }
        if let Ok(name) = text.parse::<quillon_core::name::BranchName>() {
            refs.extend([Ref::Branch(name.clone()), Ref::Tag(name)]);
        }
        let is_prefix = (4..40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self::Named { refs, prefix: is_prefix.then(|| text.to_ascii_lowercase()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn github() -> Forge {
        Forge::of_url("https://github.com/")
    }

    #[test]
    fn every_spelling_of_a_repository_is_the_same_one() {
        for text in [
            "acme/hello",
            "acme/hello.git",
            "github.com/acme/hello",
            "GitHub.com/acme/hello",
            "https://github.com/acme/hello",
            "HTTPS://github.com/acme/hello.git",
            "http://github.com/acme/hello/",
            "https://user@github.com/acme/hello",
            "https://x:y@github.com/acme/hello.git",
            "git@github.com:acme/hello.git",
            "ssh://git@github.com/acme/hello.git",
            " github.com/acme/hello ",
            "https://github.com/acme/hello?tab=readme",
        ] {
            assert_eq!(github().repository(text).map(|name| name.to_string()), Some("acme/hello".to_owned()), "{text}");
        }
    }

    #[test]
    fn other_forges_and_rubbish_are_no_repository_of_ours() {
        let long = format!("acme/{}", "x".repeat(2_000));
        for text in [
            "",
            "/",
            "acme",
            "gitlab.com/acme/hello",
            "https://gitlab.com/acme/hello",
            "git@gitlab.com:acme/hello",
            "../..",
            "a b/c",
            "üüü",
            &long,
        ] {
            assert_eq!(github().repository(text), None, "{text}");
        }
    }

    #[test]
    fn a_forge_under_a_path_is_stripped_with_it() {
        let local = Forge::of_url("http://127.0.0.1:8800/forge");
        for text in
            ["http://127.0.0.1:8800/forge/acme/hello.git", "127.0.0.1:8800/forge/acme/hello", "127.0.0.1:8800/acme/hello", "acme/hello"]
        {
            assert_eq!(local.repository(text).map(|name| name.to_string()), Some("acme/hello".to_owned()), "{text}");
        }
    }

    #[test]
    fn modules_are_directories_of_a_repository() {
        let module = |text: &str| github().module(text).map(|(repository, path)| (repository.to_string(), path.to_string()));
        let expected = |path: &str| Some(("acme/hello".to_owned(), path.to_owned()));
        assert_eq!(module("github.com/acme/hello"), expected("."));
        assert_eq!(module("https://github.com/acme/hello.git/ci/lint"), expected("ci/lint"));
        assert_eq!(module("acme/hello/."), expected("."));
        assert_eq!(module("github.com/acme/hello/../x"), None);
    }

    #[test]
    fn filters_are_distinct_without_regard_to_case() {
        let texts = ["acme/hello", "https://github.com/Acme/Hello", "acme/other", "gitlab.com/acme/x"].map(str::to_owned);
        let names: Vec<String> = repositories(&github(), &texts).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["acme/hello", "acme/other"]);
    }

    #[test]
    fn versions() {
        let sha = "84a18b9f922602a8a764c0c9f6c6878ec584cf49";
        assert_eq!(Version::parse(""), Version::Default);
        assert_eq!(Version::parse(&sha.to_uppercase()), Version::Commit(sha.parse().expect("a sha")));
        let named = |text: &str| match Version::parse(text) {
            Version::Named { refs, prefix } => (refs.iter().map(ToString::to_string).collect::<Vec<_>>(), prefix),
            other => panic!("{other:?}"),
        };
        assert_eq!(named("main"), (vec!["refs/heads/main".to_owned(), "refs/tags/main".to_owned()], None));
        assert_eq!(named("pull/7/head").0[0], "refs/pull/7/head");
        assert_eq!(named("refs/pull/7/head").0[0], "refs/pull/7/head");
        assert_eq!(named("refs/heads/main").0[0], "refs/heads/main");
        assert_eq!(named("84A18B9").1, Some("84a18b9".to_owned()));
        assert_eq!(named("~^:"), (vec![], None));
    }
}
