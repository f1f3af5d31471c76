//! A slot goes from one master of a cluster to another.

use std::time::{Duration, Instant};

use session_core::{
    Change, Mode, NewGrant, NewSession, Owner, Page, SessionKey, SessionName, SessionStore as _, SessionStoreExt as _,
};
use session_redis::RedisStore;
use session_test_servers::{Cluster, Migration, Server};
use tokio::time::sleep;

use crate::history::{History, Plan, keys};
use crate::shards::{alices_slot, masters, shard, slot};
use crate::stores::{alice, connect, draft, lasting, open, set, several_within};

const STORES: usize = 3;
/// Longer than any slot takes to move on a slow machine.
const PATIENT: Duration = Duration::from_secs(20);
/// As long as an operation takes that waits for nothing, on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(400);
/// For how long a slot stays half moved.
const HALF_MOVED: Duration = Duration::from_secs(1);

/// Slots moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: slots that move"]
async fn slots_that_move_are_not_noticed() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let stores = several_within(PATIENT, STORES, &cluster.url()).await;
    let mut longest = Duration::ZERO;
    let history = History::of(&stores, Plan { writers: 90, sessions: 30, place: shard, ..Plan::default() }, async {
        sleep(Duration::from_millis(300)).await;
        let mut slots = vec![alices_slot(); 3];
        slots.extend(some_slots(&cluster).await);
        for slot in slots {
            let to = another(&cluster, slot).await;
            let begun = Instant::now();
            let migration = cluster.migrate(slot, to).await;
            while migration.move_keys(10).await > 0 {}
            migration.finish().await;
            longest = longest.max(begun.elapsed());
            // Who waited for this slot is not to wait for its next move as well.
            sleep(AT_ONCE).await;
        }
    });
    let history = history.await;
    history.report("slots moved", longest, |_| true);
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    // What needs a session and its owner's index waits until both are on one side.
    assert!(history.slowest() < longest + AT_ONCE, "{:?} while a slot moves for {longest:?}", history.slowest());
    history.agrees_with_all(&cluster.url(), &masters(&cluster).await).await;
}

/// Slot half moved, and left so for a second, under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: slots that move"]
async fn a_slot_that_stays_half_moved_for_a_second_costs_no_more_than_that() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let stores = several_within(PATIENT, STORES, &cluster.url()).await;
    let history = History::of(&stores, Plan { writers: 30, sessions: 10, place: shard, ..Plan::default() }, async {
        sleep(Duration::from_millis(300)).await;
        for _ in 0..3 {
            let to = another(&cluster, alices_slot()).await;
            let migration = cluster.migrate(alices_slot(), to).await;
            migration.move_keys(keys(migration.from()).await.len() / 4).await;
            sleep(HALF_MOVED).await;
            migration.finish().await;
            sleep(AT_ONCE).await;
        }
    });
    let history = history.await;
    history.report("slot half moved", Duration::ZERO, |_| true);
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    history.agrees_with_all(&cluster.url(), &masters(&cluster).await).await;
}

/// Each operation while a slot is half moved: what needs one key is answered at once, what needs two waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: slots that move"]
async fn every_operation_works_while_its_slot_is_half_moved() {
    for index_first in [true, false] {
        let cluster = Cluster::builder().replicas(0).start().await;
        let store = connect(&cluster.url()).await;
        let mut owned = Vec::new();
        for _ in 0..4 {
            owned.push(Owned::open(&store).await);
        }
        let migration = half_moved(&cluster, index_first).await;
        for session in &mut owned {
            session.is_used_at_once(&store).await;
        }
        let listed = at_once("list", store.list(&alice(), Page::first(500.try_into().expect("some")))).await;
        assert_eq!(listed.expect("the cluster is well").sessions.len(), owned.len());

        let (new, created) = draft(alice());
        let creating = tokio::spawn({
            let store = store.clone();
            async move { store.create(new).await }
        });
        let ended: Vec<SessionKey> = owned.drain(2..).map(|session| session.key).collect();
        let ending = ended.clone().into_iter().map(|key| {
            let store = store.clone();
            tokio::spawn(async move { store.delete(&key).await })
        });
        let ending: Vec<_> = ending.collect();
        sleep(HALF_MOVED).await;
        assert!(!creating.is_finished(), "the index is here and the session there");
        migration.finish().await;
        creating.await.expect("no panic").expect("the cluster is well");
        for ended in ending {
            assert!(ended.await.expect("no panic").expect("the cluster is well"), "it was ended once");
        }

        let migration = half_moved(&cluster, index_first).await;
        for key in &ended {
            assert!(at_once("load", store.peek(key)).await.expect("well").is_none(), "an ended session is back");
        }
        assert!(at_once("load", store.peek(&created)).await.expect("well").is_some());
        let ending = tokio::spawn({
            let store = store.clone();
            async move { store.end_all(&alice()).await }
        });
        sleep(HALF_MOVED).await;
        migration.finish().await;
        assert_eq!(ending.await.expect("no panic").expect("the cluster is well"), 3);
        for session in &owned {
            assert!(store.peek(&session.key).await.expect("well").is_none(), "an ended session is back");
        }
        assert!(store.peek(&created).await.expect("well").is_none(), "an ended session is back");
    }
}

