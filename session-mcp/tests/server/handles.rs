//! The handle on an author's own tools: what their schemas say of it, what they see of it, and what they answer.

mod results;
mod shop;

use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use rmcp::schemars::schema_for;
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::{Value, json};
use session_core::Lifetimes;
use session_mcp::{Config, Durability, Endpoint, InSession, SessionTools};
use session_memory::{MemoryConfig, MemoryStore};
use tokio::net::TcpListener;

use crate::common::{json, manager, post};

use self::shop::{OfItsOwn, Shop};

fn session_tools(durability: Durability) -> SessionTools {
    let half_an_hour = Duration::from_secs(30 * 60);
    let lifetimes = Lifetimes::new(half_an_hour, Lifetimes::DEFAULT_ABSOLUTE).expect("both are more than nothing");
    SessionTools::new(lifetimes, durability)
}

fn handle<'a>(router: &'a ToolRouter<Shop>, tool: &str) -> Option<&'a Value> {
    router.get(tool).unwrap_or_else(|| panic!("no {tool}")).input_schema["properties"].get("session")
}

/// Serves the shop over HTTP until the runtime ends.
async fn serve(shop: Shop) -> String {
    let sessions = manager(Arc::new(MemoryStore::new(MemoryConfig::default())), Lifetimes::default()).await;
    let endpoint = Endpoint::new(move || shop.clone(), sessions, &Config::default()).expect("a valid configuration");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let url = format!("http://{}/mcp", listener.local_addr().expect("it is bound"));
    tokio::spawn(endpoint.serve(listener, Duration::ZERO, std::future::pending()));
    url
}

type Client = RunningService<RoleClient, ()>;

