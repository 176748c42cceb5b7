//! Decoding under bolero on the stable toolchain, for as long as `BOLERO_RANDOM_TEST_TIME_MS` says.

#[path = "../../../../shared/otlp/tests/fuzz/input.rs"]
mod input;

/// Where the recorded requests are.
const RECORDED: &str = "../../../shared/otlp/tests/recorded";

#[test]
fn any_bytes() {
    bolero::check!().with_max_len(4_096).for_each(|bytes: &[u8]| input::try_all(bytes));
}

#[test]
fn real_requests_with_changes() {
    bolero::check!().with_max_len(101).for_each(|bytes: &[u8]| input::try_all(&input::changed(bytes)));
}
