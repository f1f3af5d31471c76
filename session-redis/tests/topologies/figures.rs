//! What was measured, for whoever runs with `--nocapture`.

use std::time::Duration;

use crate::history::History;

impl History {
    /// Says what the writers were told in some places, and for how long a server was away.
    #[expect(clippy::print_stderr, reason = "figures, beside what the tests decide by them")]
    pub(crate) fn report(&self, what: &str, away: Duration, which: impl Fn(usize) -> bool + Copy) {
        eprintln!(
            "{what}: away {away:?}, {} acknowledged in all, slowest {:?}, errors {:?}",
            self.acknowledged(),
            self.slowest_where(which),
            self.errors_where(which)
        );
    }
}
