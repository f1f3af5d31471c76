//! Originals that arrive after their retries were answered, and replies that arrive after nobody waits for them.
//!
//! The store reaches the server through two proxies, one behind the other. What is on its way is held in the second
//! one, while the first leads the retry past it.

use std::time::Duration;

use session_core::{Change, Limits, Owner, Quota, Rate, SessionStore as _, SessionStoreExt as _, StoreError};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::{Proxy, Server, eventually};
use tokio::time::sleep;

use crate::stores::{alice, config_within, connect, connect_within, draft, name, number, open, set, unavailable};

/// A server, a store whose messages can be held up, and one that is beside all trouble.
struct Detour {
    server: Server,
    first: Proxy,
    second: Proxy,
    store: RedisStore,
    other: RedisStore,
}

impl Detour {
    async fn begin() -> Self {
        Self::within(config_within(RedisConfig::DEFAULT_DEADLINE, "redis://anywhere").limits).await
    }

    /// The same with limits for both stores.
    async fn within(limits: Limits) -> Self {
        let server = Server::start().await;
        let second = Proxy::to(server.addr()).await;
        let first = Proxy::to(second.addr()).await;
        let connect = async |url: &str| {
            let config = config_within(RedisConfig::DEFAULT_DEADLINE, url);
            RedisStore::connect(RedisConfig { limits: limits.clone(), ..config }).await.expect("the server is there")
        };
        let store = connect(&server.url_at(first.addr())).await;
        let other = connect(&server.url()).await;
        // The script of each kind of change is known from here on, so that one message is the whole change.
        let key = open(&store, alice()).await;
        store.update(&key, set("field", 0)).await.expect("the server runs");
        store.delete(&key).await.expect("the server runs");
        Self { server, first, second, store, other }
    }

    /// Holds up what the store sends from now on, until it tries another way.
    fn hold_requests(&self) {
        self.second.hold();
        self.first.retarget(self.server.addr());
    }

    /// Lets the server execute what the store sends from now on, and holds up its replies.
    async fn hold_replies<T>(&self, operation: impl Future<Output = T>) -> T {
        self.server.stop();
        self.first.retarget(self.server.addr());
        let (answer, ()) = tokio::join!(operation, async {
            let sent = self.second.traffic().sent();
            eventually("request", async || (self.second.traffic().sent() > sent).then_some(())).await;
            self.second.hold();
            self.server.resume();
        });
        answer
    }

    /// Lets arrive what was held, and waits until it has.
    async fn release(&self) {
        self.second.pass();
        sleep(Duration::from_millis(200)).await;
    }

    /// From now on everything goes through both again.
    async fn again(&self) {
        self.release().await;
        self.first.retarget(self.second.addr());
        self.first.close_all();
        eventually("way", async || self.store.ping().await.ok()).await;
    }
}

#[tokio::test]
async fn an_update_that_arrives_after_its_retry_changes_nothing() {
    let detour = Detour::begin().await;
    let key = open(&detour.store, alice()).await;
    detour.hold_requests();
    let first = detour.store.update(&key, set("field", 1)).await.expect("the retry found another way");
    let second = detour.store.update(&key, set("field", 2)).await.expect("the way is open");
    assert_eq!((first.version.get(), second.version.get()), (2, 3));
    detour.release().await;
    let session = detour.other.peek(&key).await.expect("the server runs").expect("it is live");
    assert_eq!((number(&session, "field"), session.version.get()), (2, 3));
}

/// More have written meanwhile than a session remembers.
#[tokio::test]
async fn an_update_that_arrives_after_it_was_forgotten_changes_nothing() {
    let detour = Detour::begin().await;
    let key = open(&detour.store, alice()).await;
    detour.hold_requests();
    detour.store.update(&key, set("field", 1)).await.expect("the retry found another way");
    for writer in 0..40 {
        let store = connect(&detour.server.url()).await;
        store.update(&key, set("field", 100 + writer)).await.expect("the server runs");
    }
    detour.release().await;
    let session = detour.other.peek(&key).await.expect("the server runs").expect("it is live");
    assert_eq!((number(&session, "field"), session.version.get()), (139, 42));
}

/// What refuses the retry was not there before the original, and may be gone when that arrives.
#[tokio::test]
async fn a_creation_whose_retry_meets_a_limit_may_be_done_all_the_same() {
    let few = Limits { creation_rate: None, ..Limits::default() };
    for limits in [
        Limits { sessions_per_principal: 1, ..few.clone() },
        Limits { creation_rate: Some(Rate { count: 2, per: Duration::from_secs(3_600) }), ..few.clone() },
        Limits { sessions: 1, ..few },
    ] {
        let detour = Detour::within(limits.clone()).await;
        let ((new, key), (another, anothers)) = (draft(alice()), draft(alice()));
        detour.hold_requests();
        let (created, before) = tokio::join!(detour.store.create(new), detour.other.create(another));
        before.expect("it is the first");
        assert_eq!(unavailable(&created), Some(true), "{limits:?}: {created:?}");
        assert!(detour.other.delete(&anothers).await.expect("the server runs"), "it makes room");
        detour.release().await;
        let arrived = detour.other.peek(&key).await.expect("the server runs").is_some();
        assert!(arrived || limits.sessions_per_principal > 1, "there is room for what was refused");
    }
}

