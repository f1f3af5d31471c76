//! What a failover brings back of what was ended.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use session_core::{Owner, SessionKey, SessionStore as _, SessionStoreExt as _};
use session_redis::{Durability, RedisConfig, RedisStore};
use session_test_servers::{Cluster, Flavor, Proxy, Server, eventually};
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

/// Many end at once, and nobody waits for the replica of another's session before his own has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_that_no_replica_has_are_ends_on_the_master_all_the_same() {
    for flavor in Flavor::all() {
        let (master, _replica, network) = replicated_by(&flavor).await;
        let (plain, durable) = (connect(&master.url()).await, durable(&master.url()).await);
        let mut sessions = Vec::new();
        for _ in 0..20 {
            sessions.push(open(&plain, alice()).await);
        }
        assert!(durable.delete(&sessions.remove(0)).await.expect("the replica has it"), "ended");
        let (other, bobs) = (open(&plain, Owner::Anonymous).await, open(&plain, bob()).await);

        network.hold();
        let begun = Instant::now();
        let mut ending = JoinSet::new();
        for key in sessions.clone() {
            let durable = durable.clone();
            ending.spawn(async move { durable.delete(&key).await });
        }
        let all = durable.clone();
        ending.spawn(async move { all.end_all(&bob()).await.map(|_| true) });
        sleep(WAIT / 4).await;
        for key in sessions.iter().chain([&bobs]) {
            assert!(plain.peek(key).await.expect("the master is well").is_none(), "it waits, and has ended");
        }
        while let Some(answer) = ending.join_next().await {
            let answer = answer.expect("no panic");
            assert_eq!(unavailable(&answer), Some(true), "{} {answer:?}", flavor.name());
            let asked = Instant::now();
            durable.touch(&other).await.expect("the master is well");
            assert!(asked.elapsed() < WAIT / 2, "others wait for nothing: {:?}", asked.elapsed());
        }
        let took = begun.elapsed();
        assert!(took < RedisConfig::DEFAULT_DEADLINE + Duration::from_millis(200), "{} {took:?}", flavor.name());

        network.pass();
        let next = open(&plain, alice()).await;
        assert!(durable.delete(&next).await.expect("the replica is back"), "ended");
        open(&plain, bob()).await;
        assert_eq!(durable.end_all(&bob()).await.expect("the replica is back"), 1);
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
    replicated_by(&Flavor::usual()).await
}

/// The same by servers of a version.
async fn replicated_by(flavor: &Flavor) -> (Server, Server, Proxy) {
    let master = Server::builder().flavor(flavor).start().await;
    let network = Proxy::to(master.addr()).await;
    let behind = format!("127.0.0.1 {}", network.addr().port());
    let replica = Server::builder().flavor(flavor).config("replicaof", behind).start().await;
    eventually("replica that follows", async || {
        let info = master.info("replication").await;
        info.iter().any(|(_, value)| value.contains("state=online")).then_some(())
    })
    .await;
    // It is sent nothing before it has told for the first time how far it is, which can take it a second.
    let durable = durable(&master.url()).await;
    eventually("replica that confirms", async || {
        let key = open(&durable, Owner::Anonymous).await;
        durable.delete(&key).await.ok()
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
