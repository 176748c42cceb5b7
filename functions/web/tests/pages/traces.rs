//! The pages of traces as HTML: list, one trace, two beside each other, setup; and hostile text in every field of them.

use std::sync::Arc;

use askama::Template;
use quillon_core::id::{AttemptId, RepositoryId};
use quillon_core::trace::card::{Card, Claim, Headline};
use quillon_core::trace::compare::compare;
use quillon_core::trace::id::{SpanId, TraceId};
use quillon_core::trace::outline::{Outline, Place, Tree};
use quillon_core::trace::span::{Attributes, Dropped, Link, Resource, Span, SpanKind, Status, StatusCode, Value};
use quillon_core::trace::state::{TraceState, trace_state};
use quillon_core::trace::visibility::{Override, visibility};
use quillon_web::page::frame::{Refresh, Section};
use quillon_web::page::log::Log;
use quillon_web::page::notice::ShareLink;
use quillon_web::page::trace::compare::{ComparePage, Compared};
use quillon_web::page::trace::detail::{Content, Reader, Tail, TracePage};
use quillon_web::page::trace::filter::{Source, TraceFilter};
use quillon_web::page::trace::list::{Feed, TracesPage};
use quillon_web::page::trace::reason::reason;
use quillon_web::page::trace::setup::SetupPage;
use quillon_web::page::trace::sharing::{Audience, Sharing};

use crate::fixture::*;
use crate::{golden, in_frame};

/// A trace in the making.
pub(crate) struct Made {
    pub(crate) card: Card,
    pub(crate) outline: Outline,
    pub(crate) tree: Tree,
}

impl Made {
    fn state(&self) -> TraceState {
        trace_state(&self.outline, &self.tree, now().as_millisecond())
    }

    fn compared(&self) -> Compared<'_> {
        Compared { card: &self.card, outline: &self.outline, tree: &self.tree, state: self.state() }
    }
}

fn id(number: u64) -> SpanId {
    SpanId::of_bytes(&number.to_be_bytes()).expect("not zero")
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A span that began and ended so many seconds ago; one that did not end is heard of now.
pub(crate) fn span(number: u64, parent: Option<u64>, name: &str, from: i64, to: Option<i64>) -> Span {
    let ns = |seconds: i64| u64::try_from(before(seconds).as_nanosecond()).expect("after 1970");
    Span {
        id: id(number),
        parent: parent.map(id),
        flags: 0,
        trace_state: String::new(),
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start_ns: ns(from),
        end_ns: to.map(ns),
        attributes: Attributes::default(),
        events: vec![],
        links: vec![],
        status: Status { code: if to.is_some() { StatusCode::Ok } else { StatusCode::Unset }, message: String::new() },
        dropped: Dropped::default(),
        scope: Arc::default(),
        resource: Arc::default(),
        received_ms: before(to.unwrap_or(1)).as_millisecond(),
    }
}

fn failing(mut span: Span, message: &str) -> Span {
    span.status = Status { code: StatusCode::Error, message: message.to_owned() };
    span
}

fn with(mut span: Span, attributes: &[(&str, Value)]) -> Span {
    span.attributes.0.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    span
}

/// The trace of a command with these labels; its first span is that of the CLI.
pub(crate) fn made(number: u8, labels: &[(&str, &str)], mut spans: Vec<Span>) -> Made {
    let trace: TraceId = format!("{number:02x}c0ffee{:024x}", 1).parse().expect("a trace id");
    let mut resource = Attributes(vec![("service.name".to_owned(), text("dagger-cli"))]);
    resource.0.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), text(value))));
    spans[0].resource = Arc::new(Resource { attributes: resource, ..Resource::default() });
    let (mut outline, mut headline) = (Outline::new(), Headline::default());
    for (index, span) in (0..).zip(&spans) {
        outline.upsert(span, Place::Tail(index));
        headline.span(span);
    }
    let mut card = Card::new(&Claim { org: org(), attempt: None, repository: None }, trace, before(1));
    card.first_received_ms = i64::try_from(spans[0].start_ns / 1_000_000).expect("small");
    card.fold(&headline);
    let tree = outline.tree();
    Made { card, outline, tree }
}

