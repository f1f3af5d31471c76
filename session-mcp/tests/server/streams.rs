//! What goes on in a session and keeps it from idling out, on a clock that is paused.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use futures_util::StreamExt as _;
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};
use session_core::{Change, Lifetimes, Limits, SessionKey, SessionName};
use session_mcp::{Config, Durability, Endpoint, Principal, SessionTools};
use session_memory::{MemoryConfig, MemoryStore};
use tower::ServiceExt as _;

use crate::common::{Probe, connection, manager};

/// A tenth of a second less than the idle timeout.
const NEARLY_IDLE: Duration = Duration::from_millis(24 * 60 * 60 * 1_000 - 100);

/// A client of 2025-11-25 that reaches its server without a network, which no paused clock could wait for.
struct Client {
    router: Router,
    id: String,
}

impl Client {
    async fn connect(router: Router) -> Self {
        let nobody = Self { router, id: String::new() };
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        let answer = nobody.post("initialize", params).await;
        let id = answer.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        Self { id, ..nobody }
    }

    async fn post(&self, method: &str, params: Value) -> Response<Body> {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.send(Method::POST, message.to_string()).await
    }

    async fn send(&self, method: Method, body: String) -> Response<Body> {
        let accept = if method == Method::GET { "text/event-stream" } else { "application/json, text/event-stream" };
        let mut request = Request::builder().method(method).uri("/mcp").header("host", "localhost");
        request = request.header("accept", accept).header("content-type", "application/json");
        if !self.id.is_empty() {
            request = request.header("mcp-session-id", &self.id).header("mcp-protocol-version", "2025-11-25");
        }
        let request = request.body(Body::from(body)).expect("a request");
        self.router.clone().oneshot(request).await.expect("it answers")
    }

    async fn listen(&self) -> Response<Body> {
        let stream = self.send(Method::GET, String::new()).await;
        assert_eq!(stream.status(), StatusCode::OK);
        stream
    }

    async fn is_there(&self) -> bool {
        let answer = self.post("tools/list", json!({})).await;
        let status = answer.status();
        to_bytes(answer.into_body(), usize::MAX).await.expect("it has an end");
        status == StatusCode::OK
    }
}

/// Calls a tool as of 2026-07-28.
async fn call(router: &Router, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    }});
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = Request::builder().method(Method::POST).uri("/mcp").header("host", "localhost");
    let request = request.header("accept", "application/json, text/event-stream");
    let request = request.header("content-type", "application/json").header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", "tools/call").header("mcp-name", tool);
    let request = request.body(Body::from(message.to_string())).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("it answers");
    let body = to_bytes(answer.into_body(), usize::MAX).await.expect("it has an end");
    let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
    answer["result"].take()
}

async fn serve() -> (Router, Arc<session_core::SessionManager>) {
    serve_over(MemoryStore::default()).await
}

async fn serve_over(store: MemoryStore) -> (Router, Arc<session_core::SessionManager>) {
    let sessions = manager(Arc::new(store), Lifetimes::default()).await;
    let tools = SessionTools::new(sessions.lifetimes(), Durability::Process);
    let endpoint = Endpoint::new(move || Probe::new(&tools), Arc::clone(&sessions), &Config::default()).expect("valid");
    (endpoint.router(), sessions)
}

/// Calls that name their session and leave it alone: a long one, a quick one, and one that takes it and looks at
/// nothing.
const CALLS: [(&str, &str); 3] = [("doze", "500"), ("doze", "0"), ("panic", "")];

#[tokio::test(start_paused = true)]
async fn the_idle_timeout_counts_from_the_end_of_a_call_that_only_names_its_session() {
    let (router, _sessions) = serve().await;
    for (tool, word) in CALLS {
        let opened = call(&router, "open_session", json!({})).await;
        let session = &opened["structuredContent"]["session"];
        tokio::time::sleep(NEARLY_IDLE).await;
        call(&router, tool, json!({ "word": word, "session": session })).await;
        tokio::time::sleep(NEARLY_IDLE).await;
        let told = call(&router, "session_info", json!({ "session": session })).await;
        assert_eq!(told["isError"], false, "{tool} {word}: {told}");
        tokio::time::sleep(Lifetimes::DEFAULT_IDLE).await;
        let told = call(&router, "session_info", json!({ "session": session })).await;
        assert_eq!(told["isError"], true, "{tool} {word}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_idle_timeout_of_a_connections_session_counts_from_the_end_of_every_call() {
    let (client, _serving, _sessions) = connection().await;
    let call = async |tool: &'static str, word: &str| {
        let arguments = json!({ "word": word }).as_object().cloned().expect("an object");
        client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.expect("no protocol error")
    };
    for (tool, word) in CALLS {
        tokio::time::sleep(NEARLY_IDLE).await;
        call(tool, word).await;
        tokio::time::sleep(NEARLY_IDLE).await;
        let counted = call("count", "").await;
        assert_eq!(counted.is_error, Some(false), "{tool} {word}: {counted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_keeps_its_session_and_no_other_from_idling_out() {
    let (router, _sessions) = serve().await;
    let (listening, silent) = (Client::connect(router.clone()).await, Client::connect(router).await);
    let stream = listening.listen().await;
    tokio::time::sleep(Lifetimes::DEFAULT_IDLE * 3).await;
    assert!(listening.is_there().await);
    assert!(!silent.is_there().await);
    drop(stream);
    tokio::time::sleep(Lifetimes::DEFAULT_IDLE + Duration::from_secs(1)).await;
    assert!(!listening.is_there().await, "the stream has gone, and with it what kept the session");
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_does_not_keep_its_session_from_making_room_for_another() {
    let limits = Limits { sessions_per_principal: 1, ..Limits::default() };
    let (router, _sessions) = serve_over(MemoryStore::new(MemoryConfig { limits, ..MemoryConfig::default() })).await;
    let alice = Principal::new("https://issuer.example", "alice").expect("it has both");
    let router = router.layer(axum::Extension(alice));
    let client = Client::connect(router.clone()).await;
    let mut stream = client.listen().await.into_body().into_data_stream();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(8)).await;
    }
    let newer = Client::connect(router).await;
    assert!(newer.is_there().await);
    let ended = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(11), ended).await.expect("it ends with its session");
    assert!(!client.is_there().await);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_session() {
    let (router, sessions) = serve().await;
    let client = Client::connect(router).await;
    let mut stream = client.listen().await.into_body().into_data_stream();
    let name: SessionName = client.id.parse().expect("a name");
    let key = SessionKey::by_name(session_core::Owner::Anonymous, &name);
    sessions.update(&key, Change::new()).await.expect("it is live");
    assert!(sessions.end(&key).await.expect("the store works"));
    let ended = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(11), ended).await.expect("it ends within a heartbeat");
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_does_not_outlive_the_absolute_lifetime() {
    let (router, _sessions) = serve().await;
    let client = Client::connect(router).await;
    let stream = client.listen().await;
    // The stream's own sign of life does not know a paused clock, and is not listened to meanwhile.
    tokio::time::sleep(Lifetimes::DEFAULT_ABSOLUTE + Duration::from_secs(11)).await;
    let mut rest = stream.into_body().into_data_stream();
    let ended = async { while rest.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(1), ended).await.expect("it ended with the session");
    assert!(!client.is_there().await);
}
