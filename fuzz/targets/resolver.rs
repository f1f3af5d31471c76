//! See `session_fuzz::resolver`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use session_fuzz::resolver;

fuzz_target!(|script: &str| resolver(script));