const GITHUB: [(&str, &str); 12] = [
    ("dagger.io/ci", "true"),
    ("dagger.io/ci.vendor", "GitHub"),
    ("dagger.io/git.remote", "github.com/acme/api"),
    ("dagger.io/git.ref", "0123456789abcdef0123456789abcdef01234567"),
    ("dagger.io/git.title", "fix: retry the upload when the registry answers 502"),
    ("dagger.io/git.author.name", "Mona Lisa Octocat"),
    ("dagger.io/vcs.change.number", "128"),
    ("dagger.io/vcs.change.title", "Retry uploads"),
    ("dagger.io/vcs.change.url", "https://github.com/acme/api/pull/128"),
    ("dagger.io/vcs.job.name", "test"),
    ("dagger.io/vcs.workflow.name", "CI"),
    ("dagger.io/vcs.triggerer.login", "mona"),
];

const LAPTOP: [(&str, &str); 6] = [
    ("dagger.io/git.remote", "github.com/acme/api"),
    ("dagger.io/git.ref", "1123456789abcdef0123456789abcdef01234567"),
    ("dagger.io/git.branch", "feature/x"),
    ("dagger.io/git.author.name", "Ada Lovelace"),
    ("dagger.io/client.os", "linux"),
    ("dagger.io/client.version", "v0.21.0"),
];

/// A run of checks of which one failed, with what Dagger hides.
fn failed_run(number: u8, labels: &[(&str, &str)]) -> Made {
    let check = |span, name: &str, has_passed| {
        with(span, &[("dagger.io/check.name", text(name)), ("dagger.io/check.passed", Value::Bool(has_passed))])
    };
    let spans = vec![
        failing(span(1, None, "dagger check", 120, Some(20)), "1 check failed"),
        span(2, Some(1), "connect", 120, Some(118)),
        with(span(3, Some(1), "load workspace", 118, Some(110)), &[("dagger.io/ui.internal", Value::Bool(true))]),
        with(span(4, Some(1), "checks", 110, Some(20)), &[("dagger.io/ui.passthrough", Value::Bool(true))]),
        check(span(5, Some(4), "go:lint", 110, Some(90)), "go:lint", true),
        check(failing(span(6, Some(4), "go:test", 110, Some(20)), "exit code: 1"), "go:test", false),
        failing(span(7, Some(6), "Container.withExec", 100, Some(20)), "process \"go test ./...\" did not complete\nexit code: 1"),
        with(span(8, Some(5), "Container.from", 100, Some(99)), &[("dagger.io/dag.cached", Value::Bool(true))]),
        with(span(9, Some(6), "TestUpload", 90, Some(50)), &[("test.case.name", text("TestUpload"))]),
    ];
    made(number, labels, spans)
}

fn running(number: u8) -> Made {
    made(number, &LAPTOP, vec![span(1, None, "dagger call build --source=.", 75, None), span(2, Some(1), "Container.withExec", 60, None)])
}

fn list(cards: &[(Card, TraceState)], filter: &TraceFilter, problems: &[String], next: Option<&str>) -> String {
    let repositories = ["github.com/acme/api".to_owned()];
    let page = with_scene(|scene| TracesPage::new(&Feed { cards, next, repositories: &repositories }, filter, problems, scene));
    in_frame("Traces of acme", page.render().expect("renders"), Refresh::Idle, Section::Traces, false)
}

fn feed() -> Vec<(Card, TraceState)> {
    let nowhere: Vec<(&str, &str)> = vec![("dagger.io/ci", "true"), ("dagger.io/ci.vendor", "Jenkins")];
    let old = made(5, &LAPTOP, vec![span(1, None, "dagger functions", 200_000, Some(199_999))]);
    [
        running(1),
        failed_run(2, &GITHUB),
        made(3, &GITHUB, vec![span(1, None, "dagger call lint", 200, Some(150))]),
        made(4, &nowhere, vec![span(1, None, "dagger version", 3_000, Some(2_999))]),
        old,
    ]
    .into_iter()
    .map(|made| (made.card.clone(), made.state()))
    .collect()
}

