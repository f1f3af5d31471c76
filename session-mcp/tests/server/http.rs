//! What HTTP alone knows: who may ask, how much, for which session, and how a server ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use session_core::{Change, Lifetimes, Mode, NewGrant, Owner, SessionKey, SessionName};
use session_mcp::{Config, Durability, Endpoint, SessionTools};
use session_memory::MemoryStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::common::{Fragile, Legacy, Modern, Probe, Server, json as read, manager, post};

fn ping() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })
}

#[tokio::test]
async fn what_is_no_json_answers_a_parse_error() {
    let server = Server::start().await;
    for body in ["{\"jsonrpc\"", "", "nonsense", "{\"a\":1} trailing"] {
        let response = post(&server.url, &ping()).body(body).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer = read(response).await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &Value::Null), "{body}");

        let bare = Client::new().post(&server.url).header("content-type", "application/json").body(body);
        let response = bare.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body} of a client that says not what it accepts");
        assert_eq!(read(response).await["error"]["code"], -32700, "{body}");
    }
}

#[tokio::test]
async fn an_answer_that_is_whole_says_how_long_it_is() {
    let server = Server::start().await;
    let answer = Modern::of(&server).send("tools/list", None, json!({})).await;
    let headers = answer.headers().clone();
    let body = answer.bytes().await.expect("a body");
    assert_eq!(headers["content-length"].to_str().ok(), Some(&*body.len().to_string()), "{headers:?}");
    assert!(!headers.contains_key("transfer-encoding"), "{headers:?}");
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let sessions = manager(Arc::new(MemoryStore::default()), Lifetimes::default()).await;
    let tools = SessionTools::new(sessions.lifetimes(), Durability::Process);
    let endpoint = Endpoint::new(move || Probe::new(&tools), sessions, &Config::default()).expect("valid");
    let request = Request::builder().method("HEAD").uri("/mcp").header("host", "localhost").body(Body::empty());
    let answer = endpoint.router().oneshot(request.expect("a request")).await.expect("it answers");
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(to_bytes(answer.into_body(), usize::MAX).await.expect("it has an end").is_empty());
}

#[tokio::test]
async fn texts_that_are_no_utf_8_are_no_json() {
    let server = Server::start().await;
    let body = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec();
    let response = post(&server.url, &ping()).body(body).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(read(response).await["error"]["code"], -32700);
}

