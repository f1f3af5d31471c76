//! The two lifetimes.

use std::time::Duration;

use super::harness::{
    Fixture, Harness, alice, assert_answer, assert_same, assert_same_time, bob, long, roomy, set, store, ticks,
};
use crate::change::Change;
use crate::ext::SessionStoreExt as _;
use crate::name::{SessionKey, SessionName};
use crate::owner::Owner;
use crate::time::{Expired, Lifetimes};

/// A touch begins the idle timeout anew, a peek does not, and both say when the session ends.
pub async fn touch_slides_and_peek_does_not(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let touched = Fixture::create(&store, owner, ticks(harness, 4, 100)).await;
        let peeked = Fixture::create(&store, owner, ticks(harness, 4, 100)).await;
        harness.elapse(harness.tick() * 2).await;

        let seen = touched.touch().await.expect("the session is live");
        assert!(seen.last_used() >= touched.session.last_used().after(harness.tick() * 2), "a touch is a use");
        assert_eq!(seen.expires_at(), seen.last_used().after(harness.tick() * 4), "the timeout begins anew");
        assert_same_time(harness, seen.last_used(), seen.loaded_at(), "a touch is a use now");
        assert_same(harness, touched.peek().await, &seen, "the touch was kept");
        let seen = peeked.peek().await.expect("the session is live");
        assert_same_time(harness, seen.last_used(), peeked.session.last_used(), "a peek is no use");
        assert!(seen.expires_in() <= harness.tick() * 2, "a peek tells how much is left");

        harness.elapse(harness.tick() * 3).await;
        assert_answer!(touched.peek().await, Some(_), "a touched session outlives its first timeout");
        assert_answer!(peeked.peek().await, None, "a peeked one does not");
        harness.elapse(harness.tick() * 2).await;
        assert_answer!(touched.peek().await, None, "a touch prolongs by one timeout");
    }
    let owned = Fixture::create(&store, alice(), ticks(harness, 4, 100)).await;
    harness.elapse(harness.tick() * 3).await;
    let by_locator = SessionKey::by_locator(alice(), owned.name.locator());
    assert_answer!(store.touch(&by_locator).await, Ok(Some(_)), "the owner needs no secret");
    harness.elapse(harness.tick() * 3).await;
    assert_answer!(owned.peek().await, Some(_), "the owner's touch prolongs like any other");
}

/// A change is a use of the session.
pub async fn an_update_slides(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, ticks(harness, 4, 100)).await;
    harness.elapse(harness.tick() * 3).await;
    let updated = store.update(&fixture.key, Change::new()).await.expect("the session is live");
    let seen = fixture.peek().await.expect("the session is live");
    assert_same_time(harness, seen.expires_at(), updated.expires_at, "an update says when the session ends");
    assert!(seen.last_used() >= fixture.session.last_used().after(harness.tick() * 3), "a change is a use");
    harness.elapse(harness.tick() * 3).await;
    assert_answer!(fixture.peek().await, Some(_), "a changed session outlives its first timeout");
}

/// Lifetimes are milliseconds: half a second is neither nothing nor a second.
pub async fn sub_second_lifetimes_are_kept(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let lifetimes = |idle, absolute| {
        Lifetimes::new(Duration::from_millis(idle), Duration::from_millis(absolute)).expect("valid lifetimes")
    };
    let exact = Fixture::create(&store, alice(), lifetimes(1_501, 2_503)).await.session;
    assert_eq!(exact.idle_timeout, Duration::from_millis(1_501));
    assert_eq!(exact.ends_at.since(exact.created_at), Duration::from_millis(2_503));

    let idle = Fixture::create(&store, alice(), lifetimes(500, 60_000)).await;
    let absolute = Fixture::create(&store, alice(), lifetimes(60_000, 500)).await;
    harness.elapse(Duration::from_millis(100)).await;
    assert_answer!(idle.peek().await, Some(_), "half a second is not nothing");
    assert_answer!(absolute.peek().await, Some(_), "half a second is not nothing");
    harness.elapse(Duration::from_millis(500)).await;
    assert_answer!(idle.peek().await, None, "half a second is not a second");
    assert_answer!(absolute.peek().await, None, "half a second is not a second");
}

/// Whichever lifetime ends first ends the session: touches do not prolong the absolute one, and each record keeps the
/// idle timeout it was created with.
pub async fn both_lifetimes_hold_together(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let busy = Fixture::create(&store, owner, ticks(harness, 4, 7)).await;
        let patient = Fixture::create(&store, owner, ticks(harness, 40, 3)).await;
        let hasty = Fixture::create(&store, owner, ticks(harness, 3, 40)).await;
        for _ in 0..2 {
            harness.elapse(harness.tick() * 2).await;
            let seen = busy.touch().await.expect("a session in use lives");
            assert!(seen.expires_at() <= seen.ends_at, "no use reaches beyond the absolute lifetime");
        }
        assert_answer!(patient.touch().await, None, "the absolute lifetime ends an idle timeout that is longer");
        assert_answer!(hasty.touch().await, None, "each session has its own idle timeout");
        harness.elapse(harness.tick() * 2).await;
        store.update(&busy.key, Change::new()).await.expect("a session in use lives");
        harness.elapse(harness.tick() * 2).await;
        assert_answer!(busy.touch().await, None, "use does not prolong the absolute lifetime");
    }
}

/// A principal learns by which limit their own session expired; nobody else learns anything.
pub async fn why_absent_tells_only_the_owner(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let live = Fixture::create(&store, alice(), long()).await;
    let ended = Fixture::create(&store, alice(), long()).await;
    assert!(ended.end().await);
    let idle = Fixture::create(&store, alice(), ticks(harness, 2, 50)).await;
    let old = Fixture::create(&store, alice(), ticks(harness, 50, 2)).await;
    let nobodys = Fixture::create(&store, Owner::Anonymous, ticks(harness, 2, 50)).await;
    harness.elapse(harness.tick() * 3).await;

    for _ in 0..2 {
        assert_answer!(store.why_absent(&idle.key).await, Ok(Some(Expired::Idle)), "its owner learns that it idled");
        let ends_at = old.session.ends_at;
        assert_answer!(
            store.why_absent(&old.key).await,
            Ok(Some(Expired::Absolute(at))) if at == ends_at,
            "its owner learns when it ended"
        );
        let never = SessionKey::by_name(alice(), &SessionName::mint());
        let foreign = SessionKey::by_name(bob(), &idle.name);
        let unauthenticated = SessionKey::by_name(Owner::Anonymous, &idle.name);
        let none = [live.key, ended.key, never, foreign, unauthenticated, nobodys.key];
        for key in none {
            assert_answer!(store.why_absent(&key).await, Ok(None), "there is nothing to tell of {key:?}");
        }
        // A store that frees memory meanwhile, or that looks again later, says the same.
        store.update(&live.key, set("cart", "tea")).await.expect("the session is live");
        harness.elapse(harness.tick() / 2).await;
    }
}
