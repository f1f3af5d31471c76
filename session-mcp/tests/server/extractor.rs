//! The `Session` parameter: in every place, in tools, prompts and resources, and when things go wrong.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::CallToolRequestParams;
use rmcp::{ServerHandler as _, ServiceExt as _};
use serde_json::{Value, json};
use session_core::{Lifetimes, Owner, SessionKey, SessionName, SessionStoreExt as _};
use session_mcp::{Config, Durability, SessionTools, WithSessions};

use crate::common::{Fragile, Legacy, Modern, Probe, Server};

fn text(result: &Value) -> &str {
    assert_eq!(result["isError"], false, "{result}");
    result["content"][0]["text"].as_str().expect("a text")
}

#[tokio::test]
async fn a_tool_takes_its_session_in_every_place() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let opened = modern.call("open_session", json!({})).await;
    let session = &opened["structuredContent"]["session"];
    for tool in ["session_first", "session_last", "session_between", "session_twice"] {
        assert_eq!(
            text(&modern.call(tool, json!({ "word": tool, "session": session })).await),
            format!("handle {tool}")
        );
        assert_eq!(text(&legacy.call(tool, json!({ "word": tool })).await), format!("http_session {tool}"));
    }
}

#[tokio::test]
async fn a_prompt_takes_its_session_in_every_place() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let opened = modern.call("open_session", json!({})).await;
    let session = &opened["structuredContent"]["session"];
    for prompt in ["prompt_first", "prompt_last"] {
        let arguments = json!({ "word": prompt, "session": session });
        let asked = json!({ "name": prompt, "arguments": arguments });
        let got = modern.request("prompts/get", Some(prompt), asked).await;
        assert_eq!(got["result"]["messages"][0]["content"]["text"], format!("handle {prompt}"), "{got}");
        let asked = json!({ "name": prompt, "arguments": { "word": prompt } });
        let got = legacy.request("prompts/get", asked.clone()).await;
        assert_eq!(got["result"]["messages"][0]["content"]["text"], format!("http_session {prompt}"), "{got}");
        let refused = modern.request("prompts/get", Some(prompt), asked).await;
        assert_eq!(refused["error"]["data"]["session-mcp/refusal"]["error"], "no_session", "{refused}");
    }
}

#[tokio::test]
async fn a_resource_has_its_session_too() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    let read = legacy.request("resources/read", json!({ "uri": "x://y" })).await;
    assert_eq!(read["result"]["contents"][0]["text"], "http_session", "{read}");
}

#[tokio::test]
async fn what_is_no_call_has_its_session_too() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let subscribed = legacy.request("resources/subscribe", json!({ "uri": "x://y" })).await;
    assert_eq!(subscribed["result"], json!({}), "{subscribed}");
    let asked = json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } });
    let completed = legacy.request("completion/complete", asked.clone()).await;
    assert_eq!(completed["result"]["completion"]["values"], json!(["x://y"]), "{completed}");
    let refused = modern.request("completion/complete", None, asked).await;
    assert_eq!(refused["error"]["data"]["session-mcp/refusal"]["error"], "no_session", "{refused}");
    let failed = legacy.request("resources/subscribe", json!({ "uri": "x://panic" })).await;
    assert_eq!(failed["error"]["code"], -32603, "{failed}");
    assert!(!failed.to_string().contains("secret"), "{failed}");
}

#[tokio::test]
async fn a_tool_opens_records_of_its_own() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    assert_eq!(text(&modern.call("another", json!({ "word": "without a session" })).await), "without a session");
    legacy.call("session_first", json!({ "word": "own" })).await;
    assert_eq!(text(&legacy.call("another", json!({ "word": "apart" })).await), "apart");
    let own = legacy.call("get_state", json!({ "name": "word" })).await;
    assert_eq!(own["structuredContent"]["value"], "own", "{own}");
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 3);
}

#[tokio::test]
async fn a_session_error_becomes_a_tool_error_through_error_data_too() {
    let server = Server::start().await;
    let modern = Modern::of(&server);
    let refused = modern.call("with_error_data", json!({})).await;
    assert_eq!(refused["isError"], true, "{refused}");
    let other = modern.request("tools/call", Some("refuse"), json!({ "name": "refuse", "arguments": {} })).await;
    assert_eq!(other["error"]["code"], -32602, "an author's own error stays what it is: {other}");
}

