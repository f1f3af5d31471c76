//! One call, from its request to its answer, whether its client stays or not.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use session_core::SessionManager;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::heartbeat::{keep_in_use, soon};

use super::attended::Attended;
use super::calls::Running;
use super::events::is_answer;
use super::local::Local;
use super::naming::Naming;
use super::teller::Teller;

/// One call that goes on to its end: a client that goes, or does not read, holds up nobody and ends nothing. Its
/// session stays in use until it is over.
///
/// A call that is over in no time costs little more than its answer: nothing of it is kept, since its client has not
/// been told from where it could go on. Any other gets a task of its own, and its client that event.
pub(super) struct Call {
    pub(super) local: Arc<Local>,
    pub(super) running: Running,
    /// Names its events, if they are kept.
    pub(super) naming: Option<Naming>,
    /// How long it takes at most if it is not kept.
    pub(super) kept_after: Duration,
    pub(super) sessions: Arc<SessionManager>,
    /// Cancelled when streams are to end.
    pub(super) closing: CancellationToken,
    /// Whoever drains waits for it.
    pub(super) in_flight: TaskTrackerToken,
}

impl Call {
    /// Hands the request to the session's handler, and waits a moment for the answer. Returns what its client is told;
    /// `None` if the handler cannot be reached.
    pub(super) async fn begin(self, request: ClientJsonRpcMessage) -> Option<mpsc::Receiver<ServerSseMessage>> {
        let (client, told) = mpsc::channel(CAPACITY);
        let (lasts, is_lasting) = oneshot::channel();
        let mut call = Attended::new(self.run(request, client, lasts));
        tokio::select! {
            biased;
            reached = &mut call => reached?,
            _ = is_lasting => {}
        }
        Some(told)
    }

    async fn run(
        self,
        request: ClientJsonRpcMessage,
        client: mpsc::Sender<ServerSseMessage>,
        lasts: oneshot::Sender<()>,
    ) -> Option<()> {
        let Self { local, running, naming, kept_after, sessions, closing, in_flight } = self;
        let _in_flight = in_flight;
        let mut teller = Teller::new(running, naming, client, lasts);
        let mut events = local.begin_call().await?;
        teller.open(events.first());
        if kept_after.is_zero() {
            teller.keep().await;
        }
        local.call(&events, request).await?;
        let mut lasting = pin!(sleep(kept_after.min(soon(&sessions))));
        let mut in_use = pin!(async {
            // A call that ends its session is answered all the same.
            keep_in_use(&sessions, local.key()).await;
            std::future::pending::<()>().await;
        });
        loop {
            let event = tokio::select! {
                biased;
                event = events.next() => event,
                () = &mut lasting, if !teller.lasts() => {
                    teller.last().await;
                    continue;
                }
                () = closing.cancelled(), if teller.can_send_away() => {
                    teller.send_away().await;
                    continue;
                }
                () = &mut in_use, if teller.lasts() => continue,
            };
            let Some(event) = event else {
                // It has no answer of its own. Whoever comes back for one is told what became of it.
                teller.keep().await;
                return Some(());
            };
            if is_answer(&event) {
                teller.answer(event).await;
                return Some(());
            }
            teller.tell(event).await;
        }
    }
}

/// How many events may wait for a client that reads slowly.
const CAPACITY: usize = 32;
