//! The store's rules, where time passes by itself and threads run beside each other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness, RULES};
use session_core::{Limits, SessionStore};
use session_memory::{MemoryConfig, MemoryStore};
use tokio::runtime::Runtime;

use crate::turn;

const TICK: Duration = Duration::from_millis(100);
const ROUNDS: usize = 10;
/// How often each rule runs in a round, all beside each other.
const TIMES: usize = 5;

#[test]
#[ignore = "long: every rule fifty times, in real time"]
fn the_suite_holds_fifty_times_on_a_real_clock_and_threads() {
    let _turn = turn();
    let broken: Vec<String> = Runtime::new().expect("the system has threads").block_on(async {
        let mut broken = Vec::new();
        for round in 1..=ROUNDS {
            let rules = RULES.iter().cycle().take(TIMES * RULES.len());
            let running: Vec<_> = rules.map(|rule| (rule, tokio::spawn((rule.run)(&RealTime)))).collect();
            for (rule, run) in running {
                if let Err(error) = run.await {
                    broken.push(format!("{rule:?}, in round {round} of {ROUNDS}: {error}"));
                }
            }
        }
        broken
    });
    assert!(broken.is_empty(), "a store in memory breaks\n{}", broken.join("\n"));
}

/// Makes stores that sweep often, so that the rules meet the sweep too.
struct RealTime;

#[async_trait]
impl Harness for RealTime {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let store = MemoryStore::new(MemoryConfig { limits, sweep_interval: TICK / 7 });
        (0..count).map(|_| Arc::new(store.clone()) as Arc<dyn SessionStore>).collect()
    }

    async fn elapse(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn tick(&self) -> Duration {
        TICK
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async { task.await.expect("the rule's task keeps the rule") })
    }
}
