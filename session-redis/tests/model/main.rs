//! The same operations on memory and on Redis get the same answers.
//!
//! Both are compared with each other, and each with a model of its own: what `session-core` itself makes of the changes
//! that the store accepted, at the times that the store said. So records are compared to the last millisecond though
//! the two stores have two clocks.

mod operation;
mod side;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use proptest::collection::vec;
use proptest::prop_assert_eq;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use session_core::{Limits, Rate};
use session_memory::{MemoryConfig, MemoryStore};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::Server;
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, sleep_until};

use operation::{Lives, operation, operations};
use side::Side;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn memory_and_redis_answer_the_same() {
    long_lives(64, 60);
}

#[test]
#[ignore = "long: minutes of random operations"]
fn memory_and_redis_answer_the_same_for_long() {
    long_lives(400, 120);
}

#[test]
fn what_expires_in_memory_expires_in_redis() {
    short_lives(3);
}

#[test]
#[ignore = "long: some minutes of waiting for random sessions to expire"]
fn what_expires_in_memory_expires_in_redis_for_long() {
    short_lives(60);
}

/// Sessions that outlive their case, under limits that are met all the time.
fn long_lives(cases: u32, most: usize) {
    let servers = Servers::start();
    let sequences = (limits(), operations(Lives::Long, most));
    check(cases, &sequences, |(limits, operations)| {
        servers.runtime.block_on(async {
            // Who is idle longest must not be a matter of one millisecond.
            let uses_differ = limits.evict_after.is_zero();
            let (mut memory, mut redis) = servers.pair(&limits).await;
            for operation in &operations {
                if uses_differ && operation.is_use() {
                    sleep(Duration::from_millis(3)).await;
                }
                let expected = memory.run(operation).await?;
                prop_assert_eq!(redis.run(operation).await?, expected, "{:?}", operation);
            }
            Ok(())
        })
    });
}

/// Operations on the tick, on sessions that expire half a tick after one. Many sequences wait beside each other.
fn short_lives(cases: u32) {
    const AT_ONCE: usize = 24;
    let servers = Servers::start();
    let (planned, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let sequence = vec((0_u32..3, operation(Lives::Short)), 1..=16);
    check(cases, &vec(sequence, AT_ONCE), |sequences| {
        let sequences = sequences.iter().map(async |sequence| {
            planned.fetch_add(sequence.len() as u64, Ordering::Relaxed);
            let limits = Limits { sessions_per_principal: 2, evict_after: Duration::MAX, ..tight() };
            let (mut memory, mut redis) = servers.pair(&limits).await;
            let mut tick = Instant::now();
            for (ticks, operation) in sequence {
                tick += operation::TICK * *ticks;
                sleep_until(tick).await;
                let expected = memory.run(operation).await;
                let answered = redis.run(operation).await;
                if tick.elapsed() > operation::TICK / 4 {
                    // The machine had other things to do, and nobody knows who expired meanwhile.
                    return Ok(());
                }
                prop_assert_eq!(answered?, expected?, "{:?}", operation);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        servers.runtime.block_on(try_join_all(sequences)).map(drop)
    });
    let (planned, done) = (planned.into_inner(), done.into_inner());
    assert!(done * 4 > planned, "only {done} of {planned} operations were in time: this machine is too slow to tell");
}

/// Runs a test on random input, and shows the smallest input that it fails for.
fn check<S: Strategy>(cases: u32, input: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    match TestRunner::new(config).run(input, test) {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => panic!("{reason}\nfor {input:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Limits that few operations meet, some of them.
fn limits() -> impl Strategy<Value = Limits> {
    use proptest::sample::select;
    let rate = Rate { count: 6, per: DAY };
    (
        select(vec![5, 1_000]),
        select(vec![2, 100]),
        select(vec![Duration::ZERO, Duration::MAX]),
        select(vec![None, Some(rate)]),
    )
        .prop_map(|(sessions, sessions_per_principal, evict_after, creation_rate)| Limits {
            sessions,
            sessions_per_principal,
            evict_after,
            creation_rate,
            ..tight()
        })
}

/// Little for one session, and many sessions.
fn tight() -> Limits {
    let roomy = Limits { creation_rate: None, ..Limits::default() };
    Limits { grants: 3, state_names: 3, value_bytes: 16, session_bytes: 60, ..roomy }
}

/// One server for all cases, each of which is a deployment of its own on it.
struct Servers {
    runtime: Runtime,
    redis: Server,
    deployments: AtomicU64,
}

impl Servers {
    fn start() -> Self {
        let runtime = Runtime::new().expect("threads and timers");
        let redis = runtime.block_on(Server::start());
        Self { runtime, redis, deployments: AtomicU64::new(0) }
    }

    async fn pair(&self, limits: &Limits) -> (Side, Side) {
        let memory = MemoryStore::new(MemoryConfig { limits: limits.clone(), sweep_interval: DAY });
        let mut config: RedisConfig = self.redis.url().parse().expect("the server's URL is one");
        let deployment = self.deployments.fetch_add(1, Ordering::Relaxed);
        config.key_prefix = format!("deployment-{deployment}").parse().expect("a prefix");
        config.limits = limits.clone();
        config.deadline = Duration::from_secs(20);
        let redis = RedisStore::connect(config).await.expect("the server is there");
        (Side::new("memory", Arc::new(memory), limits), Side::new("redis", Arc::new(redis), limits))
    }
}
