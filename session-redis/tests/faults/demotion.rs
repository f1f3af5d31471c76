//! A master that is demoted, and another in its place.

use std::num::NonZeroU32;
use std::time::Duration;

use session_core::{Journal as _, Owner, Page, SessionStore as _, SessionStoreExt as _, StoreError};
use session_redis::RedisStore;
use session_test_servers::{Proxy, Server, eventually};
use tokio::time::sleep;

use crate::history::{History, Plan};
use crate::reader::{Reader, feed, journal, said, say};
use crate::stores::{alice, connect, draft, number, open, set, several};

/// Demotion under load, the writes paused until the replica has all: nothing is lost and nothing is seen of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_used_at_once_and_nothing_older_is_read() {
    let pair = Pair::start().await;
    let stores = several(3, &pair.url()).await;
    let history = History::of(&stores, Plan::default(), async {
        sleep(Duration::from_millis(500)).await;
        pair.old.cli(&["CLIENT", "PAUSE", "5000", "WRITE"]).await;
        pair.catch_up().await;
        pair.promote().await;
        pair.old.cli(&["CLIENT", "UNPAUSE"]).await;
        sleep(Duration::from_millis(500)).await;
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    assert!(history.slowest() < Duration::from_millis(1_500), "{:?}", history.slowest());
    history.agrees_with(&pair.new).await;
}

/// Demotion of a server that answers on, with what it had: everything asked of it is answered by the new master.
#[tokio::test]
async fn nothing_that_a_demoted_server_still_knows_is_believed() {
    let pair = Pair::start().await;
    let store = connect(&pair.url()).await;
    let changed = open(&store, alice()).await;
    let ended = open(&store, Owner::Anonymous).await;
    let unlisted = open(&store, alice()).await;
    pair.catch_up().await;
    pair.promote().await;
    let elsewhere = connect(&pair.new.url()).await;
    elsewhere.update(&changed, set("field", 2)).await.expect("it is the master");
    assert!(elsewhere.delete(&ended).await.expect("it is the master"));
    assert!(elsewhere.delete(&unlisted).await.expect("it is the master"));
    let listed = open(&elsewhere, alice()).await;

    // Each by a store whose connection is to the old master until it asks.
    let asks = pair.stores_at_the_old::<8>().await;
    let [touch, peek, gone, update, end, list, end_all, why] = &asks;
    let session = touch.touch(&changed).await.expect("the new master answers").expect("it is live");
    assert_eq!(number(&session, "field"), 2);
    let session = peek.peek(&changed).await.expect("the new master answers").expect("it is live");
    assert_eq!(number(&session, "field"), 2);
    assert!(gone.touch(&ended).await.expect("the new master answers").is_none());
    assert!(matches!(update.update(&ended, set("field", 3)).await, Err(StoreError::NotFound)));
    assert!(!end.delete(&ended).await.expect("the new master answers"));
    let listing = list.list(&alice(), Page::first(NonZeroU32::MAX)).await.expect("the new master answers");
    let locators: Vec<_> = listing.sessions.iter().map(|summary| summary.locator).collect();
    assert!(locators.contains(&listed.locator()) && !locators.contains(&unlisted.locator()), "a list of the past");
    assert_eq!(why.why_absent(&unlisted).await.expect("the new master answers"), None);
    assert_eq!(end_all.end_all(&alice()).await.expect("the new master answers"), 2);
}

/// The same for a demoted server that never had what it is asked for.
#[tokio::test]
async fn what_a_demoted_server_does_not_know_is_not_absent() {
    let pair = Pair::start().await;
    pair.catch_up().await;
    pair.promote().await;
    let elsewhere = connect(&pair.new.url()).await;
    let key = open(&elsewhere, alice()).await;
    let (new, taken) = draft(Owner::Anonymous);
    elsewhere.create(new.clone()).await.expect("it is the master");

    let asks = pair.stores_at_the_old::<7>().await;
    let [touch, peek, update, create, list, end_all, delete] = &asks;
    assert!(touch.touch(&key).await.expect("the new master answers").is_some());
    assert!(peek.peek(&key).await.expect("the new master answers").is_some());
    assert!(update.update(&key, set("field", 1)).await.is_ok());
    assert!(matches!(create.create(new).await, Err(StoreError::AlreadyExists)));
    let listing = list.list(&alice(), Page::first(NonZeroU32::MAX)).await.expect("the new master answers");
    assert_eq!(listing.sessions.len(), 1, "a list of the past");
    assert!(delete.delete(&taken).await.expect("the new master answers"));
    assert_eq!(end_all.end_all(&alice()).await.expect("the new master answers"), 1);
}

/// Demotion under load without a pause: two masters are up for a moment, and what is lost is what the old one took in
/// that moment. Nothing is applied twice, and nothing older than what the new one acknowledged is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_new_master_acknowledged_is_read_by_those_who_come_from_the_old() {
    let pair = Pair::start().await;
    let (late, early) = (connect(&pair.url()).await, connect(&pair.url()).await);
    let key = open(&late, alice()).await;
    pair.catch_up().await;
    pair.new.cli(&["REPLICAOF", "NO", "ONE"]).await;
    pair.proxy.retarget(pair.new.addr());
    // Both are masters. The one store has moved on, the other is still where it was, and its write will be lost.
    let moved = connect(&pair.url()).await;
    late.update(&key, set("lost", 1)).await.expect("the old master takes it");
    for value in 1..=100 {
        moved.update(&key, set("field", value)).await.expect("the new master takes it");
    }
    pair.demote().await;
    for store in [&late, &early] {
        let session = store.touch(&key).await.expect("the new master answers").expect("it is live");
        assert_eq!((number(&session, "field"), number(&session, "lost")), (100, 0));
    }
    late.update(&key, set("field", 101)).await.expect("a version that was lost is no hindrance");
    let session = moved.peek(&key).await.expect("the new master answers").expect("it is live");
    assert_eq!((number(&session, "field"), session.version.get()), (101, 102));
}

