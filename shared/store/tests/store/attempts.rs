//! Creating and finding attempts.

use aws_sdk_dynamodb::types::AttributeValue;
use quillon_core::attempt::Attempt;
use quillon_core::id::AttemptId;
use quillon_core::name::{ModulePath, Task};
use quillon_core::retention::Days;
use quillon_store::{Error, Output};
use serde_json::{Value, json};

use crate::sample::{at, check, load, offered, run};
use quillon_test_tables::{Db, Fault};

fn checks(count: usize) -> Vec<Attempt> {
    let run = run('a', "trusted:head", at(0));
    (0..count).map(|number| check(&run, &format!("check-{number:03}"), at(0))).collect()
}

#[tokio::test]
async fn creating_attempts_again_leaves_those_that_exist_as_they_are() {
    let db = Db::new().await;
    let all = checks(45);
    db.store.create_attempts(&all[..3]).await.expect("created");
    let moved = offered(&all[1], at(5));
    assert!(db.store.save_attempt(&moved).await.expect("an answer").is_done());

    // Made a second later, they have other ids; the keys decide.
    let other_id = |number| AttemptId::from_parts(9, number);
    let later: Vec<Attempt> = (0..3).zip(checks(3)).map(|(number, attempt)| Attempt { id: other_id(number), ..attempt }).collect();
    db.store.create_attempts(&later).await.expect("nothing to do");
    assert_eq!(db.store.attempts(&[other_id(0), other_id(1), other_id(2)]).await.expect("an answer"), vec![]);

    db.store.create_attempts(&all).await.expect("created");
    db.store.create_attempts(&all).await.expect("nothing to do");
    let ids: Vec<AttemptId> = all.iter().map(|attempt| attempt.id).collect();
    let mut expected = all.clone();
    expected[1] = moved;
    assert_eq!(db.store.attempts(&ids).await.expect("an answer"), expected);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_done() {
    let db = Db::new().await;
    let all = checks(2);
    db.fault("TransactWriteItems", Fault::LoseAnswer);
    db.store.create_attempts(&all).await.expect("created");
    assert_eq!(db.store.attempt_by_key(&all[1].key).await.expect("an answer"), Some(all[1].clone()));
}

#[tokio::test]
async fn attempts_come_in_the_order_asked_for_without_unknown_ids() {
    let db = Db::new().await;
    let all = checks(120);
    db.store.create_attempts(&all).await.expect("created");
    let unknown = AttemptId::from_parts(1, 1);
    let mut ids: Vec<AttemptId> = all.iter().rev().map(|attempt| attempt.id).collect();
    ids.insert(7, unknown);
    let found = db.store.attempts(&ids).await.expect("an answer");
    assert!(found.iter().eq(all.iter().rev()), "{}", found.len());
    assert_eq!(db.store.attempts(&[]).await.expect("an answer"), vec![]);
    assert_eq!(db.store.attempt(unknown).await.expect("an answer"), None);
}

#[tokio::test]
async fn the_rest_of_a_batch_is_asked_for_again() {
    let db = Db::new().await;
    let all = checks(2);
    db.store.create_attempts(&all).await.expect("created");
    let ids = [all[0].id, all[1].id];
    let rest: Vec<Value> = ids.iter().map(|id| json!({ "pk": { "S": format!("ID#{id}") }, "sk": { "S": "ID" } })).collect();
    let nothing_yet = json!({ "Responses": {}, "UnprocessedKeys": { "checks": { "Keys": rest, "ConsistentRead": true } } });
    db.fault("BatchGetItem", Fault::Answer(200, nothing_yet.to_string()));
    assert_eq!(db.store.attempts(&ids).await.expect("an answer"), all);
    assert_eq!(db.sent("BatchGetItem"), 3);
}

#[tokio::test]
async fn the_longest_names_fit_into_a_key() {
    let db = Db::new().await;
    let branch = "ü".repeat(125);
    let lane = format!("fork:into:{}", quillon_core::name::key_segment(&branch));
    let run = run('a', &lane, at(0));
    let module: ModulePath = "#".repeat(500).parse().expect("a path");
    let task = Task::Check("%".repeat(200).parse().expect("a check name"));
    let attempt = Attempt::first(&run, module, task, 1, 60, at(0));
    db.store.create_attempts(std::slice::from_ref(&attempt)).await.expect("created");
    assert_eq!(db.store.attempt(attempt.id).await.expect("an answer"), Some(attempt.clone()));
    let due = db.store.due(at(1_000), 10).await.expect("an answer");
    assert_eq!(due, [quillon_store::Due::Attempt(attempt.key)]);
}

#[tokio::test]
async fn an_output_comes_back_cut_to_its_end() {
    let db = Db::new().await;
    let id = AttemptId::from_parts(1, 1);
    assert_eq!(db.store.output(id).await.expect("an answer"), None);
    let short = Output { text: String::new(), is_cut: false };
    db.store.put_output(id, &short, Days::clamped(90), at(0)).await.expect("stored");
    assert_eq!(db.store.output(id).await.expect("an answer"), Some(short));

    let text: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
    db.store.put_output(id, &Output { text: text.clone(), is_cut: false }, Days::clamped(90), at(0)).await.expect("stored");
    let kept = db.store.output(id).await.expect("an answer").expect("an output");
    assert!(kept.is_cut && kept.text.len() == 64 * 1024 && text.ends_with(&kept.text));
}

#[tokio::test]
async fn an_item_that_cannot_be_read_names_its_key() {
    let db = Db::new().await;
    let attempt = load(&run('a', "trusted:head", at(0)));
    db.store.create_attempts(std::slice::from_ref(&attempt)).await.expect("created");
    let sha = "a".repeat(40);
    let mut item = db.raw("checks", &format!("R#4200#{sha}"), "ATT#trusted:head#.#load#000001").await.expect("the item");
    if let Some(AttributeValue::M(body)) = item.get_mut("body") {
        assert!(body.remove("execution").is_some());
    }
    db.client.put_item().table_name("checks").set_item(Some(item)).send().await.expect("stored");
    for error in [
        db.store.attempt(attempt.id).await.map(drop).expect_err("corrupt"),
        db.store.commit(&attempt.key.run.commit).await.map(drop).expect_err("corrupt"),
    ] {
        let Error::Corrupt { key, .. } = error else { panic!("{error:?}") };
        assert_eq!(key, format!("R#4200#{sha} / ATT#trusted:head#.#load#000001"));
    }
}
