//! Lets operations in while a manager runs, and tells when the last one has left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use event_listener::Event;

/// Set while closed; the rest counts the operations inside.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// A gate that begins closed.
#[derive(Debug)]
pub(crate) struct Gate {
    state: AtomicUsize,
    left: Event,
    /// How often the gate was closed; held while its state is changed.
    closings: Mutex<u64>,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self { state: AtomicUsize::new(CLOSED), left: Event::new(), closings: Mutex::new(0) }
    }

    pub(crate) fn times_closed(&self) -> u64 {
        *self.closings()
    }

    /// Opens the gate, unless it was closed more often than this.
    pub(crate) fn open(&self, times_closed: u64) -> bool {
        let closings = self.closings();
        let open = *closings == times_closed;
        if open {
            self.state.fetch_and(!CLOSED, Ordering::AcqRel);
        }
        open
    }

    pub(crate) fn close(&self) {
        let mut closings = self.closings();
        *closings += 1;
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
    }

    fn closings(&self) -> MutexGuard<'_, u64> {
        self.closings.lock().unwrap_or_else(PoisonError::into_inner)
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
