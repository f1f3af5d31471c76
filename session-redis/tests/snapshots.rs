//! What the store knows of sessions by itself: enough for them not to be sent again, and never an answer.

mod support;

use std::time::Duration;

use redis::from_redis_value;
use session_core::{
    Change, Lifetimes, Mode, NewSession, Owner, SessionKey, SessionName, SessionStore as _, SessionStoreExt as _,
    StateName,
};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::{Proxy, Server};

use support::sessions::{alice, config, connect, give, open, store_at};

const LARGE: usize = 10_000;

fn cart() -> StateName {
    "cart".parse().expect("a state name")
}

async fn put(store: &RedisStore, key: &SessionKey, value: &[u8]) {
    store.update(key, Change::new().set(cart(), value.into())).await.expect("the session is live");
}

/// What a store gets of the session's cart, if it gets the session.
async fn seen(store: &RedisStore, key: &SessionKey) -> Option<Vec<u8>> {
    let session = store.touch(key).await.expect("the server runs")?;
    Some(session.state.get(&cart()).expect("there is a cart").as_bytes().to_vec())
}

/// How many bytes come from the server for a load.
async fn weight(proxy: &Proxy, store: &RedisStore, key: &SessionKey) -> u64 {
    let before = proxy.traffic().received();
    seen(store, key).await.expect("the session is live");
    proxy.traffic().received() - before
}

#[tokio::test]
async fn a_session_is_sent_again_only_after_a_change() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let other = store_at(&server.url()).await;
    let store = store_at(&server.url_at(proxy.addr())).await;
    for owner in [Owner::Anonymous, alice()] {
        let (_, key) = open(&other, owner).await;
        put(&other, &key, &[b'a'; LARGE]).await;
        let large = LARGE as u64;
        assert!(weight(&proxy, &store, &key).await > large, "the first time");
        assert!(weight(&proxy, &store, &key).await < 200, "nothing has changed");
        put(&other, &key, &[b'b'; LARGE]).await;
        assert!(weight(&proxy, &store, &key).await > large, "somebody has changed it");
        assert_eq!(seen(&store, &key).await, Some(vec![b'b'; LARGE]));
        put(&store, &key, &[b'c'; LARGE]).await;
        assert_eq!(seen(&store, &key).await, Some(vec![b'c'; LARGE]), "one's own change is one too");
    }
}

#[tokio::test]
async fn a_process_that_is_to_keep_nothing_is_sent_everything() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = connect(RedisConfig { cache: 0, ..config(&server.url_at(proxy.addr())) }).await;
    let (_, key) = open(&store, alice()).await;
    put(&store, &key, &[b'a'; LARGE]).await;
    for _ in 0..3 {
        assert!(weight(&proxy, &store, &key).await > LARGE as u64);
    }
}

#[tokio::test]
async fn what_is_known_opens_nothing_that_was_closed_elsewhere() {
    let server = Server::start().await;
    let (store, other) = (store_at(&server.url()).await, store_at(&server.url()).await);
    for owner in [Owner::Anonymous, alice()] {
        let (_, key) = open(&other, owner).await;
        let (guest, guest_key) = give(&other, &key, Mode::ReadOnly).await;
        put(&other, &key, b"tea").await;
        for key in [&key, &guest_key] {
            assert_eq!(seen(&store, key).await, Some(b"tea".to_vec()));
        }
        let stranger = SessionKey::by_name(owner, &SessionName::mint_for(key.locator()));
        assert_eq!(seen(&store, &stranger).await, None, "a name that it does not have");
        other.update(&key, Change::new().revoke(guest.secret_hash())).await.expect("it is live");
        assert_eq!(seen(&store, &guest_key).await, None, "a name that was taken away");
        assert_eq!(seen(&store, &key).await, Some(b"tea".to_vec()));
        other.delete(&key).await.expect("the server runs");
        assert_eq!(seen(&store, &key).await, None, "a session that has ended");
    }
}

/// A server that takes over may lack writes that were acknowledged, and count other ones by the same versions.
#[tokio::test]
async fn another_history_of_the_same_length_is_another_session() {
    let server = Server::start().await;
    let (store, other, third) =
        (store_at(&server.url()).await, store_at(&server.url()).await, store_at(&server.url()).await);
    let (_, key) = open(&other, Owner::Anonymous).await;
    put(&other, &key, b"before").await;
    let keys: Vec<Vec<u8>> = from_redis_value(server.cli(&["KEYS", "mcp:{a*"]).await).expect("keys");
    let before: Vec<u8> = from_redis_value(server.cli(&[b"DUMP".as_slice(), &keys[0]]).await).expect("a value");
    for lost in [&other, &third] {
        put(lost, &key, b"lost").await;
        assert_eq!(seen(&store, &key).await, Some(b"lost".to_vec()));
        server.cli(&[b"RESTORE".as_slice(), &keys[0], b"60000", &before, b"REPLACE"]).await;
        assert_eq!(seen(&store, &key).await, Some(b"before".to_vec()), "the write was lost");
        put(lost, &key, b"other").await;
        assert_eq!(seen(&store, &key).await, Some(b"other".to_vec()), "another one led to the same version");
    }
}

/// Near its absolute end, a session's key does not tell when it was used.
#[tokio::test]
async fn when_a_known_session_was_used_is_asked_each_time() {
    let server = Server::start().await;
    let (store, other) = (store_at(&server.url()).await, store_at(&server.url()).await);
    let plain = connect(RedisConfig { cache: 0, ..config(&server.url()) }).await;
    for [idle, absolute] in [[5, 600], [600, 600]].map(|times| times.map(Duration::from_secs)) {
        let name = SessionName::mint();
        let lifetimes = Lifetimes::new(idle, absolute).expect("lifetimes");
        other.create(NewSession::new(alice(), &name, lifetimes)).await.expect("there is room");
        let key = SessionKey::by_name(alice(), &name);
        store.touch(&key).await.expect("the server runs").expect("it is live");
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let used = other.touch(&key).await.expect("the server runs").expect("it is live").last_used();
            for store in [&store, &plain] {
                let session = store.peek(&key).await.expect("the server runs").expect("it is live");
                let off = session.last_used().as_millis().abs_diff(used.as_millis());
                assert!(off <= 1, "{off} ms, with {idle:?} of {absolute:?}");
            }
        }
    }
}
