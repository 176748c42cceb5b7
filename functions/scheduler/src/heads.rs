//! The head sweep: finds pushes whose deliveries never came, by comparing heads with what the table knows.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use quillon_core::id::{CommitSha, InstallationId, RepositoryId};
use quillon_core::message::EventMessage;
use quillon_core::name::Ref;
use quillon_core::run::CommitKey;

use crate::lifecycle::Note;
use crate::look::{Asked, look};
use crate::observe::MERGE_QUEUE;
use crate::{Deps, Error, claim, lifecycle};

/// Most heads of one repository that are compared; busier ones are served by their webhooks.
const MAX_HEADS: usize = 2_000;

/// Hands every repository of every installation over to a message of its own.
pub(crate) async fn sweep_all(deps: &Deps, now: Timestamp) -> Result<(), Error> {
    let app = deps.app(now).await?;
    let mut page = Some(1);
    while let Some(number) = page {
        let listed = app.installations(number).await?;
        for installation in listed.items.iter().filter(|installation| !installation.is_suspended) {
            let Some(claimed) = claim::of(deps, installation.id, now).await? else { continue };
            let known = deps.workflow.store.repositories_reached(claimed.org, installation.id).await?;
            if known.is_empty() {
                // The word of its claim was lost, or GitHub has just given it its first repository.
                lifecycle::refresh_installation(deps, installation.id, Note::Always, now).await?;
            }
            for repository in known {
                if repository.is_enabled {
                    let message = EventMessage::SweepHeads { installation: installation.id, repository: repository.id };
                    deps.workflow.queues.send_event(&message, "heads", Duration::ZERO).await?;
                }
            }
        }
        page = listed.next;
    }
    Ok(())
}

/// The heads of a repository as GitHub lists them.
struct Listed {
    heads: BTreeMap<Ref, CommitSha>,
    /// Whether these are all of them: only then is one that is not listed gone.
    is_complete: bool,
}

/// Looks at every head of a repository that is not where the table has it.
///
/// A repository of which nothing is known yet is left alone: checks run on new events, not on a whole history at once.
pub(crate) async fn sweep_repository(
    deps: &Deps,
    installation: InstallationId,
    repository: RepositoryId,
    now: Timestamp,
) -> Result<(), Error> {
    if claim::of(deps, installation, now).await?.is_none() {
        return Ok(());
    }
    let stored: BTreeMap<Ref, Option<CommitSha>> =
        deps.workflow.store.heads(repository).await?.into_iter().map(|(reference, head)| (reference, head.sha)).collect();
    if stored.is_empty() {
        return Ok(());
    }
    let current = current_heads(deps, installation, repository, now).await?;
    let asked = Asked { event: Some("head_sweep".to_owned()), actor: None };
    for reference in moved(&stored, &current) {
        look(deps, installation, repository, &reference, &asked, now).await?;
    }
    Ok(())
}

/// The refs whose stored head is not their current one: moved, new, or gone. Tags do not move.
fn moved(stored: &BTreeMap<Ref, Option<CommitSha>>, current: &Listed) -> Vec<Ref> {
    let is_known = |reference: &Ref, sha: &CommitSha| stored.get(reference).is_some_and(|known| known.as_ref() == Some(sha));
    let changed = current.heads.iter().filter(|(reference, sha)| !is_known(reference, sha)).map(|(reference, _)| reference);
    let is_gone = |reference: &&Ref| match reference {
        Ref::Tag(_) => false,
        Ref::Branch(_) | Ref::Pull(_) => current.is_complete && !current.heads.contains_key(*reference),
    };
    let gone = stored.iter().filter(|(_, sha)| sha.is_some()).map(|(reference, _)| reference).filter(is_gone);
    changed.chain(gone).cloned().collect()
}

async fn current_heads(deps: &Deps, installation: InstallationId, repository: RepositoryId, now: Timestamp) -> Result<Listed, Error> {
    let client = deps.app(now).await?.installation(installation);
    let mut heads = BTreeMap::new();
    let mut branches = Some(1);
    while let Some(number) = branches.filter(|_| heads.len() < MAX_HEADS) {
        let listed = client.branches(repository, number).await?;
        heads.extend(listed.items.into_iter().map(|branch| (Ref::Branch(branch.name), branch.sha)));
        branches = listed.next;
    }
    let mut pulls = Some(1);
    while let Some(number) = pulls.filter(|_| heads.len() < 2 * MAX_HEADS) {
        let listed = client.open_pulls(repository, number).await?;
        heads.extend(listed.items.into_iter().map(|pull| (Ref::Pull(pull.number), pull.head_sha)));
        pulls = listed.next;
    }
    Ok(Listed { heads, is_complete: branches.is_none() && pulls.is_none() })
}

/// Looks at the temporary branches of the merge queue that point at a commit: GitHub has taken them down.
pub(crate) async fn look_at_merge_groups(
    deps: &Deps,
    installation: InstallationId,
    repository: RepositoryId,
    sha: &CommitSha,
    now: Timestamp,
) -> Result<(), Error> {
    let commit = CommitKey { repository, sha: sha.clone() };
    for reference in deps.workflow.store.live_refs(&commit).await? {
        if is_merge_group(&reference) {
            look(deps, installation, repository, &reference, &Asked::again(), now).await?;
        }
    }
    Ok(())
}

fn is_merge_group(reference: &Ref) -> bool {
    match reference {
        Ref::Branch(branch) => branch.as_str().starts_with(MERGE_QUEUE),
        Ref::Tag(_) | Ref::Pull(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(digit: &str) -> CommitSha {
        digit.repeat(40).parse().expect("a sha")
    }

    fn reference(text: &str) -> Ref {
        text.parse().expect("a ref")
    }

    #[test]
    fn what_moved_appeared_or_went_is_looked_at() {
        let stored = BTreeMap::from([
            (reference("refs/heads/main"), Some(sha("a"))),
            (reference("refs/heads/moved"), Some(sha("a"))),
            (reference("refs/heads/deleted"), Some(sha("a"))),
            (reference("refs/heads/long-gone"), None),
            (reference("refs/tags/v1"), Some(sha("a"))),
        ]);
        let found = |is_complete| {
            let heads = BTreeMap::from([
                (reference("refs/heads/main"), sha("a")),
                (reference("refs/heads/moved"), sha("b")),
                (reference("refs/pull/7/head"), sha("c")),
            ]);
            let mut found: Vec<String> = moved(&stored, &Listed { heads, is_complete }).iter().map(Ref::to_string).collect();
            found.sort();
            found
        };
        assert_eq!(found(true), ["refs/heads/deleted", "refs/heads/moved", "refs/pull/7/head"]);
        assert_eq!(found(false), ["refs/heads/moved", "refs/pull/7/head"], "what was not listed need not be gone");
    }
}
