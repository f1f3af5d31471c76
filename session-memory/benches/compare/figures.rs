//! Medians, percentiles, and how they are written.

/// The one in the middle.
pub(crate) fn median(figures: &[f64]) -> f64 {
    percentile(figures, 0.5)
}

/// The figure that this part of them does not exceed.
pub(crate) fn percentile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
    let at = ((sorted.len() - 1) as f64 * part).round() as usize;
    sorted[at]
}

/// How many times as much `left` is as `right`, round by round, in the median: what a noisy machine did to a round it
/// did to both.
pub(crate) fn ratio(left: &[f64], right: &[f64]) -> f64 {
    median(&left.iter().zip(right).map(|(left, right)| left / right).collect::<Vec<_>>())
}

/// A time in the unit that suits it.
pub(crate) fn time(nanos: f64) -> String {
    match nanos {
        ..1e4 => format!("{nanos:.0} ns"),
        ..1e7 => format!("{:.1} µs", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}

/// Whether a target was reached.
pub(crate) fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}
