//! What the pages say of every state: the sentence, the button, the advice.

use quillon_core::attempt::{AttemptState, Cancel, CancelReason, Outcome};
use quillon_core::id::PullNumber;
use quillon_core::lane::{Base, Lane};
use quillon_core::name::{ModulePath, Task};
use quillon_core::run::RunState;
use quillon_core::trust::Trust;
use quillon_web::page::advice::{Advice, of_run};
use quillon_web::page::card::{Card, Shown, phase_of};
use quillon_web::page::check::{CheckPage, Wanted, find};
use quillon_web::page::log::Log;
use quillon_web::page::row::Control;

use crate::fixture::*;

fn page(task: &str, state: AttemptState) -> CheckPage {
    let fixture = Fixture::new(1, "acme/api", 900).attempt(task, 890, state);
    let commit = fixture.commit();
    let found = find(&commit, &ModulePath::root(), task, &Wanted::default()).expect("an attempt");
    let log = Log::none("none");
    with_scene(|scene| CheckPage::new(&found, &fixture.run.repository_name, log, forms(), scene)).expect("a page")
}

fn titles(advice: &[Advice]) -> Vec<&str> {
    advice.iter().map(|advice| advice.title.as_str()).collect()
}

#[test]
fn every_state_has_its_sentence_its_button_and_its_advice() {
    let main = || "main".parse().expect("a branch");
    let stopped = |reason| Outcome::Cancelled(Cancel { reason, at: before(5) });
    let rows: Vec<(&str, AttemptState, &str, &str, &[&str])> = vec![
        ("a", queued(10), "queued: waits until the org has room for it", "cancel", &[]),
        ("a", queued(60), "queued: waits until the org has room for it", "cancel", &["It waits for longer than usual"]),
        ("a", AttemptState::Offered { since: before(10) }, "queued: waits for an agent", "cancel", &[]),
        ("a", running(75), "running", "cancel", &[]),
        ("load", running(75), "loading", "cancel", &[]),
        ("a", stopping(75, "mona"), "stopping: cancelled by mona", "cancel", &[]),
        ("load", expanding(9, &["x", "y"]), "loaded, starting 2 checks", "cancel", &[]),
        ("a", passed(30, 10), "passed in 20s", "rerun", &[]),
        ("load", passed(30, 10), "loaded in 20s", "nothing", &[]),
        ("a", failed(30, 10), "failed after 20s with exit code 1", "rerun", &["Reproduce it on your machine"]),
        ("load", failed(30, 10), "failed after 20s with exit code 1", "rerun-load", &["The module does not load"]),
        (
            "a",
            ended(30, 10, Outcome::Error { message: "no space\nleft".to_owned() }),
            "could not run: no space left",
            "rerun",
            &["It could not be carried out"],
        ),
        (
            "load",
            ended(30, 10, Outcome::Conflict { base: main() }),
            "could not run: merge conflict with main",
            "rerun-load",
            &["It cannot be merged with main"],
        ),
        ("a", ended(30, 10, Outcome::TimedOut), "could not run: took longer than 60 minutes", "rerun", &["It took too long"]),
        ("a", ended(30, 10, Outcome::Lost), "could not run: its agent was lost 0 times", "rerun", &["Its agents went away"]),
        ("a", superseded(10), "superseded by fedcba9", "rerun", &[]),
        (
            "a",
            ended(30, 10, stopped(CancelReason::PullClosed { number: PullNumber(7) })),
            "cancelled: pull request #7 was closed",
            "rerun",
            &[],
        ),
    ];
    for (task, state, sentence, button, advice) in rows {
        let page = page(task, state);
        assert_eq!(page.verdict, sentence);
        let control = match page.control {
            Control::Nothing => "nothing",
            Control::Rerun(_) => "rerun",
            Control::RerunLoad(_) => "rerun-load",
            Control::Cancel(_) => "cancel",
        };
        assert_eq!(control, button, "{sentence}");
        assert_eq!(titles(&page.advice), advice, "{sentence}");
        assert_eq!(page.so_far.is_some(), matches!(sentence, "running" | "loading"), "{sentence}");
    }
}

#[test]
fn a_load_that_failed_is_to_be_tried_at_home() {
    let page = page("load", failed(30, 10));
    let code: Vec<&str> =
        page.advice[0].steps.iter().flat_map(|step| &step.pieces).filter(|piece| piece.is_code).map(|piece| piece.text.as_str()).collect();
    assert_eq!(code, ["dagger check"]);
}

