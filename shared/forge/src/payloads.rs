//! The bodies of webhooks, in the shape of GitHub's own examples.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Forge, ForgeError,
    model::{AccountKind, Installation, Person, Pull, Repository},
    names::ZERO,
    objects::{CommitInfo, LoggedCommit},
    shapes::{EVENTS, Shapes, date, merged, node_id, selection_word},
    state::State,
};

/// What a push did to one ref, with what its webhook tells about it.
pub(crate) struct PushedRef {
    /// Full name.
    pub(crate) name: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) forced: bool,
    /// Oldest first.
    pub(crate) commits: Vec<LoggedCommit>,
    pub(crate) head: Option<LoggedCommit>,
}

impl Forge {
    pub(crate) fn shapes<'a>(&'a self, state: &'a State) -> Shapes<'a> {
        Shapes { links: &self.inner.links, app: &self.inner.app, state }
    }

    /// Queues an event about a repository, if an active installation covers it.
    pub(crate) fn emit(
        &self,
        state: &mut State,
        event: &str,
        action: Option<&str>,
        repository: u64,
        sender: u64,
        body: Value,
    ) -> Result<(), ForgeError> {
        let found = state.repository(repository)?;
        let Some(installation) = state.installation_of(found).filter(|installation| installation.suspended_at.is_none()) else {
            return Ok(());
        };
        let shapes = self.shapes(state);
        let installation = installation.id;
        let mut whole = json!({
            "repository": shapes.repository(found), "sender": shapes.user(sender),
            "installation": { "id": installation, "node_id": node_id("I", installation) },
        });
        if let Some(action) = action {
            whole["action"] = json!(action);
        }
        if let Some(owner) = state.accounts.get(&found.owner).filter(|owner| owner.kind == AccountKind::Organization) {
            whole["organization"] = shapes.organization(owner);
        }
        let whole = merged(whole, body);
        self.enqueue(state, event, action, (Some(installation), Some(repository)), &whole)
    }

    /// Queues an event about an installation itself; it is sent to suspended ones too.
    pub(crate) fn emit_installation(
        &self,
        state: &mut State,
        event: &str,
        action: &str,
        installation: &Installation,
        body: Value,
    ) -> Result<(), ForgeError> {
        let shapes = self.shapes(state);
        let sender = self.actor.unwrap_or(installation.account);
        let whole = json!({ "action": action, "installation": shapes.installation(installation), "sender": shapes.user(sender) });
        self.enqueue(state, event, Some(action), (Some(installation.id), None), &merged(whole, body))
    }
}

impl Shapes<'_> {
    pub(crate) fn ping(&self, url: &str, now: Timestamp) -> Value {
        let config = json!({ "content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url });
        json!({
            "zen": "Keep it logically awesome.", "hook_id": self.app.id,
            "hook": {
                "type": "App", "id": self.app.id, "name": "web", "active": true, "events": EVENTS, "config": config,
                "updated_at": date(now), "created_at": date(now), "app_id": self.app.id,
                "deliveries_url": format!("{}/app/hook/deliveries", self.links.api),
            },
        })
    }

    /// The body of a `push` event, without what every repository event has.
    pub(crate) fn push(&self, repository: &Repository, pushed: &PushedRef, sender: u64) -> Value {
        let page = self.repository_page(repository);
        let (before, after) = (pushed.before.as_deref().unwrap_or(ZERO), pushed.after.as_deref().unwrap_or(ZERO));
        let short = |sha: &str| sha.chars().take(12).collect::<String>();
        let compare = match (&pushed.before, &pushed.after) {
            (Some(_), Some(_)) => format!("{page}/compare/{}...{}", short(before), short(after)),
            (None, Some(_)) => format!("{page}/compare/{}", pushed.name.trim_start_matches("refs/heads/")),
            (_, None) => format!("{page}/compare/{}...{}", short(before), short(ZERO)),
        };
        let login = self.state.login(sender).to_owned();
        let owner = self.state.login(repository.owner).to_owned();
        let owner_person = json!({ "name": owner, "email": noreply(repository.owner, &owner) });
        let extra = json!({
            "created_at": repository.created_at.as_second(), "pushed_at": repository.pushed_at.as_second(),
            "url": page, "stargazers": 0, "master_branch": repository.default_branch,
            "owner": merged(self.user(repository.owner), owner_person),
        });
        json!({
            "ref": pushed.name, "before": before, "after": after, "created": pushed.before.is_none(),
            "deleted": pushed.after.is_none(), "forced": pushed.forced, "base_ref": null, "compare": compare,
            "commits": pushed.commits.iter().map(|logged| self.pushed_commit(repository, logged)).collect::<Vec<_>>(),
            "head_commit": pushed.head.as_ref().map(|logged| self.pushed_commit(repository, logged)),
            "repository": merged(self.repository(repository), extra),
            "pusher": { "name": login, "email": noreply(sender, &login) },
        })
    }

    fn pushed_commit(&self, repository: &Repository, logged: &LoggedCommit) -> Value {
        let commit = &logged.commit;
        json!({
            "id": commit.sha, "tree_id": commit.tree, "distinct": true, "message": commit.message,
            "timestamp": date(commit.committed_at),
            "url": format!("{}/commit/{}", self.repository_page(repository), commit.sha),
            "author": self.committer(&commit.author), "committer": self.committer(&commit.committer),
            "added": logged.added, "removed": logged.removed, "modified": logged.modified,
        })
    }

    fn committer(&self, person: &Person) -> Value {
        let login = person.email.split('@').next().unwrap_or_default().rsplit('+').next().unwrap_or_default();
        let mut shape = json!({ "name": person.name, "email": person.email });
        if let Some(account) = self.state.account_by_login(login) {
            shape["username"] = json!(account.login);
        }
        shape
    }

    pub(crate) fn pull_request(&self, pull: &Pull, more: Value) -> Value {
        merged(json!({ "number": pull.number, "pull_request": self.full_pull(pull, None) }), more)
    }

    pub(crate) fn merge_group(&self, head_ref: &str, base_ref: &str, base_sha: &str, head: &CommitInfo) -> Value {
        let person = |person: &Person| json!({ "name": person.name, "email": person.email });
        json!({
            "merge_group": {
                "head_sha": head.sha, "head_ref": head_ref, "base_sha": base_sha, "base_ref": base_ref,
                "head_commit": {
                    "id": head.sha, "tree_id": head.tree, "message": head.message, "timestamp": date(head.committed_at),
                    "author": person(&head.author), "committer": person(&head.committer),
                },
            },
        })
    }

    /// What `installation` events list: every covered repository in brief.
    pub(crate) fn covered(&self, installation: &Installation) -> Vec<Value> {
        let covered = self.state.repositories.values().filter(|repository| self.state.covers(installation, repository));
        covered.map(|repository| self.brief_repository(repository)).collect()
    }

    pub(crate) fn selection_change(&self, installation: &Installation, added: &[Value], removed: &[Value]) -> Value {
        json!({
            "repository_selection": selection_word(&installation.selection), "repositories_added": added,
            "repositories_removed": removed, "requester": null,
        })
    }
}

/// The address by which GitHub hides a person's own.
pub(crate) fn noreply(account: u64, login: &str) -> String {
    format!("{account}+{login}@users.noreply.github.com")
}
