//! A session that clients of both eras use.

use serde_json::json;

use crate::client::Client;
use crate::library::Library;
use crate::site::{Site, Store};

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_counts_on_in_every_client_over_http_in_memory() {
    a_handle_counts_on_in_every_client(Site::http(Store::Memory)).await;
}

/// The clients are in processes of their own, and so are their servers: what they share is in the store.
#[tokio::test(flavor = "multi_thread")]
async fn a_handle_counts_on_in_every_client_over_stdio_in_redis() {
    a_handle_counts_on_in_every_client(Site::stdio(Store::redis().await)).await;
}

/// Whoever opened it. On the earlier protocol the handle is one more name of the connection's own session, which has
/// counted before and counts on without the handle.
async fn a_handle_counts_on_in_every_client(site: Site) {
    let mut clients = Client::connect(Library::ALL, &site);
    for opener in 0..clients.len() {
        let own = clients[opener].library().has_sessions();
        let mut counted = 0;
        if own {
            counted += 1;
            assert_eq!(clients[opener].count(None), counted);
        }
        let handle = clients[opener].open();
        for client in &mut clients {
            counted += 1;
            assert_eq!(client.count(Some(&handle)), counted, "{:?}", client.library());
            assert_eq!(client.ask("session_info", json!({ "session": handle }))["source"], "handle");
        }
        if own {
            assert_eq!(clients[opener].count(None), counted + 1, "the handle led to the connection's session");
        }
    }
    clients.into_iter().for_each(Client::close);
    site.end().await;
}
