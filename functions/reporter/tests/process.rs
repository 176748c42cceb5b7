//! The built binary of the reporter as a process of Lambda, with every event of `events/reporter`.

use quillon_lambda_emulator::{Account, events};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-reporter");

#[tokio::test]
async fn every_event_is_handled() {
    let account = Account::open().await;
    let mut reporter = account.start("Reporter", BINARY).await;
    for (name, event) in events::of("reporter") {
        let failed = reporter.invoke(&event).await.failed_messages();
        let ids = |wanted: &[usize]| -> Vec<String> {
            wanted.iter().map(|index| event["Records"][index]["messageId"].as_str().expect("an id").to_owned()).collect()
        };
        match name.as_str() {
            // Nothing is known of the commit, so there is nothing to report.
            "sqs-report" => assert_eq!(failed, ids(&[]), "{name}"),
            // What follows the damaged message in its group stays behind it; another group goes on.
            "sqs-undecodable" => assert_eq!(failed, ids(&[0, 1]), "{name}"),
            _ => panic!("nothing is expected of events/reporter/{name}.json"),
        }
    }
}

#[tokio::test]
async fn what_is_stored_of_a_commit_is_shown_on_it() {
    let account = Account::open().await;
    account.develop().await;
    let mut reporter = account.start("Reporter", BINARY).await;
    let mut event = events::of("reporter")["sqs-report"].clone();
    let record = &mut event["Records"][0];
    let unknown = record["attributes"]["MessageGroupId"].as_str().and_then(|group| group.split_once('-')).expect("a group").1.to_owned();
    record["body"] = record["body"].as_str().expect("a body").replace(&unknown, &account.head).into();
    assert_eq!(reporter.invoke(&event).await.failed_messages(), [""; 0]);
    let statuses = account.forge.statuses(account.repository, &account.head).expect("statuses");
    let mut shown: Vec<_> = statuses.iter().map(|status| (status.context.as_str(), status.state.as_str())).collect();
    shown.sort_unstable();
    assert_eq!(shown, [("quillon", "pending"), ("quillon/hello/load", "pending")]);
    assert_eq!(account.forge.violations(), []);
}

#[tokio::test]
async fn what_is_no_batch_fails_and_the_next_one_is_handled() {
    let account = Account::open().await;
    let mut reporter = account.start("Reporter", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = reporter.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(reporter.invoke(&events::of("reporter")["sqs-report"]).await.failed_messages(), [""; 0]);
    let log = reporter.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
