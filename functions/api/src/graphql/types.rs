//! The types of the schema, by the names that the stock CLI selects them with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::{ComplexObject, Context, ID, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Union, Value};
use jiff::Timestamp;
use quillon_core::id::{CommitSha, TraceParent};
use quillon_core::name::{ModulePath, Ref, RepositoryName, Task};
use quillon_core::run::{CheckLine, Run, RunEvent, RunRef};
use tokio::sync::OnceCell;

use super::error::Failure;
use super::nodes::{self, CommitRuns};
use super::org::Org;
use super::spelling::Forge;
use crate::Deps;
use crate::credential::OrgAccess;

/// Most commits of one answer whose attempts are read because their summary does not hold them all: with 512 checks each
/// they take 2 MB of the 6 MB that a Lambda may answer.
const MAX_WHOLE_COMMITS: usize = 10;

/// A point in time, RFC 3339.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

#[Scalar(name = "Time", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(text.parse::<Timestamp>().map_err(|_| InputValueError::custom("not an RFC 3339 time"))?)),
            Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) | Value::Enum(_) | Value::List(_) | Value::Object(_) => {
                Err(InputValueError::expected_type(value))
            }
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// How many commits of this answer may still be read whole.
#[derive(Debug)]
pub(crate) struct WholeCommits(AtomicUsize);

impl Default for WholeCommits {
    fn default() -> Self {
        Self(AtomicUsize::new(MAX_WHOLE_COMMITS))
    }
}

impl WholeCommits {
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// A page of commits with checks.
#[derive(SimpleObject)]
pub(crate) struct CheckCommitConnection {
    /// The commits, newest first; a commit with several modules has an entry for each.
    pub(crate) nodes: Vec<CheckCommit>,
}

/// A commit of a repository, as far as one of its modules is concerned.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct CheckCommit {
    /// The repository: `<forge>/<owner>/<name>`.
    repo: String,
    /// The head commit.
    #[graphql(name = "commitSHA")]
    commit_sha: String,
    /// First line of the commit's message.
    commit_message: String,
    /// When it was committed.
    timestamp: Time,
    /// Author's name in the commit.
    author_name: String,
    /// Author's e-mail in the commit.
    author_email: String,
    /// What asked for the checks.
    events: Vec<CheckEvent>,
    /// The branches, tags and pull requests that the commit was the head of.
    refs: Vec<CheckCommitRef>,
    /// The org that the checks belong to.
    org: Org,
    #[graphql(skip)]
    commit: Arc<WithLines>,
    #[graphql(skip)]
    module: Option<ModulePath>,
    #[graphql(skip)]
    repository: RepositoryName,
}

/// A commit whose lines are read once, however many of its modules are asked for.
pub(crate) struct WithLines {
    runs: CommitRuns,
    lines: OnceCell<Vec<CheckLine>>,
}

impl WithLines {
    /// A commit of a feed: its lines are those of the summaries, unless they are cut.
    pub(crate) fn of_feed(runs: CommitRuns) -> Arc<Self> {
        Arc::new(Self { runs, lines: OnceCell::new() })
    }

    /// A commit that was read whole.
    pub(crate) fn whole(runs: CommitRuns, lines: Vec<CheckLine>) -> Arc<Self> {
        Arc::new(Self { runs, lines: OnceCell::new_with(Some(lines)) })
    }

    async fn lines(&self, context: &Context<'_>) -> Result<&[CheckLine], Failure> {
        let read = || async {
            if !self.runs.is_cut() || !context.data_unchecked::<WholeCommits>().take() {
                return Ok(self.runs.embedded_lines());
            }
            let commit = context.data_unchecked::<Deps>().store.commit(&self.runs.key).await?;
            Ok::<_, Failure>(nodes::lines_of(&commit))
        };
        Ok(self.lines.get_or_try_init(read).await?)
    }
}

impl CheckCommit {
    /// The entries of a commit: one per module, or the wanted one only.
    pub(crate) fn entries(deps: &Deps, access: &OrgAccess, commit: &Arc<WithLines>, wanted: Option<&ModulePath>) -> Vec<Self> {
        let modules = commit.runs.modules().into_iter();
        let modules = modules.filter(|module| wanted.is_none_or(|wanted| module.as_ref() == Some(wanted)));
        modules.map(|module| Self::entry(deps, access, commit, module)).collect()
    }

    fn entry(deps: &Deps, access: &OrgAccess, commit: &Arc<WithLines>, module: Option<ModulePath>) -> Self {
        let runs = &commit.runs;
        let newest = &runs.newest;
        let repository = newest.repository_name.clone();
        let mut refs: Vec<&RunRef> = Vec::new();
        for reference in runs.all().flat_map(|run| &run.refs) {
            if !refs.iter().any(|known| known.reference == reference.reference) {
                refs.push(reference);
            }
        }
        let mut events: Vec<&RunEvent> = runs.all().flat_map(|run: &Run| &run.events).collect();
        events.sort_by_key(|event| event.at);
        let links = WebLinks { base: &deps.options.github_url, repository: &repository };
        Self {
            repo: format!("{}/{repository}", deps.options.forge.address()),
            commit_sha: runs.key.sha.to_string(),
            commit_message: newest.commit.message.clone(),
            timestamp: Time(newest.commit.committed_at),
            author_name: newest.commit.author_name.clone(),
            author_email: newest.commit.author_email.clone(),
            events: events.into_iter().map(CheckEvent::new).collect(),
            refs: refs.into_iter().map(|reference| CheckCommitRef::new(reference, &links)).collect(),
            org: Org::new(access.clone()),
            commit: Arc::clone(commit),
            module,
            repository,
        }
    }
}

