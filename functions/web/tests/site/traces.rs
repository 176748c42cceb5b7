//! Traces over the embedded engines: who may read what, what the data is, what the buttons do.
#![expect(clippy::expect_used, reason = "a table that does not answer fails its test")]

use std::io::Read as _;

use flate2::read::GzDecoder;
use http::{Method, StatusCode};
use quillon_core::audit::AuditAction;
use quillon_core::id::RepositoryId;
use quillon_core::org::{Org, Repository, TraceAccess};
use quillon_core::trace::card::Claim;
use quillon_core::trace::id::{SpanId, TraceId};
use quillon_otlp::{Encoding, Limits, Signal, decode};
use quillon_store::Page;
use quillon_telemetry::{Body, Counts, Generated};

use crate::world::State::{Failed, Passed};
use crate::world::{Answer, World};

/// The data of a trace besides its page, as far as somebody without session may ask.
const DATA: [&str; 7] = ["outline", "spans?rows=0", "logs", "metrics?span=0000000000000001", "search?q=go", "insight", "download"];

pub(crate) struct Sent {
    pub(crate) trace: TraceId,
    counts: Counts,
    pub(crate) path: String,
}

/// Takes in a made-up run, as ingest does.
pub(crate) async fn send(world: &World, claim: &Claim, generated: Generated) -> Sent {
    let mut generated = generated.starting_at(world.now());
    let mut last = world.now();
    for request in generated.by_ref() {
        let signal = match request.body {
            Body::Traces(_) => Signal::Traces,
            Body::Logs(_) => Signal::Logs,
            Body::Metrics(_) => Signal::Metrics,
        };
        let decoded = decode(signal, Encoding::Protobuf, &request.encode(), &Limits::default(), request.at).expect("a request");
        for batch in &decoded.batches {
            world.deps.traces.append(claim, batch, request.at).await.expect("a table");
        }
        last = last.max(request.at);
    }
    let seconds = last.duration_since(world.now()).as_secs().max(0);
    world.pass(u64::try_from(seconds).expect("not negative") + 1);
    let trace = TraceId::of_bytes(&generated.trace()).expect("a trace id");
    Sent { trace, counts: generated.counts(), path: format!("/acme/traces/{trace}") }
}

pub(crate) fn claim(org: &Org, repository: Option<&Repository>) -> Claim {
    Claim { org: org.id, attempt: None, repository: repository.map(|repository| repository.id) }
}

async fn open_repository(world: &World, org: &Org, id: u64, name: &str) -> Repository {
    let mut repository = world.repository(org, id, name).await;
    repository.is_private = false;
    world.deps.store.save_repository(org.id, &repository).await.expect("a table");
    repository
}

async fn anonymous(world: &World, path: &str) -> Answer {
    world.send(Method::GET, path, &[], "").await
}

/// What somebody without session gets of a page and all its data: one status for all.
async fn status_of_all(world: &World, path: &str, share: &str) -> StatusCode {
    let join = |view: &str| format!("{path}/{view}{}{share}", if view.contains('?') { "&" } else { "?" });
    let page = anonymous(world, &format!("{path}?{share}")).await;
    for view in DATA {
        let answer = anonymous(world, &join(view)).await;
        assert_eq!(answer.status, page.status, "{view}");
        assert_eq!(answer.header("x-robots-tag"), "noindex");
        if page.status == StatusCode::NOT_FOUND {
            assert_eq!(answer.without_way_back(), page.without_way_back(), "{view} tells more than the page");
        }
    }
    page.status
}

