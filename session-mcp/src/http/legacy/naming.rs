//! What the events of one call are called towards its client.

use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use session_core::SessionId;

use super::event_id::StreamId;
use super::events::is_answer;
use super::transport::Replica;

/// Names the events of one call's stream. Their places are known from where they were kept; which call it is, is not
/// known there.
pub(super) struct Naming {
    session: SessionId,
    replica: Replica,
    /// Known from the first event on that is told.
    suffix: Option<String>,
}

impl Naming {
    pub(super) fn new(session: SessionId, replica: Replica) -> Self {
        Self { session, replica, suffix: None }
    }

    /// Names an event of a call; one that was not kept has no name.
    pub(super) fn name(&mut self, call: &RequestId, mut event: ServerSseMessage) -> ServerSseMessage {
        let id = event.event_id.take();
        if let Some((at, stream)) = id.as_deref().and_then(|id| id.split_once('.')) {
            let suffix = self.suffix.get_or_insert_with(|| {
                let call = Some((self.replica.clone(), call.clone()));
                StreamId { stream: stream.to_owned(), call }.suffix(&self.session)
            });
            event.event_id = Some(StreamId::event(at, is_answer(&event), suffix));
        }
        event
    }
}
