//! Streams of what a client is told, read from its session's journal.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ErrorData, JsonRpcError, RequestId, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use session_core::{Entry, Feed, Follower, Position, SessionId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::calls::Calls;
use super::ending::Ending;
use super::event_id::StreamId;
use super::events::answered;
use super::ledger::Ledger;
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

/// Who opens a stream of what concerns no call in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// Somebody who names no event, and may be the first of all.
    PerhapsFirst,
    /// The same in a session older than what is kept, where nobody can tell any more whether there was one before.
    New,
    /// Somebody who goes on behind an event.
    Back,
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
    /// stream, as the protocol has it. Streams that are no longer told anything stay open, since their clients would
    /// come back at once.
    ///
    /// Whoever is the first of all is told what was said before, too. `until` ends it, and says how.
    pub(super) async fn listen(mut self, listener: Listener, until: impl Future<Output = Ending>) {
        let client = self.client.clone();
        let listening = async {
            let _ = self.tell_common(listener).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = client.closed() => {}
            () = listening => {}
            ending = until => ending.tell(&client),
        }
    }

    async fn tell_common(&mut self, listener: Listener) -> Result<(), Gone> {
        let claim = self.claim().await;
        let is_new = listener != Listener::Back;
        let begin = if is_new { claim } else { self.at };
        self.send(begin, None, Some(RETRY)).await?;
        let mut missed = (listener == Listener::PerhapsFirst).then(Vec::new);
        loop {
            for entry in self.next().await {
                match serde_json::from_slice(&entry.bytes) {
                    // Somebody else is told what was said then, or comes back for it.
                    Ok(Told::Listening) if entry.at < claim => missed = None,
                    Ok(Told::Listening) if entry.at > claim => return Ok(()),
                    Ok(Told::Listening) => {
                        for (at, message) in missed.take().unwrap_or_default() {
                            self.send(at, Some(message), None).await?;
                        }
                    }
                    Ok(Told::Event { stream, message }) if stream == self.stream.stream => {
                        let Some(message) = Message::read(message) else { continue };
                        match &mut missed {
                            Some(missed) if entry.at < claim => missed.push((entry.at, message.json)),
                            None if is_new && entry.at < claim => {}
                            _ => self.send(entry.at, Some(message.json), None).await?,
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    async fn claim(&mut self) -> Position {
        loop {
            if let Ok(appended) = self.ledger.keep(&Feed::ToClient(self.session), &Told::Listening).await {
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
        let mut signs = Signs::default();
        loop {
            let Some(mut entries) = self.try_read().await else {
                // What it says meanwhile is not heard.
                signs = Signs::default();
                sleep(READ_PAUSE).await;
                continue;
            };
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
                        signs.silent = None;
                        let Some(message) = Message::read(message) else { continue };
                        self.send(entry.at, Some(message.json), None).await?;
                        if message.is_answer {
                            return Ok(());
                        }
                    }
                    Ok(Told::Running { stream }) if stream == self.stream.stream => signs.silent = None,
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
                    let asked = Heard::Asked { to: replica.clone(), stream: self.stream.stream.clone() };
                    let kept = self.ledger.keep(&Feed::ToServers(self.session), &asked).await.is_ok();
                    signs.asked = Some(Instant::now());
                    // Whoever could not be asked is not silent.
                    signs.silent = if kept { signs.silent.or(signs.asked) } else { None };
                }
                signs.silent.is_none_or(|since| since.elapsed() < PATIENCE)
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
            tokio::select! {
                () = self.follower.rung() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What stands behind what was read before, however long the journal is away.
    async fn read(&mut self) -> Vec<Entry> {
        loop {
            match self.try_read().await {
                Some(entries) => return entries,
                None => sleep(READ_PAUSE).await,
            }
        }
    }

    /// What stands behind what was read before. `None` if the journal is away.
    async fn try_read(&mut self) -> Option<Vec<Entry>> {
        let entries = self.ledger.journal().read(&Feed::ToClient(self.session), self.at, BATCH).await.ok()?;
        self.at = entries.last().map_or(self.at, |entry| entry.at);
        Some(entries)
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

/// What is known of a call that another process runs.
#[derive(Default)]
struct Signs {
    /// When that was asked last.
    asked: Option<Instant>,
    /// Since when it says nothing, though it was asked.
    silent: Option<Instant>,
}

/// Asks a client to connect again, soon and perhaps to another process.
pub(super) fn come_back() -> ServerSseMessage {
    ServerSseMessage::retry(SOON)
}

fn lost(request: RequestId) -> ServerJsonRpcMessage {
    let message = "the server ended before it could answer this call, or its answer was not kept; see whether it took \
                   effect, and call again";
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

/// How often one looks who was not rung.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long a journal that does not answer is left alone.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// How often another process is asked whether it still runs a call, and for how long it may say nothing.
const ASK_EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(4);
