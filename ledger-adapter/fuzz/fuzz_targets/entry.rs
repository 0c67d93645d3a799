//! Feeds `ledger_adapter::fuzzing::entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ledger_adapter::fuzzing::entry(bytes);
});
