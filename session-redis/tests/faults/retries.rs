//! Replies that are lost, and what happens to the session before the question is asked again.

use std::future::ready;
use std::time::Duration;

use session_core::{
    Access, Change, Mode, NewGrant, NewSession, Owner, SessionKey, SessionName, SessionStore as _,
    SessionStoreExt as _, StoreError,
};
use session_redis::RedisStore;
use session_test_servers::{Proxy, Server, eventually};

use crate::history::{History, Plan};
use crate::stores::{alice, connect, connect_within, draft, lasting, number, open, set, several, unavailable};

/// A store whose replies can be lost, and one that is beside all trouble.
struct Lossy {
    server: Server,
    proxy: Proxy,
    store: RedisStore,
    other: RedisStore,
}

impl Lossy {
    async fn begin() -> Self {
        let server = Server::start().await;
        let proxy = Proxy::to(server.addr()).await;
        // Longer than a test takes for what it does before the retry.
        let store = connect_within(Duration::from_secs(10), &server.url_at(proxy.addr())).await;
        let other = connect(&server.url()).await;
        // The scripts are known from here on: a reply to the first attempt is that of the change.
        let key = open(&store, alice()).await;
        store.update(&key, set("field", 0)).await.expect("the server runs");
        store.delete(&key).await.expect("the server runs");
        open(&store, alice()).await;
        store.end_all(&alice()).await.expect("the server runs");
        Self { server, proxy, store, other }
    }

    /// Has the operation executed and its reply lost, lets something else happen, and then lets the store ask again.
    async fn lost<T>(&self, operation: impl Future<Output = T>, meanwhile: impl Future<Output = ()>) -> T {
        self.proxy.eat_replies_to("EVALSHA", 1);
        self.proxy.refuse();
        let (answer, ()) = tokio::join!(operation, async {
            eventually("reply to lose", async || (self.proxy.replies_to_eat() == 0).then_some(())).await;
            meanwhile.await;
            self.proxy.pass();
        });
        answer
    }
}

#[tokio::test]
async fn a_change_is_not_applied_again_while_others_write() {
    let lossy = Lossy::begin().await;
    let key = open(&lossy.store, alice()).await;
    let others = several(20, &lossy.server.url()).await;
    let updated = lossy.lost(lossy.store.update(&key, set("field", 1)), write_each(&others, &key)).await;
    assert_eq!(updated.expect("it is remembered").version.get(), 2);
    assert_written(&lossy, &key, 120, 22).await;
}

/// The password is another when the store asks again.
#[tokio::test]
async fn a_change_whose_retry_is_refused_may_be_applied() {
    let lossy = Lossy::begin().await;
    let key = open(&lossy.store, alice()).await;
    let rotated = async { drop(lossy.server.cli(&["CONFIG", "SET", "requirepass", "another"]).await) };
    let updated = lossy.lost(lossy.store.update(&key, set("field", 1)), rotated).await;
    assert_eq!(unavailable(&updated), Some(true), "{updated:?}");
    let next = lossy.store.update(&key, set("field", 2)).await;
    assert_eq!(unavailable(&next), Some(false), "{next:?}");
    assert_written(&lossy, &key, 1, 2).await;
}

/// More writes in flight than are remembered.
#[tokio::test]
async fn a_change_that_was_forgotten_is_not_applied_again() {
    let lossy = Lossy::begin().await;
    let key = open(&lossy.store, alice()).await;
    let others = several(40, &lossy.server.url()).await;
    let updated = lossy.lost(lossy.store.update(&key, set("field", 1)), write_each(&others, &key)).await;
    assert_eq!(unavailable(&updated), Some(true), "{updated:?}");
    assert_written(&lossy, &key, 140, 42).await;
    lossy.store.update(&key, set("field", 2)).await.expect("the next one is not concerned");
    assert_written(&lossy, &key, 2, 43).await;
}