fn detail(made: &Made, is_member: bool, log: &str) -> String {
    let seen = visibility(&made.card, None, true);
    let reader = Reader {
        is_member,
        share: (!is_member).then(|| "s1.token".to_owned()),
        span: Some(id(7).to_string()),
        audience: Audience::of(seen),
        sharing: is_member.then(|| Sharing::new(&made.card, seen, &paths(), "csrf-token".to_owned())),
        check: is_member.then(|| ("go:test".to_owned(), "/acme/checks/x".to_owned())),
    };
    let tails = [Tail { row: 6, call: Some("Container.withExec(args: [\"go\", \"test\"])".to_owned()), log: Log::new(log, true) }];
    let content =
        Content { card: &made.card, outline: &made.outline, tree: &made.tree, state: made.state(), is_full: false, tails: &tails };
    let page = with_scene(|scene| TracePage::new(content, reader, scene));
    in_frame("failed dagger check", page.render().expect("renders"), Refresh::Idle, Section::Traces, true)
}

#[test]
fn the_list_goes_day_by_day_by_commit_by_person_and_names_what_belongs_nowhere() {
    golden("traces", &list(&feed(), &TraceFilter::default(), &[], Some("older")));
}

#[test]
fn a_filter_is_kept_and_what_it_lets_through_is_all_there_is() {
    let (filter, problems) = TraceFilter::read([("from", "ci"), ("longer", "1m"), ("state", "rubbish")].into_iter());
    let html = list(&feed(), &filter, &problems, None);
    assert!(html.contains("From CI") && !html.contains("<h3>From people") && html.contains("this state is not known"));
    assert!(html.contains("value=\"1m\"") && html.contains("name=\"from\" value=\"ci\""));
    let html = list(&[], &filter, &[], None);
    assert!(html.contains("No traces match this filter"));
}

#[test]
fn traces_of_one_commit_share_a_card_and_its_worst_state() {
    let page =
        with_scene(|scene| TracesPage::new(&Feed { cards: &feed(), next: None, repositories: &[] }, &TraceFilter::default(), &[], scene));
    let ci = page.days[0].parts.iter().find(|part| part.key == Source::Ci.word()).expect("a part");
    let head = ci.groups[0].head.as_ref().expect("a commit");
    assert_eq!(
        (ci.groups.len(), ci.groups[0].rows.len(), head.state.word, head.counts.as_str()),
        (1, 2, "failed", "1 failed · 1 succeeded")
    );
    let nowhere = page.days[0].parts.iter().find(|part| part.key == Source::NoRepository.word()).expect("a part");
    assert_eq!(nowhere.groups[0].rows[0].origin.missing, Some("dagger.io/git.remote"));
    let advice: String = nowhere.steps.iter().flat_map(|step| &step.pieces).map(|piece| piece.text.as_str()).collect();
    assert!(advice.contains("Jenkins") && !advice.contains("GitLab"), "{advice}");
    assert_eq!(page.days.len(), 2);
}

#[test]
fn a_failed_trace_says_at_the_top_what_failed_and_why() {
    let log = "=== RUN TestUpload\n\u{1b}[31m--- FAIL: TestUpload\u{1b}[0m\nFAIL\n";
    golden("trace", &detail(&failed_run(2, &GITHUB), true, log));
}

#[test]
fn a_reader_who_is_not_signed_in_sees_no_form_and_no_way_elsewhere() {
    let html = detail(&failed_run(2, &GITHUB), false, "x");
    let main = html.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("a main part");
    assert!(!main.contains("<form") && !main.contains("csrf") && !main.contains("/acme/checks/x") && !main.contains("class=\"crumbs\""));
    assert!(main.contains("data-share=\"s1.token\""));
}

#[test]
fn a_member_who_may_not_share_sees_the_way_to_the_list_and_to_compare() {
    let made = failed_run(2, &GITHUB);
    let content = Content { card: &made.card, outline: &made.outline, tree: &made.tree, state: made.state(), is_full: false, tails: &[] };
    let seen = visibility(&made.card, None, true);
    let page = |is_member| {
        let reader = Reader { is_member, share: None, span: None, audience: Audience::of(seen), sharing: None, check: None };
        with_scene(|scene| TracePage::new(content, reader, scene)).render().expect("renders")
    };
    assert!(page(true).contains("href=\"/acme/traces\"") && page(true).contains("/compare\"") && !page(true).contains("<form"));
    assert!(!page(false).contains("href=\"/acme/traces\"") && !page(false).contains("/compare\""));
}

