//! Telemetry: whatever is sent twice, late, in another order or while something fails is read back as it was said, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use quillon::engine::fault::{Caller, Fault};
use quillon_core::id::{OrgId, TraceParent};
use quillon_core::retention::{Days, Retention};
use quillon_core::trace::TraceId;
use quillon_core::trace::label::Remote;
use quillon_store::Page;
use quillon_tests::{Export, Read, Setup, World, run_of, trace_id};

/// The remote of `acme/app` in a world.
fn remote(world: &World) -> String {
    format!("{}/acme/app.git", world.forge.api_url().trim_end_matches("/api/v3"))
}

async fn world() -> (World, String, OrgId) {
    let mut world = World::new().await;
    world.settle().await;
    let token = world.telemetry_token("acme").await;
    let org = world.org_named("acme").await;
    (world, token, org)
}

fn run(world: &World, trace: TraceId) -> Vec<Export> {
    run_of(trace, &remote(world), world.clock.now())
}

/// What a reader sees of a run that was sent in order, once, with nothing in its way.
async fn expected(world: &World, token: &str, org: OrgId) -> Read {
    let trace = trace_id(0xee);
    world.export_all(token, &run(world, trace)).await;
    world.read_trace(org, trace).await.expect("a trace")
}

#[tokio::test]
async fn a_trace_is_read_back_as_it_was_sent() {
    let (mut world, token, org) = world().await;
    let trace = trace_id(1);
    world.export_all(&token, &run(&world, trace)).await;
    let read = world.read_trace(org, trace).await.expect("a trace");
    assert_eq!((read.spans.len(), read.logs.len(), read.metrics.len()), (3, 3, 1));
    let exec = &read.spans[1];
    for said in ["`withExec`", "(\"bool\", Bool(false))", "(\"int\", Int(-7))", "(\"double\", Double(0.5))", "(\"bytes\", Bytes([0, 255]))"]
    {
        assert!(exec.contains(said), "{said} is not in {exec}");
    }
    assert!(exec.contains("(\"list\", List([Text(\"a\")]))"), "{exec}");
    assert!(read.logs[0].contains("line 0") && read.logs[2].contains("line 2"), "{:?}", read.logs);
    // Once it is over it is sealed, and says the same.
    world.pass_sealing_minutes(5).await;
    let items = world.trace_items(org, trace).await;
    assert!(!items.contains_key("C") && items.contains_key("Z"), "{items:?}");
    assert_eq!(world.read_trace(org, trace).await, Some(read));
    assert_eq!(world.trace_store().due_traces(Timestamp::MAX, 9).await.expect("a table"), []);
    world.finish().await;
}

