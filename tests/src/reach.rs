//! How clients in this process reach their sessions, in either era.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

/// What leads to a session. Empty until the session is opened.
#[derive(Debug)]
pub enum Reach {
    /// 2025-11-25: its `Mcp-Session-Id`.
    Id(String),
    /// 2026-07-28: a handle among the arguments.
    Handle(String),
}

impl Reach {
    /// The arguments of a call in the session.
    #[must_use]
    pub fn within(&self, mut arguments: Value) -> Value {
        if let Self::Handle(handle) = self
            && !handle.is_empty()
        {
            arguments["session"] = json!(handle);
        }
        arguments
    }

    /// A message to a server, as a client of this era sends it; a request, if it has an id.
    pub fn post(&self, http: &Client, url: &str, method: &str, id: Option<u64>, mut params: Value) -> RequestBuilder {
        let mut request = http.post(url).header("accept", "application/json, text/event-stream");
        match self {
            Self::Id(name) if name.is_empty() => {}
            Self::Id(name) => {
                request = request.header("mcp-session-id", name).header("mcp-protocol-version", "2025-11-25");
            }
            Self::Handle(_) => {
                request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
                if let Some(tool) = params["name"].as_str() {
                    request = request.header("mcp-name", tool);
                }
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
            }
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let Some(id) = id {
            message["id"] = json!(id);
        }
        request.json(&message)
    }
}

/// The last message in a body, which may be a stream of events.
#[must_use]
pub fn message(body: &str) -> Option<Value> {
    let event =
        body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).rfind(|data| !data.is_empty());
    serde_json::from_str(event.unwrap_or(body)).ok()
}
