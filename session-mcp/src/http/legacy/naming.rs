//! What the events of one call are called towards its client.

use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use session_core::SessionId;

use super::calls::Running;
use super::event_id::StreamId;
use super::events::answered;
use super::transport::Replica;

/// Names the events of one call's stream. Their places are known from where they were kept; which call it is, is not
/// known there.
pub(super) struct Naming {
    session: SessionId,
    replica: Replica,
    /// Known from the first event on.
    suffix: Option<String>,
}

impl Naming {
    pub(super) fn new(session: SessionId, replica: Replica) -> Self {
        Self { session, replica, suffix: None }
    }

    /// Names an event of a call; one that was not kept has no name.
    pub(super) fn name(&mut self, call: &Running, mut event: ServerSseMessage) -> ServerSseMessage {
        let id = event.event_id.take();
        if let Some((at, stream)) = id.as_deref().and_then(|id| id.split_once('.')) {
            let suffix = self.suffix.get_or_insert_with(|| {
                call.is_answered_on(stream);
                let call = Some((self.replica.clone(), call.id().clone()));
                StreamId { stream: stream.to_owned(), call }.suffix(&self.session)
            });
            let is_answer = event.message.as_deref().is_some_and(|message| answered(message).is_some());
            event.event_id = Some(StreamId::event(at, is_answer, suffix));
        }
        event
    }
}
