//! What a client says that may be for another process.

use std::sync::Arc;

use rmcp::model::{ClientJsonRpcMessage, ClientNotification, RequestId};
use serde_json::value::to_raw_value;
use session_core::Feed;

use super::ledger::Unkept;
use super::local::Local;
use super::said::Heard;
use super::transport::Replica;
use crate::http::trouble::Trouble;

/// Hands on what a client says besides its requests: to the handler here, to that of another process, or to all.
///
/// An answer goes to who asked, the end of a call to who runs it. Where that is here, nobody else is told.
pub(super) async fn deliver(local: &Arc<Local>, message: ClientJsonRpcMessage) -> Result<(), Trouble> {
    if let Some(ledger) = local.ledger() {
        let to = Replica::addressed(&message);
        let is_elsewhere = to.as_ref().is_some_and(|to| to != ledger.replica());
        if is_elsewhere || concerns_others(local, &message) {
            let message = to_raw_value(&message).map_err(|_| Trouble::UNDELIVERED)?;
            let heard = Heard::Message { to, from: ledger.replica().clone(), message };
            ledger.keep(&Feed::ToServers(*local.key().id()), &heard).await.map_err(|unkept| match unkept {
                Unkept::Away => Trouble::UNDELIVERED,
                Unkept::TooLarge => Trouble::TOO_LARGE,
            })?;
        }
        if is_elsewhere {
            return Ok(());
        }
    }
    local.accept(message).await.ok_or(Trouble::UNRESTORED)
}

/// Whether a message without an addressee may mean what goes on elsewhere.
fn concerns_others(local: &Local, message: &ClientJsonRpcMessage) -> bool {
    if let Some(call) = cancelled_call(message) {
        return !local.calls().has(call);
    }
    let ClientJsonRpcMessage::Notification(notification) = message else { return false };
    matches!(notification.notification, ClientNotification::RootsListChangedNotification(_))
}

/// The call that a message is to end, if that is what it says.
pub(super) fn cancelled_call(message: &ClientJsonRpcMessage) -> Option<&RequestId> {
    let ClientJsonRpcMessage::Notification(notification) = message else { return None };
    match &notification.notification {
        ClientNotification::CancelledNotification(cancelled) => cancelled.params.request_id.as_ref(),
        _ => None,
    }
}
