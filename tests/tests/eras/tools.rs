//! The tools as clients get to see them: a schema that a client does not accept is a tool that its model never has.

use rmcp::model::ProtocolVersion;
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _};
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::{Value, json, to_value};

use session_tests::Checkout;

use crate::client::Client;
use crate::library::Library;
use crate::site::{Site, Store};

/// The tools that use a session, and take its handle.
const WITH_SESSION: [&str; 9] = [
    "counter",
    "delete_state",
    "end_session",
    "get_state",
    "get_working_directory",
    "open_session",
    "session_info",
    "set_state",
    "set_working_directory",
];

/// The tools that use none.
const WITHOUT_SESSION: [&str; 6] = ["boom", "echo", "end_all_sessions", "list_sessions", "notify", "slow"];

#[tokio::test(flavor = "multi_thread")]
async fn every_client_accepts_every_tool_and_what_it_answers() {
    let site = Site::http(Store::Memory);
    let checkout = Checkout::new();
    let mut clients = Client::connect(Library::ALL, &site);
    // Opened on 2026-07-28, so that no connection ends with it.
    let opener = clients.last_mut().expect("it negotiates");
    let sessions = Library::ALL.map(|_| opener.open());
    for (client, session) in clients.iter_mut().zip(sessions) {
        are_complete(&client.tools());
        client.open();
        for (tool, arguments) in [
            ("counter", json!({})),
            ("set_working_directory", json!({ "directory": checkout.path() })),
            ("get_working_directory", json!({})),
            ("set_state", json!({ "name": "cart", "value": { "tea": [1, null, 0.5] } })),
            ("get_state", json!({ "name": "cart" })),
            ("get_state", json!({ "name": "never-set" })),
            ("delete_state", json!({ "name": "cart" })),
            ("session_info", json!({})),
            ("end_session", json!({})),
        ] {
            let mut arguments = arguments;
            arguments["session"] = json!(session);
            // A result that the library's own validation refuses is no result.
            assert!(client.ask(tool, arguments).is_object(), "{tool} answers {:?}", client.library());
        }
    }
    clients.into_iter().for_each(Client::close);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_rmcp_accepts_every_tool_in_both_eras() {
    let site = Site::http(Store::Memory);
    let later = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    for (lifecycle, protocol) in [(ClientLifecycleMode::Initialize, "2025-11-25"), (later, "2026-07-28")] {
        let [url] = &*site.target() else { panic!("a URL") };
        let transport = StreamableHttpClientTransport::from_uri(&**url);
        let client = ().serve_with_lifecycle(transport, lifecycle).await.expect("it connects");
        assert_eq!(client.peer_info().map(|server| server.protocol_version.to_string()).as_deref(), Some(protocol));
        let tools = client.list_all_tools().await.expect("a list of tools");
        are_complete(&tools.iter().map(|tool| to_value(tool).expect("it came as JSON")).collect::<Vec<_>>());
        client.cancel().await.expect("the client ends");
    }
    site.end().await;
}

/// None is missing, and a handle is a mere string: a client that mirrors arguments into headers drops a tool whose
/// argument is anything else.
#[track_caller]
fn are_complete(tools: &[Value]) {
    let mut names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    let mut expected = [&WITH_SESSION[..], &WITHOUT_SESSION].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for tool in tools {
        let name = tool["name"].as_str().expect("a name");
        let schema = &tool["inputSchema"];
        let Some(handle) = schema["properties"].get("session") else {
            assert!(!WITH_SESSION.contains(&name), "{name} takes no handle: {schema}");
            continue;
        };
        assert_eq!(handle["type"], "string", "the handle of {name}: {handle}");
        assert!(!["anyOf", "oneOf", "allOf", "$ref"].iter().any(|key| handle.get(key).is_some()), "{name}: {handle}");
        let required = schema["required"].as_array();
        assert!(required.is_none_or(|names| !names.contains(&json!("session"))), "{name} does without a handle");
    }
}
