//! See `session_fuzz::config`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use session_fuzz::config;

fuzz_target!(|text: &str| config(text));
