//! The tools as clients get to see them: a schema that a client does not accept is a tool that its model never has.

use serde_json::{Value, json};

use session_tests::Checkout;

use crate::client::Client;
use crate::in_process::InProcess;
use crate::library::Library;
use crate::site::{Site, Store};

/// Each of them takes a handle.
const TOOLS: [&str; 54] = [
    "auto_switch_project",
    "boom",
    "confirm_delete",
    "counter",
    "delete_state",
    "echo",
    "end_all_sessions",
    "end_session",
    "failing_job",
    "get_project",
    "get_state",
    "get_working_directory",
    "greet",
    "json_schema_2020_12_tool",
    "list_projects",
    "list_sessions",
    "multi_input",
    "notify",
    "open_session",
    "protocol_error_job",
    "session_info",
    "set_state",
    "set_working_directory",
    "slow",
    "slow_compute",
    "test_audio_content",
    "test_custom_headers",
    "test_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_embedded_resource",
    "test_error_handling",
    "test_image_content",
    "test_input_required_result_capabilities",
    "test_input_required_result_elicitation",
    "test_input_required_result_list_roots",
    "test_input_required_result_multi_round",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_request_state",
    "test_input_required_result_sampling",
    "test_input_required_result_tampered_state",
    "test_logging_tool",
    "test_missing_capability",
    "test_multiple_content_types",
    "test_reconnection",
    "test_sampling",
    "test_simple_text",
    "test_streaming_elicitation",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_tool_with_task",
    "test_trigger_prompt_change",
    "test_trigger_resource_change",
    "test_trigger_tool_change",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_client_accepts_every_tool_and_what_it_answers() {
    let site = Site::http(Store::Memory);
    let (checkout, project) = (Checkout::new(), Checkout::new());
    project.write(".session-mcp.toml", "version = \"1.0\"\n[project]\nname = \"Shop\"\n");
    let mut clients = Client::connect(Library::ALL, &site);
    // Opened on 2026-07-28, so that no connection ends with it.
    let opener = clients.last_mut().expect("it negotiates");
    let sessions = Library::ALL.map(|_| opener.open());
    for (client, session) in clients.iter_mut().zip(sessions) {
        are_complete(&client.tools(), &Value::Null);
        client.open();
        for (tool, arguments) in [
            ("counter", json!({})),
            ("set_working_directory", json!({ "directory": checkout.path() })),
            ("get_working_directory", json!({})),
            ("auto_switch_project", json!({ "directory": project.path(), "dry_run": true })),
            ("auto_switch_project", json!({ "directory": project.path() })),
            ("get_project", json!({})),
            ("get_project", json!({ "project": "Shop" })),
            ("list_projects", json!({})),
            ("set_working_directory", json!({ "directory": project.path() })),
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
async fn every_client_accepts_every_tool_whose_handle_it_mirrors() {
    let site = Site::mirroring(Store::Memory);
    let mut clients = Client::connect(Library::ALL, &site);
    for client in &mut clients {
        are_complete(&client.tools(), &json!("Session"));
        let session = client.open();
        for count in [1, 2] {
            assert_eq!(client.count(Some(&session)), count, "{:?}", client.library());
        }
    }
    clients.into_iter().for_each(Client::close);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_rmcp_accepts_every_tool_in_both_eras() {
    the_client_of_rmcp_accepts_every_tool(Site::http(Store::Memory), Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_rmcp_accepts_every_tool_whose_handle_it_mirrors_in_both_eras() {
    the_client_of_rmcp_accepts_every_tool(Site::mirroring(Store::Memory), json!("Session")).await;
}

async fn the_client_of_rmcp_accepts_every_tool(site: Site, header: Value) {
    for client in InProcess::connect(&site).await {
        are_complete(&client.tools().await, &header);
        let session = client.open().await;
        for count in [1, 2] {
            assert_eq!(client.count(&session).await.expect("a count"), count);
        }
        client.close().await;
    }
    site.end().await;
}

/// None is missing, and a handle is a mere string: a client that mirrors arguments into headers drops a tool whose
/// argument is anything else. Every handle names this `header`, or none if it is null.
#[track_caller]
fn are_complete(tools: &[Value], header: &Value) {
    let mut names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    assert_eq!(names, TOOLS);
    for tool in tools {
        let name = tool["name"].as_str().expect("a name");
        let schema = &tool["inputSchema"];
        let handle = &schema["properties"]["session"];
        assert_eq!(handle["type"], "string", "the handle of {name}: {handle}");
        assert_eq!(handle["x-mcp-header"], *header, "the handle of {name}: {handle}");
        assert!(!["anyOf", "oneOf", "allOf", "$ref"].iter().any(|key| handle.get(key).is_some()), "{name}: {handle}");
        let required = schema["required"].as_array();
        assert!(required.is_none_or(|names| !names.contains(&json!("session"))), "{name} does without a handle");
    }
}
