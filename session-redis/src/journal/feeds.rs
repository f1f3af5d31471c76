//! Adding to feeds, reading and forgetting them.

use std::time::Duration;

use redis::{Value, cmd};
use session_core::{Appended, Entry, Feed, JournalLimits, Owner, Position, Quota, SessionId, StoreError, Subject};

use crate::client::{Call, Request};
use crate::keys::{Keys, slot};
use crate::reply::{Defect, Reply, defect, text};
use crate::scripts::{APPEND, FORGET, LOOK};
use crate::sessions::{Sessions, millis};

/// Nobody keeps an entry longer, and the server can still count as far.
const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);

/// As many entries as the server can be asked for at once.
const MOST: usize = i32::MAX as usize;

impl Sessions {
    pub(crate) async fn append(
        &self,
        feed: &Feed,
        entry: &[u8],
        limits: &JournalLimits,
    ) -> Result<Appended, StoreError> {
        if entry.len() > limits.bytes {
            return Err(Quota::EntryBytes { max: limits.bytes }.into());
        }
        let key = self.keys.feed(feed);
        let writing = Keys::writing(&key, &self.writer.sign());
        let call = Call::of(&APPEND, &[&key, &writing, &Keys::forgotten(&key)])
            .bytes(entry)
            .number(millis(self.patience()))
            .number(limits.entries.clamp(1, MOST))
            .number(limits.bytes)
            .number(kept(limits));
        let request = Request::new(slot(&key)).script(call);
        let mut reply = Reply::first(self.client.send(&request, self.client.deadline()).await?.replies)?;
        Ok(Appended { at: reply.position()?, after: reply.position()? })
    }

    pub(crate) async fn read(
        &self,
        feed: &Feed,
        after: Position,
        max: usize,
        limits: &JournalLimits,
    ) -> Result<Vec<Entry>, StoreError> {
        // Nothing is behind the last position there is, and a server does not understand the question.
        if max == 0 || after == Position::new(u64::MAX, u64::MAX) {
            return Ok(Vec::new());
        }
        let key = self.keys.feed(feed);
        let range = cmd("XRANGE").arg(&key).arg(format!("({after}")).arg("+").arg("COUNT").arg(max.min(MOST)).take();
        let mut replies = self.ask(look(&key, "", limits).command(range)).await?;
        let forgotten = text(replies.take());
        Reply::of(replies.take())?;
        let mut items = Reply::of(replies.take())?;
        let mut entries = Vec::new();
        while let Some(item) = items.next() {
            // Whoever adds the first entry after those that are forgotten removes them: they never hide one.
            entries.extend(entry(item, forgotten.as_deref())?);
        }
        Ok(entries)
    }

    pub(crate) async fn last(&self, feed: &Feed, limits: &JournalLimits) -> Result<Position, StoreError> {
        let mut replies = self.ask(look(&self.keys.feed(feed), "last", limits)).await?;
        let forgotten = text(replies.take());
        let Some(last) = Reply::of(replies.take())?.next() else { return Ok(Position::START) };
        Ok(entry(last, forgotten.as_deref())?.map_or(Position::START, |last| last.at))
    }

    pub(crate) async fn ring(&self, feed: &Feed) -> Result<(), StoreError> {
        let key = self.keys.feed(feed);
        let publish = cmd("PUBLISH").arg(&key).arg("").take();
        all_well(self.ask(Request::new(slot(&key)).command(publish)).await?)
    }

    pub(crate) async fn forget(
        &self,
        owner: &Owner,
        subject: &Subject,
        limits: &JournalLimits,
    ) -> Result<(), StoreError> {
        let request = match (subject, owner.as_principal()) {
            (&Subject::One(locator), _) => {
                let id = SessionId { owner: *owner, locator };
                let feeds = [Feed::ToClient(id), Feed::ToServers(id)].map(|feed| self.keys.feed(&feed));
                feeds.iter().fold(Request::new(slot(&feeds[0])), |request, feed| {
                    let unlink = cmd("UNLINK").arg(feed).take();
                    request.command(unlink).command(cmd("PUBLISH").arg(feed).arg("").take())
                })
            }
            (Subject::All { .. }, Some(principal)) => {
                let forgotten = Keys::forgotten(&self.keys.index(principal));
                let id = self.writer.sign().to_string();
                let call = Call::of(&FORGET, &[&forgotten]).text(&id).number(kept(limits));
                Request::new(slot(&forgotten)).script(call)
            }
            (Subject::All { .. }, None) => return Err(StoreError::OwnerRequired),
        };
        all_well(self.ask(request).await?)
    }

    async fn ask(&self, request: Request) -> Result<Reply, StoreError> {
        Ok(Reply::to_all(self.client.send(&request, self.client.deadline()).await?.replies))
    }
}

/// Nothing, if the server refused none of what it was asked.
fn all_well(mut replies: Reply) -> Result<(), StoreError> {
    while let Some(reply) = replies.next() {
        if let Value::ServerError(error) = reply {
            return Err(defect(Defect::Command(error.code().to_owned())));
        }
    }
    Ok(())
}

/// Asks what tells the entries of a feed that are forgotten, then calls `look.lua`. Each step has one key, so that
/// nothing waits while a slot moves.
fn look(key: &str, what: &str, limits: &JournalLimits) -> Request {
    let forgotten = cmd("GET").arg(Keys::forgotten(key)).take();
    Request::new(slot(key)).command(forgotten).script(Call::of(&LOOK, &[key]).number(kept(limits)).text(what))
}

/// How long entries are kept, in milliseconds.
fn kept(limits: &JournalLimits) -> u64 {
    millis(limits.keep.min(LONGEST)).max(1)
}

/// An entry as the server answers it, unless it is forgotten: its position, and its fields in the order of
/// `append.lua`.
fn entry(item: Value, forgotten: Option<&str>) -> Result<Option<Entry>, StoreError> {
    let mut item = Reply::of(item)?;
    let at = item.position()?;
    let mut fields = Reply::of(item.take())?;
    let mut field = |named: &str| loop {
        match (fields.take(), fields.take()) {
            (Value::BulkString(name), Value::BulkString(bytes)) if name == named.as_bytes() => return Ok(bytes),
            (Value::BulkString(_), _) => {}
            _ => return Err(defect(Defect::Answer)),
        }
    };
    let added_after = field("g")?;
    let bytes = field("d")?;
    Ok((added_after == forgotten.unwrap_or_default().as_bytes()).then(|| Entry { at, bytes: bytes.into() }))
}
