//! What a session can have shown, judged by when it was switched.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tells before from after, among all tasks of a test.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// The places that one session was switched to, and those that it showed.
#[derive(Debug, Default)]
pub(crate) struct History {
    switches: Vec<Spell>,
    shown: Vec<Spell>,
}

/// A call about a place, from before it was sent until after it was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spell {
    pub(crate) place: usize,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

impl History {
    pub(crate) fn switched(&mut self, switch: Spell) {
        self.switches.push(switch);
    }

    pub(crate) fn showed(&mut self, shown: Spell) {
        self.shown.push(shown);
    }

    /// The first that was shown and cannot have been there: no switch to it had begun, or another switch came between
    /// the end of each such and the beginning of the look.
    pub(crate) fn impossible(&self) -> Option<Spell> {
        self.shown.iter().copied().find(|shown| !self.switches.iter().any(|switch| self.can_show(switch, shown)))
    }

    fn can_show(&self, switch: &Spell, shown: &Spell) -> bool {
        let is_over = |later: &Spell| switch.ended < later.begun && later.ended < shown.begun;
        switch.place == shown.place && switch.begun < shown.ended && !self.switches.iter().any(is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(switches: &[(usize, u64, u64)], shown: (usize, u64, u64)) -> History {
        let spell = |&(place, begun, ended): &(usize, u64, u64)| Spell { place, begun, ended };
        History { switches: switches.iter().map(spell).collect(), shown: vec![spell(&shown)] }
    }

    #[test]
    fn the_last_place_and_those_under_way_can_be_shown() {
        for place in [1, 2, 3] {
            let history = history(&[(0, 0, 1), (1, 2, 3), (2, 4, 9), (3, 5, 8)], (place, 6, 7));
            assert!(history.impossible().is_none(), "{place}");
        }
    }

    #[test]
    fn a_place_before_the_last_one_after_the_next_or_never_asked_for_cannot() {
        for place in [0, 2, 3] {
            let history = history(&[(0, 0, 1), (1, 2, 3), (2, 6, 7)], (place, 4, 5));
            assert!(history.impossible().is_some(), "{place}");
        }
    }
}