async fn connect(url: &str) -> Client {
    let transport = StreamableHttpClientTransport::from_uri(url);
    let modern = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    ().serve_with_lifecycle(transport, modern).await.expect("the server speaks it")
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> CallToolResult {
    let arguments = arguments.as_object().cloned().expect("arguments are an object");
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.expect("no protocol error")
}

async fn open(client: &Client) -> String {
    let opened = call(client, "open_session", json!({})).await.structured_content.expect("structured");
    opened["session"].as_str().expect("a handle").to_owned()
}

#[track_caller]
fn text(result: &CallToolResult) -> &str {
    assert_eq!(result.is_error, Some(false), "{result:?}");
    &result.content[0].as_text().expect("a text").text
}

#[test]
fn mounting_gives_every_tool_a_handle() {
    let router = session_tools(Durability::Process).mount(Shop::tool_router());
    for tool in ["counted", "bare", "strict", "plain", "open_session"] {
        let schema = &router.get(tool).expect("it is mounted").input_schema;
        assert_eq!(schema["properties"]["session"]["type"], "string", "{tool}");
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        assert!(!required.contains(&json!("session")), "{tool}");
    }
    assert_eq!(handle(&router, "counted"), handle(&router, "plain"), "it says the same of itself everywhere");
    assert_eq!(handle(&router, "counted"), handle(&router, "open_session"));
}

#[test]
fn mounting_beside_gives_a_handle_to_those_that_take_one() {
    let (beside, all) = (session_tools(Durability::Process).mount_beside(Shop::tool_router()), mounted());
    for tool in ["counted", "bare", "open_session"] {
        assert_eq!(beside.get(tool), all.get(tool), "{tool}");
    }
    for tool in ["strict", "plain"] {
        assert_eq!(beside.get(tool), Shop::tool_router().get(tool), "{tool} is left as it is");
    }
}

fn mounted() -> ToolRouter<Shop> {
    session_tools(Durability::Process).mount(Shop::tool_router())
}

#[test]
fn mounting_twice_is_mounting_once() {
    let tools = session_tools(Durability::Process);
    let (once, twice) = (mounted(), tools.mount(mounted()));
    assert_eq!(once.list_all(), twice.list_all());
}

#[test]
fn a_handle_says_how_long_a_session_lasts() {
    for (durability, kept) in [
        (Durability::Process, "30m without use, after 7days in any case, and with the server's process"),
        (Durability::Store, "30m without use and after 7days in any case; it outlives the server's process"),
    ] {
        let router = session_tools(durability).mount(Shop::tool_router());
        for tool in ["counted", "plain", "open_session"] {
            let said = handle(&router, tool).expect("it has one")["description"].as_str().expect("a description");
            assert!(said.contains(kept) && said.len() < 256, "{tool}: {said}");
        }
    }
}

#[test]
fn an_argument_session_of_an_authors_own_is_left_as_it_is() {
    let own = Shop::tool_router();
    let tools = session_tools(Durability::Process).with_handle_header(true);
    for router in [tools.mount(Shop::tool_router()), tools.mount_beside(Shop::tool_router())] {
        assert_eq!(router.get("of_its_own"), own.get("of_its_own"));
    }
    assert_eq!(handle(&own, "of_its_own").expect("it has one")["type"], "integer");
}

#[test]
#[should_panic(expected = "OfItsOwn has an argument `session`, which is the handle's")]
fn a_handle_beside_an_argument_session_is_an_authors_mistake() {
    let _ = schema_for!(InSession<OfItsOwn>);
}

#[tokio::test]
async fn arguments_that_refuse_unknown_fields_take_a_handle_too() {
    let client = connect(&serve(Shop::new(mounted())).await).await;
    let session = open(&client).await;
    for (tool, arguments, expected) in [
        ("counted", json!({ "by": 2 }), "handle 2"),
        ("counted", json!({ "by": 3 }), "handle 5"),
        ("strict", json!({ "by": 4 }), "handle 9"),
        ("bare", json!({}), "handle 10"),
        ("plain", json!({}), "plain"),
    ] {
        let mut arguments = arguments;
        arguments["session"] = session.clone().into();
        assert_eq!(text(&call(&client, tool, arguments).await), expected, "{tool}");
    }
}

#[tokio::test]
async fn arguments_are_refused_as_they_are_without_a_handle() {
    let client = connect(&serve(Shop::new(mounted())).await).await;
    let session = open(&client).await;
    for arguments in [json!({}), json!({ "by": "two" }), json!({ "by": 2, "to": 3 })] {
        let mut arguments = arguments;
        let without = call(&client, "strict", arguments.clone()).await;
        assert_eq!(without.is_error, Some(true), "{without:?}");
        for tool in ["counted", "strict"] {
            assert_eq!(call(&client, tool, arguments.clone()).await, without, "{tool}");
            arguments["session"] = session.clone().into();
            assert_eq!(call(&client, tool, arguments.clone()).await, without, "{tool}");
        }
    }
    let refused = call(&client, "bare", json!({ "by": 2, "session": session })).await;
    assert_eq!(refused.is_error, Some(true), "a tool without arguments takes none: {refused:?}");
}

#[tokio::test]
async fn the_client_of_rmcp_mirrors_the_handle_into_a_header_if_it_is_told_to() {
    let names = |tools: &[rmcp::model::Tool]| tools.iter().map(|tool| tool.name.to_string()).collect::<Vec<_>>();
    for mirrors in [true, false] {
        let router = session_tools(Durability::Process).with_handle_header(mirrors).mount(Shop::tool_router());
        let all = names(&router.list_all());
        let url = serve(Shop::new(router)).await;
        let client = connect(&url).await;
        let listed = client.list_all_tools().await.expect("a list of tools");
        assert_eq!(names(&listed), all, "none is dropped");
        for tool in listed.iter().filter(|tool| tool.name != "of_its_own") {
            let header = tool.input_schema["properties"]["session"].get("x-mcp-header");
            assert_eq!(header, mirrors.then(|| json!("Session")).as_ref(), "{}", tool.name);
        }
        let session = open(&client).await;
        for tool in ["header", "header_in_session"] {
            let seen = call(&client, tool, json!({ "session": session })).await;
            assert_eq!(text(&seen), if mirrors { &session } else { "none" }, "{tool}");
            assert_eq!(text(&call(&client, tool, json!({})).await), "none", "{tool}");
        }
        let info = call(&client, "session_info", json!({ "session": session })).await;
        assert_eq!(info.structured_content.expect("structured")["source"], "handle");
    }
}

#[tokio::test]
async fn a_header_that_is_not_the_argument_is_refused() {
    let tools = session_tools(Durability::Process).with_handle_header(true);
    let url = serve(Shop::new(tools.mount(Shop::tool_router()))).await;
    let client = connect(&url).await;
    client.list_all_tools().await.expect("a list of tools");
    let (session, other) = (open(&client).await, open(&client).await);
    for tool in ["bare", "strict", "session_info"] {
        for (header, argument) in [(None, Some(&session)), (Some(&other), Some(&session)), (Some(&session), None)] {
            let refused = modern(&url, tool, header, argument).send().await.expect("the server answers");
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{tool}");
            assert_eq!(json(refused).await["error"]["code"], -32020, "{tool}");
        }
    }
    let served = json(modern(&url, "bare", Some(&session), Some(&session)).send().await.expect("an answer")).await;
    assert_eq!(served["result"]["content"][0]["text"], "handle 1", "nothing was counted before: {served}");
}

/// A call of 2026-07-28 by a client that mirrors something or nothing.
fn modern(url: &str, tool: &str, header: Option<&String>, argument: Option<&String>) -> RequestBuilder {
    let arguments = argument.map_or(json!({}), |session| json!({ "session": session }));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = post(url, &message).header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", "tools/call").header("mcp-name", tool);
    header.into_iter().fold(request, |request, session| request.header("mcp-param-session", session))
}

#[tokio::test]
async fn the_earlier_protocol_knows_no_header() {
    let tools = session_tools(Durability::Process).with_handle_header(true);
    let url = serve(Shop::new(tools.mount(Shop::tool_router()))).await;
    let client = ().serve(StreamableHttpClientTransport::from_uri(&*url)).await.expect("the server speaks it");
    client.list_all_tools().await.expect("a list of tools");
    let session = open(&client).await;
    assert_eq!(text(&call(&client, "header", json!({ "session": session })).await), "none");
    assert_eq!(text(&call(&client, "bare", json!({ "session": session })).await), "handle 1");
}

#[tokio::test]
async fn the_client_of_rmcp_accepts_every_tool_in_both_eras() {
    let router = mounted();
    let url = serve(Shop::new(router.clone())).await;
    let legacy = ().serve(StreamableHttpClientTransport::from_uri(&*url)).await.expect("the server speaks it");
    for client in [legacy, connect(&url).await] {
        assert_eq!(client.list_all_tools().await.expect("a list of tools"), router.list_all());
    }
}

/// The schemas as models get to read them: what a change does to them is to be seen.
#[test]
fn schemas_are_as_they_were() {
    let tools = session_tools(Durability::Store);
    let mut settings = insta::Settings::clone_current();
    settings.set_sort_maps(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for tool in tools.router::<Shop>().list_all() {
            insta::assert_json_snapshot!(tool.name.to_string(), tool);
        }
        insta::assert_json_snapshot!("an_authors_tool", counted(&tools));
        insta::assert_json_snapshot!("an_authors_tool_with_a_header", counted(&tools.with_handle_header(true)));
    });
}

fn counted(tools: &SessionTools) -> Value {
    let router = tools.mount(Shop::tool_router());
    serde_json::to_value(router.get("counted").expect("it is mounted")).expect("a tool is JSON")
}
