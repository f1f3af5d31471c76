//! 2026-07-28 has no sessions of connections: nothing to listen on but what a request answers, and nothing to come back
//! to.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::json;
use tokio::time::sleep;

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
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "wait", "arguments": {}, "_meta": meta });
    let request = Client::new().post(&at.url).header("accept", "application/json, text/event-stream");
    let request = request.header("mcp-protocol-version", VERSION).header("mcp-method", "tools/call");
    let request = request.header("mcp-name", "wait").header("content-type", "application/json");
    request.body(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string())
}
