//! A client of 2025-11-25 that can be sent to any replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client as Http, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use session_core::{Owner, SessionKey, SessionName};
use tokio::time::timeout;

use crate::fleet::Replica;

/// A client of 2025-11-25. Each request says which replica the balancer chose.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// Who it is, if it says so.
    subject: Option<&'static str>,
    http: Http,
    last: Arc<AtomicU64>,
}

impl Client {
    /// Initializes a session at this replica.
    pub(crate) async fn connect(at: &Replica) -> Self {
        Self::connect_as(None, at).await
    }

    /// The same, of a principal.
    pub(crate) async fn connect_as(subject: impl Into<Option<&'static str>>, at: &Replica) -> Self {
        let http = Http::builder().pool_max_idle_per_host(0).build().expect("nothing special");
        let nobody = Self { id: String::new(), subject: subject.into(), http, last: Arc::default() };
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": { "roots": {} }, "clientInfo": info });
        let answer = nobody.post(at, &nobody.request("initialize", &params)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let id = answer.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        Self { id, ..nobody }
    }

    /// The same session as somebody else who found its name.
    pub(crate) fn named(&self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self.clone() }
    }

    pub(crate) fn request(&self, method: &str, params: &Value) -> Value {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    pub(crate) fn tool(&self, name: &str, arguments: &Value) -> Value {
        self.request("tools/call", &json!({ "name": name, "arguments": arguments }))
    }

    pub(crate) async fn post(&self, at: &Replica, message: &Value) -> Response {
        self.sending(at, message).send().await.expect("the replica answers")
    }

    /// A POST that is not sent yet.
    pub(crate) fn sending(&self, at: &Replica, message: &Value) -> RequestBuilder {
        let request = self.prepare(Method::POST, at).header("accept", "application/json, text/event-stream");
        request.header("content-type", "application/json").body(message.to_string())
    }

    fn prepare(&self, method: Method, at: &Replica) -> RequestBuilder {
        let request = self.http.request(method, &at.url).header("mcp-protocol-version", "2025-11-25");
        let request = self.subject.into_iter().fold(request, |request, subject| request.header("subject", subject));
        if self.id.is_empty() { request } else { request.header("mcp-session-id", &self.id) }
    }

    /// What a tool answers.
    pub(crate) async fn call(&self, at: &Replica, tool: &str, arguments: Value) -> String {
        let answer = self.post(at, &self.tool(tool, &arguments)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Events::of(answer).answer().await
    }

    /// Opens a stream for what concerns no call, behind an event if one is named.
    pub(crate) async fn listen(&self, at: &Replica, after: Option<&str>) -> Events {
        let answer = self.get(at, after).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Events::of(answer)
    }

    /// Asks for such a stream, which may be refused.
    pub(crate) async fn get(&self, at: &Replica, after: Option<&str>) -> Response {
        let request = self.prepare(Method::GET, at).header("accept", "text/event-stream");
        let request = after.into_iter().fold(request, |request, after| request.header("last-event-id", after));
        request.send().await.expect("the replica answers")
    }

    pub(crate) async fn status(&self, at: &Replica) -> StatusCode {
        self.post(at, &self.request("ping", &json!({}))).await.status()
    }

    /// Its session, as it leads there.
    pub(crate) fn key(&self) -> SessionKey {
        let owner =
            self.subject.map_or(Owner::Anonymous, |subject| Owner::principal("https://issuer.example", subject));
        SessionKey::by_name(owner, &self.id.parse::<SessionName>().expect("the server gave it"))
    }

    pub(crate) async fn delete(&self, at: &Replica) -> StatusCode {
        self.prepare(Method::DELETE, at).send().await.expect("the replica answers").status()
    }
}

/// One event of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    /// The message, if there is one.
    pub(crate) message: Option<Value>,
}

/// A stream of events.
pub(crate) struct Events {
    response: Response,
    read: String,
    /// The id of the last event that had one.
    pub(crate) last_id: Option<String>,
}

impl Events {
    pub(crate) fn of(response: Response) -> Self {
        Self { response, read: String::new(), last_id: None }
    }

    /// The next event, `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.read.find("\n\n") {
                let event = read(&self.read[..end]);
                self.read.drain(..end + 2);
                // Comments keep the connection open and say nothing.
                let Some(event) = event else { continue };
                self.last_id = event.id.clone().or(self.last_id.take());
                return Some(event);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("the stream goes on or ends");
            self.read += std::str::from_utf8(&chunk.ok()??).expect("events are text");
        }
    }

    /// The next message, `None` at the end of the stream.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.next().await?.message {
                return Some(message);
            }
        }
    }

    /// The text that a tool answers.
    pub(crate) async fn answer(&mut self) -> String {
        let mut message = self.message().await.expect("an answer");
        while message.get("method").is_some() {
            message = self.message().await.expect("an answer");
        }
        let text = message["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no answer of a tool: {message}")).to_owned()
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(300), self.message()).await.is_err()
    }

    /// Waits for the end of the stream.
    pub(crate) async fn end(&mut self) {
        while self.next().await.is_some() {}
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn read(block: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut is_event = false;
    for line in block.lines() {
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.trim_start();
        match field {
            "id" => event.id = Some(value.to_owned()),
            "retry" => event.retry = value.parse().ok(),
            "data" if !value.is_empty() => event.message = Some(serde_json::from_str(value).expect("JSON")),
            _ => {}
        }
        is_event |= !field.is_empty();
    }
    is_event.then_some(event)
}
