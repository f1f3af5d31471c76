//! Who follows something while a master is replaced, nodes do not reach one another, or a slot moves.

use std::time::{Duration, Instant};

use redis::from_redis_value;
use session_core::{Feed, Journal as _, Owner, SessionKey, SessionName};
use session_redis::RedisStore;
use session_test_servers::{Cluster, Sentinels, Server, eventually};
use tokio::time::sleep;

use crate::reader::{Reader, feed, journal, said, say};
use crate::shards::{MASTERS, shard, slot};
use crate::stores::{alice, connect, several};

/// Until the next sign of life is asked for, half a second in which it does not come, and what a busy machine needs.
const UNNOTICED: Duration = Duration::from_millis(2_500);
/// As long as the nodes of these clusters take to see that they do not reach one another, and as much again.
const PARTED: Duration = Duration::from_secs(4);
/// How often all are rung in a cluster.
const ROUND: Duration = Duration::from_secs(30);

/// Sentinel, master killed, and then a failover that is ordered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: sentinels that look for a master"]
async fn who_follows_goes_over_to_the_master_that_sentinels_name() {
    let all = Sentinels::builder().replicas(2).start().await;
    let stores = several(2, &all.url()).await;
    let feed = feed(alice());
    let mut reader = Reader::of(feed, &stores[0]).await;
    let old = all.kill_master().await;
    all.new_master(old).await;
    until_said(&stores[1], &feed, "after the first").await;
    let took = reader.reads("after the first").await;
    assert!(took < UNNOTICED, "{took:?}");
    all.failover().await;
    until_said(&stores[1], &feed, "after the second").await;
    let took = reader.reads("after the second").await;
    assert!(took < UNNOTICED, "{took:?}");
    let master = all.master().await;
    eventually("followers at the new master", async || listens(master).await.then_some(())).await;
}

/// Cluster, the node killed at which somebody listens: what is said elsewhere is heard at another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_at_a_node_of_a_cluster_that_dies_listens_at_another() {
    let cluster = Cluster::builder().config("cluster-require-full-coverage", "no").start().await;
    let stores = several(2, &cluster.url()).await;
    let mut readers = Vec::new();
    let feeds = [0, 1, 2].map(feed_in);
    for feed in feeds {
        readers.push(Reader::of(feed, &stores[0]).await);
        say(&stores[1], &feed, "before").await;
        readers.last_mut().expect("it is there").reads("before").await;
    }
    let node = listening(&cluster).await;
    let hit = (0..MASTERS).find(|shard| cluster.nodes()[*shard].port() == node.port());
    node.kill();
    let begun = Instant::now();
    for (_, (feed, reader)) in feeds.iter().zip(&mut readers).enumerate().filter(|(shard, _)| Some(*shard) != hit) {
        say(&stores[1], feed, "after").await;
        reader.reads("after").await;
    }
    assert!(begun.elapsed() < UNNOTICED, "{:?}", begun.elapsed());
}

/// Cluster partition: the node at which somebody listens hears nothing any more, and still answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that is parted and healed"]
async fn who_listens_at_a_node_that_is_cut_off_listens_at_another() {
    let cluster = Cluster::builder().partitionable().config("cluster-require-full-coverage", "no").start().await;
    let stores = several(2, &cluster.url()).await;
    let mut readers = Vec::new();
    let feeds = [0, 1, 2].map(feed_in);
    for feed in feeds {
        readers.push(Reader::of(feed, &stores[0]).await);
    }
    let node = listening(&cluster).await;
    cluster.part(&[node]);
    for (feed, reader) in feeds.iter().zip(&mut readers) {
        until_said(&stores[1], feed, "in parts").await;
        let took = reader.reads("in parts").await;
        assert!(took < PARTED + UNNOTICED, "{took:?}");
    }
    cluster.heal();
}

/// Cluster partition, too short for anybody to notice: what was not passed on is made up for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: followers of a cluster are all rung twice a minute"]
async fn what_a_node_did_not_pass_on_is_read_within_half_a_minute() {
    let cluster = Cluster::builder().partitionable().start().await;
    let stores = several(2, &cluster.url()).await;
    let feeds = [0, 1, 2].map(feed_in);
    let mut readers = Vec::new();
    for feed in feeds {
        readers.push(Reader::of(feed, &stores[0]).await);
    }
    let begun = Instant::now();
    let node = listening(&cluster).await;
    cluster.part(&[node]);
    for feed in &feeds {
        say(&stores[1], feed, "unheard").await;
    }
    sleep(Duration::from_millis(300)).await;
    cluster.heal();
    let mut late = 0;
    for reader in &mut readers {
        reader.reads("unheard").await;
        late += usize::from(begun.elapsed() > ROUND / 2);
    }
    assert!(late > 0, "none was lost on the way");
    assert!(begun.elapsed() < ROUND + UNNOTICED, "{:?}", begun.elapsed());
}

/// Slot half moved: who reads is answered at once, who has something to say waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: slots that move"]
async fn a_feed_is_read_while_its_slot_moves_and_added_to_when_it_has_moved() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let store = connect(&cluster.url()).await;
    for owner in [alice(), Owner::Anonymous] {
        let key = SessionKey::by_name(owner, &SessionName::mint());
        let feed = Feed::ToServers(*key.id());
        let mut reader = Reader::of(feed, &store).await;
        say(&store, &feed, "before").await;
        reader.reads("before").await;
        let from = cluster.master_of(slot(&key)).await.port();
        let to = cluster.nodes().iter().find(|node| node.port() != from).expect("there are three");
        let migration = cluster.migrate(slot(&key), to).await;
        for _ in 0..2 {
            let begun = Instant::now();
            assert_eq!(said(&store, &feed).await, ["before"]);
            journal(&store).end(&feed).await.expect("the cluster is well");
            assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
            migration.move_keys(100).await;
        }
        let saying = tokio::spawn({
            let store = store.clone();
            async move { say(&store, &feed, "after").await }
        });
        sleep(Duration::from_millis(500)).await;
        assert!(!saying.is_finished(), "what is known of a writing is on neither side");
        migration.finish().await;
        saying.await.expect("it can be said");
        reader.reads("after").await;
        assert_eq!(said(&store, &feed).await, ["before", "after"]);
    }
}

/// What the client of a session of nobody's is told, in this shard.
fn feed_in(wanted: usize) -> Feed {
    loop {
        let key = SessionKey::by_name(Owner::Anonymous, &SessionName::mint());
        if shard(&key) == wanted {
            return Feed::ToClient(*key.id());
        }
    }
}

/// Says something as soon as it can be said.
async fn until_said(store: &RedisStore, feed: &Feed, entry: &str) {
    while journal(store).append(feed, entry.as_bytes()).await.is_err() {}
}

/// The node of a cluster at which somebody listens.
async fn listening(cluster: &Cluster) -> &Server {
    for node in cluster.nodes() {
        if listens(node).await {
            return node;
        }
    }
    panic!("nobody listens");
}

async fn listens(node: &Server) -> bool {
    let list: String = from_redis_value(node.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).await).expect("a text");
    !list.trim().is_empty()
}
