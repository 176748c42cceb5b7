//! What git's objects say, read from the bytes that git writes; what does not fit is left out, never a panic.

use jiff::Timestamp;

use crate::{model::Person, names::is_sha};

/// The fields of a commit as [`parse_log`] reads them.
pub(crate) const LOG_FORMAT: &str = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00";

/// A commit as git stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitInfo {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Person,
    pub(crate) authored_at: Timestamp,
    pub(crate) committer: Person,
    pub(crate) committed_at: Timestamp,
    pub(crate) message: String,
}

/// An annotated tag as git stores it.
#[derive(Debug, Clone)]
pub(crate) struct TagInfo {
    pub(crate) name: String,
    pub(crate) object: String,
    pub(crate) kind: String,
    pub(crate) tagger: Person,
    pub(crate) tagged_at: Timestamp,
    pub(crate) message: String,
}

/// A commit with the files that it touched.
#[derive(Debug, Clone)]
pub(crate) struct LoggedCommit {
    pub(crate) commit: CommitInfo,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) modified: Vec<String>,
}

/// One line of a tree.
#[derive(Debug, Clone)]
pub(crate) struct TreeEntry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) sha: String,
    pub(crate) size: Option<u64>,
    pub(crate) path: String,
}

pub(crate) fn parse_commit(sha: &str, raw: &[u8]) -> Option<CommitInfo> {
    let text = String::from_utf8_lossy(raw);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let values = |key: &'static str| head.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix(' '));
    let (author, authored_at) = parse_person(values("author").next()?);
    let (committer, committed_at) = parse_person(values("committer").next()?);
    Some(CommitInfo {
        sha: sha.to_owned(),
        tree: values("tree").next()?.to_owned(),
        parents: values("parent").map(str::to_owned).collect(),
        author,
        authored_at,
        committer,
        committed_at,
        message: message.trim_end_matches('\n').to_owned(),
    })
}

pub(crate) fn parse_tag(raw: &[u8]) -> Option<TagInfo> {
    let text = String::from_utf8_lossy(raw);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let value = |key: &str| head.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    let (tagger, tagged_at) = parse_person(value("tagger").unwrap_or_default());
    Some(TagInfo {
        name: value("tag")?.to_owned(),
        object: value("object")?.to_owned(),
        kind: value("type")?.to_owned(),
        tagger,
        tagged_at,
        message: message.trim_end_matches('\n').to_owned(),
    })
}

/// Reads `Name <address> seconds zone`.
fn parse_person(line: &str) -> (Person, Timestamp) {
    let (name, rest) = line.split_once('<').unwrap_or((line, ""));
    let (email, date) = rest.rsplit_once('>').unwrap_or((rest, ""));
    (Person::new(name.trim(), email), seconds(date.split_whitespace().next().unwrap_or_default()))
}

fn seconds(text: &str) -> Timestamp {
    text.parse().ok().and_then(|second| Timestamp::from_second(second).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Reads the output of `git log -z` in [`LOG_FORMAT`] with `--name-status`; what does not fit is left out.
pub(crate) fn parse_log(stdout: &[u8]) -> Vec<LoggedCommit> {
    let text = String::from_utf8_lossy(stdout);
    let mut tokens = text.split('\0').map(|token| token.trim_matches('\n')).peekable();
    let mut commits = Vec::new();
    while let Some(token) = tokens.next() {
        if !is_sha(token) {
            continue;
        }
        let mut field = || tokens.next().unwrap_or_default().to_owned();
        let (tree, parents) = (field(), field());
        let (author, authored_at) = (Person::new(field(), field()), seconds(&field()));
        let (committer, committed_at) = (Person::new(field(), field()), seconds(&field()));
        let commit = CommitInfo {
            sha: token.to_owned(),
            tree,
            parents: parents.split_whitespace().map(str::to_owned).collect(),
            author,
            authored_at,
            committer,
            committed_at,
            message: field(),
        };
        let mut logged = LoggedCommit { commit, added: Vec::new(), removed: Vec::new(), modified: Vec::new() };
        while let Some(letter) = tokens.next_if(|token| token.len() <= 1) {
            match letter {
                "A" => logged.added.extend(tokens.next().map(str::to_owned)),
                "D" => logged.removed.extend(tokens.next().map(str::to_owned)),
                "" => {}
                _ => logged.modified.extend(tokens.next().map(str::to_owned)),
            }
        }
        commits.push(logged);
    }
    commits
}

pub(crate) fn parse_tree(stdout: &[u8]) -> Vec<TreeEntry> {
    let text = String::from_utf8_lossy(stdout);
    text.split('\0')
        .filter_map(|line| {
            let (facts, path) = line.split_once('\t')?;
            let mut facts = facts.split_whitespace();
            Some(TreeEntry {
                mode: facts.next()?.to_owned(),
                kind: facts.next()?.to_owned(),
                sha: facts.next()?.to_owned(),
                size: facts.next().and_then(|size| size.parse().ok()),
                path: path.to_owned(),
            })
        })
        .collect()
}