/// The same for a change.
#[tokio::test]
async fn a_change_whose_retry_meets_a_limit_may_be_applied_all_the_same() {
    let detour = Detour::within(Limits { state_names: 1, value_bytes: 10, ..Limits::default() }).await;
    let key = open(&detour.other, alice()).await;
    detour.hold_requests();
    let (changed, before) =
        tokio::join!(detour.store.update(&key, set("late", 1)), detour.other.update(&key, set("field", 1)));
    before.expect("it is the first");
    assert_eq!(unavailable(&changed), Some(true), "{changed:?}");
    let remove = Change::new().remove(name("field"));
    detour.other.update(&key, remove).await.expect("the server runs");
    detour.release().await;
    let session = detour.other.peek(&key).await.expect("the server runs").expect("it is live");
    assert_eq!(number(&session, "late"), 1, "there is room for what was refused");

    detour.again().await;
    detour.hold_requests();
    let never = detour.store.update(&key, set("late", "x".repeat(11))).await;
    assert!(matches!(never, Err(StoreError::Quota(Quota::ValueBytes { .. }))), "at no time: {never:?}");
}

#[tokio::test]
async fn a_creation_that_arrives_after_its_session_has_ended_brings_nothing_back() {
    for owner in [alice(), Owner::Anonymous] {
        let detour = Detour::begin().await;
        let (new, key) = draft(owner);
        detour.hold_requests();
        detour.store.create(new).await.expect("the retry found another way");
        assert!(detour.other.delete(&key).await.expect("the server runs"));
        detour.release().await;
        assert!(detour.other.peek(&key).await.expect("the server runs").is_none(), "{owner:?}");
    }
}

#[tokio::test]
async fn a_creation_that_arrives_after_all_of_its_owner_has_ended_brings_nothing_back() {
    let detour = Detour::begin().await;
    let (new, key) = draft(alice());
    detour.hold_requests();
    detour.store.create(new).await.expect("the retry found another way");
    assert_eq!(detour.other.end_all(&alice()).await.expect("the server runs"), 1);
    detour.release().await;
    assert!(detour.other.peek(&key).await.expect("the server runs").is_none());
}

#[tokio::test]
#[ignore = "long: a creation is held up for longer than it may take"]
async fn a_creation_that_arrives_long_after_its_deadline_creates_nothing() {
    let detour = Detour::begin().await;
    let (new, key) = draft(alice());
    let store = connect_within(Duration::from_millis(500), &detour.server.url_at(detour.first.addr())).await;
    open(&store, alice()).await;
    detour.second.hold();
    assert_eq!(unavailable(&store.create(new).await), Some(true));
    // The clocks of a cluster's nodes may differ by five seconds.
    sleep(Duration::from_secs(6)).await;
    detour.release().await;
    assert!(detour.other.peek(&key).await.expect("the server runs").is_none());
}

#[tokio::test]
async fn an_end_that_arrives_after_its_retry_ends_nothing_more() {
    let detour = Detour::begin().await;
    let key = open(&detour.store, alice()).await;
    detour.hold_requests();
    assert!(detour.store.delete(&key).await.expect("the retry found another way"));
    assert!(!detour.other.delete(&key).await.expect("the server runs"), "only one has ended it");
    detour.release().await;
    assert!(detour.other.peek(&key).await.expect("the server runs").is_none());
}

#[tokio::test]
async fn a_reply_that_arrives_after_that_of_the_retry_answers_nothing_else() {
    let detour = Detour::begin().await;
    let key = open(&detour.store, alice()).await;
    let other = open(&detour.store, alice()).await;
    let updated = detour.hold_replies(detour.store.update(&key, set("field", 1))).await;
    assert_eq!(updated.expect("the retry is answered").version.get(), 2, "it was applied once");
    detour.again().await;
    let ended = detour.hold_replies(detour.store.delete(&key)).await;
    assert!(ended.expect("the retry is answered"), "and this caller ended it");
    let (update, touch) = tokio::join!(detour.store.update(&other, set("field", 7)), detour.store.touch(&key));
    detour.release().await;
    assert_eq!(update.expect("the server runs").version.get(), 2);
    assert!(touch.expect("the server runs").is_none());
    let session = detour.store.touch(&other).await.expect("the server runs").expect("it is live");
    assert_eq!((number(&session, "field"), session.version.get()), (7, 2));
}

#[tokio::test]
async fn a_creation_whose_reply_is_held_up_creates_one_session() {
    let detour = Detour::begin().await;
    let (new, key) = draft(alice());
    let created = detour.hold_replies(detour.store.create(new.clone())).await.expect("the retry is answered");
    assert_eq!(created.session.locator, key.locator());
    assert!(matches!(detour.other.create(new).await, Err(StoreError::AlreadyExists)));
    assert_eq!(detour.other.end_all(&alice()).await.expect("the server runs"), 1);
    detour.release().await;
    assert!(detour.other.peek(&key).await.expect("the server runs").is_none());
}
