//! A trace: its page, its data, and who may have them.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::Response;
use quillon_core::access::{Permission, Verdict, allows};
use quillon_core::org::{Org, Repository};
use quillon_core::trace::card::Card;
use quillon_core::trace::compare::compare;
use quillon_core::trace::id::{SpanId, TraceId};
use quillon_core::trace::insight;
use quillon_core::trace::span::{LogRecord, Value};
use quillon_core::trace::state::{TraceState, primary_root};
use quillon_core::trace::visibility::{Share, Visibility, visibility};
use quillon_traces::{LogPage, Query, Snapshot};
use serde_json::json;

use super::{Problem, Visit, partner};
use crate::ansi;
use crate::link::TraceView;
use crate::page::card::Scene;
use crate::page::frame::Refresh;
use crate::page::log::{Log, LogLine};
use crate::page::text::label;
use crate::page::time::settled;
use crate::page::trace::compare::{ComparePage, Compared, MAX_LISTED};
use crate::page::trace::detail::{Content, Reader, TAIL_LINES, Tail, TracePage, failed_rows};
use crate::page::trace::reason::reason;
use crate::page::trace::sharing::{Audience, Sharing};
use crate::respond;
use crate::wire::{document, outline};

/// What share links are signed for.
const SHARE: &str = "trace-share";

/// Most rows of one question for spans.
const MAX_SPANS: usize = 200;

/// Most log records of one answer.
const MAX_LOGS: u32 = 5_000;

/// Pages of a log that are read to find its end.
const MAX_TAIL_PAGES: usize = 8;

/// Most rows of each list of what is worth looking at first.
const MAX_INSIGHT: usize = 2_000;

/// Shows a trace or data of it, to whoever may have it. To others it does not exist.
pub(super) async fn view(visit: &Visit<'_>, org: &Org, trace: TraceId, view: TraceView) -> Result<Response<Bytes>, Problem> {
    let traces = &visit.deps.traces;
    let share = visit.parameter("share").filter(|share| share.len() < 300);
    let is_reader = visit.may(Permission::ViewRuns);
    if !is_reader {
        // Asked before anything else of the trace is read.
        let card = traces.card(org.id, trace).await?.ok_or(Problem::NotFound)?;
        let is_shared = share.as_deref().is_some_and(|share| is_shared(visit, &card, share));
        let is_open = is_shared || audience(visit, org, &card).await?.is_public();
        if !is_open || view == TraceView::Compare {
            // Somebody of the org learns what they lack, everybody else nothing.
            return Err(match allows(&visit.standing, Permission::ViewRuns) {
                Verdict::Refused(refusal) => refusal.into(),
                Verdict::Allowed | Verdict::Hidden => Problem::NotFound,
            });
        }
    }
    let snapshot = traces.open(org.id, trace, visit.now).await?.ok_or(Problem::NotFound)?;
    match view {
        TraceView::Page => page(visit, org, &snapshot, share).await,
        TraceView::Outline => outline(visit, &snapshot),
        TraceView::Spans => spans(visit, &snapshot).await,
        TraceView::Logs => logs(visit, &snapshot).await,
        TraceView::Metrics => metrics(visit, &snapshot).await,
        TraceView::Search => search(visit, &snapshot).await,
        TraceView::Insight => Ok(respond::json(&worth_seeing(&snapshot, visit.now.as_millisecond()))),
        TraceView::Download => download(visit, &snapshot).await,
        TraceView::Compare => comparison(visit, org, &snapshot).await,
    }
}

/// Who may read a trace, by what is stored now: a repository that became private takes its traces back.
pub(super) async fn audience(visit: &Visit<'_>, org: &Org, card: &Card) -> Result<Visibility, Problem> {
    Ok(visibility(card, repository(visit, org, card).await?.as_ref(), org.public_traces))
}

/// The repository that a credential proved, if it is still one of this org.
pub(super) async fn repository(visit: &Visit<'_>, org: &Org, card: &Card) -> Result<Option<Repository>, Problem> {
    let Some(id) = card.repository else { return Ok(None) };
    let Some(repository) = visit.deps.store.repository(id).await? else { return Ok(None) };
    let of_org = visit.deps.store.repository_by_name(org.id, &repository.name).await?;
    Ok(of_org.is_some_and(|of_org| of_org.id == id).then_some(repository))
}

/// The text of a share link's token.
pub(super) fn share_token(visit: &Visit<'_>, share: &Share) -> String {
    format!("{share}.{}", visit.key.sign(SHARE, &share.to_string()))
}

