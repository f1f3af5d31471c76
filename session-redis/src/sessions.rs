//! Reading and ending one session.

use std::time::Duration;

use futures_util::future::select_ok;
use redis::{Value, cmd};
use session_core::{Access, Limits, Load, Owner, Session, SessionId, SessionKey, StoreError, Timestamp};
use tokio::time::Instant;

use crate::census::Census;
use crate::client::{Call, Client, Failure, Request};
use crate::clock::ServerClock;
use crate::config::Durability;
use crate::fields::{Stored, decode, grant_field};
use crate::keys::{Keys, slot};
use crate::reply::{Defect, Reply, STORE, defect, number, time};
use crate::scripts::{DELETE, LOAD};
use crate::snapshots::{Mark, Snapshot, Snapshots, UNMARKED};
use crate::turns::Turns;
use crate::writer::Writer;

/// What a script answers to who may only read.
const READ_ONLY: &str = "read_only";

/// Sessions on a server, and what one process knows of them.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) client: Client,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    pub(crate) deadline: Duration,
    pub(crate) durability: Option<Durability>,
    pub(crate) writer: Writer,
    pub(crate) turns: Turns,
    pub(crate) clock: ServerClock,
    pub(crate) census: Census,
    pub(crate) snapshots: Snapshots,
}

