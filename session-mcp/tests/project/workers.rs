//! Sessions that work in projects.

use std::path::Path;

use session_core::Session as Snapshot;
use session_mcp::TestSession;

use crate::trees::{JSON, Tree};

pub(crate) const SHOP: &str = "5f1c6a52-6a59-4a5d-b2a4-1d8c4b9c1a01";
pub(crate) const TEA: &str = "5f1c6a52-6a59-4a5d-b2a4-1d8c4b9c1a02";

/// A tree with two projects, `shop` and `tea`.
pub(crate) fn two() -> Tree {
    let tree = Tree::new();
    tree.file(Path::new("shop").join(JSON), &said("shop", Some(SHOP), ""));
    tree.file(Path::new("tea").join(JSON), &said("tea", Some(TEA), ""));
    tree
}

/// What a config file says of a project, with further keys behind it.
pub(crate) fn said(name: &str, id: Option<&str>, more: &str) -> String {
    let id = id.map_or_else(String::new, |id| format!(r#", "id": "{id}""#));
    format!(r#"{{ "version": "1.0", "project": {{ "name": "{name}"{id} }}{more} }}"#)
}

/// What the store has of a session.
pub(crate) async fn record(test: &TestSession) -> Snapshot {
    test.session().load().await.expect("it is live")
}
