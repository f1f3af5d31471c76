//! What can be read, and who wants to know when it changes.

use std::collections::BTreeSet;

use rmcp::ErrorData;
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::json;
use session_mcp::{Session, SessionError};

use crate::content::PNG;

const TEXT: &str = "test://static-text";
const BINARY: &str = "test://static-binary";

/// The one that `test_trigger_resource_change` says has changed.
pub(crate) const WATCHED: &str = "test://watched-resource";

/// Those that there are for each `id`.
pub(crate) const TEMPLATE: &str = "test://template/{id}/data";

/// The resources that can be listed.
pub(crate) fn list() -> Vec<Resource> {
    vec![
        Resource::new(TEXT, "static text").with_description("A text.").with_mime_type("text/plain"),
        Resource::new(BINARY, "static binary").with_description("A red pixel.").with_mime_type("image/png"),
        Resource::new(WATCHED, "watched").with_description("To be subscribed to.").with_mime_type("text/plain"),
    ]
}

/// What stands for those that cannot.
pub(crate) fn template() -> ResourceTemplate {
    ResourceTemplate::new(TEMPLATE, "template").with_description("Some data.").with_mime_type("application/json")
}

/// Reads a resource.
///
/// # Errors
///
/// That there is none, in the words of the protocol.
pub(crate) fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let contents = match uri {
        TEXT => ResourceContents::text("This is the content of the static text resource.", uri),
        BINARY => ResourceContents::blob(PNG, uri).with_mime_type("image/png"),
        WATCHED => ResourceContents::text("This is the content of the watched resource.", uri),
        uri => {
            let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
            let Some(id) = id.filter(|id| !id.is_empty() && !id.contains('/')) else {
                return Err(ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": uri }))));
            };
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            ResourceContents::text(data.to_string(), uri).with_mime_type("application/json")
        }
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

/// Under which name a session keeps the URIs that it subscribed to.
const SUBSCRIPTIONS: &str = "everything.subscriptions";

/// Lets a session hear of changes to a resource, on whichever replica they happen.
pub(crate) async fn subscribe(session: &Session, uri: String) -> Result<(), SessionError> {
    change(session, |uris| {
        uris.insert(uri.clone());
    })
    .await
}

/// Lets it hear no more of them.
pub(crate) async fn unsubscribe(session: &Session, uri: &str) -> Result<(), SessionError> {
    change(session, |uris| {
        uris.remove(uri);
    })
    .await
}

/// Whether a session wants to hear of changes to a resource.
pub(crate) async fn is_subscribed(session: &Session, uri: &str) -> Result<bool, SessionError> {
    let uris: Option<BTreeSet<String>> = session.ensure_open().await?.get(SUBSCRIPTIONS).await?;
    Ok(uris.is_some_and(|uris| uris.contains(uri)))
}

async fn change(session: &Session, change: impl Fn(&mut BTreeSet<String>) + Send + Sync) -> Result<(), SessionError> {
    let next = |uris: Option<BTreeSet<String>>| {
        let mut uris = uris.unwrap_or_default();
        change(&mut uris);
        uris
    };
    session.ensure_open().await?.update_with(SUBSCRIPTIONS, next).await?;
    Ok(())
}
