//! Caps are exact, also when many come at once.

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use session_core::{Limits, Owner, Quota, SessionKey, SessionStore as _, SessionStoreExt as _, StoreError};
use session_memory::MemoryStore;

use support::{HOUR, principal, ready, roomy, session, store};

const CREATORS: usize = 8;
const EACH: usize = 500;

/// Creators on threads of their own, each of whom creates for one owner until `EACH` have come or been refused.
async fn create_in_parallel(
    store: &MemoryStore,
    owner: fn(usize) -> Owner,
    idle: Duration,
) -> (Vec<SessionKey>, usize) {
    let creators = (0..CREATORS).map(|creator| {
        let store = store.clone();
        tokio::spawn(async move {
            let (mut created, mut refused) = (Vec::new(), 0);
            for _ in 0..EACH {
                let (key, new) = session(owner(creator), idle);
                match store.create(new).await {
                    Ok(_) => created.push(key),
                    Err(StoreError::Quota(Quota::Sessions { .. } | Quota::SessionsPerPrincipal { .. })) => refused += 1,
                    Err(other) => panic!("a creator is in or meets the cap, not {other:?}"),
                }
            }
            (created, refused)
        })
    });
    let (mut created, mut refused) = (Vec::new(), 0);
    for creator in creators.collect::<Vec<_>>() {
        let (keys, count) = creator.await.expect("a creator meets nothing but the cap");
        created.extend(keys);
        refused += count;
    }
    (created, refused)
}

async fn live(store: &MemoryStore, keys: &[SessionKey]) -> usize {
    let mut live = 0;
    for key in keys {
        live += usize::from(store.peek(key).await.expect("memory answers").is_some());
    }
    live
}

fn own(creator: usize) -> Owner {
    principal(&creator.to_string())
}

fn shared(_: usize) -> Owner {
    principal("everybody")
}

fn mixed(creator: usize) -> Owner {
    if creator.is_multiple_of(2) { Owner::Anonymous } else { own(creator) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_cap_on_all_sessions_is_exact() {
    let store = store(Limits { sessions: 1_000, sessions_per_principal: 10_000, ..roomy() }, HOUR);
    let (created, refused) = create_in_parallel(&store, mixed, HOUR).await;
    assert_eq!((created.len(), refused), (1_000, CREATORS * EACH - 1_000));
    assert_eq!(live(&store, &created).await, 1_000);
    assert_eq!(store.count(Duration::ZERO).await.expect("memory answers"), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_principals_cap_is_exact() {
    let limits = Limits { sessions_per_principal: 100, evict_after: HOUR, ..roomy() };
    let store = store(limits, HOUR);
    let (created, refused) = create_in_parallel(&store, shared, HOUR).await;
    assert_eq!((created.len(), refused), (100, CREATORS * EACH - 100));
    assert_eq!(live(&store, &created).await, 100);
}

#[test]
fn a_place_made_by_ones_own_session_is_nobody_elses() {
    // A principal at their cap fills the store. Each of theirs makes room for the next, and nobody slips in between.
    let limits = Limits { sessions: 4, sessions_per_principal: 4, evict_after: Duration::ZERO, ..roomy() };
    let store = store(limits, HOUR);
    let create = |owner| ready(store.create(session(owner, HOUR).1));
    for _ in 0..4 {
        create(shared(0)).expect("there is room");
    }
    thread::scope(|scope| {
        let principal = scope.spawn(|| {
            for _ in 0..20_000 {
                create(shared(0)).expect("one's own session makes room");
            }
        });
        while !principal.is_finished() {
            let refused = create(Owner::Anonymous).expect_err("the store is full at any time");
            assert!(matches!(refused, StoreError::Quota(Quota::Sessions { max: 4 })), "{refused}");
        }
    });
    assert_eq!(store.held(), 4);
}

#[test]
fn two_who_find_the_store_full_of_two_expired_sessions_both_come_in() {
    let store = store(Limits { sessions: 2, ..roomy() }, HOUR);
    for round in 0..1_000 {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (_, new) = session(Owner::Anonymous, Duration::from_millis(1));
                    start.wait();
                    ready(store.create(new)).unwrap_or_else(|refused| panic!("{refused} in round {round}"));
                });
            }
        });
        thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn expired_sessions_keep_nobody_out() {
    // As many as all creators together want, again and again, while each finds the store full of expired sessions.
    let idle = Duration::from_millis(300);
    let limits = Limits { sessions: (CREATORS * EACH) as u64, sessions_per_principal: 10_000, ..roomy() };
    let store = store(limits, HOUR);
    for _ in 0..5 {
        let (created, refused) = create_in_parallel(&store, mixed, idle).await;
        assert_eq!((created.len(), refused), (CREATORS * EACH, 0));
        assert!(store.held() <= (CREATORS * EACH) as u64);
        tokio::time::sleep(idle * 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn creators_deleters_and_readers_keep_the_accounts_exact() {
    let limits = Limits { sessions: 500, sessions_per_principal: 100, evict_after: Duration::ZERO, ..roomy() };
    let store = store(limits, Duration::from_millis(1));
    let workers = (0..CREATORS).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..EACH {
                let owner = mixed(worker % 4);
                let (key, new) = session(owner, Duration::from_millis(5));
                match store.create(new).await {
                    Ok(_) | Err(StoreError::Quota(_)) => {}
                    Err(other) => panic!("a creator is in or meets a cap, not {other:?}"),
                }
                assert!(store.held() <= 500, "the store is never over its cap");
                store.touch(&key).await.expect("memory answers");
                if round % 3 == 0 {
                    store.delete(&key).await.expect("its name may end it");
                }
                if round % 100 == 99 && owner != Owner::Anonymous {
                    store.end_all(&owner).await.expect("a principal has a list");
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("nothing fails but at a cap");
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(store.count(Duration::ZERO).await.expect("memory answers"), 0);
    let (created, refused) = create_in_parallel(&store, mixed, HOUR).await;
    assert_eq!(created.len() + refused, CREATORS * EACH);
    assert_eq!(store.held(), 500, "no place was lost");
}
