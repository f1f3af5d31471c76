//! What a model reads when its call cannot be served.

use serde_json::json;

use crate::client::Client;
use crate::library::Library;
use crate::site::{Site, Store};

/// Where the connection has a session of its own, the call must not fall back on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_live_session_is_told_which_tool_opens_one_in_every_client() {
    let site = Site::http(Store::Memory);
    let mut clients = Client::connect(Library::ALL, &site);
    // Opened on 2026-07-28, so that no connection ends with it.
    let opener = clients.last_mut().expect("it negotiates");
    let ended = opener.open();
    assert_eq!(opener.ask("end_session", json!({ "session": ended }))["ended"], true);

    for client in &mut clients {
        client.tools();
        let refusal = client.refusal("counter", json!({ "session": ended }));
        assert!(refusal.contains("open_session"), "{:?} reads: {refusal}", client.library());
        if !client.library().has_sessions() {
            let refusal = client.refusal("counter", json!({}));
            assert!(refusal.contains("open_session"), "{:?} reads: {refusal}", client.library());
        }
        // This one has an output schema, which some libraries hold even a refusal against.
        let refusal = client.refusal("session_info", json!({ "session": ended }));
        assert!(refusal.contains("open_session"), "{:?} reads: {refusal}", client.library());
    }
    clients.into_iter().for_each(Client::close);
    site.end().await;
}
