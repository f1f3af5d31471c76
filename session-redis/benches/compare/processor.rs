//! Whose work it was.

use std::fs;

/// The processor time in microseconds that the main thread of a process has had so far: all of the work of a Redis
/// server, and of a client whose runtime has one thread.
pub(crate) fn micros(process: u32) -> f64 {
    let statistics = fs::read_to_string(format!("/proc/{process}/schedstat")).expect("the system keeps account");
    let nanos = statistics.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok());
    nanos.expect("the first figure is the time on a processor") as f64 / 1e3
}