/// As Dagger 1.0 tells of a command that fails: the call ends at once and well, the errors above it name it as their origin, and what
/// ran fails below it, later.
#[test]
fn a_call_that_put_off_its_work_has_failed_with_it() {
    let blames = |mut span: Span| {
        let purpose = Attributes(vec![("dagger.io/link.purpose".to_owned(), text("error_origin"))]);
        let link = Link { trace_id: vec![1; 16], span_id: 3_u64.to_be_bytes().to_vec(), attributes: purpose, ..Link::default() };
        span.links.push(link);
        span
    };
    let spans = vec![
        blames(failing(span(1, None, "dagger check", 120, Some(20)), "")),
        blames(failing(span(2, Some(1), "go:test", 110, Some(20)), "")),
        with(span(5, Some(2), "POST /query", 110, Some(20)), &[("dagger.io/ui.passthrough", Value::Bool(true))]),
        with(span(3, Some(5), "Container.withExec", 100, Some(100)), &[("dagger.io/dag.pending", Value::Bool(true))]),
        with(failing(span(4, Some(3), "exec.run", 90, Some(20)), "exit code: 7"), &[("dagger.io/ui.passthrough", Value::Bool(true))]),
    ];
    let made = made(2, &GITHUB, spans);
    let content = Content { card: &made.card, outline: &made.outline, tree: &made.tree, state: made.state(), is_full: false, tails: &[] };
    let reader = Reader {
        is_member: true,
        share: None,
        span: None,
        audience: Audience::of(visibility(&made.card, None, true)),
        sharing: None,
        check: None,
    };
    let page = with_scene(|scene| TracePage::new(content, reader, scene));
    let failures: Vec<(&str, &[String])> = page.failures.iter().map(|failure| (failure.name.as_str(), &failure.message[..])).collect();
    assert_eq!(failures, [("Container.withExec", &["exit code: 7".to_owned()][..])]);
    assert_eq!(page.failures[0].path, ["dagger check", "go:test"]);
    let states: Vec<(&str, &str)> = page.mount.rows.iter().map(|row| (row.name.as_str(), row.state.word)).collect();
    assert_eq!(states, [("dagger check", "failed"), ("go:test", "failed"), ("Container.withExec", "failed")]);
    assert_eq!(reason(&made.outline, &made.tree, 1), Some("exit code: 7"), "of what is below, where a span says nothing itself");
}

#[test]
fn what_dagger_hides_is_not_listed_and_failures_come_first() {
    let made = failed_run(2, &GITHUB);
    let content = Content { card: &made.card, outline: &made.outline, tree: &made.tree, state: made.state(), is_full: false, tails: &[] };
    let seen = visibility(&made.card, None, true);
    let reader = Reader { is_member: true, share: None, span: None, audience: Audience::of(seen), sharing: None, check: None };
    let page = with_scene(|scene| TracePage::new(content, reader, scene));
    let rows: Vec<(usize, &str)> = page.mount.rows.iter().map(|row| (row.depth, row.name.as_str())).collect();
    let expected = [
        (0, "dagger check"),
        (1, "connect"),
        (1, "go:lint"),
        (2, "Container.from"),
        (1, "go:test"),
        (2, "Container.withExec"),
        (2, "TestUpload"),
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        page.checks.iter().map(|leaf| (leaf.name.as_str(), leaf.state.word)).collect::<Vec<_>>(),
        [("go:test", "failed"), ("go:lint", "succeeded")]
    );
    assert_eq!(page.failures.iter().map(|failure| failure.name.as_str()).collect::<Vec<_>>(), ["Container.withExec"]);
    assert_eq!((page.verdict.as_str(), page.counts.as_str()), ("failed after 1m40s", "9 spans · 2 checks, 1 failed · 1 test"));
}

