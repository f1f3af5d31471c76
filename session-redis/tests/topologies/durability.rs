//! What a failover brings back of what was ended.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use session_core::{Owner, SessionKey, SessionStore as _, SessionStoreExt as _};
use session_redis::{Durability, RedisConfig, RedisStore};
use session_test_servers::{Cluster, Proxy, Server, eventually};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::shards::{open_in, shard, slot, until_served};
use crate::stores::{alice, connect, open, set, unavailable};

/// How long an end may wait for its replica.
const WAIT: Duration = Duration::from_millis(800);

/// An end that is acknowledged is on the replica, or it is not acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_no_replica_has_is_not_acknowledged_and_holds_up_nobody() {
    let (master, replica, network) = replicated().await;
    let (plain, durable) = (connect(&master.url()).await, durable(&master.url()).await);
    let [confirmed, unconfirmed, unprotected, of_all] = [
        open(&plain, alice()).await,
        open(&plain, alice()).await,
        open(&plain, alice()).await,
        open(&plain, bob()).await,
    ];
    assert!(durable.delete(&confirmed).await.expect("the replica has it"), "ended");

    network.hold();
    assert!(plain.delete(&unprotected).await.expect("the master has it"), "ended");
    let begun = Instant::now();
    let ending = tokio::spawn({
        let durable = durable.clone();
        let bob = bob();
        async move { tokio::join!(durable.delete(&unconfirmed), durable.end_all(&bob)) }
    });
    for round in 0..20 {
        let asked = Instant::now();
        durable.touch(&of_all).await.expect("the master is well");
        let other = open(&durable, Owner::Anonymous).await;
        durable.update(&other, set("round", round)).await.expect("the master is well");
        assert!(asked.elapsed() < WAIT / 2, "others wait for nothing: {:?}", asked.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    let (deleted, ended) = ending.await.expect("no panic");
    assert_eq!(unavailable(&deleted), Some(true), "{deleted:?}");
    assert_eq!(unavailable(&ended), Some(true), "{ended:?}");
    let took = begun.elapsed();
    assert!((WAIT..RedisConfig::DEFAULT_DEADLINE + WAIT).contains(&took), "{took:?}");

    master.kill();
    replica.cli(&["REPLICAOF", "NO", "ONE"]).await;
    let after = connect(&replica.url()).await;
    assert!(after.peek(&confirmed).await.expect("it is a master").is_none(), "what was acknowledged is ended");
    for (key, why) in [(unconfirmed, "no replica had it"), (unprotected, "nobody waited for a replica")] {
        assert!(after.peek(&key).await.expect("it is a master").is_some(), "{why}: this is what `durability` is for");
    }
}

/// The master of a cluster is killed the moment that ends are acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that replaces a master"]
async fn nothing_that_was_acknowledged_as_ended_comes_back_with_a_new_master() {
    const ENDED: usize = 200;
    let cluster = Cluster::builder().config("cluster-require-full-coverage", "no").start().await;
    let durable = durable(&cluster.url()).await;
    let probe = open_in(&durable, 0).await;
    let mut sessions = Vec::new();
    while sessions.len() < ENDED {
        sessions.push(open_in(&durable, 0).await);
    }
    let master = cluster.master_of(slot(&probe)).await;
    let mut ending = JoinSet::new();
    for key in sessions {
        let durable = durable.clone();
        ending.spawn(async move { (key, durable.delete(&key).await) });
    }
    let mut ended: Vec<SessionKey> = Vec::new();
    while let Some(answer) = ending.join_next().await {
        let (key, answer) = answer.expect("no panic");
        assert_eq!(shard(&key), 0);
        match answer {
            Ok(true) => ended.push(key),
            Ok(false) => panic!("it was live"),
            Err(_) => assert!(unavailable(&answer).is_some(), "{answer:?}"),
        }
        if ended.len() == ENDED / 4 {
            master.kill();
        }
    }
    assert!(ended.len() >= ENDED / 4, "{} were acknowledged", ended.len());
    until_served(&durable, &probe).await;
    for key in &ended {
        assert!(durable.peek(key).await.expect("there is a new master").is_none(), "an ended session is back");
    }
}

/// A master, its replica, and the network between them.
async fn replicated() -> (Server, Server, Proxy) {
    let master = Server::start().await;
    let network = Proxy::to(master.addr()).await;
    let behind = format!("127.0.0.1 {}", network.addr().port());
    let replica = Server::builder().config("replicaof", behind).start().await;
    eventually("replica that follows", async || {
        let info = master.info("replication").await;
        info.iter().any(|(_, value)| value.contains("state=online")).then_some(())
    })
    .await;
    (master, replica, network)
}

/// A store whose ends wait for a replica.
async fn durable(url: &str) -> RedisStore {
    let mut config: RedisConfig = url.parse().expect("the servers' URL is one");
    config.durability = Some(Durability { replicas: NonZeroU32::MIN, timeout: WAIT });
    RedisStore::connect(config).await.expect("the servers are there")
}

fn bob() -> Owner {
    Owner::principal("https://issuer.example", "bob")
}
