//! Lanes: in which company one commit is tested. A run is one (repository, head SHA, lane).

use std::fmt;
use std::str::FromStr;

use crate::id::{InvalidId, serde_as_text};
use crate::name::{BranchName, Ref, from_key_segment, key_segment};
use crate::trust::Trust;

/// What the head commit is combined with before its checks run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// Nothing: default branch, tags, exempt branches.
    AsIs,
    /// Merged with the head of this branch.
    Branch(BranchName),
    /// Nothing, but it is GitHub's own merge commit of the queue of this branch.
    MergeQueue(BranchName),
}

/// Base and trust of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// What the head is merged with.
    pub base: Base,
    /// Whether its author is trusted.
    pub trust: Trust,
}

impl Lane {
    /// The lane of a push to a branch: merged with the default branch, unless it is that or matches an exempt glob.
    #[must_use]
    pub fn of_branch(branch: &BranchName, default_branch: &BranchName, exempt: &[String]) -> Self {
        let is_exempt = branch == default_branch || exempt.iter().any(|glob| glob_matches(glob, branch.as_str()));
        let base = if is_exempt { Base::AsIs } else { Base::Branch(default_branch.clone()) };
        Self { base, trust: Trust::Trusted }
    }

    /// The lane of a tag: as it is.
    #[must_use]
    pub fn of_tag() -> Self {
        Self { base: Base::AsIs, trust: Trust::Trusted }
    }

    /// The lane of a pull request: merged with its base branch.
    #[must_use]
    pub fn of_pull(base: BranchName, trust: Trust) -> Self {
        Self { base: Base::Branch(base), trust }
    }

    /// The lane of a merge group: GitHub has merged already.
    #[must_use]
    pub fn of_merge_group(base: BranchName) -> Self {
        Self { base: Base::MergeQueue(base), trust: Trust::Trusted }
    }

    /// The branch that the head is merged with, if any.
    #[must_use]
    pub fn merge_base(&self) -> Option<&BranchName> {
        match &self.base {
            Base::Branch(branch) => Some(branch),
            Base::AsIs | Base::MergeQueue(_) => None,
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::AsIs => write!(formatter, "{}:head", self.trust),
            Base::Branch(branch) => write!(formatter, "{}:into:{}", self.trust, key_segment(branch.as_str())),
            Base::MergeQueue(branch) => write!(formatter, "{}:queue:{}", self.trust, key_segment(branch.as_str())),
        }
    }
}

impl FromStr for Lane {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a lane");
        let (trust, base) = text.split_once(':').ok_or_else(invalid)?;
        let trust = trust.parse().map_err(|_| invalid())?;
        let base = match base.split_once(':') {
            None if base == "head" => Base::AsIs,
            Some(("into", branch)) => Base::Branch(from_key_segment(branch).parse().map_err(|_| invalid())?),
            Some(("queue", branch)) => Base::MergeQueue(from_key_segment(branch).parse().map_err(|_| invalid())?),
            None | Some(_) => return Err(invalid()),
        };
        Ok(Self { base, trust })
    }
}

serde_as_text!(Lane);

/// A run that a commit has already, as far as choosing a lane needs it.
#[derive(Debug, Clone)]
pub struct KnownRun<'a> {
    /// Its lane.
    pub lane: &'a Lane,
    /// Whether all its work has ended.
    pub is_over: bool,
    /// The refs that asked for it.
    pub refs: &'a [Ref],
}

/// What a head that asks for checks gets, given the runs that its commit has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// The run of this lane answers for it too.
    Join(Lane),
    /// A run of its own; the unfinished runs of these lanes are superseded by it.
    Start {
        /// Lanes whose work this run replaces.
        supersedes: Vec<Lane>,
    },
}

