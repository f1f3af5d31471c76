//! The session tools: what they say of themselves, and what they refuse.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use session_core::{Change, Owner, SessionKey, SessionName, StateName, StateValue};
use session_mcp::Config;

use crate::common::{Fragile, Legacy, Modern, Server};

async fn tools(server: &Server) -> Vec<Value> {
    let mut listed = Modern::of(server).request("tools/list", None, json!({})).await;
    let tools = listed["result"]["tools"].take();
    tools.as_array().cloned().unwrap_or_else(|| panic!("no tools in {listed}"))
}

fn named<'a>(tools: &'a [Value], name: &str) -> &'a Value {
    tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn every_tool_takes_a_handle_that_is_exactly_an_inline_string() {
    let server = Server::start().await;
    for tool in tools(&server).await {
        let schema = &tool["inputSchema"];
        assert_eq!(schema["properties"]["session"]["type"], "string", "{tool}");
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        assert!(!required.contains(&json!("session")), "{tool}");
    }
}

#[tokio::test]
async fn annotations_tell_the_truth() {
    let server = Server::start().await;
    let tools = tools(&server).await;
    for (name, read_only, destructive, idempotent) in [
        ("open_session", false, false, false),
        ("set_working_directory", false, true, false),
        ("get_working_directory", true, false, true),
        ("get_project", false, false, true),
        ("auto_switch_project", false, true, true),
        ("list_projects", true, false, true),
        ("session_info", true, false, true),
        ("set_state", false, true, true),
        ("get_state", true, false, true),
        ("delete_state", false, true, true),
        ("end_session", false, true, true),
        ("list_sessions", true, false, true),
        ("end_all_sessions", false, true, true),
    ] {
        let expected = json!({
            "readOnlyHint": read_only, "destructiveHint": destructive,
            "idempotentHint": idempotent, "openWorldHint": false,
        });
        assert_eq!(named(&tools, name)["annotations"], expected, "{name}");
        assert_eq!(named(&tools, name)["outputSchema"]["type"], "object", "{name}");
    }
}

#[tokio::test]
async fn opening_says_how_long_a_session_lasts() {
    let config = Config { idle_timeout: Duration::from_secs(1800), ..Config::default() };
    let server = Server::with(&config).await;
    let tools = tools(&server).await;
    let said = named(&tools, "open_session")["description"].as_str().expect("a description");
    assert!(
        said.contains("30m without use")
            && said.contains("7days in any case")
            && said.contains("with the server's process"),
        "{said}"
    );
}

#[tokio::test]
async fn the_list_of_tools_is_the_same_for_everybody() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await.request("tools/list", json!({})).await;
    assert_eq!(legacy["result"]["tools"], Value::from(tools(&server).await));
}

#[tokio::test]
async fn every_answer_has_what_its_schema_promises() {
    let server = Server::start().await;
    let (legacy, tools) = (Legacy::connect(&server).await, tools(&server).await);
    for (tool, arguments) in [
        ("open_session", json!({ "directory": "/" })),
        ("set_working_directory", json!({ "directory": "/" })),
        ("get_working_directory", json!({})),
        ("session_info", json!({})),
        ("set_state", json!({ "name": "a", "value": { "b": [1, null] } })),
        ("get_state", json!({ "name": "a" })),
        ("get_state", json!({ "name": "nothing" })),
        ("delete_state", json!({ "name": "a" })),
        ("end_session", json!({})),
    ] {
        let answer = legacy.call(tool, arguments).await;
        assert_eq!(answer["isError"], false, "{tool}: {answer}");
        let answer = answer["structuredContent"].as_object().expect("structured").clone();
        let schema = &named(&tools, tool)["outputSchema"];
        for required in schema["required"].as_array().expect("some are") {
            assert!(answer.contains_key(required.as_str().expect("a name")), "{tool}: {required} in {answer:?}");
        }
        for name in answer.keys() {
            assert!(schema["properties"].get(name).is_some(), "{tool}: {name} in {schema}");
        }
        assert_eq!(answer["source"], "http_session", "{tool}");
        assert!(tool == "end_session" || answer["expires_at"].as_str().is_some_and(|at| at.len() == 24), "{answer:?}");
    }
}

