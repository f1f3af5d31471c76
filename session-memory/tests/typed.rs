//! Typed keys: what an earlier version kept is upgraded, and what a later one kept is left alone.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session_core::{
    BoxError, Change, Error, Owner, SessionKey, SessionManager, SessionStore as _, SessionStoreExt as _, StateKey,
    StateName, StateValue, StoreError,
};
use session_memory::MemoryStore;

use support::{HOUR, manager, roomy, store};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    count: u32,
}

/// The cart as its author first had it: names alone.
struct CartOfNames;

impl StateKey for CartOfNames {
    const NAME: &'static str = "cart";
    type Value = Vec<String>;
}

/// The cart as it is today: names with counts.
struct Cart;

impl StateKey for Cart {
    const NAME: &'static str = "cart";
    const VERSION: u32 = 2;
    type Value = Vec<Item>;

    fn upgrade(from: u32, value: Value) -> Result<Vec<Item>, BoxError> {
        match from {
            0 | 1 => {
                let names: Vec<String> = serde_json::from_value(value)?;
                Ok(names.into_iter().map(|name| Item { name, count: 1 }).collect())
            }
            _ => Err("there were two versions before".into()),
        }
    }
}

struct Counter;

impl StateKey for Counter {
    const NAME: &'static str = "counter";
    type Value = u64;
}

/// A key that takes over what was kept without a type, whatever it was.
struct Anything;

impl StateKey for Anything {
    const NAME: &'static str = "anything";
    type Value = Value;

    fn upgrade(from: u32, value: Value) -> Result<Value, BoxError> {
        Ok(json!({ "from": from, "value": value }))
    }
}

fn item(name: &str, count: u32) -> Item {
    Item { name: name.to_owned(), count }
}

async fn session() -> (MemoryStore, Arc<SessionManager>, SessionKey) {
    let store = store(roomy(), HOUR);
    let sessions = manager::manager(&store);
    sessions.start().await.expect("memory answers");
    let key = manager::open(&sessions, Owner::Anonymous).await;
    (store, Arc::new(sessions), key)
}

async fn untyped<T: DeserializeOwned>(sessions: &SessionManager, key: &SessionKey, name: &str) -> T {
    sessions.get(key, name).await.expect("it is a `T`").expect("something is kept")
}

#[tokio::test]
async fn a_value_is_kept_beside_its_version() {
    let (_, sessions, key) = session().await;
    assert_eq!(sessions.read::<Cart>(&key).await.expect("it is live"), None);
    let updated = sessions.write::<Cart>(&key, &vec![item("tea", 2)]).await.expect("it is live");
    assert_eq!(sessions.read::<Cart>(&key).await.expect("it is a cart"), Some(vec![item("tea", 2)]));
    let kept: Value = untyped(&sessions, &key, "cart").await;
    assert_eq!(kept, json!({ "$version": 2, "value": [{ "name": "tea", "count": 2 }] }));
    let snapshot = sessions.load(&key).await.expect("it is live");
    assert_eq!(snapshot.version, updated.version);
    assert_eq!(snapshot.read::<Cart>().expect("it is a cart"), Some(vec![item("tea", 2)]));
}

#[tokio::test]
async fn what_an_earlier_version_kept_is_upgraded() {
    let (_, sessions, key) = session().await;
    sessions.write::<CartOfNames>(&key, &vec!["tea".to_owned()]).await.expect("it is live");
    assert_eq!(sessions.read::<Cart>(&key).await.expect("it is upgraded"), Some(vec![item("tea", 1)]));
    let kept: Value = untyped(&sessions, &key, "cart").await;
    assert_eq!(kept["$version"], 1, "reading writes nothing");
    let cart = sessions.modify::<Cart, _>(&key, |cart| {
        let mut cart = cart.expect("there is one");
        cart[0].count += 1;
        cart
    });
    assert_eq!(cart.await.expect("it is upgraded"), [item("tea", 2)]);
    let kept: Value = untyped(&sessions, &key, "cart").await;
    assert_eq!(kept, json!({ "$version": 2, "value": [{ "name": "tea", "count": 2 }] }));
}