#[tokio::test]
async fn what_a_client_says_of_itself_has_a_limit() {
    let server = Server::start().await;
    let initialize = |name: String| {
        let client = json!({ "name": name, "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
    };
    let response = post(&server.url, &initialize("n".repeat(1000))).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let response = post(&server.url, &initialize("n".repeat(65_536))).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(read(response).await["error"]["message"].as_str().expect("a sentence").contains("65536 bytes"));
}

#[tokio::test]
async fn json_that_is_no_message_answers_an_invalid_request() {
    let server = Server::start().await;
    for body in ["[]", "{}", "5", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#] {
        let response = post(&server.url, &ping()).body(body).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(read(response).await["error"]["code"], -32600, "{body}");
    }
}

#[tokio::test]
async fn another_type_of_content_is_refused_as_such() {
    let server = Server::start().await;
    let request = Client::new().post(&server.url).header("accept", "application/json, text/event-stream");
    let response = request.header("content-type", "text/plain").body("{").send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_body_has_a_limit_announced_or_not() {
    let server = Server::with(&Config { body_limit: 1000, ..Config::default() }).await;
    let large = format!("{}{}", ping(), " ".repeat(1000));
    let announced = post(&server.url, &ping()).body(large.clone()).send().await.expect("an answer");
    assert_eq!(announced.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(read(announced).await["error"]["message"].as_str().expect("a sentence").contains("1000 bytes"));
    let pieces = futures_util::stream::iter(
        large.into_bytes().chunks(100).map(<[u8]>::to_vec).map(Ok::<_, std::io::Error>).collect::<Vec<_>>(),
    );
    let streamed = post(&server.url, &ping()).body(reqwest::Body::wrap_stream(pieces)).send().await.expect("an answer");
    assert_eq!(streamed.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(read(streamed).await["error"]["code"], -32600, "refused before it was read to its end");
}

#[tokio::test]
async fn foreign_origins_and_hosts_are_refused() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    let ask = |header: &'static str, value: &'static str| {
        let request = post(&server.url, &ping()).header("mcp-session-id", &legacy.id).header(header, value);
        async { request.send().await.expect("an answer").status() }
    };
    for allowed in ["http://localhost", "http://localhost:3000", "http://127.0.0.1:6274", "http://[::1]:1"] {
        assert_eq!(ask("origin", allowed).await, StatusCode::OK, "{allowed}");
    }
    for foreign in ["http://evil.example", "https://localhost.evil.example", "null", "http://127.0.0.1.evil.example:1"]
    {
        assert_eq!(ask("origin", foreign).await, StatusCode::FORBIDDEN, "{foreign}");
    }
    assert_eq!(ask("host", "localhost:1").await, StatusCode::OK);
    assert_eq!(ask("host", "evil.example").await, StatusCode::FORBIDDEN);
    let delete =
        Client::new().delete(&server.url).header("mcp-session-id", &legacy.id).header("origin", "http://evil.example");
    assert_eq!(delete.send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    assert_eq!(ask("host", "127.0.0.1").await, StatusCode::OK, "the session outlived the refused DELETE");
}

#[tokio::test]
async fn the_lists_of_origins_and_hosts_can_be_set() {
    let hosts = vec!["sessions.internal".to_owned()];
    let server = Server::with(&Config { allowed_hosts: hosts, allowed_origins: vec![], ..Config::default() }).await;
    let ask = |host: &'static str| post(&server.url, &ping()).header("host", host);
    let status = ask("sessions.internal").send().await.expect("an answer").status();
    assert_eq!(status, StatusCode::BAD_REQUEST, "let through, and then without a session");
    assert_eq!(ask("localhost").send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
    let browser = ask("sessions.internal").header("origin", "http://localhost:1");
    assert_eq!(browser.send().await.expect("an answer").status(), StatusCode::FORBIDDEN, "no origins are none");
}

#[tokio::test]
async fn delete_ends_the_session_once() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    let other = Legacy::connect(&server).await;
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 2);
    assert_eq!(legacy.delete().await, StatusCode::NO_CONTENT);
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 1);
    assert_eq!(legacy.delete().await, StatusCode::NOT_FOUND);
    assert_eq!(legacy.send("tools/list", json!({})).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(other.send("tools/list", json!({})).await.status(), StatusCode::OK);
}

/// What a DELETE with this `Mcp-Session-Id` answers.
async fn delete(server: &Server, id: &str) -> StatusCode {
    Client::new().delete(&server.url).header("mcp-session-id", id).send().await.expect("an answer").status()
}

#[tokio::test]
async fn delete_ends_only_what_the_id_names_as_a_transport() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let opened = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();
    let promoted = legacy.call("open_session", json!({})).await["structuredContent"]["session"].take();
    let id: SessionName = legacy.id.parse().expect("it is one of ours");
    let reader = SessionName::mint_for(id.locator());
    let grant = Change::new().grant(&reader, NewGrant::new(Mode::ReadOnly));
    let key = SessionKey::by_name(Owner::Anonymous, &id);
    server.sessions.update(&key, grant).await.expect("it may be shared");
    for handle in [opened.as_str().expect("a handle"), promoted.as_str().expect("a handle"), &reader.expose()] {
        assert_eq!(delete(&server, handle).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 2, "nothing was ended");
    assert_eq!(legacy.delete().await, StatusCode::NO_CONTENT);
    assert_eq!(legacy.delete().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn delete_by_an_id_that_may_only_read_is_forbidden() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    let id: SessionName = legacy.id.parse().expect("it is one of ours");
    let lowered = Change::new().grant(&id, NewGrant::new(Mode::ReadOnly));
    server.sessions.update(&SessionKey::by_name(Owner::Anonymous, &id), lowered).await.expect("it may be lowered");
    assert_eq!(legacy.delete().await, StatusCode::FORBIDDEN);
    assert_eq!(legacy.send("ping", json!({})).await.status(), StatusCode::OK, "and the session is still there");
}

#[tokio::test]
async fn an_unknown_session_is_not_found_and_never_unauthorized() {
    let server = Server::start().await;
    let known = Legacy::connect(&server).await.id;
    let stranger = SessionName::mint().expose();
    for id in ["nonsense", "", "ses_", "ses_{}", stranger.as_str(), &known[..47]] {
        let request = post(&server.url, &ping()).header("mcp-session-id", id);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::NOT_FOUND, "{id:?}");
        let delete = Client::new().delete(&server.url).header("mcp-session-id", id);
        assert_eq!(delete.send().await.expect("an answer").status(), StatusCode::NOT_FOUND, "{id:?}");
    }
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 1);
}

#[tokio::test]
async fn an_idle_session_is_gone_by_its_record_and_not_before() {
    let idle = Duration::from_millis(400);
    let server = Server::with(&Config { idle_timeout: idle, ..Config::default() }).await;
    let legacy = Legacy::connect(&server).await;
    for _ in 0..4 {
        tokio::time::sleep(idle / 2).await;
        assert_eq!(legacy.send("ping", json!({})).await.status(), StatusCode::OK);
    }
    tokio::time::sleep(idle * 3 / 2).await;
    assert_eq!(legacy.send("ping", json!({})).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refused_handshake_leaves_no_session() {
    let server = Server::start().await;
    let broken = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": 5 } });
    let response = post(&server.url, &broken).send().await.expect("an answer");
    assert!(response.status().is_client_error(), "{}", response.status());
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "unwelcome", "version": "1" },
    });
    let unwelcome = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let answer = read(post(&server.url, &unwelcome).send().await.expect("an answer")).await;
    assert_eq!(answer["error"]["message"], "not you", "{answer}");
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 0);
}

#[tokio::test]
async fn a_client_that_leaves_during_the_handshake_leaves_no_session() {
    let server = Server::start().await;
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "impatient", "version": "1" },
    });
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let left = post(&server.url, &initialize).timeout(Duration::from_millis(200)).send().await;
    assert!(left.is_err_and(|error| error.is_timeout()), "the handshake takes longer");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 0);
}

