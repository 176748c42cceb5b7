//! The pages as HTML, from fixture values to the golden files under `tests/golden/`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p quillon-web --test pages` writes them again; read the difference before you commit it.

#![expect(clippy::expect_used, reason = "a fixture that does not fit fails its test")]

mod fixture;
mod hostile;
mod traces;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use askama::Template;
use fixture::*;
use quillon_core::attempt::{Cancel, CancelReason, Outcome};
use quillon_core::lane::{Base, Lane};
use quillon_core::name::{ModulePath, Task};
use quillon_core::run::{Run, RunState};
use quillon_core::trust::Trust;
use quillon_web::asset::Assets;
use quillon_web::flash::Flash;
use quillon_web::page::check::{CheckPage, Wanted, find};
use quillon_web::page::checks::{ChecksPage, Feed};
use quillon_web::page::commit::CommitPage;
use quillon_web::page::filter::Filter;
use quillon_web::page::frame::{Frame, Org, OrgLink, Person, Refresh, Section};
use quillon_web::page::log::Log;
use quillon_web::page::notice::{Notice, OrgsPage};
use quillon_web::page::sign_in::{Provider, SignInPage};

/// The whole page around a main part.
fn framed(title: &str, main: &impl Template, refresh: Refresh) -> String {
    let main = main.render().expect("renders");
    in_frame(title, main, refresh, Section::Checks, false)
}

/// The whole page around a main part of a section.
fn in_frame(title: &str, main: String, refresh: Refresh, section: Section, has_trace: bool) -> String {
    let link = |name: &str, is_current| OrgLink { name: name.to_owned(), href: format!("/?org={name}"), is_current };
    let org = Some(Org {
        name: "acme".to_owned(),
        checks_href: "/acme/checks".to_owned(),
        traces_href: "/acme/traces".to_owned(),
        settings_href: "/acme/settings?tab=General".to_owned(),
        sees_runs: true,
        section,
        others: vec![link("acme", true), link("globex", false)],
        ending: None,
    });
    let person = Some(Person::new("Ada Lovelace", "csrf-token".to_owned()));
    let frame = Frame { title, org, person, refresh, has_trace, flash: None, main: &main, assets: Assets::all() };
    frame.render().expect("renders")
}

/// Compares a page with its golden file. Asset names hold a hash of their content, so they are made plain first.
fn golden(name: &str, html: &str) {
    let assets = Assets::all();
    let mut html = html.to_owned();
    for (asset, plain) in [
        (&assets.style, "quillon.css"),
        (&assets.theme, "theme.js"),
        (&assets.live, "live.js"),
        (&assets.keys, "keys.js"),
        (&assets.icon, "quillon.svg"),
        (&assets.trace_style, "trace.css"),
    ] {
        html = html.replace(&asset.path, &format!("/assets/{plain}"));
    }
    html = html.replace(assets.trace_script(), "/assets/trace/main.js");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.html"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &html).expect("writes");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == html, "`{name}` differs from its golden file; write it again with UPDATE_GOLDEN=1 and read the difference");
}

/// What one org has been doing lately.
fn feed() -> Vec<Run> {
    let live = Fixture::new(9, "acme/api", 42)
        .pull(128, "Retry uploads when the registry is unwell")
        .attempt("load", 42, passed(40, 34))
        .attempt("api:unit", 34, passed(33, 12))
        .attempt("api:lint", 34, failed(33, 25))
        .attempt_in(".", check("api:integration"), 2, 34, running(31))
        .attempt("api:image", 34, queued(34))
        .attempt("api:docs", 34, passed(30, 27));
    let failed_run = Fixture::new(8, "acme/api", 1_500)
        .unmerged()
        .refs(&["refs/heads/main", "refs/tags/v1.4.0"])
        .say("release: 1.4.0", "Hubot")
        .attempt_in(".", Task::Load, 1, 1_500, passed(1_499, 1_490))
        .attempt_in(".", check("api:unit"), 1, 1_490, passed(1_489, 1_400))
        .attempt_in(".", check("api:lint"), 1, 1_490, passed(1_489, 1_480))
        .attempt_in("deploy/charts", Task::Load, 1, 1_500, failed(1_498, 1_491));
    let superseded_run = Fixture::new(7, "acme/api", 3_000)
        .say("wip", "Mona Lisa Octocat")
        .attempt("load", 3_000, passed(2_999, 2_990))
        .attempt("api:unit", 2_990, superseded(2_950))
        .attempt("api:lint", 2_990, passed(2_989, 2_960));
    let conflict = Fixture::new(6, "acme/web", 7_200)
        .pull(31, "Dark mode")
        .say("feat: dark mode, finally", "Ada Lovelace")
        .state(RunState::Conflict { base: "main".parse().expect("a branch") });
    let green = Fixture::new(5, "acme/web", 90_000)
        .say(
            "chore(deps): bump everything that moved and a very long first line of a commit message that goes on and on until it wraps",
            "dependabot[bot]",
        )
        .attempt("load", 90_000, passed(89_999, 89_990))
        .attempt("web:build", 89_990, passed(89_990, 89_800))
        .attempt("web:e2e", 89_990, passed(89_985, 89_700))
        .attempt("web:a11y", 89_990, passed(89_980, 89_900));
    let fork = Fixture::new(4, "acme/web", 400_000)
        .lane(Lane { base: Base::Branch("main".parse().expect("a branch")), trust: Trust::Fork }, 1)
        .say("Fix typo", "Drive By")
        .pull(30, "Fix typo")
        .state(RunState::ForkRefused);
    [live, failed_run, superseded_run, conflict, green, fork].into_iter().map(|fixture| fixture.summarized().run).collect()
}