#[test]
fn a_run_without_checks_says_why() {
    let advice = |fixture: &Fixture| {
        let commit = fixture.commit();
        let latest = commit.latest(&fixture.run.key);
        of_run(&fixture.run, &latest).into_iter().map(|advice| advice.title).collect::<Vec<_>>()
    };
    let base = "main".parse().expect("a branch");
    let run = || Fixture::new(1, "acme/api", 60);
    assert_eq!(advice(&run().state(RunState::Conflict { base })), ["It cannot be merged with main"]);
    assert_eq!(advice(&run().state(RunState::NoModule)), ["This commit has no Dagger module"]);
    assert_eq!(advice(&run().state(RunState::TooManyModules { found: 40 })), ["This commit has 40 modules"]);
    assert_eq!(advice(&run().state(RunState::ForkRefused)), ["Pull requests from forks are not run here"]);
    assert_eq!(advice(&run().state(RunState::Waiting { tries: 1 })), ["Waiting for the forge"]);
    assert_eq!(advice(&run().attempt("load", 60, passed(59, 50))), ["The module loaded, but it has no checks"]);
    assert_eq!(advice(&run().attempt("load", 60, passed(59, 50)).attempt("a", 50, queued(50))), Vec::<String>::new());
    let mut untold = run().attempt("load", 60, running(50));
    untold.run.unreportable = Some("403".to_owned());
    assert_eq!(advice(&untold), ["The forge is not told about these checks"]);
}

#[test]
fn a_card_is_open_while_something_runs_or_failed() {
    for (state, word, is_open) in [
        (queued(5), "queued", true),
        (running(5), "running", true),
        (failed(5, 1), "failed", true),
        (passed(5, 1), "passed", false),
        (superseded(1), "cancelled", false),
    ] {
        let fixture = Fixture::new(1, "acme/api", 60).attempt("a", 50, state).summarized();
        let shown = [Shown { run: &fixture.run, lines: &fixture.run.summary.lines }];
        let card = with_scene(|scene| Card::new(&shown, &fixture.run.repository_name, scene)).expect("a card");
        assert_eq!((card.state.word, card.is_open), (word, is_open));
    }
    let unsummarized = Fixture::new(1, "acme/api", 60);
    assert_eq!(phase_of(&unsummarized.run).map(quillon_core::run::Phase::word), Some("queued"));
}

#[test]
fn attempts_and_lanes_of_one_check_are_told_apart() {
    let first = Fixture::new(1, "acme/api", 900).attempt("a", 890, failed(880, 870)).attempt_in(".", check("a"), 2, 800, passed(790, 780));
    let lane = Lane { base: Base::Branch("release".parse().expect("a branch")), trust: Trust::Fork };
    let second = Fixture::new(1, "acme/api", 700).lane(lane, 2).attempt("a", 690, running(600));
    let (first_id, second_id) = (first.run.id.to_string(), second.run.id.to_string());
    let commit = commit(&[first, second]);
    let found = |attempt: Option<u32>, run: Option<&str>| {
        let wanted = Wanted { attempt, run: run.map(str::to_owned) };
        find(&commit, &ModulePath::root(), "a", &wanted)
            .map(|found| (found.run.id.to_string(), found.attempt.key.number, found.lanes.len()))
    };
    assert_eq!(found(None, None), Some((second_id, 1, 2)), "the newest run");
    assert_eq!(found(None, Some(&first_id)), Some((first_id.clone(), 2, 2)), "its newest attempt");
    assert_eq!(found(Some(1), Some(&first_id)), Some((first_id, 1, 2)));
    assert_eq!(found(Some(2), None), None);
    assert_eq!(found(None, Some("run_x")), None);
    assert!(find(&commit, &ModulePath::root(), "b", &Wanted::default()).is_none());
    assert!(find(&commit, &"other".parse().expect("a module"), "a", &Wanted::default()).is_none());
}

#[test]
fn a_check_that_is_called_load_is_not_the_load() {
    let fixture = Fixture::new(1, "acme/api", 60).attempt_in(".", check("load"), 1, 50, passed(40, 30));
    assert!(find(&fixture.commit(), &ModulePath::root(), "load", &Wanted::default()).is_none());
    let fixture = fixture.attempt_in(".", Task::Load, 1, 60, passed(59, 50));
    let commit = fixture.commit();
    let found = find(&commit, &ModulePath::root(), "load", &Wanted::default()).expect("the load");
    assert_eq!(found.attempt.key.task, Task::Load);
}
