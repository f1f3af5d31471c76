//! Lets operations in while a manager runs, and tells when the last one has left.

use std::sync::atomic::{AtomicUsize, Ordering};

use event_listener::Event;

/// Set while closed; the rest counts the operations inside.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// A gate that begins closed.
#[derive(Debug)]
pub(crate) struct Gate {
    state: AtomicUsize,
    left: Event,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self { state: AtomicUsize::new(CLOSED), left: Event::new() }
    }

    pub(crate) fn open(&self) {
        self.state.fetch_and(!CLOSED, Ordering::AcqRel);
    }

    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED == 0
    }

    /// Goes in, unless the gate is closed.
    pub(crate) fn enter(&self) -> Option<Pass<'_>> {
        // Counted before the look at the bit, so that `empty` never misses one who saw the gate open.
        let pass = Pass(self);
        let before = self.state.fetch_add(1, Ordering::AcqRel);
        (before & CLOSED == 0).then_some(pass)
    }

    /// Waits until nobody is inside.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.listen();
            if self.state.load(Ordering::Acquire) & !CLOSED == 0 {
                return;
            }
            left.await;
        }
    }
}

/// Being inside; dropping it is leaving.
#[derive(Debug)]
pub(crate) struct Pass<'a>(&'a Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.0.state.fetch_sub(1, Ordering::AcqRel) & !CLOSED == 1 {
            self.0.left.notify(usize::MAX);
        }
    }
}
