//! How the built server behaves as a process: what it writes where, and how it ends.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use session_tests::{HttpServer, SlowPost, StdioServer};

/// A server of another author, with a tool that takes longer than rmcp waits by itself: four seconds, not two.
const SHOP: &str = env!("CARGO_BIN_EXE_shop");

#[test]
fn stdout_carries_nothing_but_the_protocol() {
    let mut server = StdioServer::start("trace");
    initialize(&mut server);
    server.say(&call(2, "open_session", &json!({})));
    assert_eq!(hear(&server)["id"], 2);
    server.say(&call(3, "get_working_directory", &json!({ "session": "ses_" })));
    assert_eq!(hear(&server)["id"], 3);
    server.hang_up();
    let (status, rest) = server.wait();
    assert!(status.success(), "{status}");
    assert_eq!(rest, [""; 0], "after the last answer");
}

#[test]
fn the_end_of_stdin_ends_the_server() {
    let mut server = StdioServer::start("info");
    server.hang_up();
    let (status, said) = server.wait();
    assert_eq!(said, [""; 0]);
    assert!(status.code().is_some(), "it ended of itself: {status}");
}

#[test]
fn sigterm_ends_an_idle_stdio_server_well() {
    let mut server = StdioServer::start("info");
    initialize(&mut server);
    server.terminate();
    let (status, rest) = server.wait();
    assert_eq!((status.code(), rest), (Some(0), vec![]));
}

#[test]
fn sigterm_lets_calls_in_flight_over_stdio_be_answered() {
    let mut server = StdioServer::start("info");
    initialize(&mut server);
    let value = "x".repeat(60_000);
    server.say(&call(2, "set_state", &json!({ "name": "large", "value": value })));
    assert_eq!(hear(&server)["id"], 2);

    // More than a pipe holds, so that most answers wait for a reader when the signal comes.
    let ids: Vec<u64> = (3..20).collect();
    for &id in &ids {
        server.say(&call(id, "get_state", &json!({ "name": "large" })));
    }
    thread::sleep(Duration::from_millis(500));
    server.terminate();
    thread::sleep(Duration::from_millis(500));
    let (status, rest) = server.wait();
    let mut answered: Vec<_> = rest.iter().filter_map(|line| message(line)["id"].as_u64()).collect();
    answered.sort_unstable();
    assert_eq!((status.code(), answered), (Some(0), ids));
}

#[test]
fn sigterm_ends_an_idle_http_server_well() {
    let mut server = HttpServer::start();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_request_that_never_comes_whole_does_not_hold_up_the_end() {
    let mut server = HttpServer::start();
    let body = modern(&call(7, "open_session", &json!({}))).to_string();
    let _unfinished = SlowPost::begin(&server, &post("Mcp-Method: tools/call\nMcp-Name: open_session"), &body);
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "half a request is no call in flight");
}

#[test]
fn a_slow_call_over_stdio_is_answered_before_the_end() {
    let mut server = StdioServer::start_of(Path::new(SHOP), "info");
    initialize(&mut server);
    server.say(&call(2, "slowly", &json!({ "count": 3 })));
    thread::sleep(Duration::from_millis(300));
    server.terminate();
    let (status, rest) = server.wait();
    let answers: Vec<_> = rest.iter().map(|line| message(line)["result"]["content"][0]["text"].clone()).collect();
    assert_eq!((status.code(), answers), (Some(0), vec![json!("3")]));
}

#[test]
fn a_slow_call_over_http_is_answered_before_the_end() {
    let mut server = HttpServer::start_of(Path::new(SHOP));
    let open = modern(&call(1, "open_session", &json!({}))).to_string();
    let opened = server.request(&post("Mcp-Method: tools/call\nMcp-Name: open_session"), &open);
    let at = opened.find("ses_").expect("a handle");
    let session = &opened[at..at + 48];

    let slow = modern(&call(2, "slowly", &json!({ "count": 3, "session": session }))).to_string();
    let call = SlowPost::begin(&server, &post("Mcp-Method: tools/call\nMcp-Name: slowly"), &slow).last_byte();
    thread::sleep(Duration::from_millis(300));
    server.terminate();
    let answer = call.answer();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""text":"3""#), "{answer}");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_later_request_has_no_part_in_an_earlier_protocols_connection() {
    let mut server = StdioServer::start("info");
    initialize(&mut server);
    server.say(&call(2, "get_working_directory", &json!({})));
    assert_eq!(hear(&server)["result"]["structuredContent"]["source"], "connection");
    server.say(&modern(&call(3, "get_working_directory", &json!({}))));
    let refused = hear(&server);
    assert_eq!(refused["result"]["isError"], true, "the era is a request's, not the process's: {refused}");
}

#[test]
fn a_health_check_is_answered() {
    let server = HttpServer::start();
    assert!(server.request("GET /healthz HTTP/1.1", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_is_no_json_is_a_parse_error() {
    let server = HttpServer::start();
    let answer = server.request(&post("Mcp-Method: tools/list"), "{ not json");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("-32700"), "{answer}");
}

#[test]
fn a_foreign_origin_or_host_is_refused() {
    let server = HttpServer::start();
    let body = modern(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} })).to_string();
    let ask = |origin: &str| server.request(&post(&format!("Mcp-Method: tools/list\nOrigin: {origin}")), &body);
    for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
        assert!(ask(origin).starts_with("HTTP/1.1 200 "), "{origin}: {}", ask(origin));
    }
    for origin in ["http://example.com", "http://localhost.example.com", "null"] {
        assert!(ask(origin).starts_with("HTTP/1.1 403 "), "{origin}: {}", ask(origin));
    }
}

fn initialize(server: &mut StdioServer) {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "tests", "version": "1" },
    });
    server.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }));
    assert_eq!(hear(server)["result"]["protocolVersion"], "2025-11-25");
    server.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
}

fn call(id: u64, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

fn hear(server: &StdioServer) -> Value {
    message(&server.hear())
}

fn message(line: &str) -> Value {
    let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON on stdout: {line}"));
    assert_eq!(message["jsonrpc"], "2.0", "no protocol message on stdout: {line}");
    message
}

/// A request as a 2026-07-28 client sends it, who says who it is each time.
fn modern(request: &Value) -> Value {
    let mut request = request.clone();
    request["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request
}

fn post(headers: &str) -> String {
    let accept = "application/json, text/event-stream";
    format!(
        "POST /mcp HTTP/1.1\nContent-Type: application/json\nAccept: {accept}\nMCP-Protocol-Version: 2026-07-28\n{headers}"
    )
}
