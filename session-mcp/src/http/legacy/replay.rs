//! Streams of what a client is told, read from its session's journal.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ErrorData, JsonRpcError, RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use session_core::{Entry, Feed, Follower, Position, SessionId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::calls::Calls;
use super::event_id::StreamId;
use super::events::answered;
use super::ledger::{Ledger, READ_PAUSE};
use super::said::{Heard, Message, Told};

/// One stream to a client, read from its session's journal: what stands there first, and then what comes, whichever
/// process says it.
pub(super) struct Replay {
    ledger: Ledger,
    session: SessionId,
    stream: StreamId,
    /// The last entry that was read.
    at: Position,
    follower: Box<dyn Follower>,
    client: mpsc::Sender<ServerSseMessage>,
}

/// The client has gone.
struct Gone;

impl Replay {
    /// A stream that goes on behind a position, and what its client gets of it.
    pub(super) fn new(
        ledger: &Ledger,
        session: SessionId,
        stream: StreamId,
        at: Position,
    ) -> (Self, mpsc::Receiver<ServerSseMessage>) {
        let (client, told) = mpsc::channel(CAPACITY);
        let follower = ledger.journal().follow(&Feed::ToClient(session));
        let replay = Self { ledger: ledger.clone(), session, stream, at, follower, client };
        (replay, told)
    }

    /// Tells what concerns no call in particular, from now on in the place of all who did before: messages go to one
    /// stream, as the protocol has it. Streams that are no longer told anything stay open, since their clients would come
    /// back at once.
    ///
    /// Whoever is the first of all is told what was said before, too. `until` ends it, and says how.
    pub(super) async fn listen(mut self, is_new: bool, until: impl Future<Output = Ending>) {
        let client = self.client.clone();
        let listening = async {
            let _ = self.tell_common(is_new).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = client.closed() => {}
            () = listening => {}
            ending = until => ending.tell(&client),
        }
    }

