//! Whose work it was.

use std::fs;

/// The processor time in microseconds that the threads of a process have had so far.
pub(crate) fn micros(process: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    let statistics = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
    let nanos = statistics.filter_map(|figures| figures.split_whitespace().next()?.parse::<u64>().ok());
    nanos.sum::<u64>() as f64 / 1e3
}
