//! Clients in this process, so that there can be a thousand of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use session_tests::{HttpServer, Reach, message};

/// What many peers share: its connections are kept alive, and an answer that never comes is an error.
pub(crate) fn http() -> Client {
    Client::builder().no_proxy().timeout(PATIENCE).build().expect("nothing special")
}

/// Longer than a server that ends waits for what is in flight.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session over HTTP, and the way in which a client of its era reaches it.
#[derive(Debug)]
pub(crate) struct Peer {
    http: Client,
    url: String,
    reach: Reach,
    last_request: AtomicU64,
}

impl Peer {
    /// Begins a session. Even numbers are clients of 2025-11-25, odd ones of 2026-07-28.
    pub(crate) async fn connect(http: &Client, server: &HttpServer, number: usize) -> Self {
        let reach = if number.is_multiple_of(2) { Reach::Id(String::new()) } else { Reach::Handle(String::new()) };
        let mut peer =
            Self { http: http.clone(), url: server.url().to_owned(), reach, last_request: AtomicU64::new(0) };
        peer.reach = match peer.reach {
            Reach::Id(_) => peer.initialize().await,
            Reach::Handle(_) => peer.open().await,
        };
        peer
    }

    /// What leads to the session.
    pub(crate) fn name(&self) -> &str {
        let (Reach::Id(name) | Reach::Handle(name)) = &self.reach;
        name
    }

    /// Whether it began with `initialize`, as clients of 2025-11-25 do.
    pub(crate) fn initialized(&self) -> bool {
        matches!(self.reach, Reach::Id(_))
    }

    /// What a call says its session came from.
    pub(crate) fn source(&self) -> &'static str {
        match self.reach {
            Reach::Id(_) => "http_session",
            Reach::Handle(_) => "handle",
        }
    }

    /// Calls a tool and returns the content of its answer: the structured one, else the text.
    ///
    /// An error of HTTP is returned; a tool that fails is a panic.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, reqwest::Error> {
        let params = json!({ "name": tool, "arguments": self.reach.within(arguments) });
        let body = self.send("tools/call", Some(self.next_request()), params).await?.text().await?;
        let mut message = message(&body).unwrap_or_else(|| panic!("no message in {body:?}"));
        let result = &mut message["result"];
        assert!(result.is_object() && result["isError"] != true, "{tool} should have succeeded: {message}");
        Ok(match result["structuredContent"].take() {
            Value::Null => result["content"][0]["text"].take(),
            content => content,
        })
    }

    async fn initialize(&mut self) -> Reach {
        let client = json!({ "name": "tests", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let answer = self.send("initialize", Some(self.next_request()), params).await.expect("the server initializes");
        let id = answer.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        answer.bytes().await.expect("the answer is whole");
        self.reach = Reach::Id(id.clone());
        self.send("notifications/initialized", None, json!({})).await.expect("the server listens");
        Reach::Id(id)
    }

    async fn open(&self) -> Reach {
        let opened = self.call("open_session", json!({})).await.expect("the server opens a session");
        Reach::Handle(opened["session"].as_str().expect("a handle").to_owned())
    }

    /// Answers of one session are told apart by these.
    fn next_request(&self) -> u64 {
        self.last_request.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn send(&self, method: &str, id: Option<u64>, params: Value) -> Result<Response, reqwest::Error> {
        self.reach.post(&self.http, &self.url, method, id, params).send().await?.error_for_status()
    }
}
