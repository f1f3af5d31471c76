//! A server without memory, and servers that make room by themselves.

use std::num::NonZeroU32;
use std::time::Duration;

use session_core::{Change, Owner, Page, SessionStore as _, SessionStoreExt as _, StateValue, StoreError};
use session_test_servers::Server;
use tokio::time::sleep;

use crate::history::{History, Plan, every_key_has_an_end, listed};
use crate::stores::{alice, connect, draft, name, open, set, several};

/// Out of memory, `noeviction`.
#[tokio::test]
async fn a_server_without_memory_refuses_to_keep_more_and_does_all_else() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let (first, second) = (open(&store, alice()).await, open(&store, alice()).await);
    let anonymous = open(&store, Owner::Anonymous).await;
    store.update(&first, set("field", 1)).await.expect("there is memory");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;

    assert!(matches!(store.create(draft(alice()).0).await, Err(StoreError::Full { .. })));
    assert!(matches!(store.create(draft(Owner::Anonymous).0).await, Err(StoreError::Full { .. })));
    assert!(matches!(store.update(&first, set("field", 2)).await, Err(StoreError::Full { .. })));
    assert!(matches!(store.update(&first, Change::new()).await, Err(StoreError::Full { .. })));
    store.ping().await.expect("it is there");
    let touched = store.touch(&first).await.expect("it reads").expect("it is live");
    assert_eq!((touched.last_used(), touched.version.get()), (touched.loaded_at(), 2), "nothing was changed");
    assert!(store.peek(&second).await.expect("it reads").is_some());
    let page = Page::first(NonZeroU32::MAX);
    assert_eq!(store.list(&alice(), page).await.expect("it reads").sessions.len(), 2);
    assert_eq!(store.count(Duration::ZERO).await.expect("it reads"), 3);
    assert!(store.delete(&second).await.expect("it ends"));
    assert!(!store.delete(&second).await.expect("once"));
    assert!(store.delete(&anonymous).await.expect("it ends"));
    assert_eq!(store.why_absent(&second).await.expect("it reads"), None);
    assert_eq!(store.end_all(&alice()).await.expect("it ends"), 1);
    assert!(store.peek(&first).await.expect("it reads").is_none());

    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    open(&store, alice()).await;
    every_key_has_an_end(&server).await;
}

/// Out of memory under load, again and again: what was refused was not applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_as_full_is_not_applied() {
    let server = Server::start().await;
    let stores = several(3, &server.url()).await;
    let history = History::of(&stores, Plan::default(), async {
        for _ in 0..10 {
            sleep(Duration::from_millis(50)).await;
            server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
            sleep(Duration::from_millis(50)).await;
            server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
        }
    });
    let history = history.await;
    assert!(history.errors().contains_key("full"), "{:?}", history.errors());
    assert!(history.errors_but_for(&["full"]).is_empty(), "{:?}", history.errors());
    history.agrees_with(&server).await;
}

/// Eviction, `volatile-lru` and `allkeys-lru`: what was evicted is absent, and what is left of it goes.
#[tokio::test]
#[ignore = "long: thousands of sessions"]
async fn a_session_that_was_evicted_is_absent_and_leaves_nothing() {
    for policy in ["volatile-lru", "allkeys-lru"] {
        let server = Server::start().await;
        let store = connect(&server.url()).await;
        server.cli(&["CONFIG", "SET", "maxmemory-policy", policy]).await;
        let mut all = Vec::new();
        for session in 0..3_000 {
            let (new, key) = draft(alice());
            let value = StateValue::from(vec![b'x'; 1_000]);
            store.create(new.with(Change::new().set(name("value"), value))).await.expect("there is always room");
            all.push(key);
            if session == 1_000 {
                let used = server.info("memory").await;
                let used = used.into_iter().find(|(name, _)| name == "used_memory").expect("it is said").1;
                server.cli(&["CONFIG", "SET", "maxmemory", &used]).await;
            }
        }
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
        let mut live = 0;
        let still_listed = listed(&store).await;
        for key in &all {
            let there = store.touch(key).await.expect("the server runs").is_some();
            let changed = store.update(key, set("field", 1)).await;
            assert_eq!(changed.is_ok(), there, "{policy}: a session is there or not: {changed:?}");
            assert!(there || !still_listed.contains(&key.locator()), "{policy}: what was evicted is listed");
            assert!(there || !store.delete(key).await.expect("the server runs"), "{policy}");
            live += usize::from(there);
        }
        assert!((500..2_500).contains(&live), "{policy}: some were evicted and some were not: {live}");
        every_key_has_an_end(&server).await;

        store.end_all(&alice()).await.expect("the server runs");
        assert!(listed(&store).await.is_empty(), "{policy}: nobody is listed any more");
        let key = open(&store, alice()).await;
        assert_eq!(listed(&store).await.into_iter().collect::<Vec<_>>(), [key.locator()], "{policy}");
    }
}
