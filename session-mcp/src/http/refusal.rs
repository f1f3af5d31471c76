//! Requests that are refused before they are answered.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// A JSON-RPC error that answers no request in particular.
pub(super) fn refuse(status: StatusCode, code: i32, message: &str) -> Response {
    let error = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    (status, [(CONTENT_TYPE, "application/json")], error.to_string()).into_response()
}

pub(super) const PARSE_ERROR: i32 = -32_700;
pub(super) const INVALID_REQUEST: i32 = -32_600;
pub(super) const INTERNAL_ERROR: i32 = -32_603;
