//! The task that frees what has expired.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

/// How many things are looked at without a pause: as many as nobody notices waiting for.
pub(crate) const SLICE: usize = 256;

/// How long the sweeper lets others run after each slice of its work.
const PAUSE: Duration = Duration::from_millis(1);

/// What holds things that expire.
pub(crate) trait Expiring: Send + Sync + 'static {
    /// Frees what has expired. Looks at no more than `max` things, and says at how many: fewer than `max` if nothing
    /// that is due is left.
    fn sweep(&self, max: usize) -> usize;

    /// How many things are in memory.
    fn held(&self) -> u64;
}

/// What holds things that expire, with the task that frees them.
///
/// The task is spawned by whoever needs it and finds none, so that making a store needs no runtime. It holds the things
/// only while it works on a slice of them.
pub(crate) struct Swept<T> {
    pub(crate) kept: T,
    interval: Duration,
    /// Set by whoever spawns the task, reset by the task's end: its runtime may go before the store does.
    running: AtomicBool,
    /// Dropped with the last handle, which the task notices at once.
    alive: watch::Sender<()>,
}

impl<T: Expiring> Swept<T> {
    pub(crate) fn new(kept: T, interval: Duration) -> Self {
        Self { kept, interval: interval.max(PAUSE), running: AtomicBool::new(false), alive: watch::Sender::new(()) }
    }

    /// Spawns the task on the caller's runtime, unless it is running. Without a runtime nothing is swept.
    pub(crate) fn ensure_swept(self: &Arc<Self>) {
        if self.running.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(runtime) = Handle::try_current()
            && !self.running.swap(true, Ordering::AcqRel)
        {
            let task = Task(Arc::downgrade(self));
            runtime.spawn(task.run(self.interval, self.alive.subscribe()));
        }
    }
}

struct Task<T>(Weak<Swept<T>>);

impl<T: Expiring> Task<T> {
    /// Sweeps at each interval until the last handle has gone.
    async fn run(self, interval: Duration, mut alive: watch::Receiver<()>) {
        let mut pause = interval;
        // Nothing is ever sent: an answer is the last handle's end, and the time running out is the time to work.
        while timeout(pause, alive.changed()).await.is_err() {
            let Some(swept) = self.0.upgrade() else { return };
            pause = if sweep_slice(&swept.kept) { interval } else { PAUSE };
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(swept) = self.0.upgrade() {
            swept.running.store(false, Ordering::Release);
        }
    }
}

/// Sweeps a slice, and says whether the round is over.
fn sweep_slice(kept: &impl Expiring) -> bool {
    let round = catch_unwind(AssertUnwindSafe(|| {
        let looked_at = kept.sweep(SLICE);
        tracing::debug!(looked_at, held = kept.held(), "swept");
        looked_at < SLICE
    }));
    round.unwrap_or_else(|_| {
        tracing::error!("the sweep of what has expired panicked; it is tried again after its interval");
        true
    })
}
