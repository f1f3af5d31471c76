//! What the clients that people use see of the built server, over every link: 2025-11-25 and 2026-07-28, each over
//! stdio and Streamable HTTP.

use serde_json::{Value, json};
use session_tests::{Answer, Checkout, Client, HttpServer, Link, Sdk, Transport, over_links};

over_links! {
    every_tool_is_listed_with_schemas_and_annotations: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    a_working_directory_is_set_and_read_back: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    a_directory_that_is_none_is_refused_by_name: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    state_is_kept_read_and_deleted: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    a_session_tells_about_itself: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    two_clients_at_once_are_kept_apart: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    an_ended_session_never_comes_back: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    an_unknown_handle_is_a_tool_execution_error: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    a_connection_has_its_own_session: mcp_1_stdio mcp_1_http;
    a_new_connection_begins_anew: mcp_1_stdio mcp_1_http;
    what_is_kept_belongs_to_the_handle: mcp_2_stdio mcp_2_http;
    a_handle_works_from_a_second_connection: mcp_1_http mcp_2_http;
    a_handle_works_after_a_reconnect: mcp_1_http mcp_2_http;
    a_handle_ended_elsewhere_is_ended_here: mcp_2_http;
    an_http_session_ended_elsewhere_is_initialized_anew: mcp_1_http;
}

/// The tools, with whether each reads only, destroys, and may be repeated without further effect.
const TOOLS: [(&str, bool, bool, bool); 13] = [
    ("auto_switch_project", false, true, true),
    ("delete_state", false, true, true),
    ("end_all_sessions", false, true, true),
    ("end_session", false, true, true),
    ("get_project", false, false, true),
    ("get_state", true, false, true),
    ("get_working_directory", true, false, true),
    ("list_projects", true, false, true),
    ("list_sessions", true, false, true),
    ("open_session", false, false, false),
    ("session_info", true, false, true),
    ("set_state", false, true, true),
    ("set_working_directory", false, true, false),
];

fn every_tool_is_listed_with_schemas_and_annotations(link: Link) {
    let site = link.site();
    let mut client = site.connect();
    let mut tools = client.tools();
    tools.sort_by_key(|tool| tool["name"].as_str().map(str::to_owned));
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect();
    assert_eq!(names, TOOLS.map(|(name, ..)| name));

    for (tool, (name, reads_only, destroys, repeatable)) in tools.iter().zip(TOOLS) {
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 20), "{name} is described");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{name} has an {schema}");
        }
        for (argument, schema) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name} describes `{argument}`");
        }
        let says_source = tool["outputSchema"]["properties"]["source"].is_object();
        let is_of_one_session = !name.ends_with("_sessions") && name != "list_projects";
        assert_eq!(says_source, is_of_one_session, "{name} says where its session came from");
        let annotations = &tool["annotations"];
        assert_eq!(annotations["readOnlyHint"], reads_only, "{name} reads only");
        if !reads_only {
            assert_eq!(annotations["destructiveHint"], destroys, "{name} destroys");
            assert_eq!(annotations["idempotentHint"], repeatable, "{name} may be repeated");
        }
    }
    client.close();
}

fn a_working_directory_is_set_and_read_back(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let mut client = site.connect();
    let set = client.ask("set_working_directory", json!({ "directory": checkout.path() }));
    assert_eq!(set["working_directory"], checkout.path());
    assert_eq!(set["source"], link.source_without_handle());
    assert!(is_timestamp(&set["expires_at"]), "{set}");

    let got = client.ask("get_working_directory", session_of(&set));
    assert_eq!(got["working_directory"], checkout.path());
    assert_eq!(got["source"], source_later(link));
    client.close();
}

fn a_directory_that_is_none_is_refused_by_name(link: Link) {
    let checkout = Checkout::new();
    let file = checkout.folder().join("file");
    std::fs::write(&file, "").expect("the checkout is ours");
    let missing = checkout.folder().join("missing");
    let site = link.site();
    let mut client = site.connect();
    for directory in [Some(&*missing), Some(&*file), None] {
        let directory = directory.map_or(".", |path| path.to_str().expect("a plain path"));
        let refusal = client.call("set_working_directory", json!({ "directory": directory })).refusal();
        assert!(refusal.contains("directory"), "names the argument: {refusal}");
    }
    client.close();
}

fn state_is_kept_read_and_deleted(link: Link) {
    let site = link.site();
    let mut client = site.connect();
    let session = client.open();
    let value = json!({ "tea": ["green", null, 1.5], "größe": "ß" });
    let set = client.ask("set_state", json!({ "name": "cart", "value": value, "session": session }));
    assert_eq!((&set["name"], &set["source"]), (&json!("cart"), &json!("handle")));

    let got = client.ask("get_state", json!({ "name": "cart", "session": session }));
    assert_eq!((&got["found"], &got["value"]), (&json!(true), &value));

    let deleted = client.ask("delete_state", json!({ "name": "cart", "session": session }));
    assert!(deleted["version"].as_u64() > set["version"].as_u64(), "{deleted} after {set}");
    assert_eq!(client.ask("get_state", json!({ "name": "cart", "session": session }))["found"], false);
    client.close();
}