#[tokio::test]
async fn the_repository_of_a_trace_is_one_that_the_org_of_its_token_has() {
    let (world, token, org) = world().await;
    let other = world.telemetry_token("umbrella").await;
    let umbrella = world.org_named("umbrella").await;
    let ours = remote(&world);
    let sent = [
        (1, &token, org, ours.clone(), Some(world.repository.id)),
        (2, &token, org, ours.replace("/app", "/unknown"), None),
        (3, &token, org, "https://gitlab.com/acme/app.git".to_owned(), None),
        (4, &other, umbrella, ours, None),
    ];
    for (number, token, org, remote, repository) in sent {
        let trace = trace_id(number);
        world.export_all(token, &run_of(trace, &remote, world.clock.now())).await;
        let card = world.trace_store().card(org, trace).await.expect("a table").expect("a card");
        assert_eq!(card.repository.map(|repository| repository.0), repository, "{remote}");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_is_sent_is_kept_as_long_as_the_operator_says() {
    let retention = Retention { traces: Days::clamped(7), checks: Days::clamped(30) };
    let mut world = World::with(Setup { retention, ..Setup::default() }).await;
    let sha = world.push("main").await;
    world.settle().await;
    let (attempt, _) = world.attempt(&sha, "lint").await;
    let (org, token) = (world.org_named("acme").await, world.telemetry_token("acme").await);
    let kept = async |token: &str, trace: TraceId| {
        let now = world.clock.now();
        world.export_all(token, &run(&world, trace)).await;
        let head = world.trace_store().head(org, trace).await.expect("a table").expect("a head");
        head.expires_at.expect("an end").duration_since(now).as_hours() / 24
    };
    assert_eq!(kept(&token, trace_id(1)).await, 7);
    let trace: TraceId = TraceParent::of(attempt).trace_id.parse().expect("a trace id");
    assert_eq!(kept(&world.job_token(attempt).await, trace).await, 30);
    world.finish().await;
}

#[tokio::test]
async fn the_trace_of_a_check_knows_its_commit_whatever_its_labels_say() {
    let (mut world, _, org) = world().await;
    let sha = world.push("main").await;
    world.settle().await;
    let (attempt, _) = world.attempt(&sha, "lint").await;
    let token = world.job_token(attempt).await;
    let trace: TraceId = TraceParent::of(attempt).trace_id.parse().expect("a trace id");
    world.export_all(&token, &run_of(trace, "https://gitlab.com/somebody/else", world.clock.now())).await;
    let card = world.trace_store().card(org, trace).await.expect("a table").expect("a card");
    assert_eq!((card.attempt, card.repository.map(|id| id.0)), (Some(attempt), Some(world.repository.id)));
    assert_eq!((card.commit(), card.branch()), (Some(sha.to_string()), Some("main".to_owned())));
    let ours: Remote = remote(&world).parse().expect("a remote");
    assert_eq!(card.remote_key(), ours.folded());
    // The same token is good for no other org, and for no longer than the job.
    world.advance(Duration::from_secs(600 + 3_600));
    let (status, _) = world.export(&token, &run(&world, trace)[0]).await;
    assert_eq!(status, 401);
    world.settle().await;
    world.finish().await;
}

#[tokio::test]
async fn who_sends_too_much_waits_and_others_do_not() {
    let (world, token, org) = {
        let mut world = World::with(Setup { ingest_kb_per_s: 16, ..Setup::default() }).await;
        world.settle().await;
        let token = world.telemetry_token("acme").await;
        let org = world.org_named("acme").await;
        (world, token, org)
    };
    let other = world.telemetry_token("umbrella").await;
    // A minute's worth is taken at once.
    let padding = Export { path: "/v1/traces", body: vec![0x0a; 400 * 1024].into() };
    for _ in 0..3 {
        let (status, _) = world.export(&token, &padding).await;
        assert_eq!(status, 400, "it is damaged, and was looked at");
    }
    let exports = run(&world, trace_id(1));
    assert_eq!(world.export(&token, &exports[0]).await.0, 429);
    assert_eq!(world.export(&other, &exports[0]).await.0, 200);
    world.advance(Duration::from_secs(60));
    world.export_all(&token, &exports).await;
    assert_eq!(world.read_trace(org, trace_id(1)).await.map(|read| read.spans.len()), Some(3));
    world.finish().await;
}

/// All orders of a few things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let shorter = orders(count - 1);
    shorter.iter().flat_map(|order| (0..count).map(|at| [&order[..at], &[count - 1], &order[at..]].concat())).collect()
}

#[tokio::test]
async fn any_order_and_any_repetition_is_the_same_trace() {
    let (mut world, token, org) = world().await;
    let expected = expected(&world, &token, org).await;
    let started = world.clock.now();
    let mut traces = vec![];
    for (number, order) in (1..).zip(orders(5)) {
        let trace = trace_id(number);
        let exports = run_of(trace, &remote(&world), started);
        for (position, index) in order.iter().enumerate() {
            world.export_all(&token, &exports[*index..=*index]).await;
            // Every third is sent again at once, and the first again at the end.
            if position % 3 == usize::from(number) % 3 {
                world.export_all(&token, &exports[*index..=*index]).await;
            }
        }
        world.export_all(&token, &exports[order[0]..=order[0]]).await;
        assert_eq!(world.read_trace(org, trace).await.as_ref(), Some(&expected), "{order:?}");
        traces.push((trace, order, exports));
    }
    assert_eq!(traces.len(), 120);
    world.pass_sealing_minutes(3).await;
    for (trace, order, exports) in traces.iter().step_by(7) {
        assert_eq!(world.read_trace(org, *trace).await.as_ref(), Some(&expected), "{order:?}, sealed");
        // A final batch that is sent once more, long after: spans as they were, and logs not twice.
        world.export_all(&token, exports).await;
        assert_eq!(world.read_trace(org, *trace).await.as_ref(), Some(&expected), "{order:?}, sealed and sent again");
    }
    world.pass_sealing_minutes(20).await;
    for (trace, order, _) in &traces {
        assert_eq!(world.read_trace(org, *trace).await.as_ref(), Some(&expected), "{order:?}, sealed twice");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_running_span_never_takes_the_place_of_a_finished_one_that_is_sealed() {
    let (mut world, token, org) = world().await;
    let trace = trace_id(1);
    let exports = run(&world, trace);
    world.export_all(&token, &exports[2..]).await;
    world.pass_sealing_minutes(5).await;
    let before = world.read_trace(org, trace).await.expect("a trace");
    world.export_all(&token, &exports[..2]).await;
    assert_eq!(world.read_trace(org, trace).await.as_ref(), Some(&before));
    world.pass_sealing_minutes(20).await;
    assert_eq!(world.read_trace(org, trace).await, Some(before));
    world.finish().await;
}

#[tokio::test]
async fn the_same_trace_in_two_orgs_never_meets() {
    let (mut world, token, org) = world().await;
    let other = world.telemetry_token("umbrella").await;
    let umbrella = world.org_named("umbrella").await;
    let trace = trace_id(1);
    let exports = run(&world, trace);
    world.export_all(&token, &exports).await;
    assert_eq!(world.read_trace(umbrella, trace).await, None);
    world.export_all(&other, &exports[..1]).await;
    let theirs = world.read_trace(umbrella, trace).await.expect("a trace");
    assert_eq!((theirs.spans.len(), theirs.logs.len()), (1, 0));
    assert_eq!(world.read_trace(org, trace).await.map(|read| read.spans.len()), Some(3));
    world.traces().delete(org, trace, world.clock.now()).await.expect("deleted");
    world.pass_sealing_minutes(3).await;
    assert_eq!(world.read_trace(umbrella, trace).await, Some(theirs));
    // A token says for which org it is, whatever the header says.
    let (status, _) = world.export(&other, &exports[0]).await;
    assert_eq!(status, 200);
    assert_eq!(world.read_trace(org, trace).await, None);
    world.finish().await;
}

#[tokio::test]
async fn late_telemetry_does_not_bring_a_deleted_trace_back() {
    for is_sealed in [false, true] {
        let (mut world, token, org) = world().await;
        let trace = trace_id(1);
        let exports = run(&world, trace);
        world.export_all(&token, &exports).await;
        if is_sealed {
            world.pass_sealing_minutes(5).await;
        }
        world.traces().delete(org, trace, world.clock.now()).await.expect("deleted");
        for export in &exports {
            // It is told as a partial success: the exporter has nothing to send again.
            let (status, body) = world.export(&token, export).await;
            assert!(status == 200 && String::from_utf8_lossy(&body).contains("deleted"), "{status} {body:?}");
        }
        assert_eq!(world.read_trace(org, trace).await, None);
        let today = world.trace_store().trace_day(org, 20_261_122, &Page::first(9)).await.expect("a list");
        assert_eq!(today.items, []);
        world.pass_sealing_minutes(3).await;
        let items = world.trace_items(org, trace).await;
        assert_eq!(items.into_iter().collect::<Vec<_>>(), [("HEAD".to_owned(), 1)]);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_trace_is_kept_as_long_as_it_should_be_and_no_longer() {
    let (mut world, token, org) = world().await;
    let (open, sealed) = (trace_id(1), trace_id(2));
    world.export_all(&token, &run(&world, sealed)).await;
    world.pass_sealing_minutes(5).await;
    world.export_all(&token, &run(&world, open)).await;
    let engines = world.system.cloud().engines().clone();
    let days = |days: u64| Duration::from_secs(days * 86_400);
    world.advance(days(89));
    engines.dynamodb().sweep_expired().expect("a sweep");
    for trace in [open, sealed] {
        assert!(world.read_trace(org, trace).await.is_some(), "{trace}");
    }
    world.advance(days(2));
    engines.dynamodb().sweep_expired().expect("a sweep");
    for trace in [open, sealed] {
        assert_eq!(world.trace_items(org, trace).await.len(), 0, "{trace}");
        assert_eq!(world.read_trace(org, trace).await, None, "{trace}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
    Conflict,
}

/// Lets one logical call fail for good, the SDK's own repetitions included; whether it did.
fn strike(world: &World, nth: u64, when: When) -> Arc<AtomicBool> {
    let engines = world.system.cloud().engines();
    let target = engines.next_call_index() + nth;
    let struck = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&struck);
    engines.set_fault(Some(Arc::new(move |call| {
        if call.index != target || call.caller == Caller::Mapping {
            return Fault::None;
        }
        flag.store(true, Ordering::SeqCst);
        match when {
            When::Before => Fault::fail_before(),
            When::After => Fault::fail_after(),
            When::Conflict => Fault::Conflict,
        }
    })));
    struck
}

/// An exporter whose every request meets one failure at a time: at each AWS call that taking the run in makes.
async fn ingest_matrix(when: When) {
    let (mut world, token, org) = world().await;
    let expected = expected(&world, &token, org).await;
    let started = world.clock.now();
    let engines = world.system.cloud().engines().clone();
    let mut struck = vec![];
    for nth in 0..u8::MAX - 20 {
        let trace = trace_id(nth + 1);
        let exports = run_of(trace, &remote(&world), started);
        let first = engines.next_call_index();
        let has_struck = strike(&world, u64::from(nth), when);
        world.export_all(&token, &exports).await;
        engines.set_fault(None);
        let has_struck = has_struck.load(Ordering::SeqCst);
        let calls = engines.next_call_index() - first;
        // A number that was taken and never used is waited for, but not for ever.
        world.advance(Duration::from_secs(4));
        assert_eq!(world.read_trace(org, trace).await.as_ref(), Some(&expected), "call {nth} failed {when:?}");
        if has_struck {
            struck.push(trace);
        } else if u64::from(nth) >= calls {
            break;
        }
    }
    assert!(struck.len() >= 10, "only {} calls failed", struck.len());
    // The cards that could not be written are put right by the sealer.
    world.pass_sealing_minutes(20).await;
    for trace in struck {
        assert_eq!(world.read_trace(org, trace).await.as_ref(), Some(&expected), "{trace} sealed, {when:?}");
        let card = world.trace_store().card(org, trace).await.expect("a table").expect("a card");
        assert_eq!((card.name(), card.spans, card.ended_ms().is_some()), ("dagger call test", Some(3), true), "{trace} {when:?}");
    }
    world.finish().await;
}

/// A sealer that dies at each of its AWS calls, one after the other.
async fn sealer_matrix(when: When) {
    let (mut world, token, org) = world().await;
    let expected = expected(&world, &token, org).await;
    world.pass_sealing_minutes(5).await;
    let engines = world.system.cloud().engines().clone();
    let mut struck = 0;
    for nth in 0..u8::MAX - 20 {
        let trace = trace_id(nth + 1);
        let exports = run_of(trace, &remote(&world), "2026-11-22T12:00:00Z".parse().expect("a time"));
        world.export_all(&token, &exports).await;
        world.advance(Duration::from_secs(120));
        let first = engines.next_call_index();
        let has_struck = strike(&world, u64::from(nth), when);
        let _ = world.fire_sealer().await;
        world.drain().await;
        engines.set_fault(None);
        let calls = engines.next_call_index() - first;
        assert_eq!(world.read_trace(org, trace).await.as_ref(), Some(&expected), "call {nth} failed {when:?}");
        // Messages that failed come back, a lease ends, the schedule finds what is left.
        world.pass_sealing_minutes(45).await;
        assert_eq!(world.read_trace(org, trace).await.as_ref(), Some(&expected), "call {nth} failed {when:?}, later");
        let head = world.trace_store().head(org, trace).await.expect("a table").expect("a head");
        assert!(head.seal.is_some_and(|seal| seal.is_final) && head.due_at.is_none(), "call {nth} failed {when:?}");
        let items = world.trace_items(org, trace).await;
        assert_eq!(items.get("C"), None, "call {nth} failed {when:?}: {items:?}");
        if has_struck.load(Ordering::SeqCst) {
            struck += 1;
        } else if u64::from(nth) >= calls {
            break;
        }
    }
    assert!(struck >= 10, "only {struck} calls failed");
    world.finish().await;
}

#[tokio::test]
async fn ingest_fails_before_each_call() {
    ingest_matrix(When::Before).await;
}

#[tokio::test]
async fn ingest_fails_after_each_call() {
    ingest_matrix(When::After).await;
}

#[tokio::test]
async fn ingest_meets_a_conflict_at_each_call() {
    ingest_matrix(When::Conflict).await;
}

#[tokio::test]
async fn the_sealer_dies_before_each_call() {
    sealer_matrix(When::Before).await;
}

#[tokio::test]
async fn the_sealer_dies_after_each_call() {
    sealer_matrix(When::After).await;
}

#[tokio::test]
async fn the_sealer_meets_a_conflict_at_each_call() {
    sealer_matrix(When::Conflict).await;
}
