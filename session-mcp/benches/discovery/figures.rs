//! Medians, and how they are written.

/// The one in the middle.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// How many times as much `left` is as `right`, round by round, in the median.
pub(crate) fn ratio(left: &[f64], right: &[f64]) -> f64 {
    median(&left.iter().zip(right).map(|(left, right)| left / right).collect::<Vec<_>>())
}

/// The median of times in nanoseconds.
pub(crate) fn time(figures: &[f64]) -> String {
    format!("{:.2} µs", median(figures) / 1e3)
}

/// Whether a target was reached.
pub(crate) fn verdict(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "MISSED" }
}
