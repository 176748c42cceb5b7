//! What to do about it: the troubleshooting that fits a state, where people look when something is wrong.

use jiff::{SignedDuration, Timestamp};
use quillon_core::attempt::{Attempt, AttemptState, Outcome};
use quillon_core::name::{ModulePath, Task};
use quillon_core::run::{Run, RunState};

use super::text::{label, visible};

/// How long an attempt may wait before the page says what it may be waiting for.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// A heading with steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What is the matter.
    pub title: String,
    /// What to do.
    pub steps: Vec<Step>,
}

/// One step, as pieces of text and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The pieces in order.
    pub pieces: Vec<Piece>,
}

/// Text or code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whether it is code.
    pub is_code: bool,
    /// The characters.
    pub text: String,
}

fn advice(title: &str, steps: &[&str]) -> Advice {
    Advice { title: label(title), steps: steps.iter().map(|step| self::step(step)).collect() }
}

/// Splits a step at its backticks.
pub(crate) fn step(text: &str) -> Step {
    let piece = |(index, text): (usize, &str)| Piece { is_code: index % 2 == 1, text: visible(text) };
    Step { pieces: text.split('`').enumerate().filter(|(_, text)| !text.is_empty()).map(piece).collect() }
}

/// Advice for an org without any commit.
#[must_use]
pub fn fresh(public_url: &str) -> Advice {
    advice(
        "No checks yet",
        &[
            "Connect GitHub in the settings, under Git Sources: the GitHub App has to be installed on the account that owns your repositories, with access to them.",
            "Push a commit to a repository that has a `dagger.json`, `dagger-module.toml` or `dagger.toml`: checks run on new events only.",
            "No GitHub App here? In any git repository on this machine, `quillon push <name>` gives its head commit checks.",
            &format!("Webhooks of the App go to `{public_url}/github/webhook`."),
        ],
    )
}

/// Advice for a list that is empty because of its filter.
#[must_use]
pub fn no_match() -> Advice {
    advice(
        "No checks match this filter",
        &[
            "Verify that the GitHub App is installed on the repository's account, with access to this repository.",
            "Push a new commit: checks run on new events only.",
            "Check that the repository has a `dagger.json` (or `dagger-module.toml`, or `dagger.toml` at its root).",
            "The module must define at least one check function: `dagger check --list` shows them.",
        ],
    )
}

/// Advice for a run as a whole.
#[must_use]
pub fn of_run(run: &Run, latest: &[&Attempt]) -> Vec<Advice> {
    let mut found = Vec::new();
    match &run.state {
        RunState::Conflict { base } => found.push(conflict(base.as_str())),
        RunState::NoModule => found.push(advice(
            "This commit has no Dagger module",
            &[
                "Quillon looks for `dagger.json`, `dagger-module.toml` and `dagger.toml`, in every directory but `vendor`, `node_modules` and `testdata`.",
                "Create one with `dagger init` and push again.",
            ],
        )),
        RunState::TooManyModules { found: number } => found.push(advice(
            &format!("This commit has {number} modules"),
            &["Leave directories out in the repository's settings (`ignored_directories`), so that fewer remain, and push again."],
        )),
        RunState::ForkRefused => found.push(advice(
            "Pull requests from forks are not run here",
            &[
                "Whoever runs this instance can allow them on an agent of its own: `quillon agent --run-forks`. Forks never get secrets.",
                "Or push the branch to the repository itself, after reading it.",
            ],
        )),
        RunState::Waiting { .. } => found.push(advice(
            "Waiting for the forge",
            &["It has not said yet whether the pull request can be merged. Quillon asks again; there is nothing to do."],
        )),
        RunState::Open | RunState::Stopped { .. } => {}
    }
    let listed = latest.iter().any(|attempt| attempt.key.task != Task::Load);
    let has_loaded = |attempt: &&&Attempt| attempt.key.task == Task::Load && attempt.outcome() == Some(&Outcome::Success);
    if !listed && latest.iter().any(|attempt| has_loaded(&attempt)) {
        found.push(advice(
            "The module loaded, but it has no checks",
            &["The module must define at least one check function: `dagger check --list` shows those that Dagger finds."],
        ));
    }
    if let Some(reason) = &run.unreportable {
        found.push(unreportable(reason));
    }
    found
}

