//! Feeds `ledger_adapter::fuzzing::wal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ledger_adapter::fuzzing::wal(bytes);
});