/// The same for a compare-and-set.
#[tokio::test]
async fn a_compare_and_set_that_was_forgotten_is_no_conflict() {
    let lossy = Lossy::begin().await;
    let key = open(&lossy.store, alice()).await;
    let session = lossy.store.peek(&key).await.expect("the server runs").expect("it is live");
    let others = several(40, &lossy.server.url()).await;
    let change = set("field", 1).if_version(session.version);
    let updated = lossy.lost(lossy.store.update(&key, change), write_each(&others, &key)).await;
    assert_eq!(unavailable(&updated), Some(true), "{updated:?}");
    assert_written(&lossy, &key, 140, 42).await;
}

async fn write_each(stores: &[RedisStore], key: &SessionKey) {
    for (value, store) in (101..).zip(stores) {
        store.update(key, set("field", value)).await.expect("the server runs");
    }
}

async fn assert_written(lossy: &Lossy, key: &SessionKey, value: u64, version: u64) {
    let session = lossy.other.peek(key).await.expect("the server runs").expect("it is live");
    assert_eq!((number(&session, "field"), session.version.get()), (value, version));
}

/// More writers than are remembered, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: forty stores write"]
async fn forty_stores_whose_replies_are_lost_apply_nothing_twice() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let stores = several(40, &server.url_at(proxy.addr())).await;
    let history = History::of(&stores, Plan { writers: 80, sessions: 1, ..Plan::default() }, async {
        for _ in 0..200 {
            proxy.eat_replies_to("EVALSHA", 1);
            eventually("reply to lose", async || (proxy.replies_to_eat() == 0).then_some(())).await;
        }
    });
    let history = history.await;
    assert!(history.errors_but_for(&["unavailable, unknown"]).is_empty(), "{:?}", history.errors());
    history.agrees_with(&server).await;
}

#[tokio::test]
async fn a_creation_whose_reply_was_lost_is_answered_as_done() {
    let lossy = Lossy::begin().await;
    for owner in [alice(), Owner::Anonymous] {
        let (new, key) = draft(owner);
        let created = lossy.lost(lossy.store.create(new), ready(())).await.expect("it is known by its creation");
        let seen = lossy.other.peek(&key).await.expect("the server runs").expect("it is live");
        assert_eq!((created.session.created_at, created.session.ends_at), (seen.created_at, seen.ends_at));
    }
}

#[tokio::test]
async fn a_session_that_ended_before_its_creation_was_answered_does_not_come_back() {
    let lossy = Lossy::begin().await;
    for owner in [alice(), Owner::Anonymous] {
        let (new, key) = draft(owner);
        let created = lossy.lost(lossy.store.create(new), async {
            assert!(lossy.other.delete(&key).await.expect("the server runs"), "it was created");
        });
        let created = created.await;
        assert_eq!(unavailable(&created), Some(true), "{created:?}");
        assert!(lossy.other.peek(&key).await.expect("the server runs").is_none());
        let (new, _) = draft(owner);
        lossy.store.create(new).await.expect("the next one is not concerned");
    }
    let (new, key) = draft(alice());
    let created = lossy.lost(lossy.store.create(new), async {
        assert!(lossy.other.end_all(&alice()).await.expect("the server runs") >= 1);
    });
    assert_eq!(unavailable(&created.await), Some(true));
    assert!(lossy.other.peek(&key).await.expect("the server runs").is_none());
}

#[tokio::test]
async fn who_ended_a_session_is_told_so_though_the_reply_was_lost() {
    let lossy = Lossy::begin().await;
    for owner in [alice(), Owner::Anonymous] {
        let key = open(&lossy.other, owner).await;
        let ended = lossy.lost(lossy.store.delete(&key), async {
            assert!(!lossy.other.delete(&key).await.expect("the server runs"), "and nobody else is");
        });
        assert!(ended.await.expect("it is remembered"));
        assert!(!lossy.store.delete(&key).await.expect("the server runs"), "but once");
    }
}