fn a_session_tells_about_itself(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let mut client = site.connect();
    let opened = client.ask("open_session", json!({ "directory": checkout.path() }));
    assert_eq!(opened["working_directory"], checkout.path());
    assert!(is_timestamp(&opened["expires_at"]) && is_timestamp(&opened["ends_at"]), "{opened}");
    let session = opened["session"].as_str().expect("a handle");
    client.ask("set_state", json!({ "name": "cart", "value": 1, "session": session }));

    let info = client.ask("session_info", json!({ "session": session }));
    assert_eq!(info["working_directory"], checkout.path());
    assert_eq!(info["state_names"], json!(["cart"]));
    assert_eq!((&info["config_path"], &info["project_id"]), (&Value::Null, &Value::Null));
    assert_eq!((&info["read_only"], &info["source"]), (&json!(false), &json!("handle")));
    for moment in ["set_at", "created_at", "last_used", "expires_at", "ends_at"] {
        assert!(is_timestamp(&info[moment]), "{moment} in {info}");
    }
    assert!(!info.to_string().contains(session), "the name is told once, when the session is opened");
    client.close();
}

fn two_clients_at_once_are_kept_apart(link: Link) {
    let (one, two) = (Checkout::new(), Checkout::new());
    let site = link.site();
    let (mut first, mut second) = (site.connect(), site.connect());
    first.begin("set_working_directory", json!({ "directory": one.path() }));
    second.begin("set_working_directory", json!({ "directory": two.path() }));
    let (set_first, set_second) = (first.finish().content(), second.finish().content());

    for round in 0..20 {
        for (client, set) in [(&mut first, &set_first), (&mut second, &set_second)] {
            let mut arguments = session_of(set);
            arguments["name"] = json!("whose");
            arguments["value"] = json!([set["working_directory"], round]);
            client.begin("set_state", arguments);
        }
        assert_eq!(first.finish().content()["name"], "whose");
        assert_eq!(second.finish().content()["name"], "whose");
        for (client, set) in [(&mut first, &set_first), (&mut second, &set_second)] {
            let mut arguments = session_of(set);
            assert_eq!(
                client.ask("get_working_directory", arguments.clone())["working_directory"],
                set["working_directory"]
            );
            arguments["name"] = json!("whose");
            assert_eq!(client.ask("get_state", arguments)["value"], json!([set["working_directory"], round]));
        }
    }
    first.close();
    second.close();
}

fn an_ended_session_never_comes_back(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let mut client = site.connect();
    let session = client.open();
    assert_eq!(client.ask("end_session", json!({ "session": session }))["ended"], true);
    if link.transport == Transport::Http {
        client = site.connect();
    }

    let calls = [
        ("set_working_directory", json!({ "directory": checkout.path() })),
        ("get_working_directory", json!({})),
        ("session_info", json!({})),
        ("set_state", json!({ "name": "cart", "value": 1 })),
        ("get_state", json!({ "name": "cart" })),
        ("delete_state", json!({ "name": "cart" })),
    ];
    for _ in 0..2 {
        for (tool, mut arguments) in calls.clone() {
            arguments["session"] = json!(session);
            let refusal = client.call(tool, arguments).refusal();
            assert!(refusal.contains("open_session"), "{tool} says what to do: {refusal}");
            assert!(!refusal.contains(&session), "{tool} does not repeat the handle");
        }
    }
    client.close();
}

fn an_unknown_handle_is_a_tool_execution_error(link: Link) {
    let site = link.site();
    let mut client = site.connect();
    let session = client.open();
    let stranger = format!("ses_{}", "A".repeat(44));
    let (known, secret) = session.split_at(26);
    let wrong_secret = format!("{known}{}A", secret.chars().rev().skip(1).collect::<String>());
    let huge = "ses_".repeat(4096);
    for handle in [&*stranger, &*wrong_secret, "", "ses_", "{}:s:{0", "ses_\r\n\0", &*huge] {
        // Where the connection has a session of its own, the call must not fall through to it.
        let refusal = client.call("get_working_directory", json!({ "session": handle })).refusal();
        assert!(handle.len() < 5 || !refusal.contains(handle), "does not repeat the handle: {refusal}");
        let refusal = client.call("end_session", json!({ "session": handle }));
        assert!(matches!(refusal, Answer::Refusal(_)), "{refusal:?} ended a session that is none");
    }
    assert_eq!(client.ask("get_working_directory", json!({ "session": session }))["source"], "handle");
    client.close();
}

fn a_connection_has_its_own_session(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let mut client = site.connect();
    let got = client.ask("get_working_directory", json!({}));
    assert_eq!((&got["working_directory"], &got["source"]), (&Value::Null, &json!(link.source_without_handle())));

    client.ask("set_working_directory", json!({ "directory": checkout.path() }));
    let opened = client.ask("open_session", json!({}));
    assert_eq!(opened["source"], link.source_without_handle(), "opening promotes the connection's session");
    let by_handle = client.ask("get_working_directory", json!({ "session": opened["session"] }));
    assert_eq!((&by_handle["working_directory"], &by_handle["source"]), (&json!(checkout.path()), &json!("handle")));

    client.ask("set_state", json!({ "name": "by", "value": "handle", "session": opened["session"] }));
    assert_eq!(client.ask("get_state", json!({ "name": "by" }))["value"], "handle");
    client.close();
}

