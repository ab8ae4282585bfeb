#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dcv_observe::fuzzing::names(bytes));
