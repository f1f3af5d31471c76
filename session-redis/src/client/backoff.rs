//! How long to wait before trying again.

use std::time::Duration;

/// From 20 to 250 milliseconds, twice as long each time, up to half of it left to chance, so that those who failed
/// together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_millis(250);

    /// Begins with the shortest time.
    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// How long to wait this time.
    pub(crate) fn next(&mut self) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(Self::LONGEST);
        // Without a source of chance everybody waits the longest time, which is as right.
        let chance = getrandom::u32().map_or(1.0, |chance| f64::from(chance) / f64::from(u32::MAX));
        longest.mul_f64(0.5 + chance / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_from_20_to_250_milliseconds() {
        let mut backoff = Backoff::new();
        for longest in [20, 40, 80, 160, 250, 250].map(Duration::from_millis) {
            let wait = backoff.next();
            assert!((longest / 2..=longest).contains(&wait), "{wait:?} of {longest:?}");
        }
    }
}