/// Advice for one attempt of a run.
#[must_use]
pub fn of_attempt(run: &Run, attempt: &Attempt, now: Timestamp) -> Vec<Advice> {
    let mut found = Vec::new();
    match &attempt.state {
        AttemptState::Queued { since } | AttemptState::Offered { since } if now.duration_since(*since) > PATIENCE => found.push(advice(
            "It waits for longer than usual",
            &[
                "An agent may be missing: `quillon up --agents 1` starts one, and `quillon agent --server URL` starts one on another machine.",
                "Other checks may be ahead of it: an org runs a limited number at once.",
                if run.key.lane.trust == quillon_core::trust::Trust::Fork {
                    "This commit comes from a fork: only agents with `--run-forks` take it."
                } else {
                    "Agents say in their own output what they wait for."
                },
            ],
        )),
        AttemptState::Queued { .. } | AttemptState::Offered { .. } | AttemptState::Running { .. } | AttemptState::Expanding { .. } => {}
        AttemptState::Finished { outcome, .. } => found.extend(of_outcome(attempt, outcome)),
    }
    if let Some(reason) = &run.unreportable {
        found.push(unreportable(reason));
    }
    found
}

fn of_outcome(attempt: &Attempt, outcome: &Outcome) -> Option<Advice> {
    let command = command(attempt);
    match (outcome, &attempt.key.task) {
        (Outcome::Success | Outcome::Cancelled(_), _) => None,
        (Outcome::Failure { .. } | Outcome::Error { .. }, Task::Load) => Some(advice(
            "The module does not load",
            &[
                "It may have syntax errors or missing dependencies: the log below ends with the error.",
                &format!("Try running the module locally with `{command}` to reproduce it."),
                "Once it is repaired, push again; after an outage, rerun the load here.",
            ],
        )),
        (Outcome::Failure { .. }, Task::Check(_)) => {
            Some(advice("Reproduce it on your machine", &[&format!("Check this commit out and run `{command}`.")]))
        }
        (Outcome::Error { .. }, Task::Check(_)) => Some(advice(
            "It could not be carried out",
            &["The reason is above, what was printed until then is below.", "If it looks like an outage, rerun the check."],
        )),
        (Outcome::Conflict { base }, _) => Some(conflict(base.as_str())),
        (Outcome::TimedOut, _) => Some(advice(
            "It took too long",
            &["The limit is `timeout_s` in the repository's settings.", "The log below ends where it was stopped."],
        )),
        (Outcome::Lost, _) => Some(advice(
            "Its agents went away",
            &[
                "They stopped answering while they were at it: the machine may have run out of memory or disk, or was shut down.",
                "Look at the agent's own output, then rerun the check.",
            ],
        )),
    }
}

/// What reproduces an attempt on a machine of one's own.
fn command(attempt: &Attempt) -> String {
    let module = if attempt.key.module == ModulePath::root() { String::new() } else { format!(" -m {}", attempt.key.module) };
    match &attempt.key.task {
        Task::Load => format!("dagger check{module}"),
        Task::Check(name) => format!("dagger check{module} {name}"),
    }
}

fn conflict(base: &str) -> Advice {
    advice(
        &format!("It cannot be merged with {base}"),
        &[
            "Checks run on the commit merged with its base, so a commit with conflicts has none.",
            &format!("Resolve them and push again: `git fetch origin && git merge origin/{base}`."),
        ],
    )
}

fn unreportable(reason: &str) -> Advice {
    advice(
        "The forge is not told about these checks",
        &[
            &format!("It refused: {}", label(reason).replace('`', "'")),
            "Verify that the GitHub App has the permission \"Commit statuses: Read and write\", and that it was accepted after a change.",
            "Check that the App is installed on the right account and reaches this repository.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_split_at_backticks() {
        let texts: Vec<(bool, String)> =
            step("run `dagger check` now").pieces.into_iter().map(|piece| (piece.is_code, piece.text)).collect();
        assert_eq!(texts, [(false, "run ".to_owned()), (true, "dagger check".to_owned()), (false, " now".to_owned())]);
        assert_eq!(step("`x`").pieces.len(), 1);
    }
}