#[ComplexObject]
impl CheckCommit {
    /// The newest attempt of every check, the load of the module among them.
    async fn checks(&self, context: &Context<'_>) -> Result<Vec<Check>, Failure> {
        let Some(module) = &self.module else { return Ok(vec![]) };
        let forge = &context.data_unchecked::<Deps>().options.forge;
        let lines = nodes::of_module(self.commit.lines(context).await?, module);
        Ok(lines.iter().map(|line| Check::new(forge, &self.repository, &self.commit.runs.key.sha, line)).collect())
    }
}

/// Something that asked for checks.
#[derive(SimpleObject)]
pub(crate) struct CheckEvent {
    /// Where it came from.
    provider: &'static str,
    /// What it was: `push`, `pull_request`, …
    #[graphql(name = "type")]
    kind: String,
    /// When it was seen.
    timestamp: Time,
    /// Who caused it, where that is known.
    actor: Option<CheckActor>,
}

impl CheckEvent {
    fn new(event: &RunEvent) -> Self {
        Self {
            provider: "github",
            kind: event.kind.clone(),
            timestamp: Time(event.at),
            actor: event.actor.clone().map(|login| CheckActor { id: ID(login.clone()), name: login.clone(), login, avatar_url: None }),
        }
    }
}

/// An account of the forge.
#[derive(SimpleObject)]
pub(crate) struct CheckActor {
    /// Its login: other ids are not kept.
    id: ID,
    /// Its login.
    login: String,
    /// Its login: other names are not kept.
    name: String,
    /// Its picture; not kept.
    avatar_url: Option<String>,
}

/// A head that the commit was.
#[derive(Union)]
pub(crate) enum CheckCommitRef {
    /// A tag.
    Tag(CheckCommitTagRef),
    /// A branch.
    Branch(CheckCommitBranchRef),
    /// A pull request.
    PullRequest(CheckCommitPullRequestRef),
}

/// A tag.
#[derive(SimpleObject)]
pub(crate) struct CheckCommitTagRef {
    /// Its short name.
    name: String,
    /// Its page on the forge.
    url: String,
}

/// A branch.
#[derive(SimpleObject)]
pub(crate) struct CheckCommitBranchRef {
    /// Its short name.
    name: String,
    /// Its page on the forge.
    url: String,
}

/// A pull request.
#[derive(SimpleObject)]
pub(crate) struct CheckCommitPullRequestRef {
    /// Its number.
    number: i32,
    /// Its page on the forge.
    url: String,
    /// Its title.
    title: Option<String>,
    /// Whether it is open; not kept.
    state: Option<String>,
    /// The merge of head and base that was tested; not kept with the commit.
    integration_commit: Option<String>,
}

/// Pages of a repository on the forge.
struct WebLinks<'a> {
    base: &'a str,
    repository: &'a RepositoryName,
}

impl WebLinks<'_> {
    fn page(&self, kind: &str, name: &str) -> String {
        use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
        const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
        format!("{}/{}/{kind}/{}", self.base, self.repository, utf8_percent_encode(name, PATH))
    }
}

impl CheckCommitRef {
    fn new(reference: &RunRef, links: &WebLinks<'_>) -> Self {
        match &reference.reference {
            Ref::Branch(name) => Self::Branch(CheckCommitBranchRef { name: name.to_string(), url: links.page("tree", name.as_str()) }),
            Ref::Tag(name) => Self::Tag(CheckCommitTagRef { name: name.to_string(), url: links.page("releases/tag", name.as_str()) }),
            Ref::Pull(number) => Self::PullRequest(CheckCommitPullRequestRef {
                number: i32::try_from(number.0).unwrap_or(i32::MAX),
                url: links.page("pull", &number.to_string()),
                title: reference.title.clone(),
                state: None,
                integration_commit: None,
            }),
        }
    }
}

/// One attempt of a check.
#[derive(SimpleObject)]
pub(crate) struct Check {
    /// The id of the attempt.
    id: ID,
    /// Its name, with the prefix that the CLI gives it.
    name: String,
    /// `queued`, `running`, `success`, `failure`, `error` or `cancelled`.
    status: &'static str,
    /// When an agent took it.
    started_at: Option<Time>,
    /// When it ended.
    end_time: Option<Time>,
    /// How long it took, in seconds.
    duration: Option<i32>,
    /// The trace of its telemetry.
    trace_id: String,
    /// The span that its telemetry hangs under.
    span_id: String,
    /// The module: `<forge>/<owner>/<name>[/<path>]`.
    module_ref: String,
    /// The head commit.
    module_version: String,
    /// Whether it is the load of the module rather than a check that its author wrote.
    internal: bool,
}

impl Check {
    pub(crate) fn new(forge: &Forge, repository: &RepositoryName, sha: &CommitSha, line: &CheckLine) -> Self {
        let trace = TraceParent::of(line.attempt);
        let module_ref = if line.module.is_root() {
            format!("{}/{repository}", forge.address())
        } else {
            format!("{}/{repository}/{}", forge.address(), line.module)
        };
        Self {
            id: ID(line.attempt.to_string()),
            name: line.task.label().to_owned(),
            status: line.phase.word(),
            started_at: line.started_at.map(Time),
            end_time: line.ended_at.map(Time),
            duration: nodes::seconds(line),
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            module_ref,
            module_version: sha.to_string(),
            internal: match line.task {
                Task::Load => true,
                Task::Check(_) => false,
            },
        }
    }
}
