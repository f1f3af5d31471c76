//! Medians, and whether they are good enough.

/// The one in the middle.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Whether a target was reached, if there is one.
pub(crate) fn verdict(ratio: f64, target: Option<f64>) -> String {
    match target {
        Some(target) if ratio <= target => format!("at most {target:.2}: reached"),
        Some(target) => format!("at most {target:.2}: MISSED"),
        None => String::new(),
    }
}
