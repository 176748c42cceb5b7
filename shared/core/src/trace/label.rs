//! Who ran what, where and for which commit, from the labels of the CLI.
//!
//! The CLI computes its labels once per process and sends them as attributes of its OTLP resource; engines and module
//! runtimes send none. They are what the sender claims: shown, listed by and searched, but never what access is decided by.
//! Every text is bounded and free of control characters, and addresses are `http` or `https` or left out.

mod advice;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use advice::Advice;

use super::span::{Attributes, Resource};
use crate::id::{InvalidId, PullNumber, serde_as_text};
use crate::text::first_line;

/// The `service.name` of the process whose resource carries the labels.
const CLI_SERVICE: &str = "dagger-cli";

/// The label that names the repository.
pub const GIT_REMOTE: &str = "dagger.io/git.remote";

/// The label that names the commit.
pub const GIT_REF: &str = "dagger.io/git.ref";

/// Longest text of a label, in characters.
const MAX_TEXT: usize = 200;

/// Longest address, in bytes; a longer one is left out, because a cut one leads elsewhere.
const MAX_URL: usize = 500;

/// What the labels of a run say.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// The CI run; none on a person's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<Ci>,
    /// The repository, `host/path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_remote: Option<Remote>,
    /// The SHA of the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The first line of the commit's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who wrote the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The pull or merge request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    /// Who started the run: the login that CI names, else the author of the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The hashed id of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The version of the CLI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The operating system of the CLI, as Go names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The architecture of the CLI, as Go names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
}

/// A run of a CI system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ci {
    /// The system.
    pub vendor: Vendor,
    /// Who hosts the runner, where that is not the vendor: `Depot`, `Namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The workflow or pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// What started it: `push`, `pull_request`, `merge_request_event`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Circle CI.
    CircleCi,
    /// Jenkins.
    Jenkins,
    /// Argo Workflows, which the CLI does not recognise by itself.
    Argo,
    /// Buildkite.
    Buildkite,
    /// Azure Pipelines.
    Azure,
    /// Team City.
    TeamCity,
    /// Harness.
    Harness,
    /// Some CI: a variable such as `CI` was set.
    Other,
}

impl Vendor {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::GitHub,
        Self::GitLab,
        Self::CircleCi,
        Self::Jenkins,
        Self::Argo,
        Self::Buildkite,
        Self::Azure,
        Self::TeamCity,
        Self::Harness,
        Self::Other,
    ];

    /// The name that people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub Actions",
            Self::GitLab => "GitLab CI",
            Self::CircleCi => "CircleCI",
            Self::Jenkins => "Jenkins",
            Self::Argo => "Argo Workflows",
            Self::Buildkite => "Buildkite",
            Self::Azure => "Azure Pipelines",
            Self::TeamCity => "TeamCity",
            Self::Harness => "Harness",
            Self::Other => "CI",
        }
    }

    /// The system behind a text of `dagger.io/ci.vendor`.
    fn of_label(text: &str) -> Self {
        match text {
            "GitHub" => Self::GitHub,
            "GitLab" => Self::GitLab,
            "CircleCI" => Self::CircleCi,
            "Jenkins" => Self::Jenkins,
            "Argo" => Self::Argo,
            "Buildkite" => Self::Buildkite,
            "Azure" => Self::Azure,
            "TeamCity" => Self::TeamCity,
            "Harness" => Self::Harness,
            _ => Self::Other,
        }
    }
}

/// A pull or merge request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pull {
    /// Its number.
    pub number: PullNumber,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The branch it wants to merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// Where a repository lives: `host/path` without scheme, user, port and `.git`, in the spelling of its sender.
///
/// Two spellings that differ only in case name the same repository on every host that matters: see [`Remote::folded`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote(String);

impl Remote {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling that lists are kept by.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once('/').map_or("", |(host, _)| host)
    }

    /// The path on the host, `owner/name` mostly.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, path)| path)
    }

    /// The remote of a repository on a host.
    #[must_use]
    pub fn of(host: &str, path: impl fmt::Display) -> Option<Self> {
        format!("{host}/{path}").parse().ok()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Remote {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // The CLI has reduced it already; a label that a pipeline sets by hand is often the address to clone from.
        let invalid = || InvalidId::new(text, "a repository as `host/path`");
        let trimmed = text.trim();
        let (has_scheme, rest) = trimmed.split_once("://").map_or((false, trimmed), |(_, rest)| (true, rest));
        let (authority, path) = match rest.find(['/', ':']) {
            // `git@host:path`, unless a port follows
            Some(at) if rest[at..].starts_with(':') && !has_scheme => (&rest[..at], &rest[at + 1..]),
            _ => rest.split_once('/').ok_or_else(invalid)?,
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = host.split(':').next().unwrap_or_default();
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '#' | '?' | '\\' | '"' | '<' | '>' | '@');
        let is_host = !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let is_path = path.split('/').all(|part| !matches!(part, "" | "." | "..")) && path.chars().all(is_plain);
        if is_host && is_path && host.len() + path.len() < MAX_TEXT { Ok(Self(format!("{host}/{path}"))) } else { Err(invalid()) }
    }
}

serde_as_text!(Remote);