fn a_new_connection_begins_anew(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let mut first = site.connect();
    first.ask("set_working_directory", json!({ "directory": checkout.path() }));
    first.close();
    let mut second = site.connect();
    assert_eq!(second.ask("get_working_directory", json!({}))["working_directory"], Value::Null);
    second.close();
}

fn what_is_kept_belongs_to_the_handle(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let mut client = site.connect();
    let set = client.ask("set_working_directory", json!({ "directory": checkout.path() }));
    assert!(set["session"].is_string(), "the opened session's handle is in {set}");

    let calls = [
        ("get_working_directory", json!({})),
        ("session_info", json!({})),
        ("set_state", json!({ "name": "cart", "value": 1 })),
        ("get_state", json!({ "name": "cart" })),
        ("delete_state", json!({ "name": "cart" })),
        ("end_session", json!({})),
    ];
    for (tool, arguments) in calls {
        let refusal = client.call(tool, arguments).refusal();
        assert!(refusal.contains("open_session"), "{tool} names the tool that opens one: {refusal}");
    }

    let again = client.ask("set_working_directory", json!({ "directory": checkout.path() }));
    assert_ne!(again["session"], set["session"], "a second call without a handle is a second session");
    let info = client.ask("session_info", session_of(&set));
    assert_eq!((&info["working_directory"], &info["source"]), (&json!(checkout.path()), &json!("handle")));
    client.close();
}

fn a_handle_works_from_a_second_connection(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let (mut first, mut second) = (site.connect(), site.connect());
    let session = first.open();
    first.ask("set_working_directory", json!({ "directory": checkout.path(), "session": session }));
    sees(&mut second, &session, checkout.path());

    second.ask("set_state", json!({ "name": "from", "value": "second", "session": session }));
    assert_eq!(first.ask("get_state", json!({ "name": "from", "session": session }))["value"], "second");
    first.close();
    second.close();
}

fn a_handle_works_after_a_reconnect(link: Link) {
    let checkout = Checkout::new();
    let site = link.site();
    let mut client = site.connect();
    let session = client.open();
    client.ask("set_working_directory", json!({ "directory": checkout.path(), "session": session }));
    // Broken off, as by a network that went away.
    drop(client);
    let mut client = site.connect();
    sees(&mut client, &session, checkout.path());
    client.close();
}

fn a_handle_ended_elsewhere_is_ended_here(link: Link) {
    let site = link.site();
    let (mut first, mut second) = (site.connect(), site.connect());
    let session = first.open();
    assert_eq!(second.ask("end_session", json!({ "session": session }))["ended"], true);
    assert!(first.call("get_working_directory", json!({ "session": session })).refusal().contains("open_session"));
    first.close();
    second.close();
}

fn an_http_session_ended_elsewhere_is_initialized_anew(link: Link) {
    let site = link.site();
    let (mut first, mut second) = (site.connect(), site.connect());
    let session = first.open();
    assert_eq!(second.ask("end_session", json!({ "session": session }))["ended"], true);
    let Answer::ProtocolError(error) = first.call("get_working_directory", json!({})) else {
        panic!("the HTTP session went on without its session");
    };
    assert_eq!(error["message"], "Session terminated", "what this client makes of a 404");
    let mut again = site.connect();
    assert_eq!(again.ask("get_working_directory", json!({}))["source"], link.source_without_handle());
    again.close();
    second.close();
}

#[test]
fn a_handle_passes_between_the_protocol_eras() {
    let checkout = Checkout::new();
    let server = HttpServer::start();
    let mut earlier = Client::connect(Sdk::Mcp1, server.url());
    let mut later = Client::connect(Sdk::Mcp2, server.url());

    earlier.ask("set_working_directory", json!({ "directory": checkout.path() }));
    let promoted = earlier.open();
    sees(&mut later, &promoted, checkout.path());

    let opened = later.ask("open_session", json!({ "directory": checkout.path() }));
    sees(&mut earlier, opened["session"].as_str().expect("a handle"), checkout.path());
    earlier.close();
    later.close();
}

#[track_caller]
fn sees(client: &mut Client, session: &str, directory: &str) {
    let got = client.ask("get_working_directory", json!({ "session": session }));
    assert_eq!((&got["working_directory"], &got["source"]), (&json!(directory), &json!("handle")));
}

/// The arguments that lead back to the session that an answer told of: its handle, where the protocol has no other.
fn session_of(answer: &Value) -> Value {
    answer.get("session").map_or_else(|| json!({}), |session| json!({ "session": session }))
}

/// What a call says its session came from once there is one.
fn source_later(link: Link) -> &'static str {
    if link.sdk == Sdk::Mcp1 { link.source_without_handle() } else { "handle" }
}

/// Whether a value is a moment as RFC 3339 writes it in UTC.
fn is_timestamp(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() >= 20 && &text[10..11] == "T" && text.ends_with('Z'))
}