#[tokio::test]
async fn a_reader_without_session_gets_what_is_public_and_of_the_rest_not_even_its_existence() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let (public, private) = (open_repository(&world, &acme, 1, "acme/shop").await, world.repository(&acme, 2, "acme/secret").await);
    let shown = send(&world, &claim(&acme, Some(&public)), Generated::new(1, 80)).await;
    let hidden = send(&world, &claim(&acme, Some(&private)), Generated::new(2, 80)).await;
    let unproved = send(&world, &claim(&acme, None), Generated::new(3, 80)).await;
    let theirs = send(&world, &claim(&globex, None), Generated::new(4, 80)).await;

    assert_eq!(status_of_all(&world, &shown.path, "x=1").await, StatusCode::OK);
    let nothing = anonymous(&world, "/acme/traces/0123456789abcdef0123456789abcdef").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    for path in [
        &hidden.path,
        &unproved.path,
        &theirs.path,
        &format!("/globex/traces/{}", theirs.trace),
        &format!("/globex/traces/{}", shown.trace),
        &format!("/nobody/traces/{}", shown.trace),
    ] {
        assert_eq!(status_of_all(&world, path, "x=1").await, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(anonymous(&world, path).await.without_way_back(), nothing.without_way_back(), "{path}");
    }
    for path in ["/acme/traces".to_owned(), "/acme/traces/setup".to_owned(), "/traces/setup".to_owned()] {
        assert_eq!(anonymous(&world, &path).await.status, StatusCode::SEE_OTHER, "{path}");
    }
    assert_eq!(anonymous(&world, &format!("{}/compare", shown.path)).await.status, StatusCode::NOT_FOUND);
    let page = anonymous(&world, &shown.path).await.text;
    assert!(page.contains("from CI of a public repository") && !page.contains("csrf") && !page.contains("/acme/checks"));

    let browser = world.sign_in().await;
    for sent in [&shown, &hidden, &unproved] {
        let page = browser.get(&sent.path).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("name=\"csrf\"") && page.text.contains("id=\"trace\""));
    }
    for path in [theirs.path.clone(), format!("/globex/traces/{}/outline", shown.trace)] {
        assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn what_becomes_private_is_taken_back_at_once() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let repository = open_repository(&world, &acme, 1, "acme/shop").await;
    let sent = send(&world, &claim(&acme, Some(&repository)), Generated::new(1, 80)).await;
    let save = |change: fn(&mut Repository)| {
        let mut changed = repository.clone();
        change(&mut changed);
        let store = &world.deps.store;
        async move { store.save_repository(acme.id, &changed).await.expect("a table") }
    };
    assert_eq!(status_of_all(&world, &sent.path, "x=1").await, StatusCode::OK);
    save(|repository| repository.is_private = true).await;
    assert_eq!(status_of_all(&world, &sent.path, "x=1").await, StatusCode::NOT_FOUND);
    save(|_| {}).await;
    assert_eq!(status_of_all(&world, &sent.path, "x=1").await, StatusCode::OK);
    save(|repository| repository.settings.traces = TraceAccess::Private).await;
    assert_eq!(status_of_all(&world, &sent.path, "x=1").await, StatusCode::NOT_FOUND);

    // Made public by hand while the repository was public: that ends with it too.
    save(|_| {}).await;
    let browser = world.sign_in().await;
    let made = browser.press(&format!("{}/visibility", sent.path), "to=public&confirm=yes").await;
    assert_eq!(made.header("location"), format!("{}?done=trace-public", sent.path));
    save(|repository| repository.is_private = true).await;
    assert_eq!(status_of_all(&world, &sent.path, "x=1").await, StatusCode::NOT_FOUND);
    // A repository that moved to another org proves nothing here.
    let globex = world.org(2, "globex").await;
    world.deps.store.save_repository(globex.id, &repository).await.expect("a table");
    assert_eq!(status_of_all(&world, &sent.path, "x=1").await, StatusCode::NOT_FOUND);
}

/// Makes a link; its token.
async fn share(world: &World, path: &str, seconds: &str) -> String {
    let browser = world.sign_in().await;
    let answer = browser.press(&format!("{path}/share"), &format!("seconds={seconds}")).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    let link = answer.text.split("?share=").nth(1).expect("a link");
    format!("share={}", link.split('<').next().expect("its end"))
}

