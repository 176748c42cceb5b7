//! Looking at a ref: make the table agree with what GitHub says its head is now.
//!
//! Duplicate, late and reordered hints all come down to the same look. The head item's version is read before GitHub is
//! asked and is a condition of the write, so an older look can never overwrite a newer one.
//!
//! Where autocheck is off, heads are kept up to date without runs: switching it on starts with the next event of a ref, not with
//! all that came before. Switching it off stops nothing.

use jiff::Timestamp;
use quillon_core::attempt::{Attempt, CancelReason};
use quillon_core::commit::Commit;
use quillon_core::id::{CommitSha, InstallationId, OrgId, RepositoryId};
use quillon_core::lane::{KnownRun, Placement, place};
use quillon_core::message::EventMessage;
use quillon_core::name::Ref;
use quillon_core::org::{Repository, RepositorySettings};
use quillon_core::rerun::revive;
use quillon_core::run::{CommitKey, MAX_RUN_REFS, Run, RunEvent, RunKey, RunRef, RunState};
use quillon_github::InstallationClient;
use quillon_github::view::RepositoryView;
use quillon_store::{Head as StoredHead, HeadChange, RunChange, Written};

use crate::claim::Claimed;
use crate::lifecycle::Note;
use crate::observe::{self, Head, Observed};
use crate::open::{self, Opening};
use crate::{Deps, Error, claim, lifecycle};

/// How often a look begins again because the head moved under it.
const MAX_LOOKS: usize = 6;

/// Who wants a ref looked at.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The event behind it; none when it is looked at once more.
    pub(crate) event: Option<String>,
    /// Login of who caused the event.
    pub(crate) actor: Option<String>,
}

impl Asked {
    /// A second look at something that an event asked for earlier.
    pub(crate) fn again() -> Self {
        Self { event: None, actor: None }
    }
}

/// A look in progress.
pub(crate) struct Look<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) client: InstallationClient,
    pub(crate) claimed: Claimed,
    pub(crate) org: OrgId,
    pub(crate) installation: InstallationId,
    pub(crate) view: RepositoryView,
    pub(crate) settings: RepositorySettings,
    pub(crate) reference: &'a Ref,
    pub(crate) asked: &'a Asked,
    pub(crate) now: Timestamp,
}

/// Looks at a ref.
pub(crate) async fn look(
    deps: &Deps,
    installation: InstallationId,
    repository: RepositoryId,
    reference: &Ref,
    asked: &Asked,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(claimed) = claim::of(deps, installation, now).await? else { return Ok(()) };
    let client = deps.app(now).await?.installation(installation);
    for _ in 0..MAX_LOOKS {
        let seen = deps.workflow.store.head(repository, reference).await?;
        let Some(view) = observe::repository(&client, repository, installation).await? else {
            return lifecycle::disable_repository(deps, installation, repository, &CancelReason::RepositoryGone, now).await;
        };
        let Some(stored) = lifecycle::note_repository(deps, &claimed, &view, Note::News, now).await? else { return Ok(()) };
        let Repository { settings, .. } = stored;
        let observed = observe::observe(&client, &view, &settings, reference).await?;
        let look = Look { deps, client: client.clone(), claimed, org: claimed.org, installation, view, settings, reference, asked, now };
        let written = match observed {
            Observed::Head(head) => look.on_head(&head, &seen).await?,
            Observed::Gone => look.on_gone(&seen).await?,
        };
        match written {
            Written::Done => return Ok(()),
            // Somebody else looked at the same time, perhaps at something newer.
            Written::Lost => {}
        }
    }
    Err(Error::Restless(reference.clone()))
}

