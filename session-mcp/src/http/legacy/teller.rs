//! What the client of one call is told.

use std::time::Duration;

use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::calls::Running;
use super::events::stream_of;
use super::naming::Naming;
use super::replay::come_back;

/// What the client of one call is told, in its order, as long as it listens.
pub(super) struct Teller {
    running: Running,
    /// Names the events, if they are kept.
    naming: Option<Naming>,
    /// What comes first, until it is told: it says nothing but from where to go on.
    opening: Option<ServerSseMessage>,
    client: Option<mpsc::Sender<ServerSseMessage>>,
    /// Whether the answer is all that the client will ever get, and is on its way.
    is_answered: bool,
    /// Told once that the call lasts.
    lasts: Option<oneshot::Sender<()>>,
}

impl Teller {
    pub(super) fn new(
        running: Running,
        naming: Option<Naming>,
        client: mpsc::Sender<ServerSseMessage>,
        lasts: oneshot::Sender<()>,
    ) -> Self {
        Self { running, naming, opening: None, client: Some(client), is_answered: false, lasts: Some(lasts) }
    }

    /// Takes what comes first, to be told when something else is, or the call lasts.
    pub(super) fn open(&mut self, opening: Option<ServerSseMessage>) {
        if let Some(stream) = opening.as_ref().and_then(stream_of) {
            self.running.is_answered_on(stream);
        }
        self.opening = opening;
    }

    /// Whether the call lasts, so that whoever began it does not wait for its answer.
    pub(super) fn lasts(&self) -> bool {
        self.lasts.is_none()
    }

    /// Whether anybody listens, and can come back for the rest.
    pub(super) fn can_send_away(&self) -> bool {
        self.client.is_some() && !self.is_answered
    }

    /// Tells from where to go on. What the call says from now on is kept, unless it was answered just now.
    pub(super) async fn keep(&mut self) {
        let Some(opening) = self.opening.take() else { return };
        if self.running.keep() {
            self.send(opening).await;
        } else {
            self.is_answered = true;
        }
    }

    /// From now on the call lasts.
    pub(super) async fn last(&mut self) {
        self.keep().await;
        if let Some(lasts) = self.lasts.take() {
            let _ = lasts.send(());
        }
    }

    /// Tells what is said before the answer. That is kept, and the answer with it, which may have been given by now.
    pub(super) async fn tell(&mut self, event: ServerSseMessage) {
        if let Some(opening) = self.opening.take() {
            self.send(opening).await;
        }
        self.last().await;
        self.send(event).await;
    }

    /// Tells the answer. The call is over before its client knows, who may use its id again.
    pub(super) async fn answer(self, event: ServerSseMessage) {
        let Self { running, mut naming, client, .. } = self;
        let event = named(&mut naming, &running, event);
        drop(running);
        if let Some(client) = client {
            send(&client, event).await;
        }
    }

    /// Asks the client to come back for the rest, perhaps to another process.
    pub(super) async fn send_away(&mut self) {
        self.last().await;
        if !self.is_answered
            && let Some(client) = self.client.take()
        {
            let _ = client.try_send(come_back());
        }
    }

    async fn send(&mut self, event: ServerSseMessage) {
        let event = named(&mut self.naming, &self.running, event);
        if let Some(client) = &self.client
            && !send(client, event).await
        {
            self.client = None;
        }
    }
}

fn named(naming: &mut Option<Naming>, running: &Running, event: ServerSseMessage) -> ServerSseMessage {
    match naming {
        Some(naming) => naming.name(running.id(), event),
        None => event,
    }
}

/// Whether a client took an event. The session waits for whoever does not take what it says, though not for long: what
/// is kept can be heard later.
async fn send(client: &mpsc::Sender<ServerSseMessage>, event: ServerSseMessage) -> bool {
    match client.try_send(event) {
        Ok(()) => true,
        Err(TrySendError::Full(event)) => client.send_timeout(event, PATIENCE).await.is_ok(),
        Err(TrySendError::Closed(_)) => false,
    }
}

/// How long a client that reads slowly is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
