#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringlane::fuzzing::front_matter(data));