#[test]
fn every_state_has_its_sentence() {
    let ended = |span: Span| made(1, &LAPTOP, vec![span]);
    let mut lost = span(1, None, "a", 900, None);
    lost.received_ms = before(700).as_millisecond();
    for (made, verdict, word) in [
        (running(1), "running", "running"),
        (ended(span(1, None, "a", 75, Some(5))), "succeeded in 1m10s", "succeeded"),
        (ended(failing(span(1, None, "a", 75, Some(5)), "x")), "failed after 1m10s", "failed"),
        (
            ended(with(span(1, None, "a", 75, Some(5)), &[("dagger.io/dag.canceled", Value::Bool(true))])),
            "cancelled after 1m10s",
            "cancelled",
        ),
        (ended(lost), "lost after 3m20s: its process stopped sending without saying that it ended", "lost"),
    ] {
        let seen = visibility(&made.card, None, true);
        let reader = Reader { is_member: true, share: None, span: None, audience: Audience::of(seen), sharing: None, check: None };
        let content =
            Content { card: &made.card, outline: &made.outline, tree: &made.tree, state: made.state(), is_full: false, tails: &[] };
        let page = with_scene(|scene| TracePage::new(content, reader, scene));
        assert_eq!((page.verdict.as_str(), page.state.word), (verdict, word));
        assert_eq!((page.so_far.is_some(), page.mount.is_running), (word == "running", word == "running"));
    }
}

#[test]
fn a_span_names_the_call_whose_work_it_takes_up() {
    let linked = |purpose: Option<&str>| {
        let purpose = purpose.map(|purpose| ("dagger.io/link.purpose".to_owned(), text(purpose)));
        let link = Link { span_id: 3_u64.to_be_bytes().to_vec(), attributes: Attributes(purpose.into_iter().collect()), ..Link::default() };
        let mut span = span(4, Some(1), "resume withExec", 90, Some(20));
        span.links.push(link);
        quillon_web::wire::document::spans(&[3], &[span], |_| None, true)["spans"][0]["resumes"].clone()
    };
    assert_eq!(linked(Some("cause")), "0000000000000003");
    assert_eq!(linked(None), "0000000000000003");
    assert!(linked(Some("wait")).is_null());
}

fn comparison(base: &Made, head: &Made) -> String {
    let found = compare(&base.outline, &base.tree, &head.outline, &head.tree, 100);
    let page = with_scene(|scene| ComparePage::new(base.compared(), head.compared(), &found, "The last one.", scene));
    in_frame("Compare dagger check", page.render().expect("renders"), Refresh::Never, Section::Traces, false)
}

#[test]
fn two_traces_beside_each_other() {
    let base = made(
        6,
        &GITHUB,
        vec![
            span(1, None, "dagger check", 900, Some(860)),
            span(2, Some(1), "connect", 900, Some(899)),
            span(3, Some(1), "old step", 890, Some(880)),
        ],
    );
    golden("trace-compare", &comparison(&base, &failed_run(2, &GITHUB)));
    let head = failed_run(2, &GITHUB);
    let alone = with_scene(|scene| ComparePage::alone(head.compared(), "None.", Some("no such trace".to_owned()), scene));
    let html = alone.render().expect("renders");
    assert!(html.contains("no such trace") && html.contains("name=\"with\""));
}

#[test]
fn setup_is_the_empty_state_too() {
    let page = SetupPage::new("http://127.0.0.1:8800/", Some("acme"), Some("/acme/traces".to_owned()), true);
    golden("traces-fresh", &in_frame("Traces of acme", page.render().expect("renders"), Refresh::Idle, Section::Traces, false));
}

