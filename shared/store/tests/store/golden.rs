//! Every kind of stored item as it lies in its table, so that a changed spelling shows up in review; and that what was
//! stored reads back as it was.
//!
//! A test that finds no file writes it and fails: read it, then commit it. To accept a change, delete the file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use aws_sdk_dynamodb::types::AttributeValue;
use quillon_core::attempt::{Attempt, AttemptState, Cancel, CancelReason, ListedCheck, Outcome};
use quillon_core::id::{AgentId, AttemptId, InstallationId, TokenId};
use quillon_core::org::{Agent, Enrolment, RateBudget, Scope, Token};
use quillon_core::protocol::ModuleReport;
use quillon_core::report::{LedgerEntry, Rank, StatusState};
use quillon_core::retention::Days;
use quillon_core::run::{Phase, Run, RunState, Summary};
use quillon_store::{HeadChange, ModuleRecord, Output, RunChange};
use serde_json::{Value, json};

use crate::sample::{
    REPOSITORY, at, branch, check, commit, expanding, finished, installation, lease_id, load, moved, offered, org, org_id, repository, run,
    running,
};
use quillon_test_tables::Db;

fn spell(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(spell).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": map.iter().map(|(name, value)| (name.clone(), spell(value))).collect::<BTreeMap<_, _>>() }),
        AttributeValue::B(bytes) => match zstd::decode_all(bytes.as_ref()) {
            Ok(text) => json!({ "B, zstd": String::from_utf8(text).expect("text") }),
            Err(_) => json!({ "B": String::from_utf8(bytes.clone().into_inner()).expect("text") }),
        },
        other => panic!("{other:?} is not stored"),
    }
}

