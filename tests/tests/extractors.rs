//! The session that a tool takes is the call's own, wherever among its parameters it takes it.

use std::path::Path;

use serde_json::json;

use session_tests::{Link, Sdk, over_links};

over_links! {
    the_order_of_parameters_never_matters: mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
}

/// The tools of the server, named for the order of their parameters.
const ORDERS: [&str; 6] = [
    "session_items_meta",
    "session_meta_items",
    "items_session_meta",
    "items_meta_session",
    "meta_session_items",
    "meta_items_session",
];

fn the_order_of_parameters_never_matters(link: Link) {
    let site = link.site_of(Path::new(env!("CARGO_BIN_EXE_shop")));
    let mut client = site.connect();
    let session = client.open();
    for (round, tool) in (1..).zip(ORDERS) {
        let total = client.call(tool, json!({ "count": 1, "session": session })).text();
        assert_eq!(total, round.to_string(), "{tool}, by handle");

        let without = client.call(tool, json!({ "count": 0 }));
        match link.sdk {
            Sdk::Mcp2 => assert!(without.refusal().contains("open_session"), "{tool}, without a session"),
            _ => assert_eq!(without.text(), round.to_string(), "{tool}, in the connection's own session"),
        }
        let unknown = format!("ses_{}", "A".repeat(44));
        let refusal = client.call(tool, json!({ "count": 1, "session": unknown })).refusal();
        assert!(refusal.contains("open_session"), "{tool}, by an unknown handle: {refusal}");
    }
    client.close();
}
