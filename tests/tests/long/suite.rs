//! The store's rules, where time passes by itself and threads run beside each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness, RULES, Rule};
use session_core::{Limits, SessionStore};
use session_memory::{MemoryConfig, MemoryStore};
use tokio::runtime::Runtime;

use crate::turn;

const TICK: Duration = Duration::from_millis(100);
const ROUNDS: usize = 10;
/// How often each rule runs in a round, all beside each other.
const TIMES: usize = 5;
/// How often a rule is tried again that failed while the machine stood still.
const ATTEMPTS: usize = 20;

#[test]
#[ignore = "long: every rule fifty times, in real time"]
fn the_suite_holds_fifty_times_on_a_real_clock_and_threads() {
    let _turn = turn();
    let broken: Vec<String> = Runtime::new().expect("the system has threads").block_on(async {
        let mut broken = Vec::new();
        for round in 1..=ROUNDS {
            let rules = RULES.iter().cycle().take(TIMES * RULES.len());
            let running: Vec<_> = rules.map(|rule| (rule, tokio::spawn(judge(rule)))).collect();
            for (rule, run) in running {
                if let Err(error) = run.await.expect("a rule panics in a task of its own") {
                    broken.push(format!("{rule:?}, in round {round} of {ROUNDS}: {error}"));
                }
            }
        }
        broken
    });
    assert!(broken.is_empty(), "a store in memory breaks\n{}", broken.join("\n"));
}

/// Says why a store breaks a rule. What fails while the machine stands still for part of a tick says nothing of the
/// store, whose sessions expire meanwhile, and is tried again.
async fn judge(rule: &'static Rule) -> Result<(), String> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let harness = Arc::new(RealTime { began: Instant::now(), elapsed: AtomicU64::new(0) });
        let run = tokio::spawn({
            let harness = Arc::clone(&harness);
            async move { (rule.run)(&*harness).await }
        });
        match run.await {
            Ok(()) => return Ok(()),
            Err(error) if harness.lag() < TICK / 2 => return Err(error.to_string()),
            Err(error) => last = Some(error),
        }
    }
    Err(format!("the machine kept time in none of {ATTEMPTS} attempts; in the last one: {last:?}"))
}

/// Makes stores that sweep often, so that the rules meet the sweep too.
struct RealTime {
    began: Instant,
    /// The time that was asked to elapse, in microseconds.
    elapsed: AtomicU64,
}

impl RealTime {
    /// How much time went by besides what was asked for.
    fn lag(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_micros(self.elapsed.load(Ordering::Relaxed)))
    }
}

#[async_trait]
impl Harness for RealTime {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let store = MemoryStore::new(MemoryConfig { limits, sweep_interval: TICK / 7 });
        (0..count).map(|_| Arc::new(store.clone()) as Arc<dyn SessionStore>).collect()
    }

    async fn elapse(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.elapsed.fetch_add(u64::try_from(duration.as_micros()).expect("rules are short"), Ordering::Relaxed);
    }

    fn tick(&self) -> Duration {
        TICK
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async { task.await.expect("the rule's task keeps the rule") })
    }
}
