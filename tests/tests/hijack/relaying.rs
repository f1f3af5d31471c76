//! What somebody says of calls that are not theirs, at the replica that runs them and at another.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::replicas::Replicas;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_cancels_anothers_call_from_any_replica() {
    let replicas = Replicas::start().await;
    let [alice, _] = replicas.alice();
    let id = alice.initialize().await;
    let mut hers = alice.begin_within(&id, NUMBER, "slow", json!({ "ms": 3_000 })).await;
    for bob in &replicas.bob() {
        let idle = bob.initialize().await;
        says(bob, &idle, &id, &cancelled()).await;
        let own = bob.initialize().await;
        let mut his = bob.begin_within(&own, NUMBER, "slow", json!({ "ms": 600_000 })).await;
        says(bob, &own, &id, &cancelled()).await;
        assert_ne!(his.answer().await.as_deref(), Some("slow done"), "his has the same number and is cancelled");
    }
    assert_eq!(hers.answer().await.as_deref(), Some("slow done"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_what_another_was_asked_from_any_replica() {
    let replicas = Replicas::start().await;
    let [alice, alice_elsewhere] = replicas.alice();
    let id = alice.initialize().await;
    let mut call = alice.begin_within(&id, NUMBER, "test_elicitation", json!({ "message": "who are you?" })).await;
    let question = call.message().await.expect("a question");
    assert_eq!(question["method"], "elicitation/create", "{question}");
    for bob in &replicas.bob() {
        let own = bob.initialize().await;
        says(bob, &own, &id, &answer(&question, "bob")).await;
    }
    alice_elsewhere.say_within(&id, &answer(&question, "alice")).await;
    let answered = call.answer().await.expect("an answer");
    assert!(answered.contains("alice") && !answered.contains("bob"), "{answered}");
}

/// Says it in a session of one's own, where it is heard, and in a foreign one, which is not there.
async fn says(bob: &Caller, own: &str, foreign: &str, message: &Value) {
    assert_eq!(bob.say_within(foreign, message).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.say_within(own, message).await.status, StatusCode::ACCEPTED);
}

/// The number of every call here.
const NUMBER: u64 = 7;

fn cancelled() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": NUMBER } })
}

fn answer(question: &Value, name: &str) -> Value {
    let content = json!({ "username": name, "email": format!("{name}@example.com") });
    let result = json!({ "action": "accept", "content": content });
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })
}
