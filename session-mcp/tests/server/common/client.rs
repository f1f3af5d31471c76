//! Clients that say exactly what a test wants to say.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::Server;

/// A client of 2025-11-25: it has an `Mcp-Session-Id`.
pub(crate) struct Legacy {
    pub(crate) id: String,
    url: String,
    /// Who it says that it is, to a server that believes it.
    subject: Option<&'static str>,
    last_request: AtomicU64,
}

impl Legacy {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::connect_as(server, None).await
    }

    pub(crate) async fn connect_as(server: &Server, subject: Option<&'static str>) -> Self {
        let response = Self::try_connect_as(server, subject).await;
        assert_eq!(response.status(), StatusCode::OK);
        let id = response.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        Self { id, url: server.url.clone(), subject, last_request: AtomicU64::new(0) }
    }

    pub(crate) async fn try_connect_as(server: &Server, subject: Option<&'static str>) -> Response {
        said_by(subject, post(&server.url, &initialize())).send().await.expect("the server answers")
    }

    /// The same session in somebody else's hands.
    pub(crate) fn turned(&self, subject: Option<&'static str>) -> Self {
        Self { id: self.id.clone(), url: self.url.clone(), subject, last_request: AtomicU64::new(0) }
    }

    /// The result of a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let mut answer = json(self.send("tools/call", json!({ "name": tool, "arguments": arguments })).await).await;
        answer["result"].take()
    }

    /// The whole answer to a request.
    pub(crate) async fn request(&self, method: &str, params: Value) -> Value {
        json(self.send(method, params).await).await
    }

    pub(crate) async fn send(&self, method: &str, params: Value) -> Response {
        let id = self.last_request.fetch_add(1, Ordering::Relaxed) + 1;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let request = said_by(self.subject, post(&self.url, &message)).header("mcp-session-id", &self.id);
        request.header("mcp-protocol-version", "2025-11-25").send().await.expect("the server answers")
    }

    pub(crate) async fn delete(&self) -> StatusCode {
        let request = said_by(self.subject, Client::new().delete(&self.url));
        request.header("mcp-session-id", &self.id).send().await.expect("the server answers").status()
    }
}

/// A client of 2026-07-28: each request stands for itself.
pub(crate) struct Modern {
    pub(crate) url: String,
    /// A header that this protocol version does not know.
    pub(crate) stray_id: Option<String>,
    /// What the requests say that they speak.
    pub(crate) version: &'static str,
    /// Who they say that it is, to a server that believes it.
    pub(crate) subject: Option<&'static str>,
}

impl Modern {
    pub(crate) fn of(server: &Server) -> Self {
        Self { url: server.url.clone(), stray_id: None, version: "2026-07-28", subject: None }
    }

    /// The result of a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let mut answer = self.request("tools/call", Some(tool), json!({ "name": tool, "arguments": arguments })).await;
        answer["result"].take()
    }

    /// The whole answer to a request.
    pub(crate) async fn request(&self, method: &str, name: Option<&str>, params: Value) -> Value {
        json(self.send(method, name, params).await).await
    }

    /// The whole answer to a request with exactly these parameters.
    pub(crate) async fn said(&self, method: &str, name: &str, params: &str) -> Value {
        let message = format!(r#"{{ "jsonrpc": "2.0", "id": 1, "method": "{method}", "params": {params} }}"#);
        let request = post(&self.url, &Value::Null).body(message).header("mcp-protocol-version", self.version);
        let request = request.header("mcp-method", method).header("mcp-name", name);
        json(request.send().await.expect("the server answers")).await
    }

    pub(crate) async fn send(&self, method: &str, name: Option<&str>, mut params: Value) -> Response {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": self.version,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = post(&self.url, &message).header("mcp-protocol-version", self.version);
        request = request.header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        if let Some(id) = &self.stray_id {
            request = request.header("mcp-session-id", id);
        }
        said_by(self.subject, request).send().await.expect("the server answers")
    }
}

fn said_by(subject: Option<&str>, request: RequestBuilder) -> RequestBuilder {
    subject.into_iter().fold(request, |request, subject| request.header("x-subject", subject))
}

/// A POST as every client sends it.
pub(crate) fn post(url: &str, message: &Value) -> RequestBuilder {
    let client = Client::builder().timeout(Duration::from_secs(10)).build().expect("nothing special");
    let request = client.post(url).header("accept", "application/json, text/event-stream");
    request.header("content-type", "application/json").body(message.to_string())
}

/// The message in a response, which may be a stream.
pub(crate) async fn json(response: Response) -> Value {
    let body = response.text().await.expect("the body is text");
    let data = body.lines().filter_map(|line| line.strip_prefix("data: {")).next_back();
    let text = data.map_or(body.clone(), |data| format!("{{{data}"));
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no message in {body:?}"))
}

fn initialize() -> Value {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}
