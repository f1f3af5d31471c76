//! Who listens to what.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::select_all;
use redis::{Cmd, PushInfo, PushKind, Value};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::dial::Dialer;
use super::link::Patience;
use super::subscription::{self, Place};

/// Tells those who listen to a channel when something is published on it, whatever it is. A handle.
///
/// It has a connection of its own for that, as long as somebody listens.
#[derive(Clone)]
pub(crate) struct Bell {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) dialer: Arc<Dialer>,
    pub(super) patience: Patience,
    /// What to ask for a sign of life: a write that changes nothing, which a server that must not write refuses.
    pub(super) sign: Cmd,
    /// Told when somebody begins to listen or ceases to.
    pub(super) changed: Notify,
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    channels: HashMap<Arc<str>, watch::Sender<Rings>>,
    /// Channels that somebody began to listen to, or ceased to, since the task looked at them.
    pending: BTreeSet<Arc<str>>,
    /// The task that looks after the channels.
    task: Option<AbortHandle>,
}

/// How often a channel was rung, and whether the server was asked for it and has confirmed. Written by the task, and by
/// its connection.
#[derive(Clone, Copy, Debug, Default)]
struct Rings {
    open: bool,
    count: u64,
}

/// What has to be said to the server.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) subscribe: Vec<Arc<str>>,
    pub(super) unsubscribe: Vec<Arc<str>>,
}

impl Bell {
    /// A bell for what is published there. Nobody is connected to yet.
    ///
    /// A connection that is silent is left after a second at most, however patient operations are: to make another one
    /// costs little, and whoever is not rung does not know that they wait in vain.
    pub(crate) fn new(place: Place, dialer: Arc<Dialer>, patience: Patience, sign: Cmd) -> Self {
        let at_most = |time: Duration, seconds| time.min(Duration::from_secs(seconds));
        let (attempt, opening) = (at_most(patience.attempt, 1), at_most(patience.opening, 2));
        let patience = Patience { attempt, opening, ..patience };
        let (changed, board) = (Notify::new(), Mutex::default());
        Self { shared: Arc::new(Shared { place, dialer, patience, sign, changed, board }) }
    }

    /// Begins to listen to some channels.
    pub(crate) fn listen(&self, channels: &[&str]) -> Listener {
        let mut board = self.shared.board();
        // It can have ended together with its runtime.
        if board.task.as_ref().is_none_or(AbortHandle::is_finished) {
            board.close();
            board.task = Some(tokio::spawn(subscription::keep(Arc::clone(&self.shared))).abort_handle());
        }
        let rings = channels.iter().map(|channel| board.join(channel)).collect();
        drop(board);
        self.shared.changed.notify_one();
        Listener { rings, heard: None, bell: self.clone() }
    }
}

impl Shared {
    /// Rings for what the server published, if that is it.
    pub(super) fn hear(&self, push: &PushInfo) {
        if let (PushKind::Message, Some(Value::BulkString(channel))) = (&push.kind, push.data.first())
            && let Ok(channel) = str::from_utf8(channel)
        {
            self.board().ring(channel);
        }
    }

    /// Rings all.
    pub(super) fn ring_all(&self) {
        self.board().channels.values().for_each(|rings| rings.send_modify(|rings| rings.count += 1));
    }

    /// Notes that the server has confirmed these, and rings: whoever listened before may have missed something.
    pub(super) fn open(&self, channels: &[Arc<str>]) {
        let board = self.board();
        for rings in channels.iter().filter_map(|channel| board.channels.get(channel)) {
            rings.send_modify(|rings| *rings = Rings { open: true, count: rings.count + 1 });
        }
    }

    /// Notes that no channel is listened to any more.
    pub(super) fn close(&self) {
        self.board().close();
    }

    /// So many of the changes since the last time, at most.
    pub(super) fn changes(&self, most: usize) -> Changes {
        let mut board = self.board();
        let mut changes = Changes::default();
        while changes.subscribe.len() + changes.unsubscribe.len() < most {
            let Some(channel) = board.pending.pop_first() else { break };
            let Some(rings) = board.channels.get(&channel) else { continue };
            let open = rings.borrow().open;
            match (rings.receiver_count() > 0, open) {
                (true, false) => changes.subscribe.push(channel),
                (true, true) => {}
                (false, open) => {
                    board.channels.remove(&channel);
                    if open {
                        changes.unsubscribe.push(channel);
                    }
                }
            }
        }
        changes
    }

    /// Whether nobody listens any more. Then the next who does needs a new task.
    pub(super) fn is_over(&self) -> bool {
        let mut board = self.board();
        let over = board.channels.is_empty();
        if over {
            board.task = None;
        }
        over
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn join(&mut self, channel: &str) -> (Arc<str>, watch::Receiver<Rings>) {
        let channel = self.channels.get_key_value(channel).map_or_else(|| channel.into(), |(known, _)| known.clone());
        self.pending.insert(channel.clone());
        let rings = self.channels.entry(channel.clone()).or_default().subscribe();
        (channel, rings)
    }

    fn ring(&self, channel: &str) {
        if let Some(rings) = self.channels.get(channel) {
            rings.send_modify(|rings| rings.count += 1);
        }
    }

    fn close(&mut self) {
        self.channels.retain(|_, rings| rings.receiver_count() > 0);
        self.channels.values().for_each(|rings| rings.send_modify(|rings| rings.open = false));
        self.pending = self.channels.keys().cloned().collect();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").finish_non_exhaustive()
    }
}

/// One who listens to some channels, until it is dropped.
pub(crate) struct Listener {
    rings: Vec<(Arc<str>, watch::Receiver<Rings>)>,
    /// How many rings were told; nothing before the first time.
    heard: Option<u64>,
    bell: Bell,
}

impl Listener {
    /// Waits until something was published since the last time, on any of the channels; the first time, until the
    /// server has confirmed all of them. Dropping the future loses nothing.
    pub(crate) async fn rung(&mut self) {
        loop {
            let rings: Vec<Rings> = self.rings.iter_mut().map(|(_, rings)| *rings.borrow_and_update()).collect();
            let count = rings.iter().map(|rings| rings.count).sum();
            if self.heard.map_or(rings.iter().all(|rings| rings.open), |heard| heard != count) {
                self.heard = Some(count);
                return;
            }
            // The bell keeps a channel for as long as somebody listens to it.
            let _ = select_all(self.rings.iter_mut().map(|(_, rings)| Box::pin(rings.changed()))).await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let channels: Vec<Arc<str>> = self.rings.drain(..).map(|(channel, _)| channel).collect();
        self.bell.shared.board().pending.extend(channels);
        self.bell.shared.changed.notify_one();
    }
}
