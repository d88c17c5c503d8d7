#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_core::fuzzing::run("solana_signed", bytes));
