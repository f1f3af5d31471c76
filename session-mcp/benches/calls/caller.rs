//! Whoever calls: with a connection that is kept, and no more work than that takes.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How a call is to find its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// By its `Mcp-Session-Id`.
    Legacy,
    /// By a handle among the arguments.
    Modern,
}

impl Era {
    pub(crate) const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Legacy => "2025-11-25",
            Self::Modern => "2026-07-28",
        }
    }
}

/// A connection, and a session that its calls belong to.
pub(crate) struct Caller {
    stream: TcpStream,
    host: String,
    era: Era,
    /// What leads to the session.
    name: String,
    answer: Vec<u8>,
}

impl Caller {
    /// Connects and begins a session. Servers without sessions of 2026-07-28 get calls of the same length.
    pub(crate) async fn connect(host: &str, era: Era, has_sessions: bool) -> Self {
        let mut caller = Self::at(host, era, String::new()).await;
        match era {
            Era::Legacy => caller.initialize().await,
            Era::Modern if has_sessions => caller.open().await,
            Era::Modern => caller.name = format!("ses_{:044}", 0),
        }
        caller
    }

    /// Another connection for the same session, there.
    pub(crate) async fn beside(&self, host: &str) -> Self {
        Self::at(host, self.era, self.name.clone()).await
    }

    async fn at(host: &str, era: Era, name: String) -> Self {
        let stream = TcpStream::connect(host).await.expect("the server listens");
        stream.set_nodelay(true).expect("it is a connection");
        Self { stream, host: host.to_owned(), era, name, answer: Vec::new() }
    }

    /// Calls the tool that asks back, and has somebody answer it.
    pub(crate) async fn converse(&mut self, answers: &mut Self) {
        let request = self.request("ask");
        self.send(&request).await;
        let question = self.read_until(question_in).await;
        let roots = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
        answers.exchange(&answers.framed(&answers.reach(), &roots)).await;
        let body = self.read_until(body_of_whole).await;
        self.check(body);
    }

    /// The bytes of a call of this tool.
    pub(crate) fn request(&self, tool: &str) -> Vec<u8> {
        let arguments = if self.era == Era::Modern { json!({ "session": self.name }) } else { json!({}) };
        self.post("tools/call", Some(1), json!({ "name": tool, "arguments": arguments }))
    }

    /// Sends a request, and looks that it is answered as it should.
    pub(crate) async fn call(&mut self, request: &[u8]) {
        let body = self.exchange(request).await;
        self.check(body);
    }

    /// Looks that the body, which begins there, is what the tools answer.
    fn check(&self, body: usize) {
        let is_done = self.answer[body..].windows(DONE.len()).any(|part| part == DONE);
        assert!(is_done, "the call should have succeeded: {}", String::from_utf8_lossy(&self.answer));
    }

    async fn initialize(&mut self) {
        let client = json!({ "name": "bench", "version": "1" });
        let params =
            json!({ "protocolVersion": self.era.version(), "capabilities": { "roots": {} }, "clientInfo": client });
        let head = self.exchange(&self.post("initialize", Some(0), params)).await;
        let head = String::from_utf8_lossy(&self.answer[..head]).into_owned();
        let name = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("it begins a session");
        name.clone_into(&mut self.name);
        self.exchange(&self.post("notifications/initialized", None, json!({}))).await;
    }

    async fn open(&mut self) {
        let params = json!({ "name": "open_session", "arguments": {} });
        let body = self.exchange(&self.post("tools/call", Some(0), params)).await;
        // It may come in a chunk, whose length is said before it.
        let body = String::from_utf8_lossy(&self.answer[body..]);
        let json = body.trim_start_matches(|c| c != '{').trim_end_matches(|c| c != '}');
        let opened: Value = serde_json::from_str(json).expect("an answer in JSON");
        let handle = opened["result"]["structuredContent"]["session"].as_str().expect("a handle");
        handle.clone_into(&mut self.name);
    }

    fn post(&self, method: &str, id: Option<u64>, mut params: Value) -> Vec<u8> {
        let mut reach = self.reach();
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.era.version(),
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let tool = params["name"].as_str().expect("only tools are called");
            reach = format!("{reach}mcp-method: {method}\r\nmcp-name: {tool}\r\n");
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let Some(id) = id {
            message["id"] = json!(id);
        }
        self.framed(&reach, &message)
    }

    /// The headers that say of which version a request is, and of which session of a connection.
    fn reach(&self) -> String {
        let version = format!("mcp-protocol-version: {}\r\n", self.era.version());
        match self.era {
            Era::Legacy if self.name.is_empty() => String::new(),
            Era::Legacy => format!("{version}mcp-session-id: {}\r\n", self.name),
            Era::Modern => version,
        }
    }

    /// The bytes of a message with these headers.
    fn framed(&self, reach: &str, message: &Value) -> Vec<u8> {
        let body = message.to_string();
        format!(
            "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n{reach}content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        )
        .into_bytes()
    }

    /// Sends a request and reads its answer. Returns where the body begins.
    async fn exchange(&mut self, request: &[u8]) -> usize {
        self.send(request).await;
        let body = self.read_until(body_of_whole).await;
        let is_success = self.answer.starts_with(b"HTTP/1.1 20");
        assert!(is_success, "it succeeds: {}", String::from_utf8_lossy(&self.answer));
        body
    }

    async fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("the server reads");
        self.answer.clear();
    }

    /// Reads until what came holds this.
    async fn read_until<T>(&mut self, found: fn(&[u8]) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(&self.answer) {
                return found;
            }
            let read = self.stream.read_buf(&mut self.answer).await.expect("the server answers");
            assert!(read > 0, "the server keeps the connection: {}", String::from_utf8_lossy(&self.answer));
        }
    }
}

/// What a server asks in what came so far, if it is there in full.
fn question_in(came: &[u8]) -> Option<Value> {
    let came = String::from_utf8_lossy(came);
    let mut lines = came.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.contains("roots/list"));
    lines.find_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
}

/// What an answer of the tools says.
const DONE: &[u8] = b"\"text\":\"done\"";

/// Where the body of an answer begins, if all of the answer is there.
fn body_of_whole(answer: &[u8]) -> Option<usize> {
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&answer[..body]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let is_whole = match length {
        Some(length) => answer.len() >= body + length,
        None => !head.contains("transfer-encoding: chunked") || answer.ends_with(b"0\r\n\r\n"),
    };
    is_whole.then_some(body)
}