fn checks_page(runs: &[Run], filter: &Filter, problems: Vec<String>, next: Option<&str>) -> ChecksPage {
    let names = BTreeMap::new();
    let feed = Feed { runs, next: next.map(str::to_owned), looked_at: runs.len(), names: &names };
    with_scene(|scene| ChecksPage::new(&feed, filter, problems, forms(), scene))
}

#[test]
fn the_checks_page() {
    let page = checks_page(&feed(), &Filter::default(), vec![], Some("cursor"));
    golden("checks", &framed("Checks of acme", &page, Refresh::Live));
}

#[test]
fn a_filtered_checks_page_keeps_its_filter_and_says_what_it_did_not_understand() {
    let (filter, mut problems) =
        Filter::read([("repository", "acme/web"), ("branch", "#31"), ("state", "failed"), ("after", "cursor")].into_iter());
    problems.push("`x` is not a repository of the form `owner/name`".to_owned());
    let runs: Vec<Run> = feed().into_iter().filter(|run| run.repository_name.name() == "web").take(1).collect();
    golden("checks-filtered", &framed("Checks of acme", &checks_page(&runs, &filter, problems, None), Refresh::Idle));
}

#[test]
fn a_fresh_org_says_what_to_do_next() {
    golden("checks-fresh", &framed("Checks of acme", &checks_page(&[], &Filter::default(), vec![], None), Refresh::Idle));
}

#[test]
fn a_commit_page_has_all_checks_of_all_modules_and_lanes() {
    let pushed = Fixture::new(3, "acme/api", 600).attempt("load", 600, passed(599, 590)).attempt(
        "api:unit",
        590,
        ended(
            589,
            580,
            Outcome::Cancelled(Cancel { reason: CancelReason::SupersededInLane { by: quillon_core::id::PullNumber(12) }, at: before(581) }),
        ),
    );
    let lane = Lane { base: Base::Branch("release/2".parse().expect("a branch")), trust: Trust::Trusted };
    let mut pull = Fixture::new(3, "acme/api", 580).lane(lane, 2).pull(12, "Backport the retry").attempt("load", 580, passed(579, 570));
    for number in 0..70 {
        let state = match number % 10 {
            3 => failed(500 + number, 480),
            7 => passed(500 - number, 400 - number),
            _ => passed(560 - number, 530 - number),
        };
        pull = pull.attempt(&format!("api:shard-{number:02}"), 570, state);
    }
    pull = pull.attempt_in("tools/gen", Task::Load, 1, 580, failed(579, 575));
    pull.run.unreportable = Some("Resource not accessible by integration".to_owned());
    let (pushed, pull) = (pushed.summarized(), pull.summarized());
    let page = with_scene(|scene| CommitPage::new(&commit(&[pushed, pull]), &"acme/api".parse().expect("a name"), forms(), scene))
        .expect("a page");
    golden("commit", &framed("acme/api 03c0ffe", &page, Refresh::Idle));
}