fn is_shared(visit: &Visit<'_>, card: &Card, token: &str) -> bool {
    let Some((text, signature)) = token.rsplit_once('.') else { return false };
    visit.key.verify(SHARE, text, signature) && text.parse::<Share>().is_ok_and(|share| share.is_valid(visit.now, card))
}

async fn page(visit: &Visit<'_>, org: &Org, snapshot: &Snapshot, share: Option<String>) -> Result<Response<Bytes>, Problem> {
    let now_ms = visit.now.as_millisecond();
    let state = snapshot.state(now_ms);
    let is_live = state == TraceState::Running;
    let site = &visit.deps.site;
    let paths = site.paths(&org.name);
    let scene = Scene { site, paths: &paths, now: settled(visit.now, is_live) };
    let audience = audience(visit, org, &snapshot.card).await?;
    let is_member = visit.may(Permission::ViewRuns);
    let reader = Reader {
        is_member,
        share: share.filter(|_| !is_member),
        span: visit.parameter("span").as_deref().and_then(document::span_id).map(|span| span.to_string()),
        audience: Audience::of(audience),
        sharing: visit
            .form_token()
            .filter(|_| visit.may(Permission::ShareTraces) && visit.may(Permission::DeleteTraces))
            .map(|csrf| Sharing::new(&snapshot.card, audience, &paths, csrf)),
        check: if is_member { check_of(visit, org, &snapshot.card).await? } else { None },
    };
    let tails = tails(visit, snapshot).await?;
    let page = TracePage::new(content(snapshot, state, &tails), reader, scene);
    let title = format!("{} {}", page.state.word, label(&page.command));
    visit.show_page(org, title, Refresh::of(is_live), true, page.render()?).await
}

/// What a page shows of a snapshot.
pub(super) fn content<'a>(snapshot: &'a Snapshot, state: TraceState, tails: &'a [Tail]) -> Content<'a> {
    Content {
        card: &snapshot.card,
        outline: &snapshot.outline,
        tree: &snapshot.tree,
        state,
        is_full: snapshot.head.records >= quillon_traces::MAX_RECORDS || snapshot.head.bytes >= quillon_traces::MAX_BYTES,
        tails,
    }
}

/// Name and page of the check that a trace belongs to.
async fn check_of(visit: &Visit<'_>, org: &Org, card: &Card) -> Result<Option<(String, String)>, Problem> {
    let Some(id) = card.attempt else { return Ok(None) };
    let attempts = visit.deps.store.attempts(&[id]).await?;
    let Some(attempt) = attempts.into_iter().find(|attempt| attempt.org == org.id) else { return Ok(None) };
    let Some(repository) = visit.deps.store.repository(attempt.key.run.commit.repository).await? else { return Ok(None) };
    let paths = visit.deps.site.paths(&org.name);
    let page = paths.check(&repository.name, &attempt.key.module, &attempt.key.run.commit.sha, &attempt.key.task);
    Ok(Some((label(attempt.key.task.label()), format!("{page}&attempt={}&run={}", attempt.key.number, attempt.run))))
}

/// What is told of each row that failed: the call, and the end of its log.
pub(super) async fn tails(visit: &Visit<'_>, snapshot: &Snapshot) -> Result<Vec<Tail>, Problem> {
    let rows = failed_rows(&snapshot.outline, &snapshot.tree);
    let spans = visit.deps.traces.spans(snapshot, &rows).await?;
    let mut tails = Vec::new();
    for (row, span) in rows.into_iter().zip(&spans) {
        tails.push(Tail { row, call: document::call_line(span), log: tail(visit, snapshot, span.id).await? });
    }
    Ok(tails)
}

/// The last lines of a span and of what is below it.
async fn tail(visit: &Visit<'_>, snapshot: &Snapshot, span: SpanId) -> Result<Log, Problem> {
    let mut page = LogPage::first(10_000);
    let mut last: Vec<LogRecord> = Vec::new();
    for _ in 0..MAX_TAIL_PAGES {
        let logs = visit.deps.traces.logs(snapshot, Some(span), true, &page).await?;
        last.extend(logs.items.into_iter().filter(|record| !record.attributes.is_true("dagger.io/logs.verbose")));
        // A line may be written in many pieces.
        let surplus = last.len().saturating_sub(TAIL_LINES * 40);
        last.drain(..surplus);
        page.after = logs.next;
        if page.after.is_none() {
            break;
        }
    }
    let text: String =
        last.iter().filter_map(|record| if let Value::Text(text) = &record.body { Some(text.as_str()) } else { None }).collect();
    let parsed = ansi::parse(&text, TAIL_LINES);
    let lines = (parsed.dropped + 1..).zip(parsed.lines).map(|(number, line)| LogLine { number, spans: line.spans });
    let lines: Vec<LogLine> = lines.collect();
    let absence = lines.is_empty().then_some("It printed nothing.");
    Ok(Log { is_cut: parsed.dropped > 0, lines, absence })
}

