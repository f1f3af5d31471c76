//! The headers of MCP.

use axum::http::HeaderName;

/// The session that a connection has, before 2026-07-28.
pub(super) static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// What a request of 2026-07-28 asks for.
pub(super) static METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// Which tool, prompt or resource it asks for.
pub(super) static NAME: HeaderName = HeaderName::from_static("mcp-name");