impl Look<'_> {
    async fn on_head(&self, head: &Head, seen: &StoredHead) -> Result<Written, Error> {
        let workflow = &self.deps.workflow;
        let key = CommitKey { repository: self.view.id, sha: head.sha.clone() };
        let commit = workflow.store.commit(&key).await?;
        let has_moved = seen.sha.as_ref() != Some(&head.sha);
        let placement = self.placement(head, &commit);
        if !self.runs(&placement, &commit, has_moved) {
            return if has_moved { self.record(&head.sha, seen).await } else { Ok(Written::Done) };
        }
        let (change, attempts) = match placement {
            Placement::Join(lane) => self.join(head, &commit, &RunKey { commit: key.clone(), lane }, has_moved).await?,
            Placement::Start { supersedes } => {
                for lane in supersedes {
                    if let Ref::Pull(number) = self.reference {
                        workflow.cancel_commit(&key, Some(&lane), &CancelReason::SupersededInLane { by: *number }, self.now).await?;
                    }
                }
                let Opening { run, attempts } = open::open(self, head, commit.next_generation()).await?;
                (RunChange::Create(Box::new(run)), attempts)
            }
        };
        // Before the head is written: after a crash here, the repetition finds the old head again and repeats this.
        self.supersede_previous(seen, &head.sha).await?;
        let state = match &change {
            RunChange::Create(run) | RunChange::Save(run) => Some((run.state.clone(), run.key.clone())),
            RunChange::None => None,
        };
        if has_moved || state.is_some() {
            let change = HeadChange {
                repository: self.view.id,
                reference: self.reference.clone(),
                sha: Some(head.sha.clone()),
                seen: seen.version,
                run: change,
                attempts,
                now: self.now,
            };
            match workflow.store.write_head(&change).await? {
                Written::Done => {}
                Written::Lost => return Ok(Written::Lost),
            }
        }
        // Sent for repetitions too: the first time may have died before it came to this.
        let cause = self.asked.event.as_deref().unwrap_or("look");
        workflow.queues.send_status(&key, cause).await?;
        workflow.queues.send_dispatch(self.org, cause).await?;
        if let Some((RunState::Waiting { tries }, _)) = state {
            let message =
                EventMessage::Look { installation: self.installation, repository: self.view.id, reference: self.reference.clone() };
            workflow.queues.send_event(&message, cause, open::patience(tries)).await?;
        }
        Ok(Written::Done)
    }

    fn placement(&self, head: &Head, commit: &Commit) -> Placement {
        let refs: Vec<Vec<Ref>> =
            commit.runs.iter().map(|run| run.refs.iter().map(|asked_by| asked_by.reference.clone()).collect()).collect();
        let known: Vec<KnownRun<'_>> =
            commit.runs.iter().zip(&refs).map(|(run, refs)| KnownRun { lane: &run.key.lane, is_over: commit.is_over(run), refs }).collect();
        place(&head.lane, self.reference, &known)
    }

    /// Whether a head is run at all.
    fn runs(&self, placement: &Placement, commit: &Commit, has_moved: bool) -> bool {
        let (repository, reference) = (&self.view.name, self.reference);
        let joined = match placement {
            Placement::Join(lane) => commit.runs.iter().find(|run| run.key.lane == *lane),
            Placement::Start { .. } => None,
        };
        if joined.is_some_and(|run| run.org != self.org) {
            tracing::info!(vcs.repository.name = %repository, vcs.ref.name = %reference, "the commit was run for another org, it is not run again");
            return false;
        }
        if !self.claimed.may_check {
            tracing::info!(vcs.repository.name = %repository, vcs.ref.name = %reference, "the plan of the org has no checks, no run is made");
            return false;
        }
        // A run that waits was made before autocheck was switched off.
        let goes_on = joined.is_some_and(|run| matches!(run.state, RunState::Waiting { .. })) && !has_moved;
        if !self.settings.autocheck && !goes_on {
            tracing::info!(vcs.repository.name = %repository, vcs.ref.name = %reference, "autocheck is off for the repository, no run is made");
            return false;
        }
        true
    }

    /// Remembers a head without a run.
    async fn record(&self, sha: &CommitSha, seen: &StoredHead) -> Result<Written, Error> {
        let change = HeadChange {
            repository: self.view.id,
            reference: self.reference.clone(),
            sha: Some(sha.clone()),
            seen: seen.version,
            run: RunChange::None,
            attempts: vec![],
            now: self.now,
        };
        Ok(self.deps.workflow.store.write_head(&change).await?)
    }

    /// The head's commit has a run in its lane: it answers for this ref too, and gets new attempts if the head has returned to
    /// a commit whose work was stopped.
    async fn join(&self, head: &Head, commit: &Commit, key: &RunKey, has_moved: bool) -> Result<(RunChange, Vec<Attempt>), Error> {
        let Some(known) = commit.run(key) else { return Ok((RunChange::None, vec![])) };
        let is_new_ref = !known.refs.iter().any(|asked_by| asked_by.reference == *self.reference);
        let mut run = known.clone();
        let attempts = match &known.state {
            RunState::Waiting { .. } => {
                let decided = open::decide(self, head, &mut run).await?;
                if known.state == run.state && !is_new_ref {
                    return Ok((RunChange::None, vec![]));
                }
                decided
            }
            // What stopped a run, or kept it from opening, may be different now that its head has returned.
            RunState::Stopped { .. } | RunState::Conflict { .. } | RunState::ForkRefused if has_moved => {
                run.state = RunState::Waiting { tries: 0 };
                open::decide(self, head, &mut run).await?
            }
            RunState::Open if has_moved => revive(&commit.latest(key), self.now),
            RunState::Open
            | RunState::Stopped { .. }
            | RunState::Conflict { .. }
            | RunState::NoModule
            | RunState::TooManyModules { .. }
            | RunState::ForkRefused => vec![],
        };
        if !is_new_ref && !has_moved && attempts.is_empty() && run == *known {
            return Ok((RunChange::None, vec![]));
        }
        self.remember(&mut run, head);
        run.due_at = Some(open::soon(self.now));
        run.version += 1;
        Ok((RunChange::Save(Box::new(run)), attempts))
    }

    /// Adds the ref and the event to what a run knows of its origin.
    pub(crate) fn remember(&self, run: &mut Run, head: &Head) {
        if !run.refs.iter().any(|asked_by| asked_by.reference == *self.reference) && run.refs.len() < MAX_RUN_REFS {
            run.refs.push(RunRef { reference: self.reference.clone(), title: head.title.clone() });
        }
        if let Some(kind) = &self.asked.event
            && run.events.len() < MAX_RUN_REFS
        {
            run.events.push(RunEvent { kind: kind.clone(), at: self.now, actor: self.asked.actor.clone() });
        }
    }

    /// Stops the work of the commit that this ref pointed at before, unless another ref still does.
    async fn supersede_previous(&self, seen: &StoredHead, by: &CommitSha) -> Result<(), Error> {
        let is_exempt = match self.reference {
            Ref::Branch(branch) => *branch == self.view.default_branch && !self.settings.supersede_default_branch,
            // A tag names a commit for good: moving it says nothing against the old one.
            Ref::Tag(_) => true,
            Ref::Pull(_) => false,
        };
        match &seen.sha {
            Some(previous) if previous != by && !is_exempt => {
                self.stop_unless_needed(previous, &CancelReason::Superseded { by: by.clone() }).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn on_gone(&self, seen: &StoredHead) -> Result<Written, Error> {
        let Some(last) = &seen.sha else { return Ok(Written::Done) };
        let reason = match self.reference {
            Ref::Pull(number) => CancelReason::PullClosed { number: *number },
            Ref::Branch(_) | Ref::Tag(_) => CancelReason::RefDeleted { reference: self.reference.clone() },
        };
        self.stop_unless_needed(last, &reason).await?;
        let change = HeadChange {
            repository: self.view.id,
            reference: self.reference.clone(),
            sha: None,
            seen: seen.version,
            run: RunChange::None,
            attempts: vec![],
            now: self.now,
        };
        Ok(self.deps.workflow.store.write_head(&change).await?)
    }

    async fn stop_unless_needed(&self, sha: &CommitSha, reason: &CancelReason) -> Result<(), Error> {
        let workflow = &self.deps.workflow;
        let key = CommitKey { repository: self.view.id, sha: sha.clone() };
        let others = workflow.store.live_refs(&key).await?;
        if others.iter().any(|other| other != self.reference) {
            return Ok(());
        }
        Ok(workflow.cancel_commit(&key, None, reason, self.now).await?)
    }
}