/// Compares an item with its golden file; its nonce is random, and only whether it has one counts.
pub(crate) fn assert_golden(name: &str, item: &HashMap<String, AttributeValue>) {
    let mut spelled: BTreeMap<&str, Value> = item.iter().map(|(name, value)| (name.as_str(), spell(value))).collect();
    if let Some(nonce) = spelled.get_mut("nonce") {
        assert_eq!(nonce["S"].as_str().map(str::len), Some(36));
        *nonce = json!("…");
    }
    let text = format!("{}\n", serde_json::to_string_pretty(&spelled).expect("JSON"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    match std::fs::read_to_string(&path) {
        Ok(golden) => assert_eq!(text, golden, "{name} is stored in another form; old items must still be readable"),
        Err(_) => {
            std::fs::write(&path, &text).expect("written");
            panic!("{name} had no golden file: it is written now, read it and commit it");
        }
    }
}

pub(crate) async fn assert_stored(db: &Db, name: &str, table: &str, pk: &str, sk: &str) {
    let item = db.raw(table, pk, sk).await.unwrap_or_else(|| panic!("{name} is not at {pk} / {sk}"));
    assert_golden(name, &item);
}

fn partition(digit: char) -> String {
    format!("R#4200#{}", digit.to_string().repeat(40))
}

#[tokio::test]
async fn heads_refs_and_runs() {
    let db = Db::new().await;
    let mut run = run('a', "trusted:into:release/1%231", at(0));
    run.base_sha = Some(crate::sample::sha('f'));
    run.unreportable = Some("the App may not write statuses".to_owned());
    run.state = RunState::Waiting { tries: 3 };
    run.summary = Summary { phase: Some(Phase::Queued), ..run.summarize(&[&finished(&check(&run, "lint", at(0)), at(5))]) };
    let change = HeadChange {
        repository: REPOSITORY,
        reference: branch("topic#1"),
        sha: Some(run.key.commit.sha.clone()),
        seen: 0,
        run: RunChange::Create(Box::new(run.clone())),
        attempts: vec![load(&run)],
        now: at(1),
    };
    assert!(db.store.write_head(&change).await.expect("an answer").is_done());
    assert_stored(&db, "run", "checks", &partition('a'), "RUN#trusted:into:release/1%231").await;
    assert_stored(&db, "ref", "checks", &partition('a'), "REF#refs/heads/topic%231").await;
    assert_stored(&db, "head", "checks", "H#4200", "HEAD#refs/heads/topic%231").await;
    assert_eq!(db.store.run(&run.key).await.expect("an answer"), Some(run.clone()));

    let gone = HeadChange { sha: None, seen: 1, run: RunChange::None, attempts: vec![], ..change };
    assert!(db.store.write_head(&gone).await.expect("an answer").is_done());
    assert_stored(&db, "head-gone", "checks", "H#4200", "HEAD#refs/heads/topic%231").await;

    let states = [
        RunState::Open,
        RunState::Conflict { base: "main".parse().expect("a branch") },
        RunState::NoModule,
        RunState::TooManyModules { found: u32::MAX },
        RunState::ForkRefused,
    ];
    for state in states {
        run = Run { state, version: run.version + 1, ..run };
        assert!(db.store.save_run(&run).await.expect("an answer").is_done());
        assert_eq!(db.store.run(&run.key).await.expect("an answer"), Some(run.clone()));
    }
}

#[tokio::test]
async fn attempts_in_every_state() {
    let db = Db::new().await;
    let run = run('a', "fork:into:main", at(0));
    let mut attempt = load(&run);
    attempt.description = Some("checks the style".to_owned());
    attempt.requested_by = Some("octocat".to_owned());
    attempt.integration = Some(crate::sample::sha('9'));
    attempt.seq = u64::MAX - 100;
    db.store.create_attempts(std::slice::from_ref(&attempt)).await.expect("created");
    let sort = "ATT#fork:into:main#.#load#000001";
    assert_stored(&db, "attempt-id", "checks", &format!("ID#{}", attempt.id), "ID").await;
    assert_stored(&db, "attempt-queued", "checks", &partition('a'), sort).await;

    let reasons = [
        CancelReason::Superseded { by: crate::sample::sha('b') },
        CancelReason::SupersededInLane { by: quillon_core::id::PullNumber(u64::MAX) },
        CancelReason::Requested { by: String::new() },
        CancelReason::PullClosed { number: quillon_core::id::PullNumber(7) },
        CancelReason::RefDeleted { reference: branch("x") },
        CancelReason::InstallationGone,
        CancelReason::RepositoryGone,
    ];
    let cancelled = reasons.map(|reason| Outcome::Cancelled(Cancel { reason, at: at(3) }));
    let others = [
        Outcome::Failure { exit_code: i32::MIN },
        Outcome::Error { message: "no `dagger` on PATH".to_owned() },
        Outcome::Conflict { base: "main".parse().expect("a branch") },
        Outcome::TimedOut,
        Outcome::Lost,
    ];
    let listed = vec![
        ListedCheck { name: "go:lint".parse().expect("a name"), description: Some(String::new()) },
        ListedCheck { name: "test".parse().expect("a name"), description: None },
    ];
    let mut states: Vec<(Option<&str>, Attempt)> = vec![
        (Some("attempt-offered"), offered(&attempt, at(1))),
        (Some("attempt-running"), running(&attempt, at(2))),
        (Some("attempt-expanding"), expanding(&attempt, listed, at(3))),
        (Some("attempt-finished"), finished(&attempt, at(4))),
    ];
    for outcome in others.into_iter().chain(cancelled) {
        let state = AttemptState::Finished { outcome, lease: None, started_at: None, ended_at: at(4) };
        states.push((None, Attempt { due_at: None, ..moved(&attempt, state) }));
    }
    let cancel = Cancel { reason: CancelReason::Requested { by: "octocat".to_owned() }, at: at(3) };
    if let AttemptState::Running { lease, started_at, .. } = running(&attempt, at(2)).state {
        let state = AttemptState::Running { lease, started_at, cancel: Some(cancel.clone()) };
        states.push((Some("attempt-stopping"), moved(&attempt, state)));
    }
    let state = AttemptState::Finished { outcome: Outcome::Cancelled(cancel), lease: Some(lease_id()), started_at: None, ended_at: at(5) };
    states.push((Some("attempt-cancelled"), Attempt { due_at: None, ..moved(&attempt, state) }));

    let first = attempt.seq;
    for (seq, (name, state)) in (first + 1..).zip(states) {
        let state = Attempt { seq, ..state };
        assert!(db.store.save_attempt(&state).await.expect("an answer").is_done());
        if let Some(name) = name {
            assert_stored(&db, name, "checks", &partition('a'), sort).await;
        }
        assert_eq!(db.store.attempt(attempt.id).await.expect("an answer"), Some(state));
    }
}

#[tokio::test]
async fn ledger_deliveries_and_outputs() {
    let db = Db::new().await;
    let entry = LedgerEntry {
        context: "quillon/api/lint #1".to_owned(),
        rank: Rank { generation: 1, number: 12, is_terminal: true },
        state: StatusState::Success,
        description: "passed in 7s".to_owned(),
        posts: 2,
        is_full: true,
    };
    assert!(db.store.record_status(&commit('a'), &entry).await.expect("an answer").is_done());
    assert_stored(&db, "ledger", "checks", &partition('a'), "ST#quillon/api/lint%20%231").await;
    let ledger = db.store.commit(&commit('a')).await.expect("an answer").ledger;
    assert_eq!(ledger.into_values().collect::<Vec<_>>(), [entry]);

    let delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958".parse().expect("a guid");
    db.store.mark_delivery(&delivery, at(0)).await.expect("marked");
    assert_stored(&db, "delivery", "checks", "EV#72d3162e-cc78-11e3-81ab-4c9367dc0958", "EV").await;

    let id = AttemptId::from_parts(1, 1);
    let output = Output { text: "ok\n".to_owned(), is_cut: true };
    db.store.put_output(id, &output, Days::clamped(90), at(0)).await.expect("stored");
    assert_stored(&db, "output", "checks", &format!("OUT#{id}"), "OUT").await;
    assert_eq!(db.store.output(id).await.expect("an answer"), Some(output));
}

#[tokio::test]
async fn orgs_and_what_belongs_to_them() {
    let db = Db::new().await;
    assert!(db.store.create_org(&org(org_id(), "Acme")).await.expect("an answer").is_done());
    assert_stored(&db, "org", "orgs", &format!("O#{}", org_id()), "ORG").await;
    assert_stored(&db, "org-name", "orgs", "ON#acme", "ON").await;

    db.store.save_installation(&installation(None)).await.expect("saved");
    assert_stored(&db, "installation", "orgs", "INST#77", "INST").await;
    assert!(db.store.claim_installation(InstallationId(77), org_id(), at(9)).await.expect("an answer").is_done());
    assert_stored(&db, "installation-claimed", "orgs", "INST#77", "INST").await;

    let mut settled = repository(4_200, "acme/api");
    settled.settings.unmerged_branches = vec!["release/*".to_owned()];
    db.store.save_repository(org_id(), &settled).await.expect("saved");
    assert_stored(&db, "repository", "orgs", "REPO#4200", "REPO").await;
    assert_eq!(db.store.repository(REPOSITORY).await.expect("an answer"), Some(settled));

    let scopes = vec![Scope::TelemetryWrite, Scope::ChecksRead, Scope::ChecksRerun];
    let acme = org(org_id(), "Acme");
    let token = Token {
        expires_at: Some(at(100)),
        ..Token::new(TokenId::from_parts(1, 1), &acme, "laptop".to_owned(), scopes, String::new(), at(0))
    };
    assert!(db.store.create_token(&token, "0123abcd").await.expect("an answer").is_done());
    assert_stored(&db, "token", "orgs", "TK#0123abcd", "TK").await;

    let agent =
        Agent { id: AgentId::from_parts(1, 1), name: "builder".to_owned(), org: Some(org_id()), runs_forks: true, enrolled_at: at(0) };
    assert!(db.store.create_agent(&agent, "4567ef").await.expect("an answer").is_done());
    assert_stored(&db, "agent", "orgs", "AG#4567ef", "AG").await;

    let enrolment = Enrolment { org: Some(org_id()), expires_at: at(600) };
    assert!(db.store.create_enrolment(&enrolment, "89ab").await.expect("an answer").is_done());
    assert_stored(&db, "enrolment", "orgs", "ENR#89ab", "ENR").await;

    db.store.save_rate_budget(InstallationId(77), &RateBudget { blocked_until: at(60), allows_final: true }).await.expect("saved");
    assert_stored(&db, "rate-budget", "orgs", "BUCKET#77", "BUCKET").await;

    db.store.save_cursor("heads", "42").await.expect("saved");
    assert_stored(&db, "cursor", "orgs", "CURSOR#heads", "CURSOR").await;
}

#[tokio::test]
async fn modules_with_an_api_that_no_item_could_hold_as_it_is() {
    let db = Db::new().await;
    // Deeper than an item may be, and a number beyond those of a table.
    let mut api = json!({ "huge": 1e300, "empty": "", "list": [] });
    for _ in 0..40 {
        api = json!({ "in": api });
    }
    let mut record = ModuleRecord {
        org: org_id(),
        repository: REPOSITORY,
        path: "ci/go".parse().expect("a path"),
        report: ModuleReport { name: String::new(), engine_version: Some("v0.21.0".to_owned()), sdk: None, api: Some(api) },
        checks: vec![ListedCheck { name: "go:lint".parse().expect("a name"), description: Some("checks the style".to_owned()) }],
        sha: crate::sample::sha('a'),
        loaded_at: at(0),
    };
    db.store.save_module(&record).await.expect("saved");
    assert_eq!(db.store.module(REPOSITORY, &record.path).await.expect("an answer"), Some(record.clone()));

    record.report.name = "go".to_owned();
    record.report.api = Some(json!({ "functions": ["lint"] }));
    db.store.save_module(&record).await.expect("saved");
    assert_stored(&db, "module", "modules", "MOD#4200#ci/go", "M").await;
    assert_eq!(db.store.module(REPOSITORY, &record.path).await.expect("an answer"), Some(record.clone()));

    record.report.api = Some(json!("x".repeat(300_000)));
    assert!(matches!(db.store.save_module(&record).await, Err(quillon_store::Error::Unstorable { .. })));
    assert_eq!(db.store.module(REPOSITORY, &"other".parse().expect("a path")).await.expect("an answer"), None);
}
