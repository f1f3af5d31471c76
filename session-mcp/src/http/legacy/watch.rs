//! What goes on elsewhere in a session that is open here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rmcp::model::ClientJsonRpcMessage;
use session_core::{Feed, Position, SessionStoreExt as _};
use tokio::time::sleep_until;

use super::ledger::Ledger;
use super::local::{Local, LocalSessions};
use super::relay::cancelled_call;
use super::said::{Heard, Told};

/// Watches over a session that is open here, until it is closed: closes it when its record is gone, and hands it what
/// its client said to other processes.
///
/// Who ends a session tells all who have it open. In case that is missed, the record is looked at when it can have
/// expired at the earliest, and then again when it can have since.
pub(super) struct Watch {
    local: Weak<Local>,
    open: Weak<LocalSessions>,
    ledger: Option<Ledger>,
    /// What was heard last.
    at: Position,
}

impl Watch {
    /// Watches from `at` on: what was said before is not for this handler.
    pub(super) fn over(local: &Arc<Local>, open: &Arc<LocalSessions>, at: Position) -> Self {
        let ledger = local.ledger().cloned();
        Self { local: Arc::downgrade(local), open: Arc::downgrade(open), ledger, at }
    }

    pub(super) async fn run(mut self) {
        let Some((ended, feed)) =
            self.local.upgrade().map(|local| (local.ended().clone(), Feed::ToServers(*local.key().id())))
        else {
            return;
        };
        let mut follower = self.ledger.as_ref().map(|ledger| ledger.journal().follow(&feed));
        loop {
            let (Some(local), Some(open)) = (self.local.upgrade(), self.open.upgrade()) else { return };
            // Without a journal of its own, the manager rings nobody.
            let look_every = if open.sessions().journal().is_some() { LOOK_EVERY } else { LOOK_UNRUNG_EVERY };
            let due = local.due(open.handler_idle_timeout().clamp(LOOK_AT_MOST_EVERY, look_every));
            drop((local, open));
            let rung = async {
                match &mut follower {
                    Some(follower) => follower.rung().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ended.cancelled() => return self.close(),
                () = rung => {}
                () = sleep_until(due) => {}
            }
            let has_heard = self.hear(&feed).await;
            // A ring may have meant an end, whatever else was heard.
            if !self.look(has_heard).await {
                return;
            }
        }
    }

    /// Hands on what was said elsewhere. `false` if that could not be read.
    async fn hear(&mut self, feed: &Feed) -> bool {
        let Some(ledger) = self.ledger.clone() else { return true };
        loop {
            let Ok(entries) = ledger.journal().read(feed, self.at, BATCH).await else { return false };
            let (Some(last), Some(local)) = (entries.last(), self.local.upgrade()) else { return true };
            self.at = last.at;
            for entry in &entries {
                if let Ok(heard) = serde_json::from_slice(&entry.bytes) {
                    hand_on(&local, &ledger, heard).await;
                }
            }
        }
    }

    /// Its handler has ended, if it was not closed.
    fn close(&self) {
        if let (Some(local), Some(open)) = (self.local.upgrade(), self.open.upgrade()) {
            open.close_this(&local);
        }
    }

    /// Looks whether the session is still there, and soon again if not all was heard. `false` if it is not there.
    async fn look(&self, has_heard: bool) -> bool {
        let (Some(local), Some(open)) = (self.local.upgrade(), self.open.upgrade()) else { return false };
        match open.sessions().store().peek(local.key()).await {
            Ok(None) => {
                open.close_this(&local);
                false
            }
            // The session stays, and its handler is made again for its next request.
            Ok(Some(_)) if local.leaves_after(open.handler_idle_timeout()) => {
                open.close_this(&local);
                false
            }
            Ok(Some(session)) if has_heard => {
                local.may_expire_in(session.expires_in());
                true
            }
            // A store that does not answer has ended nothing.
            Ok(Some(_)) | Err(_) => {
                local.may_expire_in(LATER);
                true
            }
        }
    }
}

async fn hand_on(local: &Arc<Local>, ledger: &Ledger, heard: Heard) {
    match heard {
        Heard::Message { to, from, message } => {
            let is_meant = from != *ledger.replica() && to.is_none_or(|to| to == *ledger.replica());
            let message = is_meant.then(|| serde_json::from_str::<ClientJsonRpcMessage>(message.get()).ok()).flatten();
            let Some(message) = message else { return };
            let is_known = cancelled_call(&message).is_none_or(|call| local.calls().has(call));
            if is_known {
                let _ = local.accept(message).await;
            }
        }
        Heard::Asked { to, stream } if to == *ledger.replica() && local.calls().is_to_be_told(&stream) => {
            let _ = ledger.keep(&Feed::ToClient(*local.key().id()), &Told::Running { stream: &stream }).await;
        }
        Heard::Asked { .. } => {}
    }
}

/// How long a session whose record is gone stays open at most, should nobody say that it has ended.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The same where it is known that nobody will.
const LOOK_UNRUNG_EVERY: Duration = Duration::from_secs(10);

/// How often one looks at most, however short a handler is kept.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(100);

/// How many entries are read at once.
const BATCH: usize = 64;

/// When to look again where something did not answer.
const LATER: Duration = Duration::from_secs(1);
