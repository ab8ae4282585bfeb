//! The corpus of the fuzzers, and answers made from it: none of them panics.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../fuzz/harness.rs"]
mod harness;

use dcv_observe::fuzzing::{caa, dns_answer, dns_conversation, names};

use self::harness::run;

#[test]
fn no_dns_answer_panics() {
    run("dns_answer", dns_answer, 50, 2_000);
}

#[test]
fn no_dns_conversation_panics() {
    run("dns_conversation", dns_conversation, 10, 500);
}

#[test]
fn no_caa_record_and_no_name_panics() {
    run("caa", caa, 10, 5_000);
    run("names", names, 20, 5_000);
}
