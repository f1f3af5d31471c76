//! The task that frees what has expired.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::sessions::Sessions;

/// How long the sweeper lets others run after each slice of its work.
const PAUSE: Duration = Duration::from_millis(1);

/// Sessions, with the task that frees what has expired.
///
/// The task is spawned by whoever needs it and finds none, so that making a store needs no runtime. It holds the
/// sessions only while it works on a slice of them.
pub(crate) struct Swept {
    pub(crate) sessions: Sessions,
    interval: Duration,
    /// Set by whoever spawns the task, reset by the task's end: its runtime may go before the store does.
    running: AtomicBool,
    /// Dropped with the last handle, which the task notices at once.
    alive: watch::Sender<()>,
}

impl Swept {
    pub(crate) fn new(sessions: Sessions, interval: Duration) -> Self {
        Self { sessions, interval: interval.max(PAUSE), running: AtomicBool::new(false), alive: watch::Sender::new(()) }
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

struct Task(Weak<Swept>);

impl Task {
    /// Sweeps at each interval until the last handle has gone.
    async fn run(self, interval: Duration, mut alive: watch::Receiver<()>) {
        let mut pause = interval;
        // Nothing is ever sent: an answer is the last handle's end, and the time running out is the time to work.
        while timeout(pause, alive.changed()).await.is_err() {
            let Some(swept) = self.0.upgrade() else { return };
            pause = if sweep_slice(&swept.sessions) { interval } else { PAUSE };
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(swept) = self.0.upgrade() {
            swept.running.store(false, Ordering::Release);
        }
    }
}

/// Sweeps a slice, and says whether the round is over.
fn sweep_slice(sessions: &Sessions) -> bool {
    let round = catch_unwind(AssertUnwindSafe(|| {
        let looked_at = sessions.sweep(Sessions::SLICE);
        tracing::debug!(looked_at, held = sessions.held(), "swept");
        looked_at < Sessions::SLICE
    }));
    round.unwrap_or_else(|_| {
        tracing::error!("the sweep of expired sessions panicked; it is tried again after its interval");
        true
    })
}