#[tokio::test]
async fn a_directory_has_to_be_absolute_and_to_exist() {
    let server = Server::start().await;
    let modern = Modern::of(&server);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let file = file.path().to_str().expect("a text");
    let long = format!("/{}", "x".repeat(5000));
    for (path, why) in [
        ("project", "absolute"),
        ("", "1 to 4096 bytes"),
        ("/\0", "NUL"),
        (long.as_str(), "1 to 4096 bytes"),
        ("/no/such/place", "exists"),
        (file, "directory"),
    ] {
        for tool in ["set_working_directory", "open_session"] {
            let refused = modern.call(tool, json!({ "directory": path })).await;
            assert_eq!(
                refused["_meta"]["session-mcp/refusal"]["error"], "invalid_argument",
                "{tool} {path:.20}: {refused}"
            );
            let said = refused["content"][0]["text"].as_str().expect("a sentence");
            assert!(said.contains("`directory`") && said.contains(why), "{said}");
        }
    }
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 0, "nothing was opened");
}

#[tokio::test]
async fn setting_a_directory_answers_what_its_own_update_did() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let modern = Modern::of(&server);
    let session = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();
    store.refuse_loads(true);
    let set = modern.call("set_working_directory", json!({ "directory": "/", "session": session })).await;
    assert_eq!(set["isError"], false, "no load is needed: {set}");
    store.refuse_loads(false);
    let info = modern.call("session_info", json!({ "session": session })).await;
    assert_eq!(set["structuredContent"]["set_at"], info["structuredContent"]["set_at"]);
}

#[tokio::test]
async fn a_handle_is_given_only_if_it_can_be_answered_with() {
    let store = Arc::new(Fragile::new());
    let server = Server::over(store.clone(), &Config::default()).await;
    let modern = Modern::of(&server);
    let session = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();
    let name = session.as_str().and_then(|name| name.parse::<SessionName>().ok()).expect("a handle");
    store.refuse_loads(true);
    let refused = modern.call("open_session", json!({ "session": session, "directory": "/" })).await;
    assert_eq!(refused["_meta"]["session-mcp/refusal"]["error"], "unavailable", "{refused}");
    store.refuse_loads(false);
    let kept = server.sessions.load(&SessionKey::by_name(Owner::Anonymous, &name)).await.expect("it is there");
    assert_eq!((kept.grants.len(), &kept.working_directory), (1, &None), "nothing was granted or set");
    let promoted = modern.call("open_session", json!({ "session": session, "directory": "/" })).await;
    assert_eq!(promoted["structuredContent"]["working_directory"], "/", "{promoted}");
    let promoted = modern.call("open_session", json!({ "session": session })).await;
    assert_eq!(promoted["structuredContent"]["working_directory"], "/", "and it stays: {promoted}");
}

const TOOLS: [(&str, &[&str]); 13] = [
    ("open_session", &["directory", "project", "resume"]),
    ("list_sessions", &["cursor"]),
    ("set_working_directory", &["directory"]),
    ("get_working_directory", &[]),
    ("get_project", &["project"]),
    ("auto_switch_project", &["directory", "dry_run", "project"]),
    ("list_projects", &["cursor"]),
    ("session_info", &[]),
    ("set_state", &["name", "value"]),
    ("get_state", &["name"]),
    ("delete_state", &["name"]),
    ("end_session", &[]),
    ("end_all_sessions", &[]),
];

#[tokio::test]
async fn an_argument_that_a_tool_does_not_have_is_refused_by_what_it_takes() {
    let server = Server::start().await;
    let (modern, listed) = (Modern::of(&server), tools(&server).await);
    let session = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();
    for (tool, takes) in TOOLS {
        let schema = &named(&listed, tool)["inputSchema"];
        assert_eq!(schema["additionalProperties"], false, "{tool}");
        let names: BTreeSet<_> = schema["properties"].as_object().expect("some").keys().map(String::as_str).collect();
        assert_eq!(names, takes.iter().copied().chain(["session"]).collect(), "{tool}");

        let refused = modern.call(tool, json!({ "dir": "/secret", "session": session })).await;
        assert_eq!(refused["_meta"]["session-mcp/refusal"]["error"], "invalid_argument", "{tool}: {refused}");
        let said = refused["content"][0]["text"].as_str().expect("a sentence");
        assert!(takes.iter().chain(&["session"]).all(|name| said.contains(&format!("`{name}`"))), "{tool}: {said}");
        assert!(!refused.to_string().contains("secret") && !said.contains("`dir`"), "{tool}: {refused}");
    }
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 1, "nothing was opened or ended");
}

