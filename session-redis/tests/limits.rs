//! Limits at their edges, and connections of the caller's own.

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ProtocolVersion};
use session_core::{
    Lifetimes, Limits, NewSession, Owner, Page, Quota, Rate, SessionName, SessionStore as _, SessionStoreExt as _,
    StoreError,
};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::{Server, eventually};

use support::sessions::{alice, config, connect, open, session};

#[tokio::test]
async fn where_a_limit_was_lowered_one_goes_for_each_who_comes() {
    let server = Server::start().await;
    let before = connect(config(&server.url())).await;
    for _ in 0..10 {
        open(&before, alice()).await;
    }
    let limits = Limits { sessions_per_principal: 5, evict_after: Duration::ZERO, ..Limits::default() };
    let after = connect(RedisConfig { limits: limits.clone(), ..config(&server.url()) }).await;
    for _ in 0..3 {
        let (_, key, new) = session(alice());
        let created = after.create(new).await.expect("one makes room");
        assert_eq!(created.gone.len(), 1);
        assert!(after.peek(&key).await.expect("the store answers").is_some());
    }
    assert_eq!(after.count(Duration::ZERO).await.expect("the store answers"), 10);

    let patient = Limits { evict_after: Duration::from_secs(3_600), ..limits };
    let patient = connect(RedisConfig { limits: patient, ..config(&server.url()) }).await;
    let refused = patient.create(session(alice()).2).await.expect_err("all are in use");
    assert!(matches!(refused, StoreError::Quota(Quota::SessionsPerPrincipal { max: 5 })), "{refused:?}");
}

/// Expired sessions make room among their owner's, and none among those of all owners.
#[tokio::test]
async fn what_has_expired_takes_nobody_past_the_limit_of_all_sessions() {
    let server = Server::start().await;
    let limits = Limits { sessions: 3, sessions_per_principal: 2, ..Limits::default() };
    let store = connect(RedisConfig { limits: limits.clone(), ..config(&server.url()) }).await;
    let short = Lifetimes::new(Duration::from_millis(1), Duration::from_secs(60)).expect("both are valid");
    for _ in 0..2 {
        store.create(NewSession::new(alice(), &SessionName::mint(), short)).await.expect("there is room");
    }
    eventually("end of the idle timeout", async || {
        (store.count(Duration::ZERO).await.expect("the store answers") == 0).then_some(())
    })
    .await;
    for _ in 0..3 {
        open(&store, Owner::Anonymous).await;
    }
    // It has counted nothing yet.
    let other = connect(RedisConfig { limits, ..config(&server.url()) }).await;
    let refused = other.create(session(alice()).2).await.expect_err("there are as many as there may be");
    assert!(matches!(refused, StoreError::Quota(Quota::Sessions { max: 3 })), "{refused:?}");
    assert_eq!(store.count(Duration::ZERO).await.expect("the store answers"), 3);
}

#[tokio::test]
async fn an_endless_rate_admits_its_count() {
    let server = Server::start().await;
    let rate = Some(Rate { count: 2, per: Duration::MAX });
    let limits = Limits { creation_rate: rate, ..Limits::default() };
    let store = connect(RedisConfig { limits, ..config(&server.url()) }).await;
    for _ in 0..2 {
        open(&store, alice()).await;
    }
    let refused = store.create(session(alice()).2).await.expect_err("the count is spent");
    assert!(matches!(refused, StoreError::Quota(Quota::CreationRate { .. })), "{refused:?}");
    assert_eq!(store.count(Duration::ZERO).await.expect("the store answers"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_of_all_ends_though_the_owner_goes_on_creating() {
    let server = Server::start().await;
    let limits = Limits { creation_rate: None, sessions_per_principal: 1_000_000, ..Limits::default() };
    let store = connect(RedisConfig { limits, ..config(&server.url()) }).await;
    let creators: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    open(&store, alice()).await;
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let (_, key) = open(&store, alice()).await;
        assert!(store.end_all(&alice()).await.expect("it comes to its end") > 0);
        assert!(store.peek(&key).await.expect("the store answers").is_none(), "what was there before has ended");
    }
    creators.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_connection_of_the_callers_own_serves_whichever_protocol_it_speaks() {
    let server = Server::start().await;
    for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
        let store = RedisStore::from_connection(connection(&server, protocol).await, config(&server.url()));
        let (_, key) = open(&store, alice()).await;
        assert!(store.touch(&key).await.expect("the store answers").is_some(), "{protocol:?}");
        let listing = store.list(&alice(), Page::first(NonZeroU32::MIN)).await.expect("the store answers");
        assert_eq!(listing.sessions.len(), 1, "{protocol:?}");
        assert_eq!(store.why_absent(&key).await.expect("the store answers"), None, "{protocol:?}");
        assert_eq!(store.count(Duration::ZERO).await.expect("the store answers"), 1, "{protocol:?}");
        assert_eq!(store.end_all(&alice()).await.expect("the store answers"), 1, "{protocol:?}");
    }
    server.kill();
    let store = RedisStore::from_connection(lost(&server).await, config(&server.url()));
    let error = store.ping().await.expect_err("it is not made anew");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}

async fn connection(server: &Server, protocol: ProtocolVersion) -> MultiplexedConnection {
    let separator = if protocol == ProtocolVersion::RESP3 { "?protocol=resp3" } else { "" };
    let client = Client::open(format!("{}/{separator}", server.url())).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("the server is there")
}

/// A connection whose server has gone.
async fn lost(server: &Server) -> MultiplexedConnection {
    server.restart().await;
    let connection = connection(server, ProtocolVersion::RESP2).await;
    server.kill();
    connection
}
