//! Whatever bytes come in, decoding ends with an answer, and what it takes in can be read back.
//!
//! A few hundred inputs, the same in every run. `tests/external/run fuzz` tries as many as a minute holds, each time others.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod input;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Where the recorded requests are.
const RECORDED: &str = "tests/recorded";

fn try_inputs(most: usize, attempt: impl Fn(&[u8])) {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&vec(any::<u8>(), 0..most), |input| {
        attempt(&input);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, input)) => panic!("{reason}: {input:?}"),
    }
}

#[test]
fn any_bytes() {
    try_inputs(4_096, input::try_all);
}

#[test]
fn real_requests_with_changes() {
    try_inputs(41, |bytes| input::try_all(&input::changed(bytes)));
}