#[tokio::test]
async fn a_write_replaces_an_earlier_version_without_an_upgrade() {
    let (_, sessions, key) = session().await;
    sessions.set(&key, "cart", &"no cart at all").await.expect("it is live");
    sessions.read::<Cart>(&key).await.expect_err("a text is no cart");
    sessions.write::<Cart>(&key, &vec![]).await.expect("it is replaced");
    assert_eq!(sessions.read::<Cart>(&key).await.expect("it is a cart"), Some(vec![]));
}

#[tokio::test]
async fn what_was_kept_without_a_type_is_version_0() {
    let (_, sessions, key) = session().await;
    sessions.set(&key, "cart", &["tea"]).await.expect("it is live");
    assert_eq!(sessions.read::<Cart>(&key).await.expect("it is upgraded"), Some(vec![item("tea", 1)]));
    // Values that resemble what a typed key keeps, and are not that.
    for value in [
        json!(null),
        json!(7),
        json!([3, "x"]),
        json!({}),
        json!({ "value": 1 }),
        json!({ "version": 3, "value": 1 }),
        json!({ "$version": 0, "value": 1 }),
        json!({ "$version": "3", "value": 1 }),
        json!({ "$version": 3, "value": 1, "more": 1 }),
    ] {
        sessions.set(&key, "anything", &value).await.expect("it is live");
        let read = sessions.read::<Anything>(&key).await.expect("it is upgraded");
        assert_eq!(read, Some(json!({ "from": 0, "value": value })));
        sessions.write::<Anything>(&key, &value).await.expect("version 0 is no newer one");
        assert_eq!(sessions.read::<Anything>(&key).await.expect("it is there"), Some(value), "and now it has a type");
    }
}

