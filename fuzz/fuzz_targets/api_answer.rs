#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| digicert_api::fuzzing::api_answer(bytes));