#[tokio::test]
async fn all_of_an_owner_end_though_replies_are_lost() {
    let lossy = Lossy::begin().await;
    let mut ended = Vec::new();
    for _ in 0..20 {
        ended.push(open(&lossy.other, alice()).await);
    }
    let number = lossy.lost(lossy.store.end_all(&alice()), ready(())).await;
    assert_eq!(number.expect("it is remembered"), 20);
    for key in &ended {
        assert!(lossy.other.peek(key).await.expect("the server runs").is_none());
    }
    assert_eq!(lossy.store.end_all(&alice()).await.expect("the server runs"), 0, "but once");
}

/// The right to go on is taken away after the first of them have ended.
#[tokio::test]
async fn an_end_of_all_that_fails_midway_says_that_some_may_have_ended() {
    let lossy = Lossy::begin().await;
    let key = open(&lossy.other, alice()).await;
    let alice = alice();
    lossy.proxy.delay(Duration::from_millis(150));
    let (answer, ()) = tokio::join!(lossy.store.end_all(&alice), async {
        let ended = async || lossy.other.peek(&key).await.expect("the server runs").is_none().then_some(());
        eventually("end of the session", ended).await;
        lossy.server.cli(&["ACL", "SETUSER", "default", "-zrange"]).await;
    });
    assert_eq!(unavailable(&answer), Some(true), "{answer:?}");
}

/// Rotate: a new name is granted and the old one revoked, in one change that is asked for by the old one.
#[tokio::test]
async fn a_name_is_rotated_once_though_the_reply_was_lost() {
    let lossy = Lossy::begin().await;
    for owner in [alice(), Owner::Anonymous] {
        let key = open(&lossy.store, owner).await;
        let (new, rotate) = rotation(&key);
        let rotated = lossy.lost(lossy.store.update(&key, rotate), ready(())).await;
        assert_eq!(rotated.expect("it was applied, and is remembered").version.get(), 2);
        assert!(lossy.other.peek(&key).await.expect("the server runs").is_none(), "the old name opens nothing");
        let session = lossy.other.touch(&new).await.expect("the server runs").expect("the new one does");
        assert_eq!((session.version.get(), session.grants.len()), (2, 1));
        assert!(lossy.other.update(&key, set("field", 1)).await.is_err(), "nor does it change anything");
    }
}

/// The same for a name that lets itself only read from now on.
#[tokio::test]
async fn a_name_that_restrains_itself_is_told_so_though_the_reply_was_lost() {
    let lossy = Lossy::begin().await;
    let name = SessionName::mint();
    let key = SessionKey::by_name(alice(), &name);
    let new = NewSession::new(alice(), &name, lasting());
    lossy.store.create(new).await.expect("the server runs");
    let restrain = Change::new().grant(&name, NewGrant::new(Mode::ReadOnly));
    let restrained = lossy.lost(lossy.store.update(&key, restrain), ready(())).await;
    assert_eq!(restrained.expect("it was applied, and is remembered").version.get(), 2);
    assert!(matches!(lossy.store.update(&key, set("field", 1)).await, Err(StoreError::ReadOnly)));
}

/// Names that are rotated again and again: one opens the session at any time, and it is the last that was acknowledged.
#[tokio::test]
async fn the_last_of_many_names_opens_the_session() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = connect(&server.url_at(proxy.addr())).await;
    let healthy = connect(&server.url()).await;
    let mut key = open(&store, alice()).await;
    for _ in 0..15 {
        proxy.eat_replies_to("EVALSHA", 1);
        let (new, rotate) = rotation(&key);
        store.update(&key, rotate).await.expect("it is applied once");
        assert!(healthy.touch(&key).await.expect("the server runs").is_none(), "the old name opens nothing");
        key = new;
    }
    let session = healthy.touch(&key).await.expect("the server runs").expect("the last name opens it");
    assert_eq!((session.version.get(), session.grants.len()), (16, 1));
}

/// The key of a new name, and the change that puts it in the place of this one.
fn rotation(key: &SessionKey) -> (SessionKey, Change) {
    let Access::Secret(secret) = key.access() else { unreachable!("it was opened by a name") };
    let name = SessionName::mint_for(key.locator());
    let change = Change::new().grant(&name, NewGrant::new(Mode::ReadWrite)).revoke(secret);
    (SessionKey::by_name(key.owner(), &name), change)
}
