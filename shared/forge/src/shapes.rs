//! The JSON bodies of GitHub's REST API, field by field as its `OpenAPI` description requires them.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    config::Links,
    model::{Account, Installation, Pull, Repository, Selection, Status},
    objects::{CommitInfo, LoggedCommit},
    state::State,
};

/// Webhook events that the App subscribes to.
pub(crate) const EVENTS: [&str; 4] = ["merge_group", "pull_request", "push", "repository"];

/// The App as its answers name it.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    pub(crate) client_id: String,
}

impl App {
    pub(crate) fn new(id: u64, slug: &str) -> App {
        App { id, slug: slug.to_owned(), client_id: format!("Iv1.{id:016x}") }
    }
}

/// Turns what the forge knows into GitHub's JSON.
#[derive(Clone, Copy)]
pub(crate) struct Shapes<'a> {
    pub(crate) links: &'a Links,
    pub(crate) app: &'a App,
    pub(crate) state: &'a State,
}

/// A date as the REST API writes it: UTC, whole seconds.
pub(crate) fn date(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// An opaque id in the form of GitHub's.
pub(crate) fn node_id(kind: &str, id: impl std::fmt::Display) -> String {
    format!("{kind}_{}", BASE64_STANDARD.encode(format!("{kind}:{id}")).trim_end_matches('='))
}

/// Joins two objects; the second one wins.
pub(crate) fn merged(base: Value, more: Value) -> Value {
    match (base, more) {
        (Value::Object(mut base), Value::Object(more)) => {
            base.extend(more);
            Value::Object(base)
        }
        (_, more) => more,
    }
}

impl Shapes<'_> {
    fn account_urls(&self, login: &str) -> Map<String, Value> {
        let api = format!("{}/users/{login}", self.links.api);
        [
            ("followers_url", "/followers"),
            ("following_url", "/following{/other_user}"),
            ("gists_url", "/gists{/gist_id}"),
            ("starred_url", "/starred{/owner}{/repo}"),
            ("subscriptions_url", "/subscriptions"),
            ("organizations_url", "/orgs"),
            ("repos_url", "/repos"),
            ("events_url", "/events{/privacy}"),
            ("received_events_url", "/received_events"),
        ]
        .into_iter()
        .map(|(key, suffix)| (key.to_owned(), json!(format!("{api}{suffix}"))))
        .collect()
    }

    fn actor(&self, id: u64, login: &str, kind: &str) -> Value {
        // Brackets are not allowed in a path, and GitHub escapes them.
        let in_path = login.replace('[', "%5B").replace(']', "%5D");
        let page = match login.strip_suffix("[bot]") {
            Some(slug) => format!("apps/{slug}"),
            None => login.to_owned(),
        };
        let mut actor = self.account_urls(&in_path);
        let facts = json!({
            "login": login,
            "id": id,
            "node_id": node_id(if kind == "Organization" { "O" } else { "U" }, id),
            "avatar_url": format!("{}/avatars/u/{id}?v=4", self.links.html),
            "gravatar_id": "",
            "url": format!("{}/users/{in_path}", self.links.api),
            "html_url": format!("{}/{page}", self.links.html),
            "type": kind,
            "user_view_type": "public",
            "site_admin": false,
        });
        if let Value::Object(facts) = facts {
            actor.extend(facts);
        }
        Value::Object(actor)
    }

    pub(crate) fn account(&self, account: &Account) -> Value {
        self.actor(account.id, &account.login, account.kind.as_str())
    }

    /// An account by id, or GitHub's stand-in for one that is gone.
    pub(crate) fn user(&self, id: u64) -> Value {
        match self.state.accounts.get(&id) {
            Some(account) => self.account(account),
            None => self.actor(10_137, "ghost", "User"),
        }
    }

    /// The App's own account, which posts its statuses.
    pub(crate) fn bot(&self) -> Value {
        self.actor(1_000_000 + self.app.id, &format!("{}[bot]", self.app.slug), "Bot")
    }

    pub(crate) fn organization(&self, account: &Account) -> Value {
        let (login, api) = (&account.login, format!("{}/orgs/{}", self.links.api, account.login));
        json!({
            "login": login, "id": account.id, "node_id": node_id("O", account.id), "url": api,
            "repos_url": format!("{api}/repos"), "events_url": format!("{api}/events"), "hooks_url": format!("{api}/hooks"),
            "issues_url": format!("{api}/issues"), "members_url": format!("{api}/members{{/member}}"),
            "public_members_url": format!("{api}/public_members{{/member}}"),
            "avatar_url": format!("{}/avatars/u/{}?v=4", self.links.html, account.id), "description": "",
        })
    }

    pub(crate) fn repository_url(&self, repository: &Repository) -> String {
        format!("{}/repos/{}", self.links.api, self.state.full_name(repository))
    }

    pub(crate) fn repository_page(&self, repository: &Repository) -> String {
        format!("{}/{}", self.links.html, self.state.full_name(repository))
    }

    /// The five fields that installation events carry.
    pub(crate) fn brief_repository(&self, repository: &Repository) -> Value {
        json!({
            "id": repository.id, "node_id": node_id("R", repository.id), "name": repository.name,
            "full_name": self.state.full_name(repository), "private": repository.private,
        })
    }

    pub(crate) fn repository(&self, repository: &Repository) -> Value {
        let (url, page) = (self.repository_url(repository), self.repository_page(repository));
        let forks = self.state.repositories.values().filter(|other| other.fork_of == Some(repository.id)).count();
        let open = self.state.pulls_of(repository.id).filter(|pull| pull.open).count();
        let full_name = self.state.full_name(repository);
        let mut shape: Map<String, Value> =
            REPOSITORY_URLS.iter().map(|(key, suffix)| ((*key).to_owned(), json!(format!("{url}{suffix}")))).collect();
        let facts = json!({
            "id": repository.id, "node_id": node_id("R", repository.id), "name": repository.name, "full_name": full_name,
            "private": repository.private, "visibility": if repository.private { "private" } else { "public" },
            "owner": self.user(repository.owner), "html_url": page, "description": null, "fork": repository.fork_of.is_some(),
            "url": url, "created_at": date(repository.created_at), "updated_at": date(repository.updated_at),
            "pushed_at": date(repository.pushed_at), "git_url": format!("{page}.git"), "ssh_url": format!("{page}.git"),
            "clone_url": format!("{page}.git"), "svn_url": page, "homepage": null, "size": 0, "stargazers_count": 0,
            "watchers_count": 0, "language": null, "has_issues": true, "has_projects": false, "has_downloads": true,
            "has_wiki": false, "has_pages": false, "has_discussions": false, "forks_count": forks, "mirror_url": null,
            "archived": repository.archived, "disabled": false, "open_issues_count": open, "license": null,
            "allow_forking": true, "is_template": false, "web_commit_signoff_required": false, "topics": [],
            "forks": forks, "open_issues": open, "watchers": 0, "default_branch": repository.default_branch,
        });
        if let Value::Object(facts) = facts {
            shape.extend(facts);
        }
        Value::Object(shape)
    }

    /// A repository as `GET /repos/{owner}/{repo}` answers it: with counts of its network, and its parent.
    pub(crate) fn full_repository(&self, repository: &Repository) -> Value {
        let shape = merged(self.repository(repository), json!({ "network_count": 0, "subscribers_count": 0 }));
        match repository.fork_of.and_then(|id| self.state.repositories.get(&id)) {
            Some(parent) => merged(shape, json!({ "parent": self.repository(parent), "source": self.repository(parent) })),
            None => shape,
        }
    }

    pub(crate) fn app(&self) -> Value {
        let owner = self.state.accounts.values().next().map(|account| account.id).unwrap_or_default();
        json!({
            "id": self.app.id, "slug": self.app.slug, "client_id": self.app.client_id,
            "node_id": node_id("A", self.app.id), "owner": self.user(owner), "name": self.app.slug, "description": "",
            "external_url": self.links.html, "html_url": format!("{}/apps/{}", self.links.html, self.app.slug),
            "created_at": date(Timestamp::UNIX_EPOCH), "updated_at": date(Timestamp::UNIX_EPOCH),
            "permissions": default_permissions(), "events": EVENTS, "installations_count": self.state.installations.len(),
        })
    }

    pub(crate) fn installation(&self, installation: &Installation) -> Value {
        let kind = self.state.accounts.get(&installation.account).map_or("User", |account| account.kind.as_str());
        let suspended_by = installation.suspended_at.map(|_| self.user(installation.account));
        json!({
            "id": installation.id, "node_id": node_id("I", installation.id), "client_id": self.app.client_id,
            "account": self.user(installation.account),
            "repository_selection": selection_word(&installation.selection),
            "access_tokens_url": format!("{}/app/installations/{}/access_tokens", self.links.api, installation.id),
            "repositories_url": format!("{}/installation/repositories", self.links.api),
            "html_url": format!("{}/settings/installations/{}", self.links.html, installation.id),
            "app_id": self.app.id, "app_slug": self.app.slug, "target_id": installation.account, "target_type": kind,
            "permissions": installation.permissions, "events": EVENTS, "created_at": date(installation.created_at),
            "updated_at": date(installation.updated_at), "single_file_name": null, "has_multiple_single_files": false,
            "single_file_paths": [], "suspended_by": suspended_by, "suspended_at": installation.suspended_at.map(date),
        })
    }

    /// A commit of the git database (`/git/commits/{sha}`).
    pub(crate) fn git_commit(&self, repository: &Repository, commit: &CommitInfo) -> Value {
        let (url, page) = (self.repository_url(repository), self.repository_page(repository));
        let parents: Vec<Value> = commit
            .parents
            .iter()
            .map(|sha| json!({ "sha": sha, "url": format!("{url}/git/commits/{sha}"), "html_url": format!("{page}/commit/{sha}") }))
            .collect();
        json!({
            "sha": commit.sha, "node_id": node_id("C", &commit.sha), "url": format!("{url}/git/commits/{}", commit.sha),
            "html_url": format!("{page}/commit/{}", commit.sha),
            "author": { "name": commit.author.name, "email": commit.author.email, "date": date(commit.authored_at) },
            "committer": { "name": commit.committer.name, "email": commit.committer.email, "date": date(commit.committed_at) },
            "tree": { "sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree) },
            "message": commit.message, "parents": parents, "verification": unsigned(),
        })
    }

    /// A commit of the repository (`/commits/{ref}`).
    pub(crate) fn commit(&self, repository: &Repository, logged: &LoggedCommit) -> Value {
        let (url, page, commit) = (self.repository_url(repository), self.repository_page(repository), &logged.commit);
        let parents: Vec<Value> = commit
            .parents
            .iter()
            .map(|sha| json!({ "sha": sha, "url": format!("{url}/commits/{sha}"), "html_url": format!("{page}/commit/{sha}") }))
            .collect();
        json!({
            "url": format!("{url}/commits/{}", commit.sha), "sha": commit.sha, "node_id": node_id("C", &commit.sha),
            "html_url": format!("{page}/commit/{}", commit.sha), "comments_url": format!("{url}/commits/{}/comments", commit.sha),
            "commit": {
                "url": format!("{url}/git/commits/{}", commit.sha),
                "author": { "name": commit.author.name, "email": commit.author.email, "date": date(commit.authored_at) },
                "committer": { "name": commit.committer.name, "email": commit.committer.email, "date": date(commit.committed_at) },
                "message": commit.message, "comment_count": 0,
                "tree": { "sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree) },
                "verification": unsigned(),
            },
            "author": self.user_by_email(&commit.author.email), "committer": self.user_by_email(&commit.committer.email),
            "parents": parents,
        })
    }

    /// The account that owns an address, as GitHub finds authors.
    fn user_by_email(&self, email: &str) -> Option<Value> {
        let login = email.split_once('@').filter(|(_, host)| host.contains("noreply"))?.0;
        let login = login.rsplit('+').next().unwrap_or(login);
        self.state.account_by_login(login).map(|account| self.account(account))
    }

    /// A pull request as lists show it; [`Shapes::full_pull`] adds what only the single read has.
    pub(crate) fn pull(&self, pull: &Pull) -> Value {
        let Some(base) = self.state.repositories.get(&pull.repository) else { return Value::Null };
        let (url, page) = (self.repository_url(base), self.repository_page(base));
        let (this, issue) = (format!("{url}/pulls/{}", pull.number), format!("{url}/issues/{}", pull.number));
        let html = format!("{page}/pull/{}", pull.number);
        let statuses = format!("{url}/statuses/{}", pull.head_sha);
        let head = pull.head_repository.and_then(|id| self.state.repositories.get(&id));
        json!({
            "url": this, "id": pull.id, "node_id": node_id("PR", pull.id), "html_url": html, "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"), "issue_url": issue, "number": pull.number,
            "state": if pull.open { "open" } else { "closed" }, "locked": false, "title": pull.title,
            "user": self.user(pull.author), "body": null, "created_at": date(pull.created_at), "updated_at": date(pull.updated_at),
            "closed_at": pull.closed_at.map(date), "merged_at": pull.merged.as_ref().map(|merged| date(merged.at)),
            "merge_commit_sha": self.merge_commit(pull), "assignee": null, "assignees": [], "requested_reviewers": [],
            "requested_teams": [], "labels": [], "milestone": null, "draft": pull.draft,
            "commits_url": format!("{this}/commits"), "review_comments_url": format!("{this}/comments"),
            "review_comment_url": format!("{url}/pulls/comments{{/number}}"), "comments_url": format!("{issue}/comments"),
            "statuses_url": statuses,
            "head": {
                "label": format!("{}:{}", self.state.login(pull.head_owner), pull.head_ref), "ref": pull.head_ref,
                "sha": pull.head_sha, "user": self.user(pull.head_owner), "repo": head.map(|head| self.repository(head)),
            },
            "base": {
                "label": format!("{}:{}", self.state.login(base.owner), pull.base_ref), "ref": pull.base_ref,
                "sha": pull.base_sha, "user": self.user(base.owner), "repo": self.repository(base),
            },
            "_links": {
                "self": { "href": this }, "html": { "href": html }, "issue": { "href": issue },
                "comments": { "href": format!("{issue}/comments") }, "review_comments": { "href": format!("{this}/comments") },
                "review_comment": { "href": format!("{url}/pulls/comments{{/number}}") },
                "commits": { "href": format!("{this}/commits") }, "statuses": { "href": statuses },
            },
            "author_association": pull.author_association, "auto_merge": null, "active_lock_reason": null,
        })
    }

    fn merge_commit(&self, pull: &Pull) -> Option<String> {
        match &pull.merged {
            Some(merged) => Some(merged.sha.clone()),
            None => self.state.merging.get(&pull.id).and_then(|merging| merging.result.clone().flatten()),
        }
    }

    /// A pull request as the single read and the webhooks show it; `mergeable` is `None` while it is not known.
    pub(crate) fn full_pull(&self, pull: &Pull, mergeable: Option<bool>) -> Value {
        let word = match mergeable {
            None => "unknown",
            Some(false) => "dirty",
            Some(true) if pull.draft => "draft",
            Some(true) => "clean",
        };
        let more = json!({
            "merged": pull.merged.is_some(), "mergeable": mergeable, "rebaseable": mergeable, "mergeable_state": word,
            "merged_by": pull.merged.as_ref().map(|_| self.user(pull.author)), "comments": 0, "review_comments": 0,
            "maintainer_can_modify": false, "commits": pull.size.commits, "additions": pull.size.additions,
            "deletions": pull.size.deletions, "changed_files": pull.size.changed_files,
        });
        merged(self.pull(pull), more)
    }

    /// A status as the combined read shows it.
    pub(crate) fn brief_status(&self, repository: &Repository, status: &Status) -> Value {
        json!({
            "url": format!("{}/statuses/{}", self.repository_url(repository), status.sha),
            "avatar_url": format!("{}/avatars/in/{}?v=4", self.links.html, self.app.id), "id": status.id,
            "node_id": node_id("SC", status.id), "state": status.state, "description": status.description,
            "target_url": status.target_url, "context": status.context, "created_at": date(status.created_at),
            "updated_at": date(status.created_at),
        })
    }

    pub(crate) fn status(&self, repository: &Repository, status: &Status) -> Value {
        merged(self.brief_status(repository, status), json!({ "creator": self.bot() }))
    }
}

pub(crate) fn selection_word(selection: &Selection) -> &'static str {
    match selection {
        Selection::All => "all",
        Selection::Selected(_) => "selected",
    }
}

