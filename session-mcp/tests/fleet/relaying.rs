//! What a client says reaches the replica that it is meant for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use session_core::Operation;

use crate::asked::Asked;
use crate::client::{Client, Events};
use crate::fleet::{Backend, Replica, until};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cancelled_before_a_replica_took_the_session_over_cancels_nothing_there() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 4711 } });
    assert_eq!(client.post(&a, &cancelled).await.status(), StatusCode::ACCEPTED);
    let mut call = client.tool("wait", &json!({}));
    call["id"] = json!(4711);
    let _stream = client.post(&b, &call).await;
    until("it runs", || running(&b) == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(running(&b), 1, "an earlier call was meant");
    client.post(&a, &cancelled).await;
    until("it ends", || running(&b) == 0).await;
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

/// What is kept of a call beside its end, if it is ended by what is said at that replica.
async fn kept_of(journal: &Asked, end: impl Future<Output = ()>) -> usize {
    journal.take();
    end.await;
    journal.take().iter().filter(|operation| **operation == Operation::Append).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_the_replica_that_gets_it_is_handed_on_to_nobody() {
    let journal = Asked::default();
    let backend = journal.of(Backend::new());
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    assert_eq!(client.status(&b).await, StatusCode::OK, "both have the session");
    for (told, kept) in [(&a, 1), (&b, 2)] {
        let (question, mut stream) = asked(&client, &a).await;
        let answered = kept_of(&journal, async {
            client.post(told, &answer(&question, 1)).await;
            assert_eq!(stream.answer().await, "1");
        });
        assert_eq!(answered.await, kept, "what the call answers, and what had to be handed on");

        let call = client.tool("wait", &json!({}));
        let mut stream = Events::of(client.post(&a, &call).await);
        stream.next().await.expect("it lasts, and can be come back to");
        let cancelled = kept_of(&journal, async {
            let request = json!({ "requestId": call["id"] });
            let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": request });
            client.post(told, &cancel).await;
            stream.end().await;
            until("it ends", || running(&a) == 0).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
        assert_eq!(cancelled.await, kept, "that the call has no answer, and what had to be handed on");
    }
}
