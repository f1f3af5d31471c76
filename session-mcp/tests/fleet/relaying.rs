//! What a client says reaches the replica that it is meant for.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, Events};
use crate::fleet::{Backend, Replica};

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn running(replica: &Replica) -> usize {
    replica.waiting.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_cancelled_wherever_it_runs() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    for (runs, told) in [(&a, &b), (&b, &a), (&a, &a)] {
        let call = client.tool("wait", &json!({}));
        let mut stream = Events::of(client.post(runs, &call).await);
        until("it runs", || running(runs) == 1).await;
        let other = client.tool("wait", &json!({}));
        let _other = client.post(runs, &other).await;
        until("both run", || running(runs) == 2).await;
        for request in [&call["id"], &json!(4711)] {
            let cancelled =
                json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": request } });
            assert_eq!(client.post(told, &cancelled).await.status(), StatusCode::ACCEPTED);
        }
        until("it ends, and the other goes on", || running(runs) == 1).await;
        stream.end().await;
        let cancelled =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": other["id"] } });
        client.post(told, &cancelled).await;
        until("the other ends", || running(runs) == 0).await;
    }
}

/// The question that a call asks, and its stream.
async fn asked(client: &Client, at: &Replica) -> (Value, Events) {
    let mut stream = Events::of(client.post(at, &client.tool("ask", &json!({}))).await);
    let question = stream.message().await.expect("a question");
    assert_eq!(question["method"], "roots/list", "{question}");
    (question, stream)
}

fn answer(question: &Value, roots: usize) -> Value {
    let roots: Vec<Value> = (0..roots).map(|root| json!({ "uri": format!("file:///{root}") })).collect();
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": roots } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_reaches_the_call_that_asked_and_no_other() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let (at_a, mut stream_a) = asked(&client, &a).await;
    let (at_b, mut stream_b) = asked(&client, &b).await;
    assert_ne!(at_a["id"], at_b["id"], "each question has an id of its own");
    // Somebody else's answer, with the right id, answers nothing.
    let other = Client::connect(&b).await;
    for replica in [&a, &b] {
        other.post(replica, &answer(&at_a, 7)).await;
        other.post(replica, &answer(&at_b, 7)).await;
    }
    assert_eq!(client.post(&b, &answer(&at_a, 1)).await.status(), StatusCode::ACCEPTED);
    assert_eq!(stream_a.answer().await, "1");
    assert_eq!(client.post(&a, &answer(&at_b, 2)).await.status(), StatusCode::ACCEPTED);
    assert_eq!(stream_b.answer().await, "2");
    let (again, mut stream) = asked(&client, &a).await;
    client.post(&a, &answer(&again, 3)).await;
    assert_eq!(stream.answer().await, "3", "and so does one that needs not be handed on");
}