    async fn tell_common(&mut self, is_new: bool) -> Result<(), Gone> {
        let claim = self.claim().await;
        let begin = if is_new { claim } else { self.at };
        self.send(begin, None, Some(RETRY)).await?;
        let mut missed = Vec::new();
        loop {
            for entry in self.next().await {
                match serde_json::from_slice(&entry.bytes) {
                    // What stands before another's claim was told to them.
                    Ok(Told::Listening) if entry.at < claim => missed.clear(),
                    Ok(Told::Listening) if entry.at > claim => return Ok(()),
                    Ok(Told::Listening) => {
                        for (at, message) in missed.drain(..) {
                            self.send(at, Some(message), None).await?;
                        }
                    }
                    Ok(Told::Event { stream, message }) if stream == self.stream.stream => {
                        let Some(message) = Message::read(message) else { continue };
                        if is_new && entry.at < claim {
                            missed.push((entry.at, message.json));
                        } else {
                            self.send(entry.at, Some(message.json), None).await?;
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    async fn claim(&mut self) -> Position {
        loop {
            if let Some(appended) = self.ledger.keep(&Feed::ToClient(self.session), &Told::Listening).await {
                return appended.at;
            }
            sleep(READ_PAUSE).await;
        }
    }

    /// Tells the rest of what is said on the stream of one call, which `calls` has if it runs in this process.
    pub(super) async fn finish(mut self, calls: Arc<Calls>, until: impl Future<Output = Ending>) {
        let client = self.client.clone();
        tokio::select! {
            () = client.closed() => {}
            _ = self.tell_call(&calls) => {}
            ending = until => ending.tell(&client),
        }
    }

    async fn tell_call(&mut self, calls: &Calls) -> Result<(), Gone> {
        let mut signs = Signs { last: Instant::now(), asked: None };
        loop {
            let mut entries = self.read().await;
            if entries.is_empty() && !self.is_running(calls, &mut signs).await {
                // It may have been answered in between.
                entries = self.read().await;
                if entries.is_empty() {
                    return self.tell_lost().await;
                }
            }
            for entry in &entries {
                match serde_json::from_slice(&entry.bytes) {
                    Ok(Told::Event { stream, message }) if stream == self.stream.stream => {
                        signs.last = Instant::now();
                        let Some(message) = Message::read(message) else { continue };
                        self.send(entry.at, Some(message.json), None).await?;
                        if message.is_answer {
                            return Ok(());
                        }
                    }
                    Ok(Told::Running { stream }) if stream == self.stream.stream => signs.last = Instant::now(),
                    Ok(Told::End { stream }) if stream == self.stream.stream => return Ok(()),
                    _ => {}
                }
            }
            if entries.is_empty() {
                tokio::select! {
                    () = self.follower.rung() => {}
                    () = sleep(ASK_EVERY) => {}
                }
            }
        }
    }

    /// Whether the call is still running, as far as is known: another process is asked, and given some time.
    async fn is_running(&mut self, calls: &Calls, signs: &mut Signs) -> bool {
        match &self.stream.call {
            Some((replica, request)) if replica == self.ledger.replica() => {
                calls.has(request) || calls.has_stream(&self.stream.stream)
            }
            Some((replica, _)) => {
                // What it answers rings too, and is no reason to ask again.
                if signs.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
                    signs.asked = Some(Instant::now());
                    let asked = Heard::Asked { to: replica.clone(), stream: self.stream.stream.clone() };
                    self.ledger.keep(&Feed::ToServers(self.session), &asked).await;
                }
                signs.last.elapsed() < PATIENCE
            }
            None => false,
        }
    }

    /// Answers in the place of a process that has ended, so that the client does not wait for ever.
    async fn tell_lost(&mut self) -> Result<(), Gone> {
        let Some((_, request)) = self.stream.call.clone() else { return Ok(()) };
        let mut event = ServerSseMessage::default();
        event.message = Some(Arc::new(lost(request)));
        self.client.send(event).await.map_err(|_| Gone)
    }

    /// What comes next, waited for.
    async fn next(&mut self) -> Vec<Entry> {
        loop {
            let entries = self.read().await;
            if !entries.is_empty() {
                return entries;
            }
            self.follower.rung().await;
        }
    }

    /// What stands behind what was read before.
    async fn read(&mut self) -> Vec<Entry> {
        loop {
            match self.ledger.journal().read(&Feed::ToClient(self.session), self.at, BATCH).await {
                Ok(entries) => {
                    self.at = entries.last().map_or(self.at, |entry| entry.at);
                    return entries;
                }
                Err(_) => sleep(READ_PAUSE).await,
            }
        }
    }

    async fn send(
        &mut self,
        at: Position,
        message: Option<Arc<ServerJsonRpcMessage>>,
        retry: Option<Duration>,
    ) -> Result<(), Gone> {
        let mut event = ServerSseMessage::default();
        let is_answer = message.as_deref().is_some_and(|message| answered(message).is_some());
        event.event_id =
            Some(StreamId::event(at, is_answer && !self.stream.is_common(), &self.stream.suffix(&self.session)));
        event.message = message;
        event.retry = retry;
        self.client.send(event).await.map_err(|_| Gone)
    }
}

/// When another process was asked whether a call is running, and when it last said something of it.
struct Signs {
    last: Instant,
    asked: Option<Instant>,
}

/// Why a stream ends though nothing on it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its session has ended.
    Session,
    /// This process ends; another one goes on.
    Process,
}

impl Ending {
    fn tell(self, client: &mpsc::Sender<ServerSseMessage>) {
        if self == Self::Process {
            let _ = client.try_send(come_back());
        }
    }
}

/// Asks a client to connect again, soon and perhaps to another process.
pub(super) fn come_back() -> ServerSseMessage {
    ServerSseMessage::retry(SOON)
}

fn lost(request: RequestId) -> ServerJsonRpcMessage {
    let message = "the server ended before it could answer this call; see whether it took effect, and call again";
    ServerJsonRpcMessage::Error(JsonRpcError::new(Some(request), ErrorData::internal_error(message, None)))
}

/// How many events may wait for a client that reads slowly.
const CAPACITY: usize = 16;

/// How many entries are read at once.
const BATCH: usize = 64;

/// When a client whose stream breaks should come back.
const RETRY: Duration = Duration::from_secs(3);

/// When a client whose stream is ended because its server ends should come back.
const SOON: Duration = Duration::from_millis(500);

/// How often another process is asked whether it still runs a call, and for how long it may say nothing.
const ASK_EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(4);