#[tokio::test]
async fn a_panic_answers_the_call_and_spares_the_session() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    legacy.call("set_working_directory", json!({ "directory": "/" })).await;
    for failed in [legacy.call("panic", json!({})).await, modern.call("panic", json!({})).await] {
        assert_eq!(failed["isError"], true, "{failed}");
        assert!(!failed.to_string().contains("secret"), "{failed}");
    }
    let kept = legacy.call("get_working_directory", json!({})).await;
    assert_eq!(kept["structuredContent"]["working_directory"], "/");
}

#[tokio::test]
async fn calls_that_update_together_lose_nothing() {
    let server = Server::start().await;
    let legacy = Arc::new(Legacy::connect(&server).await);
    let calls = (0..20).map(|_| {
        let legacy = Arc::clone(&legacy);
        tokio::spawn(async move { legacy.call("count", json!({})).await })
    });
    for call in calls.collect::<Vec<_>>() {
        text(&call.await.expect("no panic"));
    }
    assert_eq!(text(&legacy.call("count", json!({})).await), "21");
}

#[tokio::test]
async fn a_store_that_is_away_is_a_tool_error_with_a_time_to_wait() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let modern = Modern::of(&server);
    let opened = modern.call("open_session", json!({})).await;
    let session = &opened["structuredContent"]["session"];
    store.take_away(true);
    for (tool, arguments) in [
        ("session_info", json!({ "session": session })),
        ("count", json!({ "session": session })),
        ("with_error_data", json!({ "session": session })),
        ("open_session", json!({})),
    ] {
        let refused = modern.call(tool, arguments).await;
        assert_eq!(refused["isError"], true, "{tool}: {refused}");
        assert_eq!(refused["_meta"]["session-mcp/refusal"]["error"], "unavailable", "{tool}: {refused}");
        assert!(
            refused["_meta"]["session-mcp/refusal"]["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0),
            "{refused}"
        );
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    store.take_away(false);
    let back = modern.call("session_info", json!({ "session": session })).await;
    assert_eq!(back["isError"], false, "{back}");
}

#[tokio::test]
async fn a_long_call_does_not_lose_its_session() {
    let idle = Duration::from_millis(300);
    let server = Server::with(&Config { idle_timeout: idle, ..Config::default() }).await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let opened = modern.call("open_session", json!({})).await;
    let arguments = json!({ "session": opened["structuredContent"]["session"] });
    let (one, other) = tokio::join!(legacy.call("slow", json!({})), modern.call("slow", arguments.clone()));
    assert_eq!(text(&one), "done");
    assert_eq!(text(&other), "done");
    tokio::time::sleep(2 * idle).await;
    let gone = modern.call("session_info", arguments).await;
    assert_eq!(gone["_meta"]["session-mcp/refusal"]["error"], "not_found", "and after it the timeout holds: {gone}");
}

#[tokio::test]
async fn a_long_call_is_a_use_at_its_end_too() {
    let idle = Duration::from_millis(1800);
    let server = Server::with(&Config { idle_timeout: idle, ..Config::default() }).await;
    let modern = Modern::of(&server);
    let session = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();
    let name: SessionName = session.as_str().and_then(|name| name.parse().ok()).expect("a handle");
    text(&modern.call("doze", json!({ "word": "1000", "session": session })).await);
    let key = SessionKey::by_name(Owner::Anonymous, &name);
    let kept = server.sessions.store().peek(&key).await.expect("it runs").expect("it is there");
    let used = kept.last_used().since(kept.created_at);
    assert!(used >= Duration::from_secs(1), "the heartbeat was at 600 ms, the end at 1000, the last use at {used:?}");
}

#[tokio::test]
async fn every_method_is_forwarded() {
    let tools = SessionTools::new(Lifetimes::default(), Durability::Process);
    let probe = Probe::new(&tools);
    let sessions = crate::common::manager(Arc::new(Fragile::new()), Lifetimes::default()).await;
    let wrapped = WithSessions::new(probe.clone(), sessions);
    assert_eq!(wrapped.get_info().capabilities, probe.get_info().capabilities);
    assert_eq!(wrapped.get_tool("count"), probe.get_tool("count"));
    assert_eq!(wrapped.supported_protocol_versions(), probe.supported_protocol_versions());
}

#[tokio::test]
async fn a_handler_that_is_not_wrapped_says_what_is_missing() {
    let tools = SessionTools::new(Lifetimes::default(), Durability::Process);
    let (here, there) = tokio::io::duplex(1 << 16);
    let serving = tokio::spawn(Probe::new(&tools).serve(there));
    let client = ().serve(here).await.expect("the handshake succeeds");
    let error = client.call_tool(CallToolRequestParams::new("count")).await.expect_err("there is no session to take");
    assert!(error.to_string().contains("WithSessions"), "{error}");
    drop(serving);
}