/// Finds the place of a head among the runs of its commit.
///
/// The same commit arrives as a push and as a pull request: one run serves both. Trust never crosses: a fork's run and a
/// maintainer's push of one SHA are never the same run and never replace each other.
#[must_use]
pub fn place(wanted: &Lane, asked_by: &Ref, known: &[KnownRun<'_>]) -> Placement {
    if known.iter().any(|run| run.lane == wanted) {
        return Placement::Join(wanted.clone());
    }
    let mergeable = |run: &&KnownRun<'_>| run.lane.trust == wanted.trust && run.lane.merge_base().is_some();
    match asked_by {
        // A pull request into another branch says better than the push what the commit is for.
        Ref::Branch(_) if wanted.merge_base().is_some() => {
            let pull = known.iter().filter(mergeable).find(|run| run.refs.iter().any(is_pull));
            pull.map_or(Placement::Start { supersedes: vec![] }, |run| Placement::Join(run.lane.clone()))
        }
        Ref::Pull(_) => {
            let by_push_only = |run: &&KnownRun<'_>| !run.is_over && !run.refs.iter().any(is_pull);
            let supersedes = known.iter().filter(mergeable).filter(by_push_only).map(|run| run.lane.clone()).collect();
            Placement::Start { supersedes }
        }
        Ref::Branch(_) | Ref::Tag(_) => Placement::Start { supersedes: vec![] },
    }
}

fn is_pull(reference: &Ref) -> bool {
    match reference {
        Ref::Pull(_) => true,
        Ref::Branch(_) | Ref::Tag(_) => false,
    }
}

/// Whether a glob of `*` (any run of characters) and `?` (one character) matches a name as a whole.
///
/// Linear in the product of both lengths: a hostile pattern costs no more than that.
#[must_use]
pub fn glob_matches(glob: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // reachable[i]: the pattern so far matches the first i characters.
    let mut reachable = vec![false; name.len() + 1];
    reachable[0] = true;
    for wanted in glob.chars() {
        let mut next = vec![false; name.len() + 1];
        match wanted {
            '*' => {
                let mut open = false;
                for (index, slot) in next.iter_mut().enumerate() {
                    open |= reachable[index];
                    *slot = open;
                }
            }
            literal => {
                for (index, &character) in name.iter().enumerate() {
                    next[index + 1] = reachable[index] && (literal == '?' || literal == character);
                }
            }
        }
        reachable = next;
    }
    reachable[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PullNumber;

    fn branch(name: &str) -> BranchName {
        name.parse().expect("a branch")
    }

    fn on_branch(name: &str) -> Ref {
        Ref::Branch(branch(name))
    }

    #[test]
    fn lanes_round_trip_even_with_hostile_branch_names() {
        for lane in [
            Lane::of_tag(),
            Lane::of_pull(branch("release/1#2%3"), Trust::Fork),
            Lane::of_merge_group(branch("main")),
            Lane::of_branch(&branch("topic"), &branch("main"), &[]),
        ] {
            assert_eq!(lane.to_string().parse(), Ok(lane));
        }
    }

    #[test]
    fn default_and_exempt_branches_run_as_they_are() {
        let exempt = ["release/*".to_owned()];
        let lane = |name| Lane::of_branch(&branch(name), &branch("main"), &exempt).base;
        assert_eq!(lane("main"), Base::AsIs);
        assert_eq!(lane("release/1.0"), Base::AsIs);
        assert_eq!(lane("topic"), Base::Branch(branch("main")));
    }

    #[test]
    fn one_commit_by_push_and_pull_request_is_one_run() {
        let lane = Lane::of_branch(&branch("topic"), &branch("main"), &[]);
        let refs = [on_branch("topic")];
        let known = [KnownRun { lane: &lane, is_over: false, refs: &refs }];
        let wanted = Lane::of_pull(branch("main"), Trust::Trusted);
        assert_eq!(place(&wanted, &Ref::Pull(PullNumber(1)), &known), Placement::Join(lane.clone()));
    }

    #[test]
    fn a_pull_request_into_another_branch_takes_over_from_the_push() {
        let pushed = Lane::of_branch(&branch("topic"), &branch("main"), &[]);
        let refs = [on_branch("topic")];
        let wanted = Lane::of_pull(branch("release"), Trust::Trusted);
        let by_pull = Ref::Pull(PullNumber(1));
        let known = [KnownRun { lane: &pushed, is_over: false, refs: &refs }];
        assert_eq!(place(&wanted, &by_pull, &known), Placement::Start { supersedes: vec![pushed.clone()] });
        let over = [KnownRun { lane: &pushed, is_over: true, refs: &refs }];
        assert_eq!(place(&wanted, &by_pull, &over), Placement::Start { supersedes: vec![] });

        let pull_refs = [by_pull];
        let late_push = [KnownRun { lane: &wanted, is_over: false, refs: &pull_refs }];
        assert_eq!(place(&pushed, &on_branch("topic"), &late_push), Placement::Join(wanted.clone()));
    }

    #[test]
    fn trust_never_crosses_lanes() {
        let fork = Lane::of_pull(branch("main"), Trust::Fork);
        let refs = [Ref::Pull(PullNumber(7))];
        let known = [KnownRun { lane: &fork, is_over: false, refs: &refs }];
        let trusted = Lane::of_branch(&branch("topic"), &branch("main"), &[]);
        assert_eq!(place(&trusted, &on_branch("topic"), &known), Placement::Start { supersedes: vec![] });
    }

    #[test]
    fn the_default_branch_runs_its_own_lane_after_a_fast_forward() {
        let pull = Lane::of_pull(branch("main"), Trust::Trusted);
        let refs = [Ref::Pull(PullNumber(7))];
        let known = [KnownRun { lane: &pull, is_over: true, refs: &refs }];
        let wanted = Lane::of_branch(&branch("main"), &branch("main"), &[]);
        assert_eq!(place(&wanted, &on_branch("main"), &known), Placement::Start { supersedes: vec![] });
    }

    #[test]
    fn globs() {
        for (glob, name, expected) in [
            ("release/*", "release/1.0", true),
            ("release/*", "release", false),
            ("*", "", true),
            ("v?", "v1", true),
            ("v?", "v", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
        ] {
            assert_eq!(glob_matches(glob, name), expected, "{glob} {name}");
        }
    }
}
