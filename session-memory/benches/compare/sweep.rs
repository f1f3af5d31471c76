//! What it costs to free one session in a hundred, and what a reader notices of it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use session_core::{Load, SessionStore};
use session_memory::MemoryStore;
use tokio::runtime::Builder;

use crate::contenders::{Bare, Contender, Key, plan, store};
use crate::figures::{median, percentile, ratio, time, verdict};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SHORT: Duration = Duration::from_millis(20);

/// Prints what it costs to free the one session in a hundred that has expired.
pub(crate) fn cost() {
    println!("\nsweep: one session in a hundred has expired (moka frees within other calls, tower-sessions never)");
    println!("{:14}{:>16}{:>16}   ours / bare", "", "session-memory", "bare DashMap");
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    for count in [1_000, 1_000_000] {
        let (ours, bare) = (store(DAY), Arc::new(Bare::default()));
        let contenders = [Contender::Store(Arc::new(ours.clone())), Contender::Store(bare.clone())];
        let create = async |count: usize, idle: Duration| {
            for session in plan(count, idle).0 {
                for contender in &contenders {
                    contender.create(&session).await;
                }
            }
        };
        runtime.block_on(create(count - count / 100, DAY));
        let (mut of_ours, mut of_bare) = (Vec::new(), Vec::new());
        for _ in 0..11 {
            runtime.block_on(create(count / 100, SHORT));
            thread::sleep(SHORT * 2);
            let begin = Instant::now();
            // Counting frees what is due, without the pauses that the task makes.
            let left = runtime.block_on(ours.count(Duration::ZERO)).expect("memory answers");
            of_ours.push(begin.elapsed().as_nanos() as f64);
            assert_eq!(left, (count - count / 100) as u64);
            let begin = Instant::now();
            let freed = bare.sweep();
            of_bare.push(begin.elapsed().as_nanos() as f64);
            assert_eq!(freed, count / 100);
        }
        let (ours, bare) = (time(median(&of_ours)), time(median(&of_bare)));
        println!("{count:<14}{ours:>16}{bare:>16}{:>14.3}", ratio(&of_ours, &of_bare));
    }
}

/// Prints how long one reader waits while nothing is swept, and while the task frees one of a hundred of a million.
pub(crate) fn pauses() {
    const COUNT: usize = 1_000_000;
    let swept = Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime");
    let store = store(Duration::from_millis(1_500));
    let (planned, keys) = plan(COUNT - COUNT / 100, DAY);
    let contender = Contender::Store(Arc::new(store.clone()));
    swept.block_on(async {
        for session in &planned {
            contender.create(session).await;
        }
    });
    drop(planned);
    println!("\none reader of {COUNT} sessions, of which one in a hundred expires: a load with touch, ten rounds");
    println!(
        "{:>6}{:>14}{:>14}{:>14}{:>14}{:>10}",
        "", "quiet p50", "sweep p50", "quiet p99.9", "sweep p99.9", "ratio"
    );
    let mut ratios = Vec::new();
    for round in 1..=10 {
        let expiring = plan(COUNT / 100, SHORT * 10).0;
        swept.block_on(async {
            for session in &expiring {
                contender.create(session).await;
            }
        });
        let (quiet, sweep) = thread::scope(|scope| {
            scope.spawn(|| read_through_a_sweep(&store, &keys, round)).join().expect("the reader ends without a panic")
        });
        let at = |part| (percentile(&quiet, part), percentile(&sweep, part));
        let ((quiet_median, sweep_median), (quiet_tail, sweep_tail)) = (at(0.5), at(0.999));
        ratios.push(sweep_tail / quiet_tail);
        println!(
            "{round:>6}{:>14}{:>14}{:>14}{:>14}{:>10.2}",
            time(quiet_median),
            time(sweep_median),
            time(quiet_tail),
            time(sweep_tail),
            sweep_tail / quiet_tail,
        );
    }
    let reached = median(&ratios);
    println!(
        "target: p99.9 during the sweep at most 1.5 times the quiet one: {reached:.2}, {}",
        verdict(reached <= 1.5)
    );
}

/// Reads until a sweep has come and gone, and returns how long each load took, before and during.
fn read_through_a_sweep(store: &MemoryStore, keys: &[Key], round: usize) -> (Vec<f64>, Vec<f64>) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let handle: &dyn SessionStore = store;
    let (full, swept) = (store.held(), keys.len() as u64);
    let (mut quiet, mut sweep) = (Vec::new(), Vec::new());
    let mut keys = keys[keys.len() / 11 * round..].iter().chain(keys.iter().cycle());
    runtime.block_on(async {
        loop {
            let held = store.held();
            if held == swept {
                return;
            }
            let figures = if held == full { &mut quiet } else { &mut sweep };
            for key in keys.by_ref().take(64) {
                let begin = Instant::now();
                let session = handle.load(key.ours(), Load::Touch).await.expect("memory answers");
                figures.push(begin.elapsed().as_nanos() as f64);
                assert!(session.is_some(), "it is live");
            }
        }
    });
    (quiet, sweep)
}
