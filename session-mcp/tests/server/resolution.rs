//! From a call to its session: each rule, each refusal, over HTTP and over a connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, CallToolResult, ErrorCode};
use rmcp::service::{ClientInitializeError, RoleClient, RunningService, ServiceExt as _};
use serde_json::{Value, json};
use session_core::{Lifetimes, Limits, SessionName};
use session_mcp::{Config, Durability, SessionTools, WithSessions, serve_connection};
use session_memory::{MemoryConfig, MemoryStore};
use tokio::sync::oneshot;

use crate::common::{Fragile, Legacy, Modern, Probe, Server, connection, manager};

fn error(result: &Value) -> &str {
    assert_eq!(result["isError"], true, "{result}");
    result["_meta"]["session-mcp/refusal"]["error"].as_str().expect("an error has a code")
}

fn answer(result: &Value) -> &Value {
    assert_eq!(result["isError"], false, "{result}");
    &result["structuredContent"]
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}

fn handle(result: &Value) -> Value {
    answer(result)["session"].clone()
}

/// Opens a session and returns its handle.
async fn open(client: &Modern) -> Value {
    handle(&client.call("open_session", json!({})).await)
}

#[tokio::test]
async fn a_handle_decides_in_every_era() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let session = handle(&modern.call("open_session", json!({ "directory": "/" })).await);
    let found = legacy.call("get_working_directory", json!({ "session": session })).await;
    assert_eq!(answer(&found)["source"], "handle");
    assert_eq!(answer(&found)["working_directory"], "/");
    let found = modern.call("get_working_directory", json!({ "session": session })).await;
    assert_eq!(answer(&found)["source"], "handle");
    let own = legacy.call("get_working_directory", json!({})).await;
    assert_eq!(answer(&own)["working_directory"], Value::Null, "the connection's own session is another");
}

#[tokio::test]
async fn a_handle_that_does_not_resolve_is_never_passed_over() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    let stranger = SessionName::mint().expose();
    for (handle, code) in [
        (json!("nonsense"), "invalid_handle"),
        (json!(""), "invalid_handle"),
        (json!(null), "invalid_handle"),
        (json!(5), "invalid_handle"),
        (json!({}), "invalid_handle"),
        (json!("ses_{".repeat(100_000)), "invalid_handle"),
        (json!(stranger), "not_found"),
    ] {
        for tool in ["get_working_directory", "session_info", "end_session", "open_session", "count"] {
            let refused = legacy.call(tool, json!({ "session": handle })).await;
            assert_eq!(error(&refused), code, "{tool} with {handle:.20}");
        }
    }
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 1, "nothing was created");
}

#[tokio::test]
async fn a_handle_that_does_not_resolve_is_refused_by_tools_that_never_look_at_their_session() {
    let server = Server::start().await;
    let modern = Modern::of(&server);
    let ended = open(&modern).await;
    answer(&modern.call("end_session", json!({ "session": ended })).await);
    for (handle, code) in [
        (json!("nonsense"), "invalid_handle"),
        (json!(null), "invalid_handle"),
        (json!(SessionName::mint().expose()), "not_found"),
        (ended, "not_found"),
    ] {
        let refused = modern.call("doze", json!({ "word": "60000", "session": handle })).await;
        assert_eq!(error(&refused), code, "{handle}");
    }
    // One that takes its session is told by what it does with it; what is no handle never reaches it.
    let refused = modern.call("panic", json!({ "session": "nonsense" })).await;
    assert_eq!(error(&refused), "invalid_handle");
}

/// How often a store is asked for a call, at the least: a machine that takes its time in between is asked again.
async fn least_asked<T>(store: &Fragile, call: impl Fn() -> T) -> usize
where
    T: Future<Output = Value>,
{
    let mut least = usize::MAX;
    for _ in 0..3 {
        let before = store.asked();
        call().await;
        least = least.min(store.asked() - before);
    }
    least
}

#[tokio::test]
async fn a_quick_call_asks_the_store_once_whatever_its_handle_is() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let modern = Modern::of(&server);
    let (live, ended) = (open(&modern).await, open(&modern).await);
    answer(&modern.call("end_session", json!({ "session": ended })).await);
    let unknown = json!(SessionName::mint().expose());
    for tool in ["doze", "unwind", "with_error_data", "get_state", "set_state", "delete_state", "end_session"] {
        for handle in [&unknown, &ended, &live] {
            let arguments = json!({ "session": handle, "name": "word", "value": "here" });
            let call = || modern.call(tool, arguments.clone());
            assert_eq!(least_asked(&store, call).await, 1, "{tool}");
        }
    }
    let legacy = Legacy::connect(&server).await;
    let before = store.asked();
    legacy.call("doze", json!({})).await;
    assert_eq!(store.asked() - before, 1, "to validate its session is to use it");
}