#[tokio::test]
async fn whether_a_server_is_ready_is_known_soon_and_asked_once() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let probe = async |path: &str| reqwest::get(server.url.replace("/mcp", path)).await.expect("an answer").status();
    let before = store.asked();
    for _ in 0..10 {
        assert_eq!(probe("/healthz").await, StatusCode::OK);
    }
    assert_eq!(store.asked(), before, "to be alive asks for nothing");
    store.silence(true);
    let begun = Instant::now();
    let probes = join_all((0..10).map(|_| probe("/readyz"))).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(probes.iter().all(|status| *status == StatusCode::SERVICE_UNAVAILABLE), "{probes:?}");
    assert_eq!(store.asked() - before, 1, "those who ask together ask once");
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable_and_not_unknown() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let legacy = Legacy::connect(&server).await;
    let probe = async |path: &str| reqwest::get(server.url.replace("/mcp", path)).await.expect("an answer").status();
    assert_eq!(probe("/readyz").await, StatusCode::OK);

    store.take_away(true);
    assert_eq!(probe("/readyz").await, StatusCode::OK, "the store answered a moment ago");
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(probe("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(probe("/healthz").await, StatusCode::OK, "the process is none the worse for it");
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } } });
    for response in
        [legacy.send("tools/list", json!({})).await, post(&server.url, &initialize).send().await.expect("an answer")]
    {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        let body = response.text().await.expect("a text");
        assert!(body.contains("try again") && !body.contains("hunter2"), "{body}");
    }
    assert_eq!(legacy.delete().await, StatusCode::SERVICE_UNAVAILABLE);

    store.take_away(false);
    assert_eq!(legacy.send("ping", json!({})).await.status(), StatusCode::OK, "the session is still there");
    assert_eq!(legacy.delete().await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_full_store_takes_nothing_new_and_serves_what_it_has() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let session = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();

    store.fill(true);
    for (tool, arguments) in [
        ("open_session", json!({})),
        ("set_state", json!({ "name": "a", "value": 1, "session": session })),
        ("count", json!({ "session": session })),
    ] {
        let refused = modern.call(tool, arguments).await;
        assert_eq!(refused["isError"], true, "{tool}: {refused}");
        assert_eq!(refused["_meta"]["session-mcp/refusal"]["error"], "full", "{tool}: {refused}");
        assert_eq!(refused["_meta"]["session-mcp/refusal"]["retry_after_ms"], 30_000, "{tool}: {refused}");
    }
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } } });
    let refused = post(&server.url, &initialize).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "30");

    let info = modern.call("session_info", json!({ "session": session })).await;
    assert_eq!(info["isError"], false, "it can still be read: {info}");
    assert_eq!(legacy.delete().await, StatusCode::NO_CONTENT, "and sessions can be ended");
}