/// A session of nobody's is alone in its slot, and its slot is moving before it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: slots that move"]
async fn a_session_begins_and_ends_at_once_while_its_slot_moves() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let store = connect(&cluster.url()).await;
    open(&store, Owner::Anonymous).await;
    for node in cluster.nodes() {
        node.cli(&["SCRIPT", "FLUSH"]).await;
    }
    let (new, key) = draft(Owner::Anonymous);
    let migration = cluster.migrate(slot(&key), another(&cluster, slot(&key)).await).await;
    let before = keys(migration.to()).await.len();
    at_once("create", store.create(new)).await.expect("the cluster is well");
    assert_eq!(keys(migration.to()).await.len(), before + 1, "it is where its slot is going");
    at_once("update", store.update(&key, set("cart", "tea"))).await.expect("the cluster is well");
    assert_eq!(at_once("load", store.touch(&key)).await.expect("well").expect("live").state.len(), 1);
    assert!(at_once("delete", store.delete(&key)).await.expect("the cluster is well"));
    assert!(at_once("load", store.touch(&key)).await.expect("the cluster is well").is_none());
    migration.finish().await;
    assert!(store.touch(&key).await.expect("the cluster is well").is_none());

    // What is left of a session that ended a moment ago gives way to the next of the same name.
    let (new, key) = draft(Owner::Anonymous);
    store.create(new.clone()).await.expect("the cluster is well");
    assert!(store.delete(&key).await.expect("the cluster is well"));
    let migration = cluster.migrate(slot(&key), another(&cluster, slot(&key)).await).await;
    at_once("create", store.create(new)).await.expect("the cluster is well");
    assert!(at_once("load", store.touch(&key)).await.expect("the cluster is well").is_some());
    assert!(at_once("delete", store.delete(&key)).await.expect("the cluster is well"));
    migration.finish().await;
    assert!(store.touch(&key).await.expect("the cluster is well").is_none());
}

/// One of alice's sessions.
struct Owned {
    key: SessionKey,
    updates: u64,
}

impl Owned {
    async fn open(store: &RedisStore) -> Self {
        let name = SessionName::mint();
        let new = NewSession::new(alice(), &name, lasting());
        store.create(new).await.expect("the cluster is well");
        Self { key: SessionKey::by_name(alice(), &name), updates: 0 }
    }

    /// Reads and changes it, and gives it another name for its own.
    async fn is_used_at_once(&mut self, store: &RedisStore) {
        let seen = at_once("load", store.touch(&self.key)).await.expect("the cluster is well").expect("it is live");
        assert_eq!(seen.version.get(), 1 + self.updates);
        at_once("update", store.update(&self.key, set("cart", self.updates))).await.expect("the cluster is well");
        let name = SessionName::mint_for(self.key.locator());
        let renamed = Change::new().grant(&name, NewGrant::new(Mode::ReadWrite));
        let renamed = match self.key.access() {
            session_core::Access::Secret(secret) => renamed.revoke(secret),
            session_core::Access::Owner => renamed,
        };
        at_once("rotate", store.update(&self.key, renamed)).await.expect("the cluster is well");
        self.updates += 2;
        let before = std::mem::replace(&mut self.key, SessionKey::by_name(alice(), &name));
        assert!(at_once("load", store.touch(&before)).await.expect("the cluster is well").is_none(), "the name before");
        let why = at_once("why absent", store.why_absent(&before)).await.expect("the cluster is well");
        assert_eq!(why, None, "the session is live");
    }
}

/// Moves alice's index and not her sessions, or half of her sessions and not the index.
async fn half_moved(cluster: &Cluster, index_first: bool) -> Migration<'_> {
    let to = another(cluster, alices_slot()).await;
    let migration = cluster.migrate(alices_slot(), to).await;
    let all = keys(migration.from()).await;
    let (index, sessions): (Vec<_>, Vec<_>) = all.into_iter().partition(|key| key.ends_with(b":x"));
    assert_eq!(index.len(), 1, "she has an index");
    if index_first {
        migration.move_these(&index).await;
    } else {
        migration.move_these(&sessions[..sessions.len() / 2]).await;
    }
    migration
}

/// A master that a slot can go to.
async fn another(cluster: &Cluster, slot: u16) -> &Server {
    let now = cluster.master_of(slot).await.port();
    masters(cluster).await.into_iter().find(|master| master.port() != now).expect("there are three")
}

/// Slots of some keys, from each master.
async fn some_slots(cluster: &Cluster) -> Vec<u16> {
    let mut slots = Vec::new();
    for master in masters(cluster).await {
        for key in keys(master).await.into_iter().take(3) {
            slots.push(cluster.slot_of(key).await);
        }
    }
    slots
}

async fn at_once<T>(what: &str, operation: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let answer = operation.await;
    assert!(begun.elapsed() < AT_ONCE, "{what} took {:?}", begun.elapsed());
    answer
}
