//! The contracts' rules, on a clock that is paused and on one that is not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness, JournalHarness};
use session_core::{Journal, JournalLimits, Limits, SessionStore};
use session_memory::{MemoryConfig, MemoryJournal, MemoryStore};

/// Makes stores that sweep often, so that the rules meet the sweep too, and journals.
struct Memory {
    paused: bool,
    tick: Duration,
}

#[async_trait]
impl Harness for Memory {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let store = MemoryStore::new(MemoryConfig { limits, sweep_interval: self.tick / 7 });
        (0..count).map(|_| Arc::new(store.clone()) as Arc<dyn SessionStore>).collect()
    }

    async fn elapse(&self, duration: Duration) {
        if self.paused {
            tokio::time::advance(duration).await;
        } else {
            tokio::time::sleep(duration).await;
        }
    }

    fn tick(&self) -> Duration {
        self.tick
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async { task.await.expect("the task ends without a panic") })
    }
}

#[async_trait]
impl JournalHarness for Memory {
    async fn handles(&self, limits: JournalLimits, count: usize) -> Vec<Arc<dyn Journal>> {
        let journal = MemoryJournal::new(limits);
        (0..count).map(|_| Arc::new(journal.clone()) as Arc<dyn Journal>).collect()
    }

    async fn elapse(&self, duration: Duration) {
        Harness::elapse(self, duration).await;
    }

    fn tick(&self) -> Duration {
        self.tick
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Harness::spawn(self, task)
    }
}

mod paused {
    use std::time::Duration;

    session_core::conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::Memory { paused: true, tick: Duration::from_secs(3_600) }
    }

    session_core::journal_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::Memory { paused: true, tick: Duration::from_secs(3_600) }
    }
}

mod real {
    use std::time::Duration;

    session_core::conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        super::Memory { paused: false, tick: Duration::from_millis(100) }
    }

    session_core::journal_conformance_tests! {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        super::Memory { paused: false, tick: Duration::from_millis(100) }
    }
}