/// What the App may do where an installation does not say otherwise; `merge_queues` is what `merge_group` events need,
/// `members` what tells whether a person administers an organization.
pub(crate) fn default_permissions() -> std::collections::BTreeMap<String, String> {
    let levels = [
        ("contents", "read"),
        ("members", "read"),
        ("merge_queues", "read"),
        ("metadata", "read"),
        ("pull_requests", "read"),
        ("statuses", "write"),
    ];
    levels.into_iter().map(|(name, level)| (name.to_owned(), level.to_owned())).collect()
}

/// What GitHub says about an object without a signature.
pub(crate) fn unsigned() -> Value {
    json!({ "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null })
}

const REPOSITORY_URLS: [(&str, &str); 36] = [
    ("forks_url", "/forks"),
    ("keys_url", "/keys{/key_id}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("teams_url", "/teams"),
    ("hooks_url", "/hooks"),
    ("issue_events_url", "/issues/events{/number}"),
    ("events_url", "/events"),
    ("assignees_url", "/assignees{/user}"),
    ("branches_url", "/branches{/branch}"),
    ("tags_url", "/tags"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("trees_url", "/git/trees{/sha}"),
    ("statuses_url", "/statuses/{sha}"),
    ("languages_url", "/languages"),
    ("stargazers_url", "/stargazers"),
    ("contributors_url", "/contributors"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("commits_url", "/commits{/sha}"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("comments_url", "/comments{/number}"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("contents_url", "/contents/{+path}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("merges_url", "/merges"),
    ("archive_url", "/{archive_format}{/ref}"),
    ("downloads_url", "/downloads"),
    ("issues_url", "/issues{/number}"),
    ("pulls_url", "/pulls{/number}"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("labels_url", "/labels{/name}"),
    ("releases_url", "/releases{/id}"),
    ("deployments_url", "/deployments"),
];