/// Demotion of a server that answers on: who follows something there is rung by what the new master is told, and reads
/// nothing of the past.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_at_a_demoted_server_goes_over_to_the_new_master() {
    let pair = Pair::start().await;
    let store = connect(&pair.url()).await;
    let feed = feed(alice());
    let mut reader = Reader::of(feed, &store).await;
    say(&store, &feed, "before").await;
    reader.reads("before").await;
    pair.catch_up().await;
    pair.promote().await;
    let elsewhere = connect(&pair.new.url()).await;
    say(&elsewhere, &feed, "after").await;
    // Until the next sign of life is asked for, and then at once.
    let took = reader.reads("after").await;
    assert!(took < Duration::from_millis(1_500), "{took:?}");

    let [read, end, append] = &pair.stores_at_the_old::<3>().await;
    assert_eq!(said(read, &feed).await, ["before", "after"]);
    let after = journal(&elsewhere).end(&feed).await.expect("it is the master");
    assert_eq!(journal(end).end(&feed).await.expect("the new master answers"), after);
    let appended = journal(append).append(&feed, b"more").await.expect("the new master answers");
    assert_eq!(appended.after, after);
}

/// Two servers, one a replica of the other, and a proxy that leads to the master.
struct Pair {
    old: Server,
    new: Server,
    proxy: Proxy,
}

impl Pair {
    async fn start() -> Self {
        let (old, new) = (Server::start().await, Server::start().await);
        let proxy = Proxy::to(old.addr()).await;
        new.cli(&["REPLICAOF", "127.0.0.1", &old.port().to_string()]).await;
        let pair = Self { old, new, proxy };
        eventually("link", async || (pair.of_the_new("master_link_status").await == "up").then_some(())).await;
        pair
    }

    fn url(&self) -> String {
        self.old.url_at(self.proxy.addr())
    }

    /// Waits until the replica has what the master had when it was asked.
    async fn catch_up(&self) {
        let master = self.old.info("replication").await;
        let offset = master.iter().find(|(name, _)| name == "master_repl_offset").expect("a master has one").1.clone();
        let offset: u64 = offset.parse().expect("a number");
        let done = async || {
            let reached = self.of_the_new("slave_repl_offset").await;
            (reached.parse::<u64>().expect("a number") >= offset).then_some(())
        };
        eventually("equal data", done).await;
    }

    /// Makes the replica the master, the master a replica of nobody who answers, and lets the proxy lead to the new
    /// one.
    async fn promote(&self) {
        self.new.cli(&["REPLICAOF", "NO", "ONE"]).await;
        self.proxy.retarget(self.new.addr());
        self.demote().await;
    }

    /// The old master keeps what it has: the master it is told to follow is not there.
    async fn demote(&self) {
        self.old.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
    }

    /// Stores that connected while the old server was the master, and have not noticed that it is not any more.
    async fn stores_at_the_old<const N: usize>(&self) -> [RedisStore; N] {
        self.old.cli(&["REPLICAOF", "NO", "ONE"]).await;
        self.proxy.retarget(self.old.addr());
        let stores = several(N, &self.url()).await;
        self.proxy.retarget(self.new.addr());
        self.demote().await;
        stores.try_into().expect("as many as were asked for")
    }

    async fn of_the_new(&self, name: &str) -> String {
        let replica = self.new.info("replication").await;
        replica.into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
    }
}