impl Sessions {
    pub(crate) async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        let Some(grant) = grant_of(key) else { return Ok(None) };
        let name = self.keys.session(key.id());
        let how = match load {
            Load::Touch => "touch",
            Load::Peek => "peek",
        };
        // Whoever has no right to it is asked about like a session that is not known.
        let has_right = |known: &Snapshot| known.record.right(key.access(), Timestamp::from_millis(0)).is_some();
        let known = self.snapshots.get(key.id()).filter(has_right);
        let Mark { creation, writes } = known.as_ref().map_or(&UNMARKED, |known| &*known.mark);
        let call = Call::of(&LOAD, &[&name]).text(&grant).text(how).bytes(creation).bytes(writes);
        let mut request = Request::new(slot(&name)).script(call);
        if known.is_none() {
            request = request.command(cmd("HGETALL").arg(&name).take());
        }
        let mut replies = Reply::to_all(self.client.send(&request, self.client.deadline()).await?.replies);
        let mut seen = Reply::of(replies.take())?;
        let (now, left, touched) = (seen.time()?, remaining(&seen.take()), seen.number()? == 1);
        self.clock.hear(now);
        let stored = match known {
            Some(known) => match (seen.next(), seen.next()) {
                (_, Some(fields)) => self.learn(key.id(), &fields)?,
                (Some(used_at), None) => Some(Stored::known(known.record, &used_at)?),
                (None, None) => None,
            },
            None => self.learn(key.id(), &replies.take())?,
        };
        let Some(stored) = stored.filter(|_| left >= -1) else {
            self.snapshots.forget(key.id());
            return Ok(None);
        };
        let last_used = if touched { now } else { stored.last_used(left, now) };
        let record = stored.record;
        self.turns.saw(key.id(), record.version);
        let right = record.right(key.access(), now).filter(|_| record.expired(last_used, now).is_none());
        Ok(right.map(|right| Session::new(record, right, last_used, now)))
    }

    /// Reads a session that was sent, to know it the next time.
    fn learn(&self, id: &SessionId, fields: &Value) -> Result<Option<Stored>, StoreError> {
        let mut stored = decode(id, fields)?;
        if let Some(stored) = &mut stored {
            self.snapshots.keep(id, &stored.record, std::mem::take(&mut stored.mark));
        }
        Ok(stored)
    }

    pub(crate) async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let Some(grant) = grant_of(key) else { return Ok(false) };
        let name = self.keys.session(key.id());
        let index = key.owner().as_principal().map(|principal| self.keys.index(principal));
        let names: Vec<&str> = [Some(name.as_str()), index.as_deref()].into_iter().flatten().collect();
        let call = Call::of(&DELETE, &names)
            .text(&grant)
            .text(&self.writer.sign().to_string())
            .number(millis(self.patience()))
            .text(&index.as_ref().map(|_| key.locator().to_string()).unwrap_or_default());
        let request = Request::new(slot(&name)).script(call);
        let mut reply = Reply::of(self.end(request, self.client.deadline()).await?)?;
        match reply.text()?.as_str() {
            "ended" => {
                self.census.left(1);
                Ok(true)
            }
            "absent" => Ok(false),
            READ_ONLY => Err(StoreError::ReadOnly),
            _ => Err(defect(Defect::Answer)),
        }
    }

    /// Sends a request that ends sessions, and waits for as many replicas to have it as the configuration says.
    ///
    /// Nobody's end waits for the replicas of another's: what waits goes over a connection of its own, after the end
    /// was answered. There it is sent once more, which writes its marker again and changes nothing else. So it is
    /// always a server that has it whose replicas are waited for, even if another became the master, or got the slot,
    /// in between.
    pub(crate) async fn end(&self, request: Request, until: Instant) -> Result<Value, StoreError> {
        let ended = Reply::to_all(self.client.send(&request, until).await?.replies).take();
        let refused = Value::Array(vec![Value::BulkString(READ_ONLY.into())]);
        // What was refused has changed nothing that a replica could miss.
        let Some(durability) = self.durability.filter(|_| ended != refused) else { return Ok(ended) };
        let replicas = durability.replicas.get();
        let timeout = durability.timeout.min(until.saturating_duration_since(Instant::now()));
        let wait = cmd("WAIT").arg(replicas).arg(millis(timeout).max(1)).take();
        let source = match self.client.send(&request.command(wait).alone(timeout), until).await {
            Ok(answer) => match answer.replies.last().and_then(number) {
                Some(confirmed) if confirmed >= u64::from(replicas) => return Ok(ended),
                _ => Some(Unconfirmed.into()),
            },
            Err(Failure::Unavailable { source, .. }) => source,
            Err(Failure::Refused { source }) => Some(source),
            Err(Failure::Full) => None,
        };
        Err(StoreError::Unavailable { store: STORE, maybe_applied: true, source })
    }

    /// Asks all masters for a sign of life, which is what time it is; one is enough.
    pub(crate) async fn ping(&self, until: Instant) -> Result<(), StoreError> {
        let masters = self.client.masters(until).await?;
        let request = Request::new(0).command(cmd("TIME"));
        let asked = masters.iter().map(|master| Box::pin(self.client.send_to(master, &request, until)));
        let (answer, _others) = select_ok(asked).await?;
        self.clock.hear(time(Reply::to_all(answer.replies).take())?);
        Ok(())
    }

    /// How long after its beginning an operation may still reach the server, by the server's clock: its deadline, and
    /// as much as the clocks of a cluster's nodes may differ.
    pub(crate) fn patience(&self) -> Duration {
        self.deadline + Duration::from_secs(5)
    }
}

/// The end of a session is not on as many replicas as was asked for.
#[derive(Debug, thiserror::Error)]
#[error("too few replicas confirmed the end of a session in time")]
struct Unconfirmed;

/// The field of the grant that a key asks by: nothing for the owner, `None` if the key can open nothing.
pub(crate) fn grant_of(key: &SessionKey) -> Option<String> {
    match (key.access(), key.owner()) {
        (Access::Secret(secret), _) => Some(grant_field(secret)),
        (Access::Owner, Owner::Principal(_)) => Some(String::new()),
        (Access::Owner, Owner::Anonymous) => None,
    }
}

/// What is left of an idle timeout: -1 for a key that never ends, -2 for one that is not there.
pub(crate) fn remaining(left: &Value) -> i64 {
    if let Value::Int(left) = left { *left } else { -2 }
}

/// Whole milliseconds, rounded as those of a point in time are.
pub(crate) fn millis(duration: Duration) -> u64 {
    Timestamp::from_millis(0).after(duration).as_millis()
}