fn outline(visit: &Visit<'_>, snapshot: &Snapshot) -> Result<Response<Bytes>, Problem> {
    let number = |name: &str| match visit.parameter(name) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| Problem::BadForm("a number of the outline is none")),
    };
    let small = |name: &str| number(name).map(|number| number.map_or(0, |number| u32::try_from(number).unwrap_or(u32::MAX)));
    let asked = outline::Asked {
        after: number("after")?,
        from: small("from")?,
        names: small("names")?,
        numbering: number("part")?.map(|part| u16::try_from(part & 0xFFFF).unwrap_or(0)),
    };
    let changed = asked.after.and_then(|after| visit.deps.traces.changed(snapshot, after));
    let is_finished = snapshot.state(visit.now.as_millisecond()) != TraceState::Running;
    let stand = outline::Stand { cursor: snapshot.cursor, numbering: snapshot.numbering, is_finished };
    let answer = outline::encode(&snapshot.outline, &snapshot.tree, &asked, &stand, changed.as_deref());
    Ok(respond::bytes("application/octet-stream", answer.bytes, visit.headers()))
}

async fn spans(visit: &Visit<'_>, snapshot: &Snapshot) -> Result<Response<Bytes>, Problem> {
    let asked = visit.parameter("rows").and_then(|rows| document::row_numbers(&rows, MAX_SPANS));
    let rows = asked.ok_or(Problem::BadForm("name at most 200 rows, as `rows=1,2,3`"))?;
    let spans = match visit.deps.traces.spans(snapshot, &rows).await {
        Err(quillon_traces::Error::NoRow(_)) => return Err(Problem::NotFound),
        spans => spans?,
    };
    let is_brief = visit.parameter("brief").as_deref() == Some("1");
    let told = |row: u32| reason(&snapshot.outline, &snapshot.tree, row);
    Ok(compressed(visit, &document::spans(&rows, &spans, told, is_brief)))
}

async fn logs(visit: &Visit<'_>, snapshot: &Snapshot) -> Result<Response<Bytes>, Problem> {
    let span = match visit.parameter("span").filter(|span| !span.is_empty()) {
        None => None,
        Some(span) => Some(document::span_id(&span).ok_or(Problem::BadForm("the span is no span id"))?),
    };
    let limit = visit.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1_000).clamp(1, MAX_LOGS);
    let page = LogPage { after: visit.parameter("after").filter(|after| !after.is_empty()), limit };
    let descendants = visit.parameter("descendants").as_deref() == Some("1");
    let logs = visit.deps.traces.logs(snapshot, span, descendants, &page).await.map_err(cursor_of_others)?;
    // While it runs, the end of this part is where the next question goes on.
    let is_running = snapshot.state(visit.now.as_millisecond()) == TraceState::Running;
    let onward = if is_running { logs.end.or(page.after) } else { None };
    let next = logs.next.or(onward);
    Ok(compressed(visit, &document::logs(&logs.items, next.as_deref(), logs.total)))
}

async fn metrics(visit: &Visit<'_>, snapshot: &Snapshot) -> Result<Response<Bytes>, Problem> {
    let span = visit.parameter("span").as_deref().and_then(document::span_id).ok_or(Problem::BadForm("the span is no span id"))?;
    let points = visit.deps.traces.metrics(snapshot, span).await?;
    Ok(compressed(visit, &document::metrics(&points)))
}

async fn search(visit: &Visit<'_>, snapshot: &Snapshot) -> Result<Response<Bytes>, Problem> {
    let text = visit.parameter("q").filter(|text| !text.trim().is_empty()).ok_or(Problem::BadForm("nothing to search for"))?;
    let query = Query { after: visit.parameter("after").filter(|after| !after.is_empty()), ..Query::everywhere(&text) };
    let found = visit.deps.traces.search(snapshot, &query).await.map_err(cursor_of_others)?;
    Ok(compressed(visit, &document::search(&found)))
}

