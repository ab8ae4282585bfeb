//! The corpus of the fuzzer, and answers made from it: none of them panics.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../fuzz/harness.rs"]
mod harness;

use digicert_api::fuzzing::api_answer;

use self::harness::run;

#[test]
fn no_api_answer_panics() {
    run("api_answer", api_answer, 30, 5_000);
}
