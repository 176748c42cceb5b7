//! The built binary of the dispatcher as a process of Lambda, with every event of `events/dispatcher`.

use quillon_lambda_emulator::{Account, events};

const BINARY: &str = env!("CARGO_BIN_EXE_quillon-dispatcher");

#[tokio::test]
async fn every_event_is_handled_and_what_has_room_is_offered() {
    let account = Account::open().await;
    let load = account.develop().await;
    let mut dispatcher = account.start("Dispatcher", BINARY).await;
    for (name, event) in events::of("dispatcher") {
        let failed = dispatcher.invoke(&event).await.failed_messages();
        match name.as_str() {
            "sqs-admit" => {
                assert_eq!(failed, [""; 0], "{name}");
                let admitted = account.store().attempt(load.id).await.expect("a table").expect("the attempt");
                assert!(!load.is_active() && admitted.is_active(), "{admitted:?}");
                let offers = account.take_messages("OffersQueue").await;
                assert_eq!(offers.iter().map(|offer| &offer["kind"]).collect::<Vec<_>>(), ["offer"], "{offers:?}");
            }
            "sqs-undecodable" => assert_eq!(failed, [event["Records"][0]["messageId"].as_str().expect("an id")], "{name}"),
            _ => panic!("nothing is expected of events/dispatcher/{name}.json"),
        }
    }
}

#[tokio::test]
async fn what_is_no_batch_fails_and_the_next_one_is_handled() {
    let account = Account::open().await;
    let mut dispatcher = account.start("Dispatcher", BINARY).await;
    for rubbish in events::rubbish() {
        let answer = dispatcher.invoke(&rubbish).await;
        assert!(answer.is_error(), "{rubbish}: {answer:?}");
    }
    assert_eq!(dispatcher.invoke(&events::of("dispatcher")["sqs-admit"]).await.failed_messages(), [""; 0]);
    let log = dispatcher.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