#[tokio::test]
async fn an_argument_of_another_type_is_named_and_not_repeated() {
    let server = Server::start().await;
    let modern = Modern::of(&server);
    let session = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();
    for (tool, wrong, argument) in [
        ("open_session", json!({ "directory": 42_424_242 }), "directory"),
        ("open_session", json!({ "resume": 42_424_242 }), "resume"),
        ("list_sessions", json!({ "cursor": [42_424_242] }), "cursor"),
        ("set_working_directory", json!({ "directory": { "path": "42424242" } }), "directory"),
        ("set_working_directory", json!({ "directory": null }), "directory"),
        ("set_working_directory", json!({}), "directory"),
        ("set_state", json!({ "name": 42_424_242, "value": 1 }), "name"),
        ("set_state", json!({ "name": "42424242" }), "value"),
        ("get_state", json!({ "name": ["42424242"] }), "name"),
        ("delete_state", json!({}), "name"),
    ] {
        let mut arguments = wrong.clone();
        arguments["session"] = session.clone();
        let refused = modern.call(tool, arguments).await;
        assert_eq!(refused["_meta"]["session-mcp/refusal"]["error"], "invalid_argument", "{tool} {wrong}: {refused}");
        let said = refused["content"][0]["text"].as_str().expect("a sentence");
        assert!(said.contains(&format!("the argument `{argument}` must")), "{tool} {wrong}: {said}");
        assert!(!refused.to_string().contains("42424242"), "{tool} {wrong}: {refused}");
    }
    let left_out = modern.call("open_session", json!({ "directory": null })).await;
    assert_eq!(left_out["isError"], false, "null is as good as nothing where nothing is asked for: {left_out}");
}

#[tokio::test]
async fn reserved_names_can_neither_be_seen_nor_spelled() {
    let server = Server::start().await;
    let reserved = Change::new().set(StateName::reserved(".ours"), StateValue::from(b"1".as_slice()));
    let opened = server.sessions.open(Owner::Anonymous, reserved).await.expect("it runs");
    let (modern, session) = (Modern::of(&server), opened.name.expose());
    let info = modern.call("session_info", json!({ "session": session })).await;
    assert_eq!(info["structuredContent"]["state_names"], json!([]));
    for (tool, arguments) in [
        ("get_state", json!({ "name": ".ours", "session": session })),
        ("set_state", json!({ "name": ".ours", "value": 2, "session": session })),
        ("delete_state", json!({ "name": ".ours", "session": session })),
    ] {
        let refused = modern.call(tool, arguments).await;
        assert_eq!(refused["_meta"]["session-mcp/refusal"]["error"], "invalid_argument", "{tool}: {refused}");
        assert!(refused.to_string().contains("the argument `name` must"), "{tool}: {refused}");
    }
}

#[tokio::test]
async fn a_value_can_be_any_json_within_the_limit() {
    let server = Server::start().await;
    let legacy = Legacy::connect(&server).await;
    for value in [json!(null), json!(0.5), json!("text"), json!([1, [2]]), json!({ "a": { "b": null } })] {
        legacy.call("set_state", json!({ "name": "v", "value": value })).await;
        let read = legacy.call("get_state", json!({ "name": "v" })).await;
        assert_eq!(read["structuredContent"]["found"], true);
        assert_eq!(read["structuredContent"]["value"], value);
    }
    let refused = legacy.call("set_state", json!({ "name": "v", "value": "x".repeat(70_000) })).await;
    assert_eq!(refused["_meta"]["session-mcp/refusal"]["error"], "quota", "{refused}");
    let missing = legacy.call("set_state", json!({ "name": "v" })).await;
    assert_eq!(missing["isError"], true, "a value has to be given: {missing}");
}

#[tokio::test]
async fn ending_ends_under_every_name() {
    let server = Server::start().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let promoted = legacy.call("open_session", json!({})).await;
    let session = &promoted["structuredContent"]["session"];
    let ended = modern.call("end_session", json!({ "session": session })).await;
    assert_eq!(ended["structuredContent"], json!({ "ended": true, "source": "handle" }));
    assert_eq!(
        modern.call("end_session", json!({ "session": session })).await["_meta"]["session-mcp/refusal"]["error"],
        "not_found"
    );
    assert_eq!(legacy.send("tools/list", json!({})).await.status(), 404);
}