fn check_page(fixture: &Fixture, module: &str, task: &str, wanted: &Wanted, log: Log) -> CheckPage {
    let commit = fixture.commit();
    let module: ModulePath = module.parse().expect("a module");
    let found = find(&commit, &module, task, wanted).expect("an attempt");
    with_scene(|scene| CheckPage::new(&found, &fixture.run.repository_name, log, forms(), scene)).expect("a page")
}

#[test]
fn a_failed_check_shows_its_attempts_and_its_log() {
    let fixture = Fixture::new(2, "acme/api", 900)
        .pull(127, "Speed up the parser")
        .attempt("load", 900, passed(899, 890))
        .attempt("api:unit", 890, ended(880, 600, Outcome::Lost))
        .attempt_in(".", check("api:unit"), 2, 300, failed(290, 96));
    let mut fixture = fixture;
    fixture.attempts[2].description = Some("Runs the unit tests with the race detector on".to_owned());
    fixture.attempts[2].integration = Some("1234567890123456789012345678901234567890".parse().expect("a SHA"));
    let output = "\u{1b}[1m▶ api:unit\u{1b}[0m\n  \u{1b}[2mgo test -race ./...\u{1b}[0m\n  fetching 10%\r  fetching 100%\n  \u{1b}[32mok\u{1b}[0m   example.com/api/upload 0.412s\n  \u{1b}[31m--- FAIL: TestRetry (0.02s)\u{1b}[0m\n      retry_test.go:41: want 3 tries, have \u{1b}[1;33m1\u{1b}[0m, and this line goes on for so long that it has to be wrapped somewhere or scrolled sideways by whoever reads it\n  \u{1b}[31mFAIL\u{1b}[0m example.com/api/retry\n\u{1b}[97;41m exit code 1 \u{1b}[0m\n";
    let page = check_page(&fixture, ".", "api:unit", &Wanted::default(), Log::new(output, true));
    golden("check", &framed("api:unit of acme/api", &page, Refresh::Idle));
}

#[test]
fn a_failed_load_comes_with_the_documentation_s_advice() {
    let fixture = Fixture::new(1, "acme/api", 900).attempt("load", 900, failed(899, 890));
    let page = check_page(&fixture, ".", "load", &Wanted::default(), Log::new("Error: module not found\n", false));
    golden("load", &framed("load of acme/api", &page, Refresh::Idle));
}

#[test]
fn a_running_check_has_no_log_yet_and_can_be_cancelled() {
    let fixture = Fixture::new(1, "acme/api", 100).attempt("api:unit", 90, running(75));
    let page = check_page(&fixture, ".", "api:unit", &Wanted::default(), Log::none("The log is kept when the attempt ends."));
    golden("running", &framed("api:unit of acme/api", &page, Refresh::Live));
}

#[test]
fn notices_share_the_frame() {
    for (name, notice) in [("not-found", Notice::not_found()), ("welcome", Notice::welcome("http://127.0.0.1:8800"))] {
        let main = notice.render().expect("renders");
        let frame = Frame {
            title: &notice.title,
            org: None,
            person: None,
            refresh: Refresh::Never,
            has_trace: false,
            flash: None,
            main: &main,
            assets: Assets::all(),
        };
        golden(name, &frame.render().expect("renders"));
    }
    let providers = Provider::list("github,google").expect("providers");
    let main = SignInPage::new(&providers, &"/acme/checks".parse().expect("a path")).render().expect("renders");
    let frame = Frame {
        title: "Sign in",
        org: None,
        person: None,
        refresh: Refresh::Never,
        has_trace: false,
        flash: None,
        main: &main,
        assets: Assets::all(),
    };
    golden("sign-in", &frame.render().expect("renders"));
    let orgs = OrgsPage {
        orgs: vec![("acme".to_owned(), "/?org=acme".to_owned()), ("globex".to_owned(), "/?org=globex".to_owned())],
        more_href: None,
    };
    golden("orgs", &framed("Organizations", &orgs, Refresh::Never));
}

#[test]
fn what_came_of_an_action_is_said_once_above_the_page() {
    let main = Notice::not_found().render().expect("renders");
    let frame = Frame {
        title: "x",
        org: None,
        person: None,
        refresh: Refresh::Never,
        has_trace: false,
        flash: Some(Flash::Rerun(3)),
        main: &main,
        assets: Assets::all(),
    };
    let html = frame.render().expect("renders");
    assert_eq!(html.matches("3 checks will run again.").count(), 1);
}
