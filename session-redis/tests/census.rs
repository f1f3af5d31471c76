//! How sessions are counted where that takes long.

mod support;

use std::time::{Duration, Instant};

use session_core::{Limits, Owner, Quota, SessionStore as _, StoreError};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::{Proxy, Server};

use support::sessions::{config, connect, open, session};

/// Keys of somebody else.
async fn populate(server: &Server, keys: usize) {
    let script = "for n = 1, ARGV[1] do redis.call('SET', ARGV[2] .. n, '') end";
    for part in 0..keys.div_ceil(100_000) {
        let (number, prefix) = (keys.min(100_000).to_string(), format!("other:{part}:"));
        server.cli(&["EVAL", script, "0", &number, &prefix]).await;
    }
}

/// A store whose count of these keys takes longer than its deadline, by a network with a delay.
async fn slow(server: &Server, network: &Proxy, sessions: u64) -> RedisStore {
    let limits = Limits { sessions, ..Limits::default() };
    let deadline = Duration::from_millis(600);
    let store = connect(RedisConfig { limits, deadline, ..config(&server.url_at(network.addr())) }).await;
    network.delay(Duration::from_millis(20));
    store
}

#[tokio::test]
async fn a_count_of_any_age_is_good_enough_for_whoever_does_not_care() {
    let server = Server::start().await;
    let store = connect(config(&server.url())).await;
    assert_eq!(store.count(Duration::MAX).await.expect("the server runs"), 0);
    open(&store, Owner::Anonymous).await;
    assert_eq!(store.count(Duration::MAX).await.expect("the server runs"), 0, "the one from before");
    assert_eq!(store.count(Duration::ZERO).await.expect("the server runs"), 1);
}

#[tokio::test]
async fn counting_goes_on_when_nobody_has_time_to_wait_for_it() {
    let server = Server::start().await;
    populate(&server, 30_000).await;
    let network = Proxy::to(server.addr()).await;
    let store = slow(&server, &network, 4).await;
    let asked = Instant::now();
    let early = store.count(Duration::ZERO).await;
    assert!(matches!(early, Err(StoreError::Unavailable { maybe_applied: false, .. })), "{early:?}");
    assert!(asked.elapsed() < Duration::from_millis(700), "at the deadline: {:?}", asked.elapsed());
    let counted = loop {
        if let Ok(counted) = store.count(Duration::MAX).await {
            break counted;
        }
        assert!(asked.elapsed() < Duration::from_secs(10), "it is counted some time");
    };
    assert_eq!(counted, 0);
    for _ in 0..4 {
        let asked = Instant::now();
        open(&store, Owner::Anonymous).await;
        assert!(asked.elapsed() < Duration::from_millis(300), "nobody who is let in waits: {:?}", asked.elapsed());
    }
    let refused = store.create(session(Owner::Anonymous).2).await;
    assert!(matches!(refused, Err(StoreError::Quota(Quota::Sessions { max: 4 }))), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_cannot_be_counted_is_counted_again_later() {
    let server = Server::start().await;
    let store = connect(RedisConfig { deadline: Duration::from_millis(300), ..config(&server.url()) }).await;
    server.stop();
    let away = store.count(Duration::ZERO).await;
    assert!(matches!(away, Err(StoreError::Unavailable { maybe_applied: false, .. })), "{away:?}");
    server.resume();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(store.count(Duration::ZERO).await.expect("it is back"), 0);
}

#[tokio::test]
async fn counting_ends_with_the_store() {
    let server = Server::start().await;
    populate(&server, 30_000).await;
    let network = Proxy::to(server.addr()).await;
    let store = slow(&server, &network, 4).await;
    assert!(store.count(Duration::ZERO).await.is_err(), "it takes longer");
    drop(store);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let sent = network.traffic().sent();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(network.traffic().sent(), sent, "nothing more is asked");
}

#[tokio::test]
#[ignore = "long: a million keys"]
async fn a_million_keys_of_others_keep_nobody_out() {
    let server = Server::start().await;
    populate(&server, 1_000_000).await;
    let store = connect(config(&server.url())).await;
    let begun = Instant::now();
    while store.create(session(Owner::Anonymous).2).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is counted some time");
    }
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        let asked = Instant::now();
        open(&store, Owner::Anonymous).await;
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}