#[tokio::test]
async fn a_change_that_depends_on_the_session_asks_the_store_for_it_once() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let (modern, legacy) = (Modern::of(&server), Legacy::connect(&server).await);
    let live = open(&modern).await;
    let by_handle = || modern.call("count", json!({ "session": live }));
    assert_eq!(least_asked(&store, by_handle).await, 2, "it loads the session and changes it");
    assert_eq!(text(&by_handle().await), "4");
    let by_id = || legacy.call("count", json!({}));
    assert_eq!(least_asked(&store, by_id).await, 2, "so does this");
    assert_eq!(text(&by_id().await), "4");
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_once_for_a_call() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let modern = Modern::of(&server);
    let live = open(&modern).await;
    store.take_away(true);
    for tool in ["doze", "unwind", "with_error_data", "get_state", "set_state", "count", "end_session"] {
        let arguments = json!({ "session": live, "name": "word", "value": "here" });
        let call = || modern.call(tool, arguments.clone());
        assert_eq!(least_asked(&store, call).await, 1, "{tool}");
        if tool != "unwind" {
            assert_eq!(error(&call().await), "unavailable", "{tool}");
        }
    }
}

#[tokio::test]
async fn what_was_foreseen_for_a_call_is_not_what_another_session_is() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let modern = Modern::of(&server);
    let (one, other) = (open(&modern).await, open(&modern).await);
    modern.call("set_state", json!({ "session": one, "name": "word", "value": "one" })).await;
    modern.call("set_state", json!({ "session": other, "name": "word", "value": "other" })).await;
    let params = |sessions: &str| {
        let meta = r#""_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {}
        }"#;
        format!(r#"{{ "name": "get_state", "arguments": {{ "name": "word", {sessions} }}, {meta} }}"#)
    };
    // Whichever of two it is that rmcp takes, it is the one that is answered about.
    let escaped = other.as_str().expect("a text").replacen('s', "\\u0073", 1);
    for sessions in [
        format!(r#""session": {one}, "session": {other}"#),
        format!(r#""session": {one}, "sess\u0069on": {other}"#),
        format!(r#""session": "{escaped}""#),
    ] {
        let answer = modern.said("tools/call", "get_state", &params(&sessions)).await;
        assert_eq!(self::answer(&answer["result"])["value"], "other", "{sessions}: {answer}");
    }
    // What let the call in was the session of the connection.
    let legacy = Legacy::connect(&server).await;
    legacy.call("set_state", json!({ "name": "word", "value": "connection" })).await;
    let got = legacy.call("get_state", json!({ "session": other, "name": "word" })).await;
    assert_eq!(self::answer(&got)["value"], "other");
}

#[tokio::test]
async fn the_http_session_decides_before_2026() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    let set = legacy.call("set_working_directory", json!({ "directory": "/" })).await;
    assert_eq!(answer(&set)["source"], "http_session");
    assert_eq!(answer(&set).get("session"), None, "there was no need to open one");
    let got = legacy.call("get_working_directory", json!({})).await;
    assert_eq!(answer(&got)["working_directory"], "/");
    let other = Legacy::connect(&server).await.call("get_working_directory", json!({})).await;
    assert_eq!(answer(&other)["working_directory"], Value::Null);
}

#[tokio::test]
async fn a_stray_session_id_is_ignored_on_2026() {
    let server = Server::start().await;
    let victim = Legacy::connect(&server).await;
    victim.call("set_working_directory", json!({ "directory": "/" })).await;
    let modern = Modern { stray_id: Some(victim.id.clone()), ..Modern::of(&server) };
    assert_eq!(error(&modern.call("get_working_directory", json!({})).await), "no_session");
    let set = modern.call("set_working_directory", json!({ "directory": "/tmp" })).await;
    assert_eq!(answer(&set)["source"], "opened");
    let untouched = victim.call("get_working_directory", json!({})).await;
    assert_eq!(answer(&untouched)["working_directory"], "/");
}

#[tokio::test]
async fn a_session_id_that_nobody_validated_is_ignored_whatever_version_is_claimed() {
    let server = Server::start().await;
    let victim = Legacy::connect(&server).await;
    // All the metadata of 2026-07-28 under an older version: rmcp serves it without looking at the header.
    let spoof = Modern { stray_id: Some(victim.id.clone()), version: "2025-11-25", ..Modern::of(&server) };
    assert_eq!(error(&spoof.call("get_working_directory", json!({})).await), "no_session");
}

#[tokio::test]
async fn without_a_session_the_model_is_told_which_tool_opens_one() {
    let server = Server::start().await;
    let modern = Modern::of(&server);
    for tool in ["get_working_directory", "session_info", "end_session", "count", "session_first", "with_error_data"] {
        let refused = modern.call(tool, json!({})).await;
        assert_eq!(error(&refused), "no_session", "{tool}");
        let said = refused["content"][0]["text"].as_str().expect("a sentence");
        assert!(said.contains("`open_session`") && said.contains("`session`"), "{said}");
    }
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 0, "nothing was created");
}

