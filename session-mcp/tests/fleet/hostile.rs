//! A client that does what it should not harms its own session at most.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use crate::client::{Client, Events};
use crate::fleet::{Backend, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_used_twice_at_once_is_refused_and_the_first_call_is_answered() {
    let backend = Backend::new();
    let a = backend.replica().await;
    let client = Client::connect(&a).await;
    let call = client.tool("slow", &json!({ "ms": 500 }));
    let mut first = Events::of(client.post(&a, &call).await);
    assert!(first.next().await.is_some(), "it has begun");
    let refused = client.post(&a, &call).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.text().await.expect("an answer is whole").contains("an id of its own"));
    assert_eq!(first.answer().await, "1");
    assert_eq!(Events::of(client.post(&a, &call).await).answer().await, "2", "later it is as good as new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_a_limit_of_streams() {
    let backend = Backend::new();
    let a = backend.replica().await;
    let client = Client::connect(&a).await;
    let mut first = client.listen(&a, None).await;
    let common = first.next().await.expect("an event to come back to").id.expect("it can be named");
    let mut streams = Vec::new();
    let refused = loop {
        let answer = client.get(&a, None).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        streams.push(answer);
        assert!(streams.len() < 100, "there is a limit");
    };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let refused = client.get(&a, Some(&common)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "also to who comes back");
    assert_eq!(client.call(&a, "count", json!({})).await, "1", "calls go on");
    let mut call = Events::of(client.post(&a, &client.tool("slow", &json!({ "ms": 300 }))).await);
    let cut = call.next().await.expect("an event to come back to").id.expect("it can be named");
    drop(call);
    assert_eq!(client.listen(&a, Some(&cut)).await.answer().await, "2", "and are resumed");
    let other = Client::connect(&a).await;
    assert!(other.listen(&a, None).await.next().await.is_some(), "and so do other sessions");
    drop(streams);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(client.listen(&a, None).await.next().await.is_some(), "there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_a_limit_of_calls() {
    let backend = Backend::new();
    let a = backend.replica().await;
    let client = Client::connect(&a).await;
    let mut running = Vec::new();
    let refused = loop {
        let answer = client.post(&a, &client.tool("wait", &json!({}))).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        running.push(answer);
        assert!(running.len() < 1_000, "there is a limit");
    };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.text().await.expect("an answer is whole").contains("limit of calls"));
    assert_eq!(client.status(&a).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(Client::connect(&a).await.call(&a, "count", json!({})).await, "1", "other sessions go on");
    assert_eq!(client.delete(&a).await, StatusCode::NO_CONTENT, "and this one can be ended");
    until("its calls have ended", || a.waiting.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_read_an_answer_holds_up_no_other() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut call = client.tool("talk", &json!({ "messages": 2_000, "bytes": 16_384 }));
    call["params"]["_meta"] = json!({ "progressToken": 1 });
    // Nobody reads the rest of it.
    let stalled = client.post(&a, &call).await;
    assert_eq!(stalled.status(), StatusCode::OK);
    // All buffers on the way are full by then.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for count in 1..=3 {
        let counting = client.call(&a, "count", json!({}));
        let counted = tokio::time::timeout(Duration::from_secs(12), counting).await;
        assert_eq!(counted.expect("others are answered"), count.to_string());
    }
    assert_eq!(client.delete(&b).await, StatusCode::NO_CONTENT);
    assert_eq!(client.status(&a).await, StatusCode::NOT_FOUND);
    drop(stalled);
}