/// Every page of traces with this text wherever a sender can put one.
pub(crate) fn hostile_pages(markup: &str) -> Vec<String> {
    let labels: Vec<(&str, &str)> = [
        "dagger.io/ci.vendor",
        "dagger.io/ci.provider",
        "dagger.io/git.ref",
        "dagger.io/git.title",
        "dagger.io/git.branch",
        "dagger.io/git.tag",
        "dagger.io/git.author.name",
        "dagger.io/vcs.change.title",
        "dagger.io/vcs.change.branch",
        "dagger.io/vcs.job.name",
        "dagger.io/vcs.workflow.name",
        "dagger.io/vcs.event.type",
        "dagger.io/vcs.triggerer.login",
        "dagger.io/client.version",
        "dagger.io/client.os",
        "dagger.io/client.arch",
    ]
    .into_iter()
    .map(|name| (name, markup))
    .chain([
        ("dagger.io/ci", "true"),
        ("dagger.io/git.remote", "github.com/acme/api"),
        ("dagger.io/vcs.change.number", "7"),
        ("dagger.io/vcs.change.url", "javascript:alert(1)"),
        ("cicd.pipeline.run.url.full", "javascript:alert(1)//https://x"),
    ])
    .collect();
    let without: Vec<(&str, &str)> =
        labels.iter().copied().filter(|(name, _)| !name.contains("vcs.change") && *name != "dagger.io/git.remote").collect();
    let mut pages = Vec::new();
    for labels in [&labels, &without] {
        let spans = || {
            let check =
                [("dagger.io/check.name", text(markup)), ("dagger.io/check.passed", Value::Bool(false)), ("test.case.name", text(markup))];
            vec![
                failing(span(1, None, markup, 120, Some(20)), markup),
                with(failing(span(2, Some(1), markup, 110, Some(20)), markup), &check),
                failing(span(3, Some(2), markup, 100, Some(20)), &format!("{markup}\n{markup}")),
            ]
        };
        let mut made = made(9, labels, spans());
        made.card.visibility = Some(Override { is_public: true, by: markup.to_owned(), at: before(5), was_private_then: true });
        let cards = [(made.card.clone(), made.state())];
        let (mut filter, _) =
            TraceFilter::read([("repository", markup), ("branch", markup), ("command", markup), ("q", markup)].into_iter());
        filter.after = Some(markup.to_owned());
        pages.push(list(&cards, &filter, &[markup.to_owned()], Some(markup)));
        for is_member in [true, false] {
            pages.push(detail(&made, is_member, &format!("{markup}\n\u{1b}]8;;javascript:alert(1)\u{7}{markup}\n\u{1b}[31m{markup}")));
        }
        let other =
            self::made(8, labels, vec![span(1, None, markup, 900, Some(890)), span(4, Some(1), &format!("{markup}4"), 890, Some(880))]);
        pages.push(comparison(&other, &made));
    }
    let share = ShareLink {
        link: "http://127.0.0.1:8800/acme/traces/x?share=y".to_owned(),
        words: "for a day",
        until: String::new(),
        is_public: true,
        trace_href: "/acme/traces/x".to_owned(),
    };
    pages.push(in_frame("x", share.render().expect("renders"), Refresh::Never, Section::Traces, false));
    let setup = SetupPage::new("http://127.0.0.1:8800/", Some("acme"), None, false);
    pages.push(in_frame("x", setup.render().expect("renders"), Refresh::Never, Section::Traces, false));
    pages
}

#[test]
fn a_proved_repository_leads_to_the_forge_and_a_claimed_one_does_not() {
    let mut made = failed_run(2, &LAPTOP);
    let origin = |card: &Card| with_scene(|scene| quillon_web::page::trace::origin::Origin::of(card, scene.site, scene.paths));
    assert_eq!(origin(&made.card).commit_href, None);
    made.card.attempt = Some(AttemptId::from_parts(1, 1));
    made.card.repository = Some(RepositoryId(1));
    made.card.enrich(quillon_core::trace::card::Native {
        host: "github.com".to_owned(),
        repository: "acme/api".parse().expect("a name"),
        commit: "0123456789abcdef0123456789abcdef01234567".parse().expect("a SHA"),
        branch: Some("main".parse().expect("a branch")),
        pull: None,
    });
    let origin = origin(&made.card);
    assert_eq!(origin.commit_href.as_deref(), Some("https://github.com/acme/api/commit/0123456789abcdef0123456789abcdef01234567"));
    assert_eq!((origin.place.as_str(), origin.refs[0].href.as_str()), ("Quillon", "https://github.com/acme/api/tree/main"));
}