#[tokio::test]
async fn setting_a_directory_opens_a_session_where_the_era_has_none() {
    let server = Server::start().await;
    let modern = Modern::of(&server);
    let set = modern.call("set_working_directory", json!({ "directory": "/" })).await;
    assert_eq!(answer(&set)["source"], "opened");
    let got = modern.call("get_working_directory", json!({ "session": handle(&set) })).await;
    assert_eq!(answer(&got)["working_directory"], "/");
    let again = modern.call("set_working_directory", json!({ "directory": "/tmp", "session": handle(&set) })).await;
    assert_eq!(answer(&again)["source"], "handle");
    assert_eq!(handle(&again), handle(&set));
}

#[tokio::test]
async fn one_clients_handle_never_shows_in_anothers_answers() {
    let server = Server::start().await;
    let modern = Modern::of(&server);
    let one = handle(&modern.call("open_session", json!({ "directory": "/" })).await);
    let two = handle(&modern.call("open_session", json!({ "directory": "/tmp" })).await);
    modern.call("set_state", json!({ "name": "mine", "value": "one", "session": one })).await;
    for tool in ["session_info", "get_working_directory", "open_session"] {
        let seen = modern.call(tool, json!({ "session": two })).await.to_string();
        assert!(!seen.contains(one.as_str().expect("a handle")) && !seen.contains("mine"), "{seen}");
    }
    let absent = modern.call("get_state", json!({ "name": "mine", "session": two })).await;
    assert_eq!(answer(&absent)["found"], false);
}

#[tokio::test]
async fn promotion_gives_another_name_of_the_same_session() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    legacy.call("set_state", json!({ "name": "a", "value": 1 })).await;
    let promoted = legacy.call("open_session", json!({})).await;
    assert_eq!(answer(&promoted)["source"], "http_session");
    let session = handle(&promoted);
    assert_ne!(session, legacy.id.as_str(), "the transport's own name is never handed to the model");
    let read = Modern::of(&server).call("get_state", json!({ "name": "a", "session": session })).await;
    assert_eq!(answer(&read)["value"], 1);
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 1);
}

#[tokio::test]
async fn a_session_gives_so_many_handles_and_says_so() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    for _ in 1..16 {
        handle(&legacy.call("open_session", json!({})).await);
    }
    let refused = legacy.call("open_session", json!({})).await;
    assert_eq!(error(&refused), "quota");
    assert!(refused["content"][0]["text"].as_str().expect("a sentence").contains("16 handles"));
}

async fn call(client: &RunningService<RoleClient, ()>, tool: &'static str, arguments: Value) -> CallToolResult {
    let arguments = arguments.as_object().cloned().expect("arguments are an object");
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.expect("no protocol error")
}

#[tokio::test]
async fn a_connection_has_a_session_of_its_own_until_it_ends() {
    let (client, serving, sessions) = connection().await;
    assert_eq!(sessions.session_count().await.expect("it runs"), 1, "minted by initialize");
    let set = call(&client, "set_working_directory", json!({ "directory": "/" })).await;
    assert_eq!(set.structured_content.expect("structured")["source"], "connection");
    let got = call(&client, "get_working_directory", json!({})).await;
    assert_eq!(got.structured_content.expect("structured")["working_directory"], "/");
    client.cancel().await.expect("it closes");
    serving.await.expect("the server ends with the connection");
    assert_eq!(sessions.session_count().await.expect("it runs"), 0, "ended with the connection");
}

