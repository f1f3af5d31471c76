//! One call, from its request to its answer, whether its client stays or not.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use session_core::SessionManager;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::heartbeat::keep_in_use;

use super::calls::Running;
use super::local::Local;
use super::naming::Naming;
use super::replay::come_back;

/// One call that goes on in a task of its own: a client that goes, or does not read, holds up nobody and ends nothing.
/// Its session stays in use until it is over.
pub(super) struct Call {
    pub(super) local: Arc<Local>,
    pub(super) running: Running,
    /// Names its events, if they are kept.
    pub(super) naming: Option<Naming>,
    pub(super) sessions: Arc<SessionManager>,
    /// Cancelled when streams are to end.
    pub(super) closing: CancellationToken,
    /// Whoever drains waits for it.
    pub(super) in_flight: TaskTrackerToken,
}

impl Call {
    /// Hands the request to the session's handler. Returns what its client is told; `None` if the handler cannot be
    /// reached.
    pub(super) async fn begin(self, request: ClientJsonRpcMessage) -> Option<mpsc::Receiver<ServerSseMessage>> {
        let (client, told) = mpsc::channel(CAPACITY);
        let (begun, has_begun) = oneshot::channel();
        tokio::spawn(self.run(request, client, begun));
        has_begun.await.ok()?;
        Some(told)
    }

    async fn run(
        self,
        request: ClientJsonRpcMessage,
        client: mpsc::Sender<ServerSseMessage>,
        begun: oneshot::Sender<()>,
    ) {
        let Self { local, running, mut naming, sessions, closing, in_flight } = self;
        let _in_flight = in_flight;
        let Some(mut events) = local.call(request).await else { return };
        let _ = begun.send(());
        let mut client = Some(client);
        let mut in_use = pin!(async {
            // A call that ends its session is answered all the same.
            keep_in_use(&sessions, local.key()).await;
            std::future::pending::<()>().await;
        });
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = closing.cancelled(), if client.is_some() => {
                    if let Some(client) = client.take() {
                        let _ = client.try_send(come_back());
                    }
                    continue;
                }
                () = &mut in_use => continue,
            };
            let Some(mut event) = event else { return };
            if let Some(naming) = &mut naming {
                event = naming.name(&running, event);
            }
            // The session waits for whoever does not take what it says. What is kept can be heard later.
            if let Some(told) = &client
                && told.send_timeout(event, PATIENCE).await.is_err()
            {
                client = None;
            }
        }
    }
}

/// How many events may wait for a client that reads slowly.
const CAPACITY: usize = 32;

/// How long such a client is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
