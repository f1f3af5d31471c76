//! A session is served by whichever replica its client is sent to.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use crate::client::{Client, Events};
use crate::fleet::{Backend, until};
use crate::site::Mood;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_serves_a_session_that_one_of_them_opened() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    for (count, replica) in [&b, &a, &b, &b, &a].into_iter().enumerate() {
        assert_eq!(client.call(replica, "count", json!({})).await, (count + 1).to_string());
    }
    assert_eq!(b.made.load(Ordering::SeqCst), 1, "it was restored once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_the_replica_that_opened_it() {
    let backend = Backend::new();
    let mut a = backend.replica().await;
    let client = Client::connect(&a).await;
    assert_eq!(client.call(&a, "count", json!({})).await, "1");
    a.kill();
    let b = backend.replica().await;
    assert_eq!(client.call(&b, "count", json!({})).await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_first_requests_at_once_are_all_answered_by_one_handler() {
    let backend = Backend::new();
    let a = backend.replica().await;
    for _ in 0..10 {
        let b = backend.slow_replica(Duration::from_millis(20)).await;
        let client = Client::connect(&a).await;
        let calls = (0..16).map(|_| client.call(&b, "count", json!({})));
        let mut counts: Vec<u32> = join_all(calls).await.iter().map(|count| count.parse().expect("a number")).collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=16).collect::<Vec<_>>());
        assert_eq!(b.made.load(Ordering::SeqCst), 1, "one handler hears all");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restoration_goes_on_when_the_client_that_began_it_goes() {
    let backend = Backend::new();
    let a = backend.replica().await;
    let b = backend.slow_replica(Duration::from_millis(200)).await;
    let client = Client::connect(&a).await;
    let impatient = client.sending(&b, &client.tool("count", &json!({})));
    assert!(impatient.timeout(Duration::from_millis(50)).send().await.is_err(), "it does not wait");
    let waiting = join_all((0..4).map(|_| client.call(&b, "count", json!({}))));
    assert_eq!(waiting.await.len(), 4);
    assert_eq!(b.made.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_could_not_be_restored_is_restored_for_who_asks_again() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    for mood in [Mood::Refusing, Mood::Mute] {
        let client = Client::connect(&a).await;
        b.feels(mood);
        let refused = client.post(&b, &client.tool("count", &json!({}))).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{mood:?}");
        assert!(refused.headers().contains_key("retry-after"));
        until("nothing is left of the handler", || b.handlers() == 0).await;
        b.feels(Mood::Willing);
        assert_eq!(client.call(&b, "count", json!({})).await, "1", "{mood:?}");
        assert_eq!(client.delete(&a).await, StatusCode::NO_CONTENT);
        until("the handler has ended", || b.handlers() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_name_that_a_client_initialized_is_a_connection() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let opened = client.post(&a, &client.tool("open_session", &json!({}))).await;
    let message = Events::of(opened).message().await.expect("an answer");
    let handle = message["result"]["structuredContent"]["session"].as_str().expect("a handle").to_owned();
    for replica in [&a, &b] {
        assert_eq!(client.named(&handle).status(replica).await, StatusCode::NOT_FOUND);
        assert_eq!(client.named(&handle).delete(replica).await, StatusCode::NOT_FOUND);
        assert_eq!(client.named("nonsense").status(replica).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(client.call(&b, "count", json!({ "session": handle })).await, "1");
    assert_eq!(client.call(&a, "count", json!({})).await, "2", "it is the same session");
}
