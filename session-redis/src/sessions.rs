//! Operations on one session, each in one round trip.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_ok;
use redis::{Value, cmd};
use session_core::{
    Access, Change, Edit, Limits, Load, Owner, Quota, Session, SessionId, SessionKey, StateValue, StoreError, Text,
    Timestamp, Updated, Version,
};
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::census::Census;
use crate::client::{Client, Request};
use crate::clock::ServerClock;
use crate::config::Durability;
use crate::fields::{decode, grant_field, grant_name, mode_name};
use crate::keys::{Keys, slot};
use crate::reply::{Defect, Reply, STORE, defect, number, only, time};
use crate::scripts::{DELETE, TOUCH, UPDATE};
use crate::turns::{Turn, Turns};
use crate::writer::Writer;

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
}

impl Sessions {
    pub(crate) async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        let Some(grant) = grant_of(key) else { return Ok(None) };
        let name = self.keys.session(key.id());
        let all = cmd("HGETALL").arg(&name).to_owned();
        let request = Request::new(slot(&name));
        let request = match load {
            Load::Touch => request.script(&TOUCH, &[&name], &[grant.as_bytes()]).command(all),
            // The last command writes nothing. A node that may no longer write refuses it, and is not believed.
            Load::Peek => request
                .command(cmd("TIME"))
                .command(cmd("PTTL").arg(&name).to_owned())
                .command(all)
                .command(cmd("HDEL").arg(&name).arg("-").to_owned()),
        };
        let mut replies = self.client.send(&request, self.client.deadline()).await?.replies.into_iter();
        let mut next = || replies.next().unwrap_or(Value::Nil);
        let (now, left, touched) = match load {
            Load::Touch => {
                let mut seen = Reply::of(next())?;
                (seen.time()?, seen.next().unwrap_or(Value::Nil), seen.number()? == 1)
            }
            Load::Peek => (time(next())?, next(), false),
        };
        self.clock.hear(now);
        let stored = decode(key.id(), next())?;
        let (Some(stored), left @ -1..) = (stored, remaining(&left)) else { return Ok(None) };
        let last_used = if touched { now } else { stored.last_used(left, now) };
        let record = stored.record;
        self.turns.saw(key.id(), record.version);
        let right = record.right(key.access(), now).filter(|_| record.expired(last_used, now).is_none());
        Ok(right.map(|right| Session::new(Arc::new(record), right, last_used, now)))
    }

    pub(crate) async fn update(&self, key: &SessionKey, change: &Change) -> Result<Updated, StoreError> {
        let grant = grant_of(key).ok_or(StoreError::NotFound)?;
        let until = self.client.deadline();
        let turn = self.turns.of(key.id());
        let Ok(_writing) = tokio::time::timeout_at(until, turn.writing.lock()).await else {
            return Err(StoreError::Unavailable { store: STORE, maybe_applied: false, source: None });
        };
        let name = self.keys.session(key.id());
        let number = self.writer.next();
        loop {
            let known = change.expected.map_or(turn.seen(), Version::get);
            let arguments = self.change(&grant, change, number, known);
            let request = Request::new(slot(&name)).script(&UPDATE, &[&name], &arguments.slices());
            let answer = self.client.send(&request, until).await?;
            let mut reply = Reply::of(only(answer.replies))?;
            match (reply.text()?.as_str(), answer.uncertain) {
                ("ok", _) => return self.updated(&turn, reply),
                ("absent", _) => return Err(StoreError::NotFound),
                ("read_only", _) => return Err(StoreError::ReadOnly),
                ("conflict", _) => return Err(StoreError::Conflict),
                ("over", _) => return Err(self.over(&reply.text()?)?.into()),
                // Too much has happened for the server to tell whether an earlier attempt was applied.
                ("stale", true) => {
                    return Err(StoreError::Unavailable { store: STORE, maybe_applied: true, source: None });
                }
                ("stale", false) if change.expected.is_some() => return Err(StoreError::Conflict),
                ("stale", false) => turn.saw(Version::from_store(reply.number()?)),
                ("newer", _) => return Err(defect(Defect::Newer)),
                ("corrupt", _) => return Err(defect(Defect::Field("v, i, b or n"))),
                _ => return Err(defect(Defect::Answer)),
            }
        }
    }

    fn updated(&self, turn: &Turn, mut reply: Reply) -> Result<Updated, StoreError> {
        let version = Version::from_store(reply.number()?);
        let (at, ends_at) = (reply.time()?, reply.time()?);
        let idle = Duration::from_millis(reply.number()?);
        turn.saw(version);
        self.clock.hear(at);
        Ok(Updated::new(version, at, at.after(idle).min(ends_at)))
    }

    fn over(&self, limit: &str) -> Result<Quota, StoreError> {
        Ok(match limit {
            "edits" => Quota::Edits { max: Change::MAX_EDITS },
            "grants" => Quota::Grants { max: self.limits.grants },
            "names" => Quota::StateNames { max: self.limits.state_names },
            "value" => Quota::ValueBytes { max: self.limits.value_bytes },
            "bytes" => Quota::SessionBytes { max: self.limits.session_bytes },
            _ => return Err(defect(Defect::Answer)),
        })
    }

    /// What `update.lua` is called with.
    fn change<'a>(&self, grant: &'a str, change: &'a Change, number: u64, known: u64) -> Arguments<'a> {
        let over = self.over_by_itself(change);
        let mut all = Arguments::new()
            .text(grant)
            .maybe(change.expected.map(Version::get))
            .own(self.writer.id().to_owned())
            .number(number)
            .number(known)
            .text(over)
            .number(self.limits.grants)
            .number(self.limits.state_names)
            .number(self.limits.session_bytes);
        if !over.is_empty() {
            // It is refused for that at the latest: no need to send it.
            return all.text("k").text("").text("k").text("").text("k").text("").number(0).number(0);
        }
        for text in [&change.working_directory, &change.config_path, &change.project_id] {
            all = match text {
                Edit::Keep => all.text("k").text(""),
                Edit::Set(text) => all.text("s").text(text.as_str()),
                Edit::Remove => all.text("r").text(""),
            };
        }
        all = all.number(change.state.len());
        for (name, value) in &change.state {
            all = all.text(name.as_str());
            all = match value {
                Some(value) => all.text("s").bytes(value.as_bytes()),
                None => all.text("r").text(""),
            };
        }
        all = all.number(change.grants.len());
        for (&secret, grant) in &change.grants {
            all = all.own(grant_name(secret));
            all = match grant {
                Some(grant) => all
                    .text(mode_name(grant.mode))
                    .maybe(grant.lifetime.map(millis))
                    .text(grant.label.as_ref().map_or("", Text::as_str)),
                None => all.text("r").text("").text(""),
            };
        }
        all
    }

    /// The limit that a change is over whatever the session holds, or nothing.
    fn over_by_itself(&self, change: &Change) -> &'static str {
        let too_long = |value: &StateValue| value.len() > self.limits.value_bytes;
        if change.state.len() + change.grants.len() > Change::MAX_EDITS {
            "edits"
        } else if change.state.values().flatten().any(too_long) {
            "value"
        } else {
            ""
        }
    }

    pub(crate) async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let Some(grant) = grant_of(key) else { return Ok(false) };
        let name = self.keys.session(key.id());
        let index = key.owner().as_principal().map(|principal| self.keys.index(principal));
        let names: Vec<&str> = [Some(name.as_str()), index.as_deref()].into_iter().flatten().collect();
        let arguments = Arguments::new()
            .text(&grant)
            .number(self.writer.sign())
            .number(millis(self.patience()))
            .number(key.locator());
        let request = Request::new(slot(&name)).script(&DELETE, &names, &arguments.slices());
        let mut reply = Reply::of(self.end(request, self.client.deadline()).await?)?;
        match reply.next() {
            Some(Value::Int(ended)) => {
                self.census.left(u64::from(ended == 1));
                Ok(ended == 1)
            }
            _ => Err(StoreError::ReadOnly),
        }
    }

    /// Sends a request that ends sessions, and waits for as many replicas to have it as the configuration says.
    pub(crate) async fn end(&self, request: Request, until: Instant) -> Result<Value, StoreError> {
        let Some(durability) = &self.durability else { return Ok(only(self.client.send(&request, until).await?.replies)) };
        let wait = cmd("WAIT").arg(durability.replicas).arg(millis(durability.timeout)).to_owned();
        let mut replies = self.client.send(&request.alone().command(wait), until).await?.replies.into_iter();
        let (ended, replicas) = (replies.next().unwrap_or(Value::Nil), replies.next());
        match replicas.as_ref().and_then(number) {
            Some(replicas) if replicas >= u64::from(durability.replicas.get()) => Ok(ended),
            _ => Err(StoreError::Unavailable { store: STORE, maybe_applied: true, source: Some(Unconfirmed.into()) }),
        }
    }

    /// Asks all masters for a sign of life; one is enough.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let until = self.client.deadline();
        let masters = self.client.masters(until).await?;
        let request = Request::new(0).command(cmd("PING"));
        let asked = masters.iter().map(|master| Box::pin(self.client.send_to(master, &request, until)));
        select_ok(asked).await?;
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
fn grant_of(key: &SessionKey) -> Option<String> {
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

/// Whole milliseconds, rounded up.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
