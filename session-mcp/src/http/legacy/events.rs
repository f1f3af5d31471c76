//! What one session's client is told, kept for when it is cut off.

use std::sync::Arc;

use async_trait::async_trait;
use rmcp::model::{RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::{
    EventId, EventStore, EventStoreError, EventStream, ServerSseMessage,
};
use session_core::{Feed, Position};

use super::calls::Calls;
use super::event_id::StreamId;
use super::ledger::Ledger;

/// The events of one session, as rmcp stores them.
///
/// An id that it gives says where the event is in its stream; whoever sends it to the client adds what the stream is.
/// What could not be kept has an empty one, as has what need not be: the answer of a call whose client was told nothing
/// before, and so has nothing to go on from.
pub(super) struct Events {
    ledger: Ledger,
    feed: Feed,
    calls: Arc<Calls>,
}

impl Events {
    pub(super) fn new(ledger: Ledger, feed: Feed, calls: Arc<Calls>) -> Self {
        Self { ledger, feed, calls }
    }
}

#[async_trait]
impl EventStore for Events {
    /// Keeps an event. Never fails: rmcp would not send what is not kept.
    async fn store_event(&self, stream: &str, event: &ServerSseMessage) -> Result<EventId, EventStoreError> {
        let common = StreamId::common().stream;
        // rmcp calls a session's common stream by the session's name, which belongs nowhere else.
        let stream = if stream.ends_with(RMCP_COMMON) { &common } else { stream };
        let Some(message) = &event.message else {
            // It is there to be named: it is before all others. Whoever has it comes back.
            self.calls.keep_stream(stream);
            return Ok(named(Position::START, stream));
        };
        match answered(message) {
            Some(call) if !self.calls.answers(call) => return Ok(EventId::new()),
            Some(_) => {}
            None => self.calls.keep_stream(stream),
        }
        let kept = self.ledger.keep_event(&self.feed, stream, message).await;
        if let Some(call) = answered(message) {
            self.calls.end(call);
        }
        Ok(kept.map(|appended| named(appended.at, stream)).unwrap_or_default())
    }

    /// Nothing: what was missed is read for a session and its owner, whom rmcp does not tell of.
    async fn replay_events_after(&self, _: &str) -> Result<EventStream, EventStoreError> {
        Ok(Box::pin(futures_util::stream::empty()))
    }
}

const RMCP_COMMON: &str = ":common";

/// Where an event is, and in which stream.
fn named(at: Position, stream: &str) -> EventId {
    format!("{at}.{stream}")
}

/// The stream that an event without an answer names.
pub(super) fn stream_of(event: &ServerSseMessage) -> Option<&str> {
    event.event_id.as_deref()?.split_once('.').map(|(_, stream)| stream)
}

/// Whether an event is the answer of a call.
pub(super) fn is_answer(event: &ServerSseMessage) -> bool {
    event.message.as_deref().is_some_and(|message| answered(message).is_some())
}

/// The call that a message answers.
pub(super) fn answered(message: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match message {
        ServerJsonRpcMessage::Response(response) => Some(&response.id),
        ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
        ServerJsonRpcMessage::Request(_) | ServerJsonRpcMessage::Notification(_) => None,
    }
}
