//! Sessions end a day after their last use, whether anybody looks or not.

mod support;

use std::time::Duration;

use session_core::{
    Expired, Lifetimes, Limits, NewSession, Owner, SessionKey, SessionName, SessionStore as _, SessionStoreExt as _,
};
use session_memory::MemoryStore;
use tokio::time::{advance, sleep};

use support::{DAY, HOUR, alice, principal, roomy, store};

const MILLISECOND: Duration = Duration::from_millis(1);

/// `count` sessions with the default lifetimes, of nobody and of ten principals by turns.
async fn fill(store: &MemoryStore, count: usize) -> Vec<SessionKey> {
    let mut keys = Vec::with_capacity(count);
    for number in 0..count {
        let owner = if number % 2 == 0 { Owner::Anonymous } else { principal(&(number % 10).to_string()) };
        let name = SessionName::mint();
        store.create(NewSession::new(owner, &name, Lifetimes::default())).await.expect("there is room");
        keys.push(SessionKey::by_name(owner, &name));
    }
    keys
}

async fn live(store: &MemoryStore, keys: &[SessionKey]) -> usize {
    let mut live = 0;
    for key in keys {
        live += usize::from(store.peek(key).await.expect("memory answers").is_some());
    }
    live
}

/// Reading alone decides: the store's sweep comes long after.
async fn are_absent_after_a_day_by_reading_alone(count: usize) {
    let store = store(Limits { sessions_per_principal: 100_000, ..roomy() }, DAY * 365);
    let keys = fill(&store, count).await;
    advance(DAY.saturating_sub(MILLISECOND)).await;
    assert_eq!(live(&store, &keys).await, count, "a millisecond before");
    advance(MILLISECOND).await;
    assert_eq!(live(&store, &keys).await, 0, "at the deadline");
    assert_eq!(store.held(), count as u64, "nothing was swept");
}

/// Sweeping alone frees: nobody reads.
async fn are_freed_after_a_day_by_sweeping_alone(count: usize) {
    let store = store(Limits { sessions_per_principal: 100_000, ..roomy() }, HOUR);
    let keys = fill(&store, count).await;
    sleep(DAY.saturating_sub(HOUR / 2)).await;
    assert_eq!(store.held(), count as u64, "half an hour before");
    let (touched, untouched) = keys.split_at(count.div_ceil(100));
    for key in touched {
        store.touch(key).await.expect("memory answers").expect("it is live");
    }
    sleep(HOUR * 2).await;
    assert_eq!(store.held(), touched.len() as u64, "those that were used stay, and no other");
    assert_eq!(live(&store, touched).await, touched.len());
    assert_eq!(live(&store, untouched).await, 0);
    sleep(DAY).await;
    assert_eq!(store.held(), 0, "a day after their last use they have gone too");
}

#[tokio::test(start_paused = true)]
async fn one_session_is_absent_after_a_day_by_reading_alone() {
    are_absent_after_a_day_by_reading_alone(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_sessions_are_absent_after_a_day_by_reading_alone() {
    are_absent_after_a_day_by_reading_alone(100_000).await;
}

#[tokio::test(start_paused = true)]
async fn one_session_is_freed_after_a_day_by_sweeping_alone() {
    are_freed_after_a_day_by_sweeping_alone(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_sessions_are_freed_after_a_day_by_sweeping_alone() {
    are_freed_after_a_day_by_sweeping_alone(100_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_used_every_day_lives_for_a_week_and_no_longer() {
    let store = store(roomy(), HOUR);
    let key = fill(&store, 1).await[0];
    for _ in 0..7 {
        sleep(DAY.saturating_sub(HOUR)).await;
        store.touch(&key).await.expect("memory answers").expect("it is live");
    }
    sleep((HOUR * 7).saturating_sub(MILLISECOND)).await;
    assert!(store.peek(&key).await.expect("memory answers").is_some());
    sleep(MILLISECOND).await;
    assert!(store.peek(&key).await.expect("memory answers").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_owner_learns_why_before_and_after_the_sweep() {
    let store = store(roomy(), HOUR);
    let key = support::open(&store, alice(), HOUR / 2).await;
    sleep(HOUR / 2).await;
    for held in [1, 0] {
        assert_eq!(store.held(), held);
        assert_eq!(store.why_absent(&key).await.expect("memory answers"), Some(Expired::Idle));
        sleep(HOUR).await;
    }
}
