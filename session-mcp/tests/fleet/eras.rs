//! 2026-07-28 has no sessions of connections: nothing to listen on but what a request answers, and nothing to come back
//! to.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use session_core::Operation;
use tokio::time::sleep;

use crate::asked::Asked;
use crate::fleet::{Backend, Replica};

const VERSION: &str = "2026-07-28";
/// Within which time a call is cancelled that nobody waits for.
const SOON: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_2026_07_28_a_get_is_not_allowed() {
    let a = Backend::new().replica().await;
    let request = Client::new().get(&a.url).header("accept", "text/event-stream");
    for request in [request.try_clone().expect("it has no body"), request.header("last-event-id", "0/0")] {
        let answer = request.header("mcp-protocol-version", VERSION).send().await.expect("the replica answers");
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_2026_07_28_a_call_without_a_session_asks_for_nothing_and_leaves_nothing() {
    let asked = Asked::default();
    let a = asked.of(Backend::new()).replica().await;
    asked.take();
    let answer = call(&a, "notify", &json!({})).send().await.expect("the replica answers");
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.text().await.expect("an answer is whole");
    assert!(body.contains("said"), "{body}");
    assert_eq!(asked.take(), [], "neither store nor journal");

    // And with one, it asks for that session, and keeps nothing of what it says.
    let opened = call(&a, "open_session", &json!({})).send().await.expect("the replica answers").text().await;
    let message: Value = serde_json::from_str(&opened.expect("an answer is whole")).expect("JSON");
    let handle = &message["result"]["structuredContent"]["session"];
    asked.take();
    call(&a, "count", &json!({ "session": handle })).send().await.expect("the replica answers");
    let asked = asked.take();
    assert!(asked.contains(&Operation::Update), "{asked:?}");
    let of_a_journal = |operation: &Operation| matches!(operation, Operation::Append | Operation::Read);
    assert!(!asked.iter().any(of_a_journal), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_2026_07_28_a_call_is_cancelled_when_its_client_closes_the_stream() {
    let a = Backend::new().replica().await;
    let waiting = |count: usize| {
        let waiting = a.waiting.clone();
        async move {
            let begun = Instant::now();
            while waiting.load(Ordering::SeqCst) != count {
                assert!(begun.elapsed() < SOON, "{count} calls are running, but not within {SOON:?}");
                sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let calls = [(); 3].map(|()| tokio::spawn(wait(&a).send()));
    waiting(3).await;
    for (call, left) in calls.into_iter().zip([2, 1, 0]) {
        // The connection closes with the request.
        call.abort();
        waiting(left).await;
    }
}

/// A call of `wait` that is not sent yet.
fn wait(at: &Replica) -> RequestBuilder {
    call(at, "wait", &json!({}))
}

/// A call that is not sent yet.
fn call(at: &Replica, tool: &str, arguments: &Value) -> RequestBuilder {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
    let request = Client::new().post(&at.url).header("accept", "application/json, text/event-stream");
    let request = request.header("mcp-protocol-version", VERSION).header("mcp-method", "tools/call");
    let request = request.header("mcp-name", tool).header("content-type", "application/json");
    request.body(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string())
}
