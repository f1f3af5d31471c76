//! An end is an end at every replica.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use session_core::{Access, Change, Limits, Mode, NewGrant, SessionKey};
use session_mcp::Config;

use crate::client::{Client, Events};
use crate::fleet::{Backend, Replica, until};

/// Within which time all replicas know of an end.
const SOON: Duration = Duration::from_secs(1);

/// Streams that were just opened use their session once, and would notice its end by that. The next time is much later.
async fn after_the_first_use() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_at_one_replica_ends_the_session_and_its_streams_at_all() {
    let backend = Backend::new();
    let (a, b, c) = (backend.replica().await, backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let (mut at_a, mut at_b) = (client.listen(&a, None).await, client.listen(&b, None).await);
    after_the_first_use().await;
    assert_eq!(client.delete(&c).await, StatusCode::NO_CONTENT);
    let begun = Instant::now();
    at_a.end().await;
    at_b.end().await;
    until("the handlers have ended", || a.handlers() + b.handlers() == 0).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    for replica in [&a, &b, &c] {
        assert_eq!(client.status(replica).await, StatusCode::NOT_FOUND);
        assert_eq!(client.delete(replica).await, StatusCode::NOT_FOUND);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_a_tool_ends_elsewhere_ends_here() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut stream = client.listen(&a, None).await;
    after_the_first_use().await;
    let ended = client.post(&b, &client.tool("end_session", &json!({}))).await;
    assert_eq!(ended.status(), StatusCode::OK);
    let begun = Instant::now();
    stream.end().await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(client.status(&a).await, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ends_with_the_session_that_its_client_is_connected_by() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    for ends_at in [&a, &b] {
        let client = Client::connect(&a).await;
        let mut heeds = Events::of(client.post(&a, &client.tool("wait", &json!({}))).await);
        let mut ignores = Events::of(client.post(&a, &client.tool("slow", &json!({ "ms": 60_000 }))).await);
        // It has begun when its client is told from where to go on.
        for stream in [&mut heeds, &mut ignores] {
            stream.next().await.expect("an event");
        }
        assert_eq!(client.delete(ends_at).await, StatusCode::NO_CONTENT);
        let begun = Instant::now();
        assert_eq!(heeds.answer().await, "cancelled");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let answer = ignores.message().await.expect("an answer");
        assert_eq!(answer["result"]["_meta"]["session-mcp/refusal"]["error"], "session_ended", "{answer}");
        assert!(begun.elapsed() < 2 * SOON, "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_away_at_one_replica_opens_nothing_at_any() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let (mut at_a, mut at_b) = (client.listen(&a, None).await, client.listen(&b, None).await);
    after_the_first_use().await;
    let grant = NewGrant::new(Mode::ReadWrite);
    let (other, _) = b.sessions.promote(&client.key(), grant, Change::new()).await.expect("there is room for a name");
    let other = SessionKey::by_name(client.key().owner(), &other);
    let Access::Secret(taken) = client.key().access() else { panic!("it leads there by its name") };
    b.sessions.update(&other, Change::new().revoke(taken)).await.expect("the session is live");
    let begun = Instant::now();
    at_a.end().await;
    at_b.end().await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    for replica in [&a, &b] {
        assert_eq!(client.status(replica).await, StatusCode::NOT_FOUND);
    }
    a.sessions.load(&other).await.expect("the session lives under its other name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_makes_room_for_another_ends_at_all_replicas() {
    let limits = Limits { sessions_per_principal: 1, evict_after: Duration::from_millis(300), ..Limits::default() };
    let backend = Backend::limited(limits);
    let (a, b) = (backend.replica().await, backend.replica().await);
    let older = Client::connect_as("alice", &a).await;
    assert_eq!(older.status(&b).await, StatusCode::OK, "both have it open");
    let (mut at_a, mut at_b) = (older.listen(&a, None).await, older.listen(&b, None).await);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let newer = Client::connect_as("alice", &b).await;
    let begun = Instant::now();
    at_a.end().await;
    at_b.end().await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!((older.status(&a).await, newer.status(&a).await), (StatusCode::NOT_FOUND, StatusCode::OK));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_stream_keeps_its_session_from_idling_out_and_ends_when_its_life_is_over() {
    let (idle, absolute) = (Duration::from_millis(600), Duration::from_secs(3));
    let backend = Backend::new().with_lifetimes(idle, absolute);
    let (a, b) = (backend.replica().await, backend.replica().await);
    let begun = Instant::now();
    let client = Client::connect(&a).await;
    let mut at_b = client.listen(&b, None).await;
    at_b.end().await;
    let lived = begun.elapsed();
    assert!(lived + idle > absolute && lived < absolute + SOON, "{lived:?}");
    assert_eq!(client.status(&a).await, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_expires_is_closed_wherever_it_was_open_though_nobody_asks() {
    let idle = Duration::from_millis(1_800);
    let backend = Backend::new().with_lifetimes(idle, Duration::from_secs(60));
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    for _ in 0..5 {
        assert_eq!(client.status(&b).await, StatusCode::OK);
        tokio::time::sleep(idle / 3).await;
        assert_eq!((a.handlers(), b.handlers()), (1, 1), "it is used at one of them, and open at both");
    }
    let begun = Instant::now();
    until("the handlers have ended", || a.handlers() + b.handlers() == 0).await;
    assert!(begun.elapsed() < idle + SOON, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_call_in_another_session_keeps_that_of_its_connection_too() {
    let backend = Backend::new().with_lifetimes(Duration::from_millis(600), Duration::from_secs(60));
    let a = backend.replica().await;
    let (client, other) = (Client::connect(&a).await, Client::connect(&a).await);
    let opened = Events::of(other.post(&a, &other.tool("open_session", &json!({}))).await).message().await;
    let handle = opened.expect("an answer")["result"]["structuredContent"]["session"].take();
    assert_eq!(client.call(&a, "slow", json!({ "session": handle, "ms": 2_000 })).await, "1");
    assert_eq!(client.call(&a, "count", json!({})).await, "1", "the connection's own session is still there");
    assert_eq!(client.call(&a, "count", json!({ "session": handle })).await, "2", "and so is the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_ends_leaves_the_session_and_asks_its_clients_to_come_back() {
    let backend = Backend::new();
    let (mut a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut stream = client.listen(&a, None).await;
    assert!(stream.next().await.expect("an event to come back to").id.is_some());
    a.shut_down();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    assert!(last.expect("a last word").retry.expect("when to come back") <= 1000);
    assert_eq!(client.call(&b, "count", json!({})).await, "1");
    b.sessions.load(&client.key()).await.expect("the session lives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_about_to_end_says_so_and_serves_on() {
    let backend = Backend::new();
    let mut a = backend.patient_replica(Duration::from_millis(700)).await;
    let client = Client::connect(&a).await;
    assert_eq!(probe(&a, "/readyz").await, StatusCode::OK);
    a.shut_down();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(probe(&a, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(probe(&a, "/healthz").await, StatusCode::OK);
    let answer = client.post(&a, &client.tool("count", &json!({}))).await;
    assert_eq!(answer.headers()["connection"], "close", "the next request goes elsewhere");
    assert_eq!(Events::of(answer).answer().await, "1");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(reqwest::get(a.url.replace("/mcp", "/healthz")).await.is_err(), "it has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_client_was_cut_off_is_finished_before_the_end() {
    let backend = Backend::new();
    let (mut a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut stream = Events::of(client.post(&a, &client.tool("slow", &json!({ "ms": 400 }))).await);
    let cut = stream.next().await.expect("an event to come back to").id.expect("it can be named");
    drop(stream);
    a.shut_down();
    assert_eq!(client.listen(&b, Some(&cut)).await.answer().await, "1", "and its answer was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_nobody_uses_ends_and_its_session_does_not() {
    let backend = Backend::new();
    let config = Config { handler_idle_timeout: Duration::from_millis(800), ..Config::default() };
    let a = backend.configured(config).await;
    let client = Client::connect(&a).await;
    assert_eq!(client.call(&a, "count", json!({})).await, "1");
    assert_eq!(client.call(&a, "slow", json!({ "ms": 1_500 })).await, "2");
    assert_eq!(a.made.load(Ordering::SeqCst), 1, "a call uses it");
    let stream = client.listen(&a, None).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.call(&a, "count", json!({})).await, "3");
    assert_eq!(a.made.load(Ordering::SeqCst), 1, "and so does a stream");
    drop(stream);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(client.call(&a, "count", json!({})).await, "4");
    assert_eq!(a.made.load(Ordering::SeqCst), 2, "it was made again");
}

async fn probe(replica: &Replica, path: &str) -> StatusCode {
    reqwest::get(replica.url.replace("/mcp", path)).await.expect("it answers").status()
}