#[tokio::test]
async fn a_server_that_ends_answers_the_calls_in_flight() {
    let mut server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let opened = modern.call("open_session", json!({})).await;
    let arguments = json!({ "session": opened["structuredContent"]["session"] });
    let stream =
        Client::new().get(&server.url).header("accept", "text/event-stream").header("mcp-session-id", &legacy.id);
    let stream = stream.send().await.expect("an open stream");
    let calls = async { tokio::join!(legacy.call("slow", json!({})), modern.call("slow", arguments)) };
    let end = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.shut_down();
    };
    let ((one, other), ()) = tokio::join!(calls, end);
    assert_eq!(one["content"][0]["text"], "done", "{one}");
    assert_eq!(other["content"][0]["text"], "done", "{other}");
    tokio::time::timeout(Duration::from_secs(3), server.ended()).await.expect("an open stream does not hold it up");
    drop(stream);
}

#[tokio::test]
async fn a_call_that_takes_too_long_does_not_hold_the_end_up() {
    let config = Config { drain_timeout: Duration::from_millis(100), ..Config::default() };
    let mut server = Server::with(&config).await;
    let legacy = Legacy::connect(&server).await;
    let slow = legacy.send("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    server.shut_down();
    let ended = tokio::time::timeout(Duration::from_millis(800), server.ended()).await;
    assert!(ended.is_ok(), "the call takes a second");
    drop(slow);
}

/// A connection with a POST of 100 bytes, of which only the first was sent.
async fn unfinished_post(server: &Server) -> TcpStream {
    let address = server.url.trim_start_matches("http://").trim_end_matches("/mcp");
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head = format!("POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.expect("it is read");
    stream
}

#[tokio::test]
async fn a_body_that_never_ends_does_not_hold_the_end_up() {
    let mut server = Server::with(&Config { drain_timeout: Duration::from_secs(20), ..Config::default() }).await;
    let stream = unfinished_post(&server).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.shut_down();
    tokio::time::timeout(Duration::from_secs(3), server.ended()).await.expect("no call is in flight");
    drop(stream);
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_deadline() {
    let server = Server::start().await;
    let mut stream = unfinished_post(&server).await;
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(300), stream.read_to_string(&mut answer));
    read.await.expect("the server does not wait for ever").expect("it answers and closes");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":-32600") && answer.contains("30 s"), "{answer}");
}