impl Labels {
    /// The labels of a process; none of a process that is not the CLI.
    #[must_use]
    pub fn of(resource: &Resource) -> Option<Self> {
        let of = &resource.attributes;
        if of.text("service.name") != Some(CLI_SERVICE) {
            return None;
        }
        let repository_url = url(of, &["dagger.io/vcs.repo.url", "vcs.repository.url.full"]);
        let ci = Ci::of(of, repository_url.as_deref());
        let vendor = ci.as_ref().map(|ci| ci.vendor);
        let pull = Pull::of(of, vendor);
        let author = text(of, &["dagger.io/git.author.name", "dagger.io/git.author.email"]);
        let remote = |name: &str| of.text(name).and_then(|remote| remote.parse().ok());
        Some(Self {
            git_remote: remote(GIT_REMOTE).or_else(|| repository_url.as_deref().and_then(|url| url.parse().ok())),
            git_ref: text(of, &[GIT_REF, "dagger.io/vcs.change.head_sha", "vcs.ref.head.revision"]),
            branch: text(of, &["dagger.io/git.branch", "dagger.io/vcs.change.branch", "vcs.ref.head.name"]),
            tag: text(of, &["dagger.io/git.tag"]),
            title: text(of, &["dagger.io/git.title", "dagger.io/vcs.change.title"]),
            user: text(of, &["dagger.io/vcs.triggerer.login", "gitlab.com/triggerer.name"]).or_else(|| author.clone()),
            author,
            machine: text(of, &["dagger.io/client.machine_id"]),
            version: text(of, &["dagger.io/client.version", "service.version"]),
            os: text(of, &["dagger.io/client.os", "os.type"]),
            arch: text(of, &["dagger.io/client.arch"]),
            ci,
            pull,
        })
    }

    /// The label without which the trace belongs to no repository or to no commit; none when both are there.
    #[must_use]
    pub fn missing_git(&self) -> Option<&'static str> {
        match (&self.git_remote, &self.git_ref) {
            (None, _) => Some(GIT_REMOTE),
            (Some(_), None) => Some(GIT_REF),
            (Some(_), Some(_)) => None,
        }
    }

    /// How many things it says: of two that speak for the same moment, the fuller one counts.
    pub(super) fn fullness(&self) -> usize {
        [&self.git_ref, &self.branch, &self.tag, &self.title, &self.author, &self.user, &self.machine, &self.version, &self.os, &self.arch]
            .into_iter()
            .filter(|text| text.is_some())
            .count()
            + usize::from(self.git_remote.is_some())
            + usize::from(self.ci.is_some())
            + usize::from(self.pull.is_some())
    }
}

impl Ci {
    fn of(of: &Attributes, repository_url: Option<&str>) -> Option<Self> {
        let argo = text(of, &["argo.workflow.name"]);
        let vendor = match (of.text("dagger.io/ci.vendor").filter(|vendor| !vendor.is_empty()), &argo) {
            (Some(vendor), _) => Vendor::of_label(vendor),
            (None, Some(_)) => Vendor::Argo,
            (None, None) if of.text("dagger.io/ci") == Some("true") || of.is_true("dagger.io/ci") => Vendor::Other,
            (None, None) => return None,
        };
        let gitlab_job = || {
            let job = of.text("gitlab.com/job.id").filter(|job| !job.is_empty() && job.bytes().all(|byte| byte.is_ascii_digit()))?;
            bounded_url(&format!("{}/-/jobs/{job}", repository_url?.trim_end_matches('/')))
        };
        Some(Self {
            vendor,
            provider: text(of, &["dagger.io/ci.provider"]),
            job: text(of, &["dagger.io/vcs.job.name", "argo.workflow.step", "cicd.pipeline.task.name"]),
            workflow: text(of, &["dagger.io/vcs.workflow.name", "cicd.pipeline.name"]).or(argo),
            event: text(of, &["dagger.io/vcs.event.type"]),
            url: url(of, &["cicd.pipeline.run.url.full"]).or_else(gitlab_job),
        })
    }
}

impl Pull {
    fn of(of: &Attributes, vendor: Option<Vendor>) -> Option<Self> {
        let url = url(of, &["dagger.io/vcs.change.url"]);
        // CircleCI puts the number of the pipeline where others put the number of the pull request.
        let number = if vendor == Some(Vendor::CircleCi) {
            url.as_deref()?.trim_end_matches('/').rsplit('/').next()?
        } else {
            of.text("dagger.io/vcs.change.number").or_else(|| of.text("vcs.change.id"))?
        };
        Some(Self {
            number: number.parse().ok().filter(|number| *number != PullNumber(0))?,
            title: text(of, &["dagger.io/vcs.change.title", "vcs.change.title"]),
            url,
            branch: text(of, &["dagger.io/vcs.change.branch", "vcs.ref.head.name"]),
        })
    }
}

/// The first of some labels that says anything, in one line.
fn text(of: &Attributes, names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| of.text(name)).map(|text| first_line(text.trim_start(), MAX_TEXT)).find(|text| !text.is_empty())
}

fn url(of: &Attributes, names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| of.text(name)).find_map(bounded_url)
}

/// An address that a page may link to.
fn bounded_url(text: &str) -> Option<String> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_plain =
        text.len() <= MAX_URL && !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'));
    (is_web && is_plain).then(|| text.to_owned())
}
