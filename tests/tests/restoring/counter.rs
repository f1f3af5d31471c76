//! A client of 2025-11-25 that counts in a session, at whichever server it is sent to.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use futures_util::stream::once;
use reqwest::{Body, Client, RequestBuilder, Response};
use serde_json::{Value, json};
use session_tests::message;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// A client that counts in a session.
pub(crate) struct Counter {
    http: Client,
    id: String,
    arguments: Value,
}

impl Counter {
    /// Opens a session at this server.
    pub(crate) async fn open(http: &Client, url: &str) -> Self {
        let mut counter = Self { http: http.clone(), id: String::new(), arguments: json!({}) };
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let answer = counter.send(url, &request(0, "initialize", &params)).await;
        let id = answer.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        answer.bytes().await.expect("the answer is whole");
        counter.id = id;
        counter.send(url, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        counter
    }

    /// Opens another session at this server and counts in that one from now on, by its handle.
    pub(crate) async fn by_handle(mut self, url: &str) -> Self {
        let open = request(1, "tools/call", &json!({ "name": "open_session", "arguments": {} }));
        let answer = self.send(url, &open).await.text().await.expect("the answer is whole");
        let opened = message(&answer).expect("the server opens a session");
        self.arguments = json!({ "session": opened["result"]["structuredContent"]["session"] });
        self
    }

    async fn send(&self, url: &str, message: &Value) -> Response {
        let answer = self.post(url, message.to_string()).send().await.expect("the server answers");
        answer.error_for_status().expect("it is the server that opened the session")
    }

    /// Counts, in the request of this number, and returns the new count or what came instead.
    pub(crate) async fn count(&self, url: &str, number: usize) -> Result<u64, String> {
        self.counted(self.post(url, self.call(number).to_string()), number).await
    }

    /// Counts, but disconnects a millisecond after the request went out. `None` if the answer was not there by then.
    pub(crate) async fn count_impatiently(&self, url: &str, number: usize) -> Option<Result<u64, String>> {
        let (out, is_out) = oneshot::channel();
        let call = self.call(number).to_string();
        // It is asked for when the head is written, and both are sent together.
        let body = once(async move {
            let _ = out.send(());
            Ok::<_, Infallible>(call)
        });
        let request = self.post(url, Body::wrap_stream(body));
        let disconnect = async {
            // What never goes out is an error, which the answer is then.
            let Ok(()) = is_out.await else { return pending().await };
            sleep(Duration::from_millis(1)).await;
        };
        tokio::select! {
            answer = self.counted(request, number) => Some(answer),
            () = disconnect => None,
        }
    }

    fn call(&self, number: usize) -> Value {
        request(number, "tools/call", &json!({ "name": "count", "arguments": self.arguments }))
    }

    async fn counted(&self, call: RequestBuilder, number: usize) -> Result<u64, String> {
        let answer = call.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| format!("{status}, {error:?}"))?;
        let text = message(&body).and_then(|message| {
            let is_answer = message["id"] == number && message["result"]["isError"] != true;
            message["result"]["content"][0]["text"].as_str().filter(|_| is_answer)?.parse().ok()
        });
        text.filter(|_| status == 200).ok_or_else(|| format!("{status}, {body:?}"))
    }

    fn post(&self, url: &str, body: impl Into<Body>) -> RequestBuilder {
        let request = self.http.post(url).header("accept", "application/json, text/event-stream");
        let request = request.header("content-type", "application/json").body(body);
        if self.id.is_empty() {
            return request;
        }
        request.header("mcp-session-id", &self.id).header("mcp-protocol-version", "2025-11-25")
    }
}

fn request(number: usize, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": number, "method": method, "params": params })
}
