//! Medians, and how figures are written.

/// The one in the middle.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// How many times as much `left` is as `right`, round by round, in the median: what a noisy machine did to a round it
/// did to both.
pub(crate) fn ratio(left: &[f64], right: &[f64]) -> f64 {
    median(&left.iter().zip(right).map(|(left, right)| left / right).collect::<Vec<_>>())
}

/// Whether a target was reached.
pub(crate) fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}