#[tokio::test]
async fn a_full_server_refuses_a_connection_as_its_own_trouble() {
    let limits = Limits { sessions: 0, ..Limits::default() };
    let store = MemoryStore::new(MemoryConfig { limits, ..MemoryConfig::default() });
    let sessions = manager(Arc::new(store), Lifetimes::default()).await;
    let tools = SessionTools::new(sessions.lifetimes(), Durability::Process);
    let (here, there) = tokio::io::duplex(1 << 16);
    let serving =
        tokio::spawn(serve_connection(WithSessions::new(Probe::new(&tools), sessions), there, std::future::pending()));
    let Err(ClientInitializeError::JsonRpcError(refused)) = ().serve(here).await else { panic!("it is refused") };
    assert_eq!(refused.code, ErrorCode::INTERNAL_ERROR, "{refused}");
    let data = refused.data.expect("data for programs");
    assert_eq!(
        (&data["session-mcp/refusal"]["error"], &data["session-mcp/refusal"]["retry_after_ms"]),
        (&json!("quota"), &json!(30_000))
    );
    drop(serving);
}

#[tokio::test]
async fn the_era_is_the_requests_and_not_the_connections() {
    let (client, _serving, _sessions) = connection().await;
    let mut modern = CallToolRequestParams::new("get_working_directory");
    modern.meta = Some(
        serde_json::from_value(json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        }))
        .expect("metadata"),
    );
    let refused = client.call_tool(modern).await.expect("no protocol error");
    assert_eq!(refused.meta.expect("it says why").0["session-mcp/refusal"]["error"], "no_session");
    let own = call(&client, "get_working_directory", json!({})).await;
    assert_eq!(own.structured_content.expect("structured")["source"], "connection");
}

#[tokio::test]
async fn a_connection_whose_session_ended_can_have_another() {
    let (client, _serving, sessions) = connection().await;
    call(&client, "end_session", json!({})).await;
    let refused = call(&client, "get_working_directory", json!({})).await;
    assert_eq!(refused.meta.expect("it says why").0["session-mcp/refusal"]["error"], "not_found");
    assert_eq!(sessions.session_count().await.expect("it runs"), 0, "nothing came back by itself");
    let opened = call(&client, "open_session", json!({ "directory": "/" })).await;
    assert_eq!(opened.structured_content.expect("structured")["source"], "connection");
    let got = call(&client, "get_working_directory", json!({})).await;
    assert_eq!(got.structured_content.expect("structured")["working_directory"], "/");
}

#[tokio::test]
async fn calls_that_race_for_another_session_all_get_the_same() {
    let (client, _serving, sessions) = connection().await;
    call(&client, "end_session", json!({})).await;
    let calls = (0..12).map(|_| call(&client, "open_session", json!({})));
    let opened = futures_util::future::join_all(calls).await;
    let locators: BTreeSet<String> = opened
        .into_iter()
        .map(|opened| {
            let session = opened.structured_content.expect("structured")["session"].clone();
            let name: SessionName = session.as_str().and_then(|name| name.parse().ok()).expect("a handle");
            name.locator().to_string()
        })
        .collect();
    assert_eq!(locators.len(), 1, "the handles are all of one session");
    assert_eq!(sessions.session_count().await.expect("it runs"), 1, "no other was opened");
}

#[tokio::test]
async fn a_call_keeps_its_session_when_the_connection_gets_another() {
    let (client, _serving, _sessions) = connection().await;
    let (slow, ()) = tokio::join!(call(&client, "slow", json!({ "word": "600" })), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        call(&client, "end_session", json!({})).await;
        call(&client, "open_session", json!({})).await;
    });
    let refused = slow.meta.expect("it says why").0["session-mcp/refusal"].clone();
    assert_eq!(refused["error"], "not_found", "the call began with a session that has ended");
}

#[tokio::test]
async fn a_connection_that_is_to_end_answers_the_call_in_flight() {
    let sessions = manager(Arc::new(MemoryStore::new(MemoryConfig::default())), Lifetimes::default()).await;
    let tools = SessionTools::new(sessions.lifetimes(), Durability::Process);
    let (here, there) = tokio::io::duplex(1 << 16);
    let (ask, asked) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = asked.await;
        Duration::from_secs(5)
    };
    let serving =
        tokio::spawn(serve_connection(WithSessions::new(Probe::new(&tools), Arc::clone(&sessions)), there, shutdown));
    let client = ().serve(here).await.expect("the handshake succeeds");
    let ((), slow) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(ask);
        },
        // Longer than rmcp itself would wait.
        call(&client, "slow", json!({ "word": "2500" })),
    );
    assert_eq!(slow.is_error, Some(false), "{slow:?}");
    serving.await.expect("no panic").expect("the pipe holds");
    assert_eq!(sessions.session_count().await.expect("it runs"), 0, "and then its session ends");
}
