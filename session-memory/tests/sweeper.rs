//! The task that frees what has expired: when it runs, what it outlives, and what it leaves alone.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use session_core::{Limits, Owner, SessionStore as _, SessionStoreExt as _};
use session_memory::MemoryStore;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

use support::{HOUR, alice, log, open, principal, ready, roomy, store};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_ends_at_once_with_the_last_handle() {
    let store = store(roomy(), HOUR);
    assert_eq!(tasks(), 0, "a store without sessions needs no sweeper");
    for _ in 0..3 {
        open(&store, alice(), HOUR).await;
        assert_eq!(tasks(), 1, "one sweeper is enough");
    }
    let other = store.clone();
    drop(store);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 1, "another handle is left");
    let before = Instant::now();
    drop(other);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
    assert_eq!(before.elapsed(), Duration::ZERO, "it did not wait for its next round");
}

#[test]
fn the_sweeper_is_spawned_again_when_its_runtime_has_gone() {
    let store = store(roomy(), Duration::from_millis(10));
    let runtime = || Builder::new_current_thread().enable_time().build().expect("a runtime is built");
    for _ in 0..2 {
        let runtime: Runtime = runtime();
        runtime.block_on(async {
            open(&store, alice(), Duration::from_millis(20)).await;
            assert_eq!(tasks(), 1);
            until_empty(&store).await;
        });
    }
}

#[test]
fn without_a_runtime_expired_sessions_still_make_room() {
    let store = store(Limits { sessions: 3, ..roomy() }, HOUR);
    for _ in 0..3 {
        for _ in 0..3 {
            let (_, new) = support::session(Owner::Anonymous, Duration::from_millis(5));
            ready(store.create(new)).expect("expired sessions make room");
        }
        std::thread::sleep(Duration::from_millis(6));
    }
    assert_eq!(store.held(), 3);
}

async fn until_empty(store: &MemoryStore) {
    let emptied = async {
        while store.held() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), emptied).await.expect("the sweeper frees what has expired");
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_outlives_a_panic_in_a_round() {
    // Somebody's log, which runs inside the sweep and is broken at first.
    let (reports, errors) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    log::listen({
        let (reports, errors) = (reports.clone(), errors.clone());
        move |level, _| {
            if level == Level::ERROR {
                errors.set(errors.get() + 1);
            } else {
                assert_ne!(reports.replace(reports.get() + 1), 0, "the log is broken");
            }
        }
    });
    let store = store(roomy(), HOUR);
    for _ in 0..1_000 {
        open(&store, Owner::Anonymous, HOUR / 2).await;
    }
    sleep(HOUR + HOUR / 2).await;
    assert_eq!((reports.get(), errors.get()), (1, 1), "the first round panicked");
    assert_ne!(store.held(), 0, "which ended it");
    sleep(HOUR).await;
    assert_eq!(store.held(), 0, "the next one frees what is left");
    assert_eq!(errors.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_looks_at_what_is_due_and_not_at_what_lives() {
    let looked_at = Rc::new(Cell::new(0));
    log::listen({
        let looked_at = looked_at.clone();
        move |_, of_slice| looked_at.set(looked_at.get() + of_slice.expect("each slice reports"))
    });
    let store = store(roomy(), HOUR);
    for number in 0..10_000 {
        let idle = if number % 100 == 0 { HOUR / 2 } else { HOUR * 24 };
        open(&store, Owner::Anonymous, idle).await;
    }
    sleep(HOUR * 12).await;
    assert_eq!(store.held(), 9_900);
    assert_eq!(looked_at.get(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_touched_in_time_is_never_swept() {
    let store = store(roomy(), Duration::from_millis(1));
    let idle = Duration::from_secs(1);
    let mut keys = Vec::new();
    for number in 0..200 {
        let owner = if number % 2 == 0 { Owner::Anonymous } else { principal(&number.to_string()) };
        keys.push(open(&store, owner, idle).await);
    }
    let readers = keys.chunks(50).map(|keys| {
        let (store, keys) = (store.clone(), keys.to_vec());
        tokio::spawn(async move {
            let begin = Instant::now();
            while begin.elapsed() < idle * 2 {
                for key in &keys {
                    store.touch(key).await.expect("memory answers").expect("it is used long before it idles out");
                }
                sleep(Duration::from_millis(10)).await;
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.expect("no session was lost");
    }
    assert_eq!(store.held(), 200);
    until_empty(&store).await;
}
