//! A server in this process, and what its clients get from it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use serde_json::{Value, json};
use session_core::{Lifetimes, Limits, Rate, SessionManager, SessionName};
use session_mcp::{Config, Durability, Endpoint, Principal, SessionServer, SessionTools, TokioTimer};
use session_memory::{MemoryConfig, MemoryStore};
use tower::ServiceExt as _;

use crate::operation::Who;

/// So little of everything that random callers meet each limit.
pub(crate) const LIMITS: Limits = Limits {
    sessions: 6,
    sessions_per_principal: 3,
    evict_after: Duration::from_secs(30),
    creation_rate: Some(Rate { count: 2, per: Duration::from_secs(20) }),
    grants: 3,
    state_names: 3,
    value_bytes: 16,
    session_bytes: 50,
};

pub(crate) const IDLE: Duration = Duration::from_secs(600);
pub(crate) const ABSOLUTE: Duration = Duration::from_secs(1800);

/// A server in this process, which takes its clients' word for who they are.
pub(crate) struct Client {
    pub(crate) sessions: Arc<SessionManager>,
    router: Router,
}

/// What a call is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The structured content of a success.
    Done(Value),
    /// The code of a tool execution error.
    Refused(String),
    /// A status that is none of success.
    Status(StatusCode),
}

impl Client {
    pub(crate) async fn start() -> Self {
        let store = MemoryStore::new(MemoryConfig { limits: LIMITS, ..MemoryConfig::default() });
        let lifetimes = Lifetimes::new(IDLE, ABSOLUTE).expect("longer than nothing");
        let sessions = SessionManager::new(Arc::new(store), Arc::new(TokioTimer)).with_lifetimes(lifetimes);
        sessions.start().await.expect("memory is always there");
        let sessions = Arc::new(sessions);
        let server = SessionServer::new(&SessionTools::new(lifetimes, Durability::Process));
        let endpoint = Endpoint::new(move || server.clone(), Arc::clone(&sessions), &Config::default());
        let router = endpoint.expect("the configuration is valid").router().layer(from_fn(identify));
        Self { sessions, router }
    }

    /// Shakes hands on 2025-11-25 and returns the `Mcp-Session-Id`.
    pub(crate) async fn connect(&self, who: Who) -> Result<SessionName, StatusCode> {
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = self.send(request("POST", who, &[], Some(&message))).await;
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let id = response.headers()["mcp-session-id"].to_str().expect("visible ASCII");
        Ok(id.parse().expect("one of our names"))
    }

    /// Calls a tool on 2025-11-25, with an `Mcp-Session-Id`.
    pub(crate) async fn call_by_id(&self, who: Who, id: &SessionName, tool: &str, arguments: Value) -> Answer {
        let params = json!({ "name": tool, "arguments": arguments });
        let headers = [("mcp-session-id", id.expose()), ("mcp-protocol-version", "2025-11-25".to_owned())];
        self.call(who, &headers, params).await
    }

    /// Calls a tool on 2026-07-28, where all that counts is in the arguments.
    pub(crate) async fn call_by_handle(&self, who: Who, tool: &str, arguments: Value) -> Answer {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let header = |name, value: &str| (name, value.to_owned());
        let headers = [
            header("mcp-protocol-version", "2026-07-28"),
            header("mcp-method", "tools/call"),
            header("mcp-name", tool),
        ];
        self.call(who, &headers, params).await
    }

    /// Asks for the end of a session over HTTP.
    pub(crate) async fn delete(&self, who: Who, id: &SessionName) -> StatusCode {
        self.send(request("DELETE", who, &[("mcp-session-id", id.expose())], None)).await.status()
    }

    async fn call(&self, who: Who, headers: &[(&str, String)], params: Value) -> Answer {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let response = self.send(request("POST", who, headers, Some(&message))).await;
        if response.status() != StatusCode::OK {
            return Answer::Status(response.status());
        }
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let text = std::str::from_utf8(&body).expect("UTF-8");
        let data = text.lines().filter_map(|line| line.strip_prefix("data: {")).next_back();
        let text = data.map_or(text.to_owned(), |data| format!("{{{data}"));
        let mut answer: Value = serde_json::from_str(&text).expect("an answer is JSON");
        let mut result = answer["result"].take();
        let content = result["structuredContent"].take();
        match (result["isError"].as_bool(), result["_meta"]["session-mcp/refusal"]["error"].as_str()) {
            (Some(false), _) => Answer::Done(content),
            (Some(true), Some(code)) => Answer::Refused(code.to_owned()),
            _ => panic!("neither a success nor a tool execution error: {result}"),
        }
    }

    async fn send(&self, request: Request) -> Response {
        self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

fn request(method: &str, who: Who, headers: &[(&str, String)], message: Option<&Value>) -> Request {
    let mut request = Request::builder().method(method).uri("/mcp").header("host", "localhost");
    request =
        request.header("content-type", "application/json").header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    if let Some(subject) = who.subject() {
        request = request.header(SUBJECT, subject);
    }
    request.body(message.map_or_else(Body::empty, |message| Body::from(message.to_string()))).expect("a request")
}

/// Authentication as an application has it, but for the authenticity.
async fn identify(mut request: Request, next: Next) -> Response {
    let subject = request.headers().get(SUBJECT).map(|subject| subject.to_str().expect("visible ASCII").to_owned());
    if let Some(subject) = subject {
        request.extensions_mut().insert(Principal::new(Who::ISSUER, &subject).expect("it has both"));
    }
    next.run(request).await
}

const SUBJECT: &str = "x-subject";