fn worth_seeing(snapshot: &Snapshot, now_ms: i64) -> serde_json::Value {
    let (outline, tree) = (&snapshot.outline, &snapshot.tree);
    let few = |mut rows: Vec<u32>| {
        rows.truncate(MAX_INSIGHT);
        rows
    };
    let critical = primary_root(outline, tree).map(|root| insight::critical_path(outline, tree, root)).unwrap_or_default();
    json!({
        "state": snapshot.state(now_ms).as_str(),
        "errors": few(insight::error_origins(outline, tree)),
        "checks": few(insight::checks(outline, tree)),
        "tests": few(insight::tests(outline, tree)),
        "critical": few(critical),
    })
}

async fn download(visit: &Visit<'_>, snapshot: &Snapshot) -> Result<Response<Bytes>, Problem> {
    let after = visit.parameter("after").filter(|after| !after.is_empty());
    let export = visit.deps.traces.export(snapshot, after.as_deref()).await.map_err(cursor_of_others)?;
    let share = visit.parameter("share").filter(|share| !share.is_empty());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(export.next.as_ref().map(|next| ("after", next))).extend_pairs(share.as_ref().map(|share| ("share", share)));
    let path = format!("{}?{}", visit.request.uri().path(), query.finish());
    let response = respond::bytes("application/x-ndjson", export.lines.into_bytes(), visit.headers());
    Ok(respond::with_next(response, export.next.as_deref().map(|next| (next, path.as_str()))))
}

/// JSON, compressed where the browser takes that.
fn compressed(visit: &Visit<'_>, body: &serde_json::Value) -> Response<Bytes> {
    respond::bytes("application/json", body.to_string().into_bytes(), visit.headers())
}

fn cursor_of_others(error: quillon_traces::Error) -> Problem {
    match error {
        quillon_traces::Error::InvalidCursor => Problem::BadForm("the cursor is not of this list: begin at its start"),
        error => Problem::Traces(error),
    }
}

async fn comparison(visit: &Visit<'_>, org: &Org, head: &Arc<Snapshot>) -> Result<Response<Bytes>, Problem> {
    let now_ms = visit.now.as_millisecond();
    let site = &visit.deps.site;
    let paths = site.paths(&org.name);
    let scene = Scene { site, paths: &paths, now: settled(visit.now, false) };
    let of = |snapshot: &'_ Arc<Snapshot>| (Arc::clone(snapshot), snapshot.state(now_ms));
    let (head, state) = of(head);
    let compared = Compared { card: &head.card, outline: &head.outline, tree: &head.tree, state };
    let asked = visit.parameter("with").filter(|text| !text.trim().is_empty());
    let (wanted, why, problem) = match asked.as_deref().map(trace_in) {
        Some(Some(trace)) => (Some(trace), "The trace that you named.", None),
        Some(None) => (None, "", Some("this is neither the id of a trace nor the address of its page".to_owned())),
        None => match partner::of(visit, org, &head.card).await? {
            Some(found) => (Some(found.trace), found.why, None),
            None => (None, partner::NONE, None),
        },
    };
    let base = match wanted.filter(|trace| *trace != head.trace) {
        Some(trace) => visit.deps.traces.open(org.id, trace, visit.now).await?,
        None => None,
    };
    let missing = || wanted.map(|_| "there is no such other trace in this organization".to_owned());
    let page = match &base {
        Some(base) => {
            let earlier = Compared { card: &base.card, outline: &base.outline, tree: &base.tree, state: base.state(now_ms) };
            let differences = compare(&base.outline, &base.tree, &head.outline, &head.tree, MAX_LISTED);
            ComparePage::new(earlier, compared, &differences, why, scene)
        }
        None => ComparePage::alone(compared, why, problem.or_else(missing), scene),
    };
    visit.show(org, format!("Compare {}", label(head.card.name())), Refresh::Never, page.render()?).await
}

/// The trace in what somebody pasted: its id, or the address of its page.
fn trace_in(text: &str) -> Option<TraceId> {
    let text = text.trim();
    let path = text.split(['?', '#']).next().unwrap_or(text);
    path.rsplit('/').find_map(|part| part.to_ascii_lowercase().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_by_its_id_or_its_address() {
        let id = "0123456789abcdef0123456789abcdef";
        for text in [
            id.to_owned(),
            id.to_uppercase(),
            format!(" https://q.example/acme/traces/{id}?span=1#L2 "),
            format!("/acme/traces/{id}/compare"),
        ] {
            assert_eq!(trace_in(&text).map(|trace| trace.to_string()).as_deref(), Some(id), "{text}");
        }
        for text in ["", "x", "/acme/traces/", &"0".repeat(32)] {
            assert_eq!(trace_in(text), None, "{text}");
        }
    }
}
