//! Somebody with a token, who sends exactly what a test wants to send.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::events::Events;

/// A way in which a session's name reaches the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// `Mcp-Session-Id` of a call.
    Call,
    /// `Mcp-Session-Id` of a notification.
    Notification,
    /// `Mcp-Session-Id` of a GET.
    Stream,
    /// The same, after a stream that broke off.
    Resume,
    /// `Mcp-Session-Id` of a DELETE.
    Delete,
    /// The argument of a call that reads, on 2026-07-28.
    Handle,
    /// The argument of a call that writes.
    HandleToWrite,
    /// The argument of a call that ends.
    HandleToEnd,
    /// The argument of `open_session`, which gives another handle.
    HandleToPromote,
    /// The argument of a call on a connection of one's own, before 2026-07-28.
    HandleOnAConnection,
    /// The locator within it, as the session to take up again.
    Locator,
}

impl Way {
    pub(crate) const ALL: [Self; 11] = [
        Self::Call,
        Self::Notification,
        Self::Stream,
        Self::Resume,
        Self::Delete,
        Self::Handle,
        Self::HandleToWrite,
        Self::HandleToEnd,
        Self::HandleToPromote,
        Self::HandleOnAConnection,
        Self::Locator,
    ];

    /// Whether the name is an `Mcp-Session-Id` here.
    pub(crate) fn is_by_id(self) -> bool {
        matches!(self, Self::Call | Self::Notification | Self::Stream | Self::Resume | Self::Delete)
    }
}

/// Everything that a client gets to see, but for the date and the ids of events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Said {
    async fn of(answer: Response) -> Self {
        let said = Self::without_body(&answer);
        let body = answer.text().await.expect("the body is text");
        // An event's id is its own and nobody's twice, whatever the event says.
        let lines = body.split_inclusive('\n').filter(|line| !line.starts_with("id: "));
        Self { body: lines.collect(), ..said }
    }

    fn without_body(answer: &Response) -> Self {
        let mut headers = answer.headers().clone();
        headers.remove("date");
        Self { status: answer.status(), headers, body: String::new() }
    }

    /// The `Mcp-Session-Id` that a handshake led to.
    #[track_caller]
    fn id(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned()
    }

    /// The result of a call that succeeded.
    #[track_caller]
    pub(crate) fn content(&self) -> Value {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: {")).next_back();
        let text = data.map_or(self.body.clone(), |data| format!("{{{data}"));
        let mut message: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no message: {self:?}"));
        let mut result = message["result"].take();
        assert_ne!(result["isError"], true, "{self:?}");
        result["structuredContent"].take()
    }
}

/// Somebody with a token of their own.
pub(crate) struct Caller {
    http: Client,
    url: String,
    token: Option<&'static str>,
}

impl Caller {
    pub(crate) fn new(url: &str, token: impl Into<Option<&'static str>>) -> Self {
        let http = Client::builder().timeout(Duration::from_secs(20)).build().expect("nothing special");
        Self { http, url: url.to_owned(), token: token.into() }
    }

    /// Initializes a session of the earlier protocol and returns its `Mcp-Session-Id`.
    pub(crate) async fn initialize(&self) -> String {
        self.handshake().await.id()
    }

    /// Initializes one if there is room for it.
    pub(crate) async fn try_initialize(&self) -> Option<String> {
        let said = self.handshake().await;
        said.status.is_success().then(|| said.id())
    }

