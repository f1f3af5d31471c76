//! When and how streams end that have no end of their own.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use session_core::SessionManager;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::heartbeat::keep_from_idling;

use super::channel;
use super::local::Local;
use super::replay::come_back;

/// Why a stream ends though nothing on it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its session has ended.
    Session,
    /// This process ends; another one goes on.
    Process,
}

impl Ending {
    /// Completes when a stream of this session's has to end; keeps the session from idling out until then, and its
    /// place among the session's streams.
    pub(super) fn of(
        local: &Local,
        place: OwnedSemaphorePermit,
        sessions: &Arc<SessionManager>,
        closing: &CancellationToken,
    ) -> impl Future<Output = Self> + Send + use<> {
        let (sessions, key) = (Arc::clone(sessions), *local.key());
        let (ended, closing) = (local.ended().clone(), closing.clone());
        async move {
            let _place = place;
            tokio::select! {
                () = keep_from_idling(&sessions, &key) => Self::Session,
                () = ended.cancelled() => Self::Session,
                () = closing.cancelled() => Self::Process,
            }
        }
    }

    /// Says so to the client, if it is to come back.
    pub(super) fn tell(self, client: &mpsc::Sender<ServerSseMessage>) {
        if self == Self::Process {
            let _ = client.try_send(come_back());
        }
    }
}

/// Events that nobody keeps, until their stream has to end.
pub(super) fn until(
    ending: impl Future<Output = Ending> + Send + 'static,
    events: mpsc::Receiver<ServerSseMessage>,
) -> impl Stream<Item = ServerSseMessage> + Send + Sync {
    let open = CancellationToken::new();
    let ends = open.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = ends.cancelled() => {}
            _ = ending => ends.cancel(),
        }
    });
    let events = channel(events).take_until(open.clone().cancelled_owned());
    let open = open.drop_guard();
    events.inspect(move |_| _ = &open)
}