#[tokio::test]
async fn a_link_opens_its_trace_until_it_expires_or_is_taken_back() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let sent = send(&world, &claim(&acme, None), Generated::new(1, 80)).await;
    let other = send(&world, &claim(&acme, None), Generated::new(2, 80)).await;
    let link = share(&world, &sent.path, "3600").await;
    assert_eq!(status_of_all(&world, &sent.path, &link).await, StatusCode::OK);
    assert_eq!(status_of_all(&world, &other.path, &link).await, StatusCode::NOT_FOUND);
    let page = anonymous(&world, &format!("{}?{link}", sent.path)).await.text;
    assert!(page.contains(&format!("data-share=\"{}\"", &link[6..])) && !page.contains("csrf"));
    let forged = [
        "share=".to_owned(),
        "share=x".to_owned(),
        format!("{link}0"),
        link.replace("share=s1.", "share=s2."),
        format!("{}{}", &link[..link.len() - 1], if link.ends_with('0') { '1' } else { '0' }),
        link.replace(&sent.trace.to_string(), &other.trace.to_string()),
    ];
    for forged in &forged {
        assert_eq!(anonymous(&world, &format!("{}?{forged}", sent.path)).await.status, StatusCode::NOT_FOUND, "{forged}");
        assert_eq!(anonymous(&world, &format!("{}?{forged}", other.path)).await.status, StatusCode::NOT_FOUND, "{forged}");
    }

    let browser = world.sign_in().await;
    assert_eq!(browser.press(&format!("{}/revoke-shares", sent.path), "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(status_of_all(&world, &sent.path, &link).await, StatusCode::NOT_FOUND);
    let again = share(&world, &sent.path, "86400").await;
    assert_eq!(status_of_all(&world, &sent.path, &again).await, StatusCode::OK);
    world.pass(86_401);
    assert_eq!(status_of_all(&world, &sent.path, &again).await, StatusCode::NOT_FOUND);
    for seconds in ["", "1", "99999999", "-1"] {
        let answer = browser.press(&format!("{}/share", sent.path), &format!("seconds={seconds}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{seconds}");
    }
}

#[tokio::test]
async fn deeds_are_confirmed_and_written_down_and_not_for_everybody() {
    let world = World::new().await;
    let (acme, globex) = (world.org(1, "acme").await, world.org(2, "globex").await);
    let sent = send(&world, &claim(&acme, None), Generated::new(1, 80)).await;
    let theirs = send(&world, &claim(&globex, None), Generated::new(2, 80)).await;
    let browser = world.sign_in().await;
    let post = |action: &str| format!("{}/{action}", sent.path);
    for action in ["visibility", "share", "revoke-shares", "delete"] {
        assert_eq!(world.send(Method::POST, &post(action), &[], "confirm=yes").await.status, StatusCode::UNAUTHORIZED, "{action}");
        let cookie = [("cookie", browser.cookie.as_str())];
        assert_eq!(world.send(Method::POST, &post(action), &cookie, "csrf=0").await.status, StatusCode::FORBIDDEN, "{action}");
        assert_eq!(browser.get(&post(action)).await.status, StatusCode::METHOD_NOT_ALLOWED, "{action}");
        let foreign = format!("/acme/traces/{}/{action}", theirs.trace);
        assert_eq!(browser.press(&foreign, "to=private&seconds=3600").await.status, StatusCode::NOT_FOUND, "{action}");
    }
    for fields in ["to=public", "to=public&confirm=no", "to=everyone", ""] {
        assert_eq!(browser.press(&post("visibility"), fields).await.status, StatusCode::BAD_REQUEST, "{fields}");
    }
    for (fields, status) in
        [("to=public&confirm=yes", StatusCode::OK), ("to=private", StatusCode::NOT_FOUND), ("to=default", StatusCode::NOT_FOUND)]
    {
        assert_eq!(browser.press(&post("visibility"), fields).await.status, StatusCode::SEE_OTHER);
        assert_eq!(anonymous(&world, &sent.path).await.status, status, "{fields}");
    }
    share(&world, &sent.path, "3600").await;
    for fields in ["", "confirm=yes", &format!("confirm={}", &sent.trace.to_string()[..7])] {
        assert_eq!(browser.press(&post("delete"), fields).await.status, StatusCode::BAD_REQUEST, "{fields}");
    }
    let gone = browser.press(&post("delete"), &format!("confirm={}", &sent.trace.to_string()[..8])).await;
    assert_eq!(gone.header("location"), "/acme/traces?done=trace-deleted");
    assert_eq!(browser.get(&sent.path).await.status, StatusCode::NOT_FOUND);
    assert!(browser.get("/acme/traces?done=trace-deleted").await.text.contains("The trace was deleted."));
    send(&world, &claim(&acme, None), Generated::new(1, 80)).await;
    assert_eq!(browser.get(&sent.path).await.status, StatusCode::NOT_FOUND, "late telemetry brings nothing back");

    let entries = world.deps.store.audit(acme.id, &Page::first(50)).await.expect("a table").items;
    let mut deeds: Vec<AuditAction> = entries.iter().map(|entry| entry.action).collect();
    assert!(entries.iter().all(|entry| entry.subject == sent.trace.to_string() && entry.who == "the operator"));
    deeds.sort_by_key(|deed| format!("{deed:?}"));
    let expected = [
        AuditAction::TraceByRule,
        AuditAction::TraceDeleted,
        AuditAction::TraceMadePrivate,
        AuditAction::TraceMadePublic,
        AuditAction::TraceShared,
    ];
    assert_eq!(deeds, expected);
}

#[tokio::test]
async fn the_data_of_a_trace_is_whole() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let sent = send(&world, &claim(&acme, None), Generated::new(7, 600)).await;
    let browser = world.sign_in().await;
    let data = |view: &str| format!("{}/{view}", sent.path);

    let headers = [("cookie", browser.cookie.as_str()), ("accept-encoding", "br;q=1, gzip")];
    let packed = world.send(Method::GET, &data("outline"), &headers, "").await;
    assert_eq!((packed.header("content-encoding"), packed.header("content-type")), ("gzip", "application/octet-stream"));
    let mut outline = Vec::new();
    GzDecoder::new(&packed.bytes[..]).read_to_end(&mut outline).expect("gzip");
    let plain = browser.get(&data("outline")).await;
    assert_eq!((plain.header("content-encoding"), &plain.bytes[..]), ("", &outline[..]));
    let word = |at: usize| u32::from_le_bytes(outline[at..at + 4].try_into().expect("four bytes"));
    let (rows, cursor, bits) = (word(4), word(32), word(36));
    assert_eq!((&outline[..4], u64::from(rows), u64::from(word(12)), bits & 7), (&b"QTO1"[..], sent.counts.spans, sent.counts.spans, 3));
    let delta = browser.get(&data(&format!("outline?after={cursor}&names={}&part={}", word(16), bits >> 16))).await;
    assert_eq!(u32::from_le_bytes(delta.bytes[4..8].try_into().expect("four bytes")), 0);
    for query in ["after=x", "from=-1", "names=99999999999999999999999"] {
        assert_eq!(browser.get(&data(&format!("outline?{query}"))).await.status, StatusCode::BAD_REQUEST, "{query}");
    }

    let json = |answer: Answer| -> serde_json::Value {
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"), "{}", answer.text);
        serde_json::from_str(&answer.text).expect("JSON")
    };
    let all: Vec<String> = (0..rows.min(200)).map(|row| row.to_string()).collect();
    let spans = json(browser.get(&data(&format!("spans?rows={}", all.join(",")))).await);
    let spans = spans["spans"].as_array().expect("a list");
    assert_eq!(spans.len(), all.len());
    assert!(spans.iter().all(|span| span["id"].as_str().is_some_and(|id| id.len() == 16) && span["start"].as_str().is_some()));
    assert!(spans.iter().any(|span| span["call"]["field"].as_str().is_some()));
    let brief = json(browser.get(&data("spans?rows=0,1&brief=1")).await);
    assert!(brief["spans"][1]["attributes"].is_null() && brief["spans"][1]["status"]["code"].is_string());
    assert_eq!(browser.get(&data(&format!("spans?rows={rows}"))).await.status, StatusCode::NOT_FOUND);
    for query in ["", "?rows=", "?rows=x", &format!("?rows={}", (0..201).map(|row| row.to_string()).collect::<Vec<_>>().join(","))] {
        assert_eq!(browser.get(&data(&format!("spans{query}"))).await.status, StatusCode::BAD_REQUEST, "{query}");
    }

    let (mut records, mut after) = (0, String::new());
    loop {
        let logs = json(browser.get(&data(&format!("logs?limit=100&after={after}"))).await);
        records += logs["records"].as_array().expect("a list").len() as u64;
        assert_eq!(logs["total"].as_u64(), Some(sent.counts.logs));
        match logs["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(records, sent.counts.logs);
    assert_eq!(browser.get(&data("logs?after=rubbish")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get(&data("logs?span=x")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(json(browser.get(&data("logs?span=00000000000000ff")).await)["total"], 0);

    let found = json(browser.get(&data("search?q=dagger")).await);
    assert!(found["hits"].as_array().is_some_and(|hits| !hits.is_empty()) && found["of"].as_u64().is_some());
    assert_eq!(browser.get(&data("search?q=")).await.status, StatusCode::BAD_REQUEST);
    let insight = json(browser.get(&data("insight")).await);
    assert_eq!(insight["checks"].as_array().expect("a list").len() as u64, sent.counts.checks);
    assert!(insight["critical"].as_array().is_some_and(|rows| !rows.is_empty()));
    assert!(json(browser.get(&data("metrics?span=00000000000000ff")).await)["series"].as_array().is_some_and(Vec::is_empty));
    assert_eq!(browser.get(&data("metrics")).await.status, StatusCode::BAD_REQUEST);

    let (mut lines, mut path) = (0, data("download"));
    loop {
        let part = browser.get(&path).await;
        assert_eq!(part.header("content-type"), "application/x-ndjson");
        for line in part.text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON");
            lines += 1;
        }
        match part.header("link").strip_prefix('<').and_then(|link| link.split('>').next()) {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert!(lines >= 3, "spans, logs and metrics");
}

#[tokio::test]
async fn the_list_is_filtered_and_its_empty_state_is_the_setup() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let browser = world.sign_in().await;
    let fresh = browser.get("/acme/traces").await.text;
    assert!(fresh.contains("No traces yet") && fresh.contains("OTEL_EXPORTER_OTLP_COMPRESSION") && fresh.contains("argo.workflow.name"));
    assert!(browser.get("/traces/setup").await.text.contains("Send traces here"));
    assert!(browser.get("/acme/traces/setup").await.text.contains("--org acme --name ci --scope telemetry:write"));

    let green = send(&world, &claim(&acme, None), Generated::new(1, 80).passing()).await;
    let red = send(&world, &claim(&acme, None), Generated::new(2, 400)).await;
    assert!(red.counts.failed_checks > 0);
    let lists = |html: &str, sent: &Sent| html.contains(&format!("id=\"trace-{}\"", sent.trace));
    for (query, has_green, has_red) in [
        ("", true, true),
        ("?state=failed", false, true),
        ("?state=succeeded", true, false),
        ("?from=ci", true, true),
        ("?from=people", false, false),
        ("?repository=github.com/acme/shop&branch=main", true, true),
        ("?repository=acme/SHOP", true, true),
        ("?repository=acme/other", false, false),
        ("?branch=other", false, false),
        ("?q=robin", true, true),
        ("?q=nobody", false, false),
        ("?command=dagger", true, true),
        ("?longer=300h", false, false),
        ("?day=2001-01-01", false, false),
        ("?after=rubbish", true, true),
    ] {
        let html = browser.get(&format!("/acme/traces{query}")).await.text;
        assert_eq!((lists(&html, &green), lists(&html, &red)), (has_green, has_red), "{query}");
        assert!(has_green || has_red || html.contains("No traces match this filter"), "{query}");
    }
}

#[tokio::test]
async fn a_trace_is_compared_with_the_last_one_that_went_well() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let old = send(&world, &claim(&acme, None), Generated::new(1, 200).passing()).await;
    let browser = world.sign_in().await;
    let alone = browser.get(&format!("{}/compare", old.path)).await.text;
    assert!(alone.contains("No earlier run of the same command"), "{alone}");
    let new = send(&world, &claim(&acme, None), Generated::new(2, 200)).await;
    let compared = browser.get(&format!("{}/compare", new.path)).await.text;
    assert!(compared.contains(&old.path) && compared.contains("on the default branch that went well"), "{compared}");
    let named = browser.get(&format!("{}/compare?with=https://q.example{}", new.path, old.path)).await.text;
    assert!(named.contains("The trace that you named."));
    for (with, words) in [
        ("x", "neither the id"),
        ("0123456789abcdef0123456789abcdef", "no such other trace"),
        (&new.trace.to_string(), "no such other trace"),
    ] {
        assert!(browser.get(&format!("{}/compare?with={with}", new.path)).await.text.contains(words), "{with}");
    }
}

#[tokio::test]
async fn a_check_shows_the_trace_of_its_attempt_and_is_compared_with_its_base_branch() {
    let world = World::new().await;
    let acme = world.org(1, "acme").await;
    let repository = world.repository(&acme, 1, "acme/api").await;
    let mut paths = Vec::new();
    for (number, state) in [(1, Passed), (2, Failed)] {
        let made = world.run(&acme, &repository, number, "main", &[("load", Passed), ("api:lint", state)]).await;
        let attempt = made.attempts.iter().find(|attempt| attempt.key.task.label() == "api:lint").expect("an attempt");
        let (trace, span): (TraceId, SpanId) =
            (attempt.trace.trace_id.parse().expect("an id"), attempt.trace.span_id.parse().expect("an id"));
        let claim = Claim { org: acme.id, attempt: Some(attempt.id), repository: Some(RepositoryId(1)) };
        let generated = Generated::new(number, 100).under(trace, span);
        let sent = send(&world, &claim, if number == 1 { generated.passing() } else { generated }).await;
        assert_eq!(sent.trace, trace);
        paths.push(sent.path);
    }
    let browser = world.sign_in().await;
    let check = browser.get(&format!("/acme/checks/github.com/acme/api@{:040x}?check=api:lint", 2)).await.text;
    assert!(check.contains(&format!("data-base=\"{}\"", paths[1])) && check.contains(&format!("href=\"{}\"", paths[1])));
    let here = format!("/acme/checks/github.com/acme/api@{:040x}?check=api%3Alint&#38;span=", 2);
    assert!(check.contains(&here), "spans are opened where they are");
    let load = browser.get(&format!("/acme/checks/github.com/acme/api@{:040x}?check=load", 2)).await.text;
    assert!(!load.contains("id=\"trace\""), "nothing came of the load");
    let trace = browser.get(&paths[1]).await.text;
    assert!(trace.contains("Check <bdi>api:lint</bdi>"));
    let compared = browser.get(&format!("{}/compare", paths[1])).await.text;
    assert!(compared.contains(&paths[0]) && compared.contains("same check on the base branch"), "{compared}");
}
