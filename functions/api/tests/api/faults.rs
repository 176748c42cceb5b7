//! Every AWS call of a job fails once, before or after its effect; the agent tries again, as agents do.

use std::sync::Arc;

use http::StatusCode;
use quillon::engine::fault::{CallInfo, Fault, FaultHook};
use quillon_core::attempt::{Attempt, Outcome};
use quillon_core::trust::Trust;
use serde_json::{Value, json};

use crate::world::{World, job_token, sha};

/// Most times that the agent of this test tries a call; one fault needs two.
const TRIES: usize = 3;

/// Repeats a call until it is not answered with "try again".
async fn persist(world: &World, path: &str, authorization: &str, body: &Value) -> (StatusCode, Value) {
    let mut answer = (StatusCode::SERVICE_UNAVAILABLE, Value::Null);
    for _ in 0..TRIES {
        if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        answer = world.post(path, authorization, body.clone()).await;
    }
    answer
}

/// One load from lease to result, with a fault in force from the lease on. Gives the attempt and the number of calls.
async fn one_job(fault: impl FnOnce(u64) -> Option<FaultHook>) -> (World, Attempt, u64) {
    let world = World::new().await;
    let acme = world.org("acme").await;
    let repository = world.repository(acme.id, 1, "acme/hello").await;
    let (_, loads) = world.run(acme.id, &repository, &sha('a'), Trust::Trusted, &["."]).await;
    let agent = world.agent(None, false).await;
    world.admit(loads[0].id).await;

    let first = world.engines.next_call_index();
    world.engines.set_fault(fault(first));
    let (status, grant) = persist(&world, "/runner/v1/lease", &agent, &json!({ "wait_ms": 0 })).await;
    assert_eq!(status, StatusCode::OK, "{grant}");
    let job = json!({ "attempt": grant["attempt"], "lease": grant["lease"], "elapsed_s": 1 });
    let (status, answer) = persist(&world, "/runner/v1/heartbeat", &job_token(&grant), &job).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let result = json!({
        "attempt": grant["attempt"],
        "lease": grant["lease"],
        "report": { "result": "listed", "checks": [{ "name": "lint" }, { "name": "test" }] },
        "output": "the log\n",
        "is_output_cut": false,
        "module": { "name": "hello" },
    });
    let (status, answer) = persist(&world, "/runner/v1/result", &job_token(&grant), &result).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    let calls = world.engines.next_call_index() - first;
    world.engines.set_fault(None);
    let load = world.attempt(loads[0].id).await;
    (world, load, calls)
}

fn at(wanted: u64, fault: Fault) -> Option<FaultHook> {
    Some(Arc::new(move |call: &CallInfo<'_>| if call.index == wanted { fault.clone() } else { Fault::None }))
}

#[tokio::test]
async fn a_job_ends_the_same_whichever_call_fails() {
    let (_, _, calls) = one_job(|_| None).await;
    assert!(calls > 10, "{calls}");
    for number in 0..calls {
        for fault in [Fault::fail_before(), Fault::fail_after()] {
            let case = format!("call {number} of {calls}: {fault:?}");
            let (world, load, _) = one_job(|first| at(first + number, fault)).await;
            assert_eq!(load.outcome(), Some(&Outcome::Success), "{case}");
            assert_eq!((load.execution, load.losses), (1, 0), "{case}");
            let commit = world.deps.store.commit(&load.key.run.commit).await.expect("a table");
            let names: Vec<&str> = commit.latest(&load.key.run).iter().map(|attempt| attempt.key.task.label()).collect();
            assert_eq!(names, ["load", "lint", "test"], "{case}");
            let output = world.deps.store.output(load.id).await.expect("a table").expect("an output");
            assert_eq!(output.text, "the log\n", "{case}");
            let module = world.deps.store.module(load.key.run.commit.repository, &load.key.module).await.expect("a table");
            assert!(module.is_some(), "{case}");
        }
    }
}
