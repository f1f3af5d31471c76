//! Where clients are asked to repeat a handle in a header: on 2026-07-28 a call without it is refused, so a client that
//! does not know of it has no sessions.

use rmcp::ServiceError;
use rmcp::model::ErrorCode;

use crate::client::Client;
use crate::in_process::InProcess;
use crate::library::Library;
use crate::site::{Site, Store};

/// A handle may have come from elsewhere, before the list of tools that tells of the header. When they are refused, the
/// others of 2026-07-28 list the tools and call again; `fastmcp` leaves both to its host.
#[tokio::test(flavor = "multi_thread")]
async fn every_client_but_fastmcp_counts_by_a_handle_before_it_has_listed_the_tools() {
    let site = Site::mirroring(Store::Memory);
    let mut opener = Client::connect([Library::Client2Negotiating], &site).remove(0);
    let session = opener.open();
    let mut clients = Client::connect(Library::ALL, &site);
    for (client, counted) in clients.iter_mut().zip(1..) {
        if client.library() == Library::FastMcp4 {
            client.begin_count(Some(&session));
            assert_eq!(client.answer()["error"]["code"], ErrorCode::HEADER_MISMATCH.0);
            client.tools();
        }
        assert_eq!(client.count(Some(&session)), counted, "{:?}", client.library());
    }
    opener.close();
    clients.into_iter().for_each(Client::close);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_rmcp_has_to_list_the_tools_before_it_counts_by_a_handle_on_2026_07_28() {
    let site = Site::mirroring(Store::Memory);
    let [earlier, later] = InProcess::connect(&site).await;
    let session = later.open().await;
    assert_eq!(earlier.count(&session).await.expect("a count"), 1);
    let refused = later.count(&session).await;
    assert!(
        matches!(&refused, Err(ServiceError::McpError(error)) if error.code == ErrorCode::HEADER_MISMATCH),
        "{refused:?}"
    );
    later.tools().await;
    assert_eq!(later.count(&session).await.expect("a count"), 2);
    earlier.close().await;
    later.close().await;
    site.end().await;
}
