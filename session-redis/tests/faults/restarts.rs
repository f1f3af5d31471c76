//! A server that dies and comes back, with all, some or none of its data.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use session_core::{
    Lifetimes, Load, NewSession, Owner, Page, SessionKey, SessionName, SessionStore as _, SessionStoreExt as _,
    StoreError,
};
use session_redis::RedisStore;
use session_test_servers::{Server, eventually};
use tokio::time::sleep;

use crate::history::{History, Plan, keys};
use crate::stores::{alice, connect, draft, open, set, several, unavailable};

/// `kill -9`, no persistence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_forgot_is_absent_and_nothing_brings_half_of_it_back() {
    let server = Server::start().await;
    let stores = several(3, &server.url()).await;
    let history = History::of(&stores, Plan::default(), async {
        sleep(Duration::from_millis(300)).await;
        server.kill();
        sleep(Duration::from_millis(1_200)).await;
        server.restart().await;
        answers_within_a_second(&stores).await;
    });
    let history = history.await;
    let expected = ["absent", "not found", "unavailable", "unavailable, unknown"];
    assert!(history.errors_but_for(&expected).is_empty(), "{:?}", history.errors());
    assert!(history.errors().contains_key("not found"), "{:?}", history.errors());
    assert!(history.slowest() < Duration::from_millis(2_100), "{:?}", history.slowest());
    history.is_forgotten_by(&server).await;
}

/// `kill -9` with a snapshot (RDB): an ended session can return, and still ends at its deadline.
#[tokio::test]
#[ignore = "long: a session lives for some seconds"]
async fn a_session_that_a_snapshot_brings_back_ends_at_its_deadline() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let name = SessionName::mint();
    let lifetimes = Lifetimes::new(Duration::from_secs(3_600), Duration::from_secs(4)).expect("both are valid");
    let created = store.create(NewSession::new(alice(), &name, lifetimes)).await.expect("the server runs");
    let key = SessionKey::by_name(alice(), &name);
    let endless = open(&store, alice()).await;
    server.cli(&["SAVE"]).await;
    store.update(&endless, set("field", "lost")).await.expect("the server runs");
    assert!(store.delete(&key).await.expect("the server runs"));
    server.restart().await;
    let back = store.touch(&key).await.expect("the server is back").expect("the snapshot is from before its end");
    assert_eq!(back.ends_at, created.session.ends_at);
    store.update(&endless, set("field", "kept")).await.expect("an older version is no hindrance");
    let left = back.ends_at.since(back.loaded_at());
    sleep(left + Duration::from_millis(20)).await;
    assert!(store.touch(&key).await.expect("the server runs").is_none());
    assert!(matches!(store.update(&key, set("field", 1)).await, Err(StoreError::NotFound)));
    assert!(store.touch(&endless).await.expect("the server runs").is_some());
}

/// `kill -9` with an append-only file: nothing acknowledged is lost if it is written before each answer. With
/// `appendfsync everysec` a server that waits for its disk answers first, for up to two seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a server is killed several times"]
async fn a_server_with_an_append_only_file_loses_nothing_it_acknowledged() {
    let server = Server::builder().config("appendonly", "yes").config("appendfsync", "always").start().await;
    let stores = several(3, &server.url()).await;
    let history = History::of(&stores, Plan::default(), async {
        for _ in 0..4 {
            sleep(Duration::from_millis(700)).await;
            server.kill();
            sleep(Duration::from_millis(200)).await;
            server.restart().await;
        }
    });
    let history = history.await;
    let expected = ["unavailable", "unavailable, unknown"];
    assert!(history.errors_but_for(&expected).is_empty(), "{:?}", history.errors());
    history.agrees_with(&server).await;
}

/// Down for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_on_a_server_that_is_gone_ends_at_its_deadline() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let key = open(&store, alice()).await;
    server.kill();
    // It takes a moment to be seen; what is sent before that may have been executed.
    sleep(Duration::from_millis(50)).await;
    let alice = alice();
    tokio::join!(
        at_the_deadline(store.create(draft(alice).0)),
        at_the_deadline(store.load(&key, Load::Touch)),
        at_the_deadline(store.load(&key, Load::Peek)),
        at_the_deadline(store.update(&key, set("field", 1))),
        at_the_deadline(store.delete(&key)),
        at_the_deadline(store.list(&alice, Page::first(NonZeroU32::MIN))),
        at_the_deadline(store.end_all(&alice)),
        at_the_deadline(store.count(Duration::ZERO)),
        at_the_deadline(store.why_absent(&key)),
        at_the_deadline(store.ping()),
    );
    server.restart().await;
    answers_within_a_second(&[store]).await;
}

async fn at_the_deadline<T: std::fmt::Debug>(operation: impl Future<Output = Result<T, StoreError>>) {
    let begun = Instant::now();
    let answer = operation.await;
    let took = begun.elapsed();
    assert_eq!(unavailable(&answer), Some(false), "{answer:?}");
    assert!((Duration::from_millis(1_900)..Duration::from_millis(2_100)).contains(&took), "{took:?}");
}

/// Operations come and go while the server is away, and the first to begin after its return is answered.
async fn answers_within_a_second(stores: &[RedisStore]) {
    let back = Instant::now();
    for store in stores {
        eventually("answer", async || store.ping().await.ok()).await;
        assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
    }
}

/// A server that comes back empty is not written to by those who remember more.
#[tokio::test]
async fn a_change_to_a_forgotten_session_leaves_no_key() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let keys_of = [open(&store, alice()).await, open(&store, Owner::Anonymous).await];
    server.restart().await;
    for key in &keys_of {
        assert!(matches!(store.update(key, set("field", 1)).await, Err(StoreError::NotFound)));
        assert!(store.touch(key).await.expect("the server is back").is_none());
        assert!(!store.delete(key).await.expect("the server is back"));
    }
    assert!(keys(&server).await.is_empty());
}

/// The runtime ends while the store connects, and the next one finds the server back.
#[test]
fn a_store_outlives_the_runtime_that_it_was_connecting_in() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the machine has threads");
    let servers = runtime();
    let server = servers.block_on(Server::start());
    let first = runtime();
    let (store, key) = first.block_on(async {
        let store = connect(&server.url()).await;
        let key = open(&store, alice()).await;
        (store, key)
    });
    server.kill();
    let waiting = store.clone();
    first.block_on(async {
        let waiting = tokio::spawn(async move { waiting.peek(&key).await });
        sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished(), "it waits for the server");
    });
    drop(first);
    servers.block_on(server.restart());
    let answer = runtime().block_on(store.peek(&key));
    assert!(answer.expect("the server is back").is_none(), "and kept nothing");
}
