//! What stands in a session's journal.

use std::sync::Arc;

use rmcp::model::{
    CustomNotification, CustomRequest, CustomResult, ErrorData, JsonRpcError, RequestId, ServerJsonRpcMessage,
    ServerNotification, ServerRequest, ServerResult,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::transport::Replica;

/// What a session's client is told, as it stands in [`Feed::ToClient`](session_core::Feed::ToClient).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told<'a> {
    /// A message on a stream.
    Event {
        stream: &'a str,
        #[serde(borrow)]
        message: &'a RawValue,
    },
    /// A stream has no more messages, and no answer either.
    End { stream: &'a str },
    /// The call that is answered on this stream is running.
    Running { stream: &'a str },
    /// A call begins whose answer has to be kept.
    Call,
    /// Somebody listens to what concerns no call in particular, from here on in the place of all who did before.
    Listening,
}

/// What whoever serves a session is told, as it stands in [`Feed::ToServers`](session_core::Feed::ToServers).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Heard {
    /// A message of the client's: for one process, or for all but the one that it came from.
    Message { to: Option<Replica>, from: Replica, message: Box<RawValue> },
    /// Somebody waits for the end of a call that is answered on this stream, and wonders whether it is still running.
    Asked { to: Replica, stream: String },
}

/// A message as its client gets it, whatever it says.
pub(super) struct Message {
    pub(super) json: Arc<ServerJsonRpcMessage>,
    /// Whether it is the answer that a call's stream ends with.
    pub(super) is_answer: bool,
}

impl Message {
    /// Reads a message back without interpreting it, so that nothing is lost on the way.
    pub(super) fn read(message: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Parts {
            id: Option<RequestId>,
            method: Option<String>,
            params: Option<Value>,
            result: Option<Value>,
            error: Option<ErrorData>,
        }
        let Parts { id, method, params, result, error } = serde_json::from_str(message.get()).ok()?;
        let is_answer = method.is_none();
        let json = match (method, id, result, error) {
            (Some(method), Some(id), ..) => {
                ServerJsonRpcMessage::request(ServerRequest::CustomRequest(CustomRequest::new(method, params)), id)
            }
            (Some(method), None, ..) => ServerJsonRpcMessage::notification(ServerNotification::CustomNotification(
                CustomNotification::new(method, params),
            )),
            (None, Some(id), Some(result), _) => {
                ServerJsonRpcMessage::response(ServerResult::CustomResult(CustomResult(result)), id)
            }
            (None, id, _, Some(error)) => ServerJsonRpcMessage::Error(JsonRpcError::new(id, error)),
            _ => return None,
        };
        Some(Self { json: Arc::new(json), is_answer })
    }
}