    async fn handshake(&self) -> Said {
        let client = json!({ "name": "test", "version": "1" });
        let capabilities = json!({ "elicitation": {} });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client });
        let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        self.send(self.request(Method::POST).body(message.to_string())).await
    }

    /// Calls a tool within such a session.
    pub(crate) async fn call_within(&self, id: &str, tool: &str, arguments: Value) -> Said {
        let message = request("tools/call", &json!({ "name": tool, "arguments": arguments }));
        self.send(self.legacy(Method::POST, id).body(message)).await
    }

    /// Begins such a call, as the request of this number, and leaves its answer in the stream.
    pub(crate) async fn begin_within(&self, id: &str, number: u64, tool: &str, arguments: Value) -> Events {
        let message = numbered(number, "tools/call", &json!({ "name": tool, "arguments": arguments }));
        Events::of(self.granted(self.legacy(Method::POST, id).body(message)).await)
    }

    /// Sends a message that is no request.
    pub(crate) async fn say_within(&self, id: &str, message: &Value) -> Said {
        self.send(self.legacy(Method::POST, id).body(message.to_string())).await
    }

    /// Listens to what concerns no call, behind an event if one is named.
    pub(crate) async fn listen_within(&self, id: &str, after: Option<&str>) -> Events {
        let request = self.legacy(Method::GET, id);
        let request = after.into_iter().fold(request, |request, event| request.header("last-event-id", event));
        Events::of(self.granted(request).await)
    }

    /// Comes back for what follows an event, to the end.
    pub(crate) async fn resume_within(&self, id: &str, event: &str) -> Said {
        let request = self.legacy(Method::GET, id).header("last-event-id", event);
        Said::of(request.send().await.expect("the server answers")).await
    }

    /// Calls a tool as of 2026-07-28.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Said {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        }});
        let head = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        let request = self.request(Method::POST).body(request("tools/call", &params));
        self.send(head.into_iter().fold(request, |request, (name, value)| request.header(name, value))).await
    }

    /// Presents a session's name.
    pub(crate) async fn present(&self, name: &str, way: Way) -> Said {
        let value = to_write(name);
        match way {
            Way::Call => self.call_within(name, "session_info", json!({})).await,
            Way::Notification => {
                let message = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
                self.say_within(name, &message).await
            }
            Way::Stream => self.send(self.legacy(Method::GET, name)).await,
            Way::Resume => self.send(self.legacy(Method::GET, name).header("last-event-id", "0")).await,
            Way::Delete => self.send(self.legacy(Method::DELETE, name)).await,
            Way::Handle => self.call("session_info", json!({ "session": name })).await,
            Way::HandleToWrite => self.call("set_state", value).await,
            Way::HandleToEnd => self.call("end_session", json!({ "session": name })).await,
            Way::HandleToPromote => self.call("open_session", json!({ "session": name })).await,
            Way::HandleOnAConnection => {
                let answer = self.handshake().await;
                if answer.status != StatusCode::OK {
                    return answer;
                }
                let connection = answer.id();
                let said = self.call_within(&connection, "set_state", value).await;
                self.send(self.legacy(Method::DELETE, &connection)).await;
                said
            }
            Way::Locator => self.call("open_session", json!({ "resume": locator(name) })).await,
        }
    }

    /// Lists all of one's own sessions.
    pub(crate) async fn sessions(&self) -> Vec<String> {
        let listed = self.call("list_sessions", json!({})).await.content();
        let locator = |session: &Value| session["locator"].as_str().expect("each has one").to_owned();
        listed["sessions"].as_array().expect("a list").iter().map(locator).collect()
    }

    fn legacy(&self, method: Method, id: &str) -> RequestBuilder {
        self.request(method).header("mcp-session-id", id).header("mcp-protocol-version", "2025-11-25")
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let accept = if method == Method::GET { "text/event-stream" } else { "application/json, text/event-stream" };
        let request = self.http.request(method, &self.url).header("accept", accept);
        let request = request.header("content-type", "application/json");
        self.token.into_iter().fold(request, RequestBuilder::bearer_auth)
    }

    /// Sends a request whose answer is a stream.
    async fn granted(&self, request: RequestBuilder) -> Response {
        let answer = request.send().await.expect("the server answers");
        assert_eq!(answer.status(), StatusCode::OK);
        answer
    }

    /// Sends a request and reads its answer, but for a stream that is granted, which has no end.
    async fn send(&self, request: RequestBuilder) -> Said {
        let request = request.build().expect("it is a request");
        let is_for_a_stream = request.method() == Method::GET;
        let answer = self.http.execute(request).await.expect("the server answers");
        if is_for_a_stream && answer.status() == StatusCode::OK {
            return Said::without_body(&answer);
        }
        Said::of(answer).await
    }
}

/// What writes into the session of this name.
pub(crate) fn to_write(name: &str) -> Value {
    json!({ "session": name, "name": "mark", "value": "bob was here" })
}

/// The part of a name that says which session it is, and opens nothing by itself.
pub(crate) fn locator(name: &str) -> &str {
    &name[4..26]
}

fn request(method: &str, params: &Value) -> String {
    numbered(7, method, params)
}

fn numbered(number: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": number, "method": method, "params": params }).to_string()
}