#[tokio::test]
async fn a_newer_version_is_refused_and_left_untouched() {
    let (store, sessions, key) = session().await;
    sessions.write::<Cart>(&key, &vec![item("a secret", 2)]).await.expect("it is live");
    let before = store.peek(&key).await.expect("memory answers").expect("it is live");
    let refused = [
        sessions.read::<CartOfNames>(&key).await.expect_err("it is newer"),
        sessions.write::<CartOfNames>(&key, &vec![]).await.expect_err("it is newer"),
        sessions.modify::<CartOfNames, _>(&key, |_| panic!("there is nothing to show")).await.expect_err("it is newer"),
        before.read::<CartOfNames>().expect_err("it is newer"),
    ];
    for error in refused {
        assert!(matches!(error, Error::NewerVersion { found: 2, known: 1, .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("`cart`") && message.contains('2') && message.contains('1'), "{message}");
        assert!(!format!("{error:?} {message}").contains("secret"), "{error:?}");
    }
    let after = store.peek(&key).await.expect("memory answers").expect("it is live");
    assert_eq!((after.version, &after.state), (before.version, &before.state));
}

#[tokio::test]
async fn an_upgrade_that_fails_names_versions_and_no_value() {
    let (store, sessions, key) = session().await;
    sessions.set(&key, "cart", &["a secret", "7"]).await.expect("it is live");
    sessions.set(&key, "counter", &"a secret").await.expect("it is live");
    let before = store.peek(&key).await.expect("memory answers").expect("it is live");
    let counter = sessions.read::<Counter>(&key).await.expect_err("it has no upgrade");
    assert!(matches!(counter, Error::Upgrade { found: 0, known: 1, .. }), "{counter}");
    let modified = sessions.modify::<Counter, _>(&key, |_| 1).await.expect_err("it has no upgrade");
    assert!(matches!(modified, Error::Upgrade { found: 0, known: 1, .. }), "{modified}");
    sessions.set(&key, "cart", &json!({ "a secret": 7 })).await.expect("it is live");
    let cart = sessions.read::<Cart>(&key).await.expect_err("an object is no cart");
    for error in [counter, modified, cart] {
        let message = error.to_string();
        assert!(message.contains("version 0"), "{message}");
        assert!(std::error::Error::source(&error).is_none() && !format!("{error:?} {message}").contains("secret"));
    }
    let after = store.peek(&key).await.expect("memory answers").expect("it is live");
    assert_eq!(after.state.get(&name("counter")), before.state.get(&name("counter")));
}

#[tokio::test]
async fn a_value_of_the_same_version_and_another_type_is_a_wrong_type() {
    let (_, sessions, key) = session().await;
    sessions.set(&key, "counter", &json!({ "$version": 1, "value": "a secret" })).await.expect("it is live");
    let error = sessions.read::<Counter>(&key).await.expect_err("a text is no number");
    assert!(matches!(&error, Error::Decode { name, line: 1, column: 32 } if name == "counter"), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn what_is_no_json_is_refused_and_can_be_replaced() {
    let (_, sessions, key) = session().await;
    let change = Change::new().set(name("counter"), StateValue::from(b"{\xff".as_slice()));
    sessions.update(&key, change).await.expect("stores keep any bytes");
    let error = sessions.read::<Counter>(&key).await.expect_err("it is no JSON");
    assert!(matches!(error, Error::Decode { .. }), "{error:?}");
    sessions.write::<Counter>(&key, &1).await.expect("it is replaced");
    assert_eq!(sessions.read::<Counter>(&key).await.expect("it is a number"), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_modifications_lose_nothing() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 20;
    let (_, sessions, key) = session().await;
    let writers = (0..WRITERS).map(|_| {
        let sessions = sessions.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                let counted = sessions.modify::<Counter, _>(&key, |counter| {
                    // Gives the others time to come in between.
                    std::thread::sleep(Duration::from_micros(10));
                    counter.unwrap_or_default() + 1
                });
                counted.await.expect("everybody gets a turn");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("everybody gets a turn");
    }
    assert_eq!(sessions.read::<Counter>(&key).await.expect("it is a number"), Some(WRITERS * EACH));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_replica_never_overwrites_what_a_new_one_kept_meanwhile() {
    for _ in 0..200 {
        let (_, sessions, key) = session().await;
        sessions.write::<CartOfNames>(&key, &vec!["tea".to_owned()]).await.expect("it is live");
        let newer_is_kept = Arc::new(AtomicBool::new(false));
        let old = tokio::spawn({
            let (sessions, newer_is_kept) = (sessions.clone(), newer_is_kept.clone());
            async move {
                loop {
                    let late = newer_is_kept.load(Ordering::Acquire);
                    match sessions.write::<CartOfNames>(&key, &vec!["coffee".to_owned()]).await {
                        Ok(_) => assert!(!late, "the newer version's cart was lost"),
                        Err(refused) => return refused,
                    }
                }
            }
        });
        sessions.write::<Cart>(&key, &vec![item("water", 1)]).await.expect("it is live");
        newer_is_kept.store(true, Ordering::Release);
        let refused = old.await.expect("it ends with a refusal");
        assert!(matches!(refused, Error::NewerVersion { .. }), "{refused}");
        assert_eq!(sessions.read::<Cart>(&key).await.expect("it is a cart"), Some(vec![item("water", 1)]));
    }
}

#[tokio::test]
async fn an_absent_session_has_no_typed_values() {
    let (store, sessions, key) = session().await;
    assert!(store.delete(&key).await.expect("memory answers"));
    for error in [
        sessions.read::<Counter>(&key).await.expect_err("it has ended"),
        sessions.write::<Counter>(&key, &1).await.expect_err("it has ended"),
        sessions.modify::<Counter, _>(&key, |_| 1).await.expect_err("it has ended"),
    ] {
        assert!(matches!(error, Error::Store(StoreError::NotFound)), "{error}");
    }
    sessions.stop().await;
    for error in [
        sessions.read::<Counter>(&key).await.expect_err("it is stopped"),
        sessions.write::<Counter>(&key, &1).await.expect_err("it is stopped"),
        sessions.modify::<Counter, _>(&key, |_| 1).await.expect_err("it is stopped"),
    ] {
        assert!(matches!(error, Error::NotRunning), "{error}");
    }
}

#[tokio::test]
async fn a_key_whose_name_is_none_is_refused() {
    struct Nameless;

    impl StateKey for Nameless {
        const NAME: &'static str = ".reserved";
        type Value = u64;
    }

    let (_, sessions, key) = session().await;
    assert!(matches!(sessions.read::<Nameless>(&key).await, Err(Error::StateName(_))));
    assert!(matches!(sessions.write::<Nameless>(&key, &1).await, Err(Error::StateName(_))));
}

fn name(name: &str) -> StateName {
    name.parse().expect("a valid name")
}
