//! The examples: as short as promised, shown as they are, and run as their readers would.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

fn source(example: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).with_extension("rs");
    read_to_string(path).expect("the example is there")
}

#[test]
fn an_example_is_read_in_one_go() {
    for example in ["quickstart", "shopping_cart", "custom_store", "own_router"] {
        let lines = source(example).lines().count();
        assert!(lines <= 80, "{example} has {lines} lines");
    }
}

#[test]
fn a_server_adopts_sessions_in_five_lines() {
    let lines = |example| {
        let mut counted: BTreeMap<String, i32> = BTreeMap::new();
        for line in source(example).lines().map(str::trim) {
            if !(line.is_empty() || line.starts_with("use ") || line.starts_with("//")) {
                *counted.entry(line.to_owned()).or_default() += 1;
            }
        }
        counted
    };
    let before = lines("adopt_before");
    let new = lines("adopt_after").into_iter().map(|(line, times)| times - before.get(&line).unwrap_or(&0));
    let new: i32 = new.filter(|times| *times > 0).sum();
    assert!((1..=5).contains(&new), "{new} lines are new");
}

#[test]
fn the_readme_shows_the_examples_as_they_are() {
    let readme = include_str!("../README.md");
    let mut shown = Vec::new();
    for block in readme.split("```").skip(1).step_by(2) {
        let Some((first, code)) = block.split_once('\n').and_then(|(_, code)| code.split_once('\n')) else { continue };
        let Some(example) = first.strip_prefix("// examples/").and_then(|name| name.strip_suffix(".rs")) else {
            continue;
        };
        assert!(source(example).contains(code.trim_end()), "the README shows another {example}");
        shown.push(example);
    }
    shown.dedup();
    assert_eq!(shown, ["quickstart", "shopping_cart", "own_router", "custom_store"]);
}

#[test]
fn quickstart_counts_over_stdio() {
    let mut program = Program::start("quickstart");
    for count in 1..=3 {
        assert_eq!(program.call("count", json!({})), format!("call number {count}"));
    }
    assert_eq!(
        Program::start("quickstart").call("count", json!({})),
        "call number 1",
        "another process, another session"
    );
}

#[test]
fn shopping_cart_keeps_a_cart_for_each_handle_and_one_for_the_connection() {
    let mut program = Program::start("shopping_cart");
    let opened = program.ask("tools/call", json!({ "name": "open_session", "arguments": {} }));
    let handle = &opened["structuredContent"]["session"];
    assert_eq!(program.call("add", json!({ "name": "tea" })), "1 tea");
    assert_eq!(program.call("add", json!({ "name": "milk", "session": handle })), "1 milk, 1 tea", "it is promoted");
    assert_eq!(program.call("opens", json!({})), "at nine");
    let tools = program.ask("tools/list", json!({}))["tools"].take();
    let takes = |name: &str| {
        let tool = tools.as_array().expect("a list").iter().find(|tool| tool["name"] == name).expect("it is listed");
        tool["inputSchema"]["properties"].get("session").is_some()
    };
    assert!(takes("add") && !takes("opens"));
}

#[tokio::test]
async fn own_router_serves_its_own_users_and_its_own_pages() {
    let server = Server::start("own_router").await;
    let welcome = Client::new().get(server.url("/")).send().await.expect("it answers");
    assert_eq!(welcome.text().await.expect("a text"), "welcome\n");
    let stranger = server.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }));
    assert_eq!(stranger.send().await.expect("it answers").status(), StatusCode::UNAUTHORIZED);
    let alice = server.initialize(Some("key-of-alice")).await;
    assert_eq!(alice.call("add").await, "1 in the cart");
    assert_eq!(alice.call("add").await, "2 in the cart");
    let bob = server.initialize(Some("key-of-bob")).await;
    assert_eq!(bob.call("add").await, "1 in the cart");
    let hijacked = Session { key: bob.key, ..alice };
    let answer = hijacked.request("tools/call", json!({ "name": "add" })).send().await.expect("it answers");
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn adopting_sessions_gives_each_client_a_cart() {
    let before = Server::start("adopt_before").await;
    let client = before.initialize(None).await;
    assert_eq!((client.call("add").await, client.call("add").await), ("1 in the cart".into(), "1 in the cart".into()));
    let after = Server::start("adopt_after").await;
    for client in [after.initialize(None).await, after.initialize(None).await] {
        assert_eq!(client.call("add").await, "1 in the cart");
        assert_eq!(client.call("add").await, "2 in the cart");
    }
}

fn built(example: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_session-mcp")).with_file_name("examples").join(example);
    assert!(program.exists(), "it is not built: cargo build -p session-mcp --all-features --examples");
    program
}

/// An example over stdio, with a client of 2025-11-25.
struct Program {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(example: &str) -> Self {
        let mut process = Command::new(built(example))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let mut program = Self { process, input, output };
        program.ask("initialize", handshake());
        writeln!(program.input, r#"{{"jsonrpc":"2.0","method":"notifications/initialized"}}"#).expect("it reads");
        program
    }

    /// The text that a tool answers.
    #[expect(clippy::needless_pass_by_value, reason = "arguments are written where they are passed")]
    fn call(&mut self, tool: &str, arguments: Value) -> String {
        text(&self.ask("tools/call", json!({ "name": tool, "arguments": arguments })))
    }

    #[expect(clippy::needless_pass_by_value, reason = "parameters are written where they are passed")]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        writeln!(self.input, "{message}").expect("it reads");
        let answer = self.output.next().expect("it answers").expect("UTF-8");
        serde_json::from_str::<Value>(&answer).expect("JSON")["result"].take()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An example that is told where to listen.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    async fn start(example: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let process = Command::new(built(example)).arg(free.to_string()).env_clear().spawn().expect("it starts");
        let server = Self { process, address: free.to_string() };
        let patience = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(free).await.is_err() {
            assert!(Instant::now() < patience, "it does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn post(&self, message: &Value) -> RequestBuilder {
        let request = Client::new().post(self.url("/mcp")).header("accept", "application/json, text/event-stream");
        request.header("content-type", "application/json").body(message.to_string())
    }

    async fn initialize(&self, key: Option<&'static str>) -> Session<'_> {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": handshake() });
        let request = key.into_iter().fold(self.post(&message), |request, key| request.header("x-api-key", key));
        let answer = request.send().await.expect("it answers");
        let id = answer.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        let session = Session { server: self, id, key };
        session.request("notifications/initialized", Value::Null).send().await.expect("it answers");
        session
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client of 2025-11-25 over HTTP.
struct Session<'a> {
    server: &'a Server,
    id: String,
    key: Option<&'static str>,
}

impl Session<'_> {
    /// The text that a tool without arguments answers.
    async fn call(&self, tool: &str) -> String {
        let answer = self.request("tools/call", json!({ "name": tool })).send().await.expect("it answers");
        let body = answer.text().await.expect("a text");
        let message = body.lines().filter_map(|line| line.strip_prefix("data: {")).next_back();
        let message: Value = serde_json::from_str(&format!("{{{}", message.expect("a message"))).expect("JSON");
        text(&message["result"])
    }

    fn request(&self, method: &str, params: Value) -> RequestBuilder {
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        if !params.is_null() {
            message["id"] = 1.into();
            message["params"] = params;
        }
        let request = self.server.post(&message).header("mcp-session-id", &self.id);
        let request = request.header("mcp-protocol-version", "2025-11-25");
        self.key.into_iter().fold(request, |request, key| request.header("x-api-key", key))
    }
}

fn handshake() -> Value {
    json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } })
}

fn text(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}")).to_owned()
}
