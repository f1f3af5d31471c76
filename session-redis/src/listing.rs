//! What a principal has, from their index: a sorted set of locators by the deadlines of their sessions.

use std::error::Error as _;
use std::sync::Arc;

use redis::{Cmd, cmd};
use session_core::{
    Cursor, Expired, Listing, Locator, Owner, Page, PrincipalId, Record, SessionId, SessionKey, StoreError, Summary,
    Timestamp,
};
use tokio::time::Instant;

use crate::client::{Call, Request};
use crate::fields::{LISTED, decode, decode_listed};
use crate::keys::slot;
use crate::reply::{Defect, Reply, defect, number, text, time, unknown};
use crate::scripts::END;
use crate::sessions::{Sessions, millis, remaining};

/// How many sessions are ended in one step.
const ENDED_AT_ONCE: usize = 500;
/// The member of the index that is no session: its score is the theoretical arrival time of the creation rate.
const RATE: &str = "rate";

/// Some of a principal's sessions.
#[derive(Debug)]
pub(crate) struct Part {
    /// When they were looked at.
    pub(crate) now: Timestamp,
    /// The live ones, and when each was used last.
    pub(crate) live: Vec<(Arc<Record>, Timestamp)>,
    /// Those of which the index is all that is left.
    pub(crate) expired: Vec<Locator>,
    /// After which of them the next begin, if there may be any.
    pub(crate) next: Option<Member>,
}

/// A place in an index: the sessions are in the order of their deadlines, and then of their locators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    deadline: u64,
    /// As it is written, since that is how the server orders it.
    locator: [u8; 22],
}

impl Member {
    fn new(deadline: u64, locator: &str) -> Option<Self> {
        locator.parse::<Locator>().ok()?;
        Some(Self { deadline, locator: locator.as_bytes().try_into().ok()? })
    }

    fn locator(&self) -> Locator {
        std::str::from_utf8(&self.locator).ok().and_then(|text| text.parse().ok()).expect("checked when it was made")
    }

    fn cursor(&self) -> Result<Cursor, StoreError> {
        format!("{}.{}", self.deadline, self.locator()).parse()
    }

    fn of(cursor: &Cursor) -> Result<Self, StoreError> {
        let parts = cursor.as_str().split_once('.');
        let member = parts.and_then(|(deadline, locator)| Self::new(deadline.parse().ok()?, locator));
        let member = member.filter(|member| member.cursor().is_ok_and(|spelt| spelt == *cursor));
        member.ok_or(StoreError::InvalidCursor)
    }
}

impl Sessions {
    pub(crate) async fn list(&self, owner: &Owner, page: &Page) -> Result<Listing, StoreError> {
        let principal = owner.as_principal().ok_or(StoreError::OwnerRequired)?;
        let after = page.after.as_ref().map(Member::of).transpose()?;
        let part = self.part(principal, after, page.capacity(), self.client.deadline()).await?;
        let summaries = part.live.iter().map(|(record, last_used)| Summary::new(record, *last_used));
        Ok(Listing::new(summaries.collect(), part.next.map(|next| next.cursor()).transpose()?))
    }

    /// Looks at up to `size` of a principal's sessions.
    pub(crate) async fn part(
        &self,
        principal: &PrincipalId,
        after: Option<Member>,
        size: usize,
        until: Instant,
    ) -> Result<Part, StoreError> {
        let (members, more) = self.members(principal, after, size, until).await?;
        let owner = Owner::Principal(*principal);
        let ids: Vec<SessionId> = members.iter().map(|member| SessionId { owner, locator: member.locator() }).collect();
        let mut request = Request::new(slot(&self.keys.index(principal))).command(cmd("TIME"));
        let names: Vec<String> = ids.iter().map(|id| self.keys.session(id)).collect();
        // What is left of each is asked for first, so that it is of the same moment as the time.
        for name in &names {
            request = request.command(cmd("PTTL").arg(name).take());
        }
        for name in &names {
            request = request.command(cmd("HMGET").arg(name).arg(&LISTED[..]).take());
        }
        let request = request.command(fence(&self.keys.index(principal)));
        let mut replies = Reply::to_all(self.client.send(&request, until).await?.replies);
        let now = time(replies.take())?;
        let left: Vec<i64> = names.iter().map(|_| remaining(&replies.take())).collect();
        let mut part = Part { now, live: Vec::new(), expired: Vec::new(), next: None };
        for (id, left) in ids.iter().zip(left) {
            let stored = match decode_listed(id, replies.take()) {
                Ok(stored) => stored.filter(|_| left >= -1),
                Err(error) => {
                    // One that cannot be read keeps nobody from the others. Whoever loads it is told.
                    let cause = error.source().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(cause, "a list leaves out a session that cannot be read");
                    continue;
                }
            };
            let seen = stored.map(|stored| (stored.last_used(left, now), stored.record));
            match seen.filter(|(last_used, record)| record.expired(*last_used, now).is_none()) {
                Some((last_used, record)) => part.live.push((record, last_used)),
                None => part.expired.push(id.locator),
            }
        }
        part.next = members.last().copied().filter(|_| more);
        Ok(part)
    }

    /// The next members of an index, and whether there may be more.
    async fn members(
        &self,
        principal: &PrincipalId,
        after: Option<Member>,
        size: usize,
        until: Instant,
    ) -> Result<(Vec<Member>, bool), StoreError> {
        let index = self.keys.index(principal);
        let (least, mut asked) = (after.map_or(0, |after| after.deadline), size + 2);
        loop {
            let mut range = cmd("ZRANGE");
            range.arg(&index).arg(least).arg("+inf").arg("BYSCORE");
            range.arg("LIMIT").arg(0).arg(asked).arg("WITHSCORES");
            let request = Request::new(slot(&index)).command(range).command(fence(&index));
            let mut reply = Reply::first(self.client.send(&request, until).await?.replies)?;
            let mut members = Vec::new();
            let mut found = 0;
            while let Some((member, score)) = reply.pair() {
                found += 1;
                let member = text(member).zip(number(&score)).and_then(|(text, score)| Member::new(score, &text));
                members.extend(member.filter(|member| Some(*member) > after));
            }
            let (more, all_passed) = (found == asked || members.len() > size, members.is_empty());
            if all_passed && more {
                // More sessions than were asked for end in the millisecond of the last one, before it. They are asked
                // for again: some of them may go meanwhile, and whoever comes after them must not be skipped for it.
                asked *= 2;
                continue;
            }
            members.truncate(size);
            return Ok((members, more));
        }
    }

    pub(crate) async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        let &principal = owner.as_principal().ok_or(StoreError::OwnerRequired)?;
        let until = self.client.deadline();
        let index = self.keys.index(&principal);
        let last = cmd("ZRANGE").arg(&index).arg(-1).arg(-1).arg("WITHSCORES").take();
        let request = Request::new(slot(&index)).command(last).command(fence(&index));
        let mut reply = Reply::first(self.client.send(&request, until).await?.replies)?;
        // Who goes on creating sessions adds them behind this one, and does not keep the end waiting.
        let Some((_, last)) = reply.pair() else { return Ok(0) };
        // It goes back as it came: somebody may have written one that is no deadline.
        let last = text(last).ok_or_else(|| defect(Defect::Answer))?;
        let mut ended = None;
        loop {
            match self.end_some(owner, &index, &last, until).await {
                Ok(Some(now_ended)) => ended = Some(ended.unwrap_or(0) + now_ended),
                Ok(None) => return Ok(ended.unwrap_or(0)),
                Err(error) if ended.is_some() => return Err(unknown(error)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the first of the sessions in an index, up to this deadline, and says how many were live. `None` if there
    /// are none.
    async fn end_some(
        &self,
        owner: &Owner,
        index: &str,
        last: &str,
        until: Instant,
    ) -> Result<Option<u64>, StoreError> {
        let mut range = cmd("ZRANGE");
        range.arg(index).arg("-inf").arg(last).arg("BYSCORE").arg("LIMIT").arg(0).arg(ENDED_AT_ONCE + 1);
        let request = Request::new(slot(index)).command(range).command(fence(index));
        let mut reply = Reply::first(self.client.send(&request, until).await?.replies)?;
        let mut members = Vec::new();
        while let Some(member) = reply.next() {
            members.extend(text(member).filter(|member| member != RATE));
        }
        if members.is_empty() {
            return Ok(None);
        }
        let locators = members.iter().filter_map(|member| member.parse().ok());
        let sessions = locators.map(|locator| self.keys.session(&SessionId { owner: *owner, locator }));
        let sessions: Vec<String> = std::iter::once(index.to_owned()).chain(sessions).collect();
        let names: Vec<&str> = sessions.iter().map(String::as_str).collect();
        let call = Call::of(&END, &names).text(&self.writer.sign().to_string()).number(millis(self.patience()));
        let call = members.iter().fold(call, |call, member| call.text(member));
        let request = Request::new(slot(index)).script(call);
        let ended = Reply::of(self.end(request, until).await?)?.number()?;
        self.census.left(ended);
        Ok(Some(ended))
    }

    pub(crate) async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        let Some(principal) = key.owner().as_principal().copied() else { return Ok(None) };
        let (name, index) = (self.keys.session(key.id()), self.keys.index(&principal));
        let request = Request::new(slot(&name))
            .command(cmd("TIME"))
            .command(cmd("PTTL").arg(&name).take())
            .command(cmd("HGETALL").arg(&name).take())
            .command(cmd("ZSCORE").arg(&index).arg(key.locator().to_string()).take())
            .command(cmd("HDEL").arg(&name).arg("-").take());
        let mut replies = Reply::to_all(self.client.send(&request, self.client.deadline()).await?.replies);
        let (now, left) = (time(replies.take())?, remaining(&replies.take()));
        let stored = decode(key.id(), &replies.take())?;
        if let Some(stored) = stored.filter(|_| left >= -1) {
            return Ok(stored.record.expired(stored.last_used(left, now), now));
        }
        // Of a session that has gone by itself the deadline is left, in the index.
        let deadline = number(&replies.take()).map(Timestamp::from_millis);
        Ok(deadline.map(|deadline| if deadline <= now { Expired::Absolute(deadline) } else { Expired::Idle }))
    }
}

/// Writes nothing to an index. A node that may no longer write refuses even that, and is not believed.
fn fence(index: &str) -> Cmd {
    cmd("ZREM").arg(index).arg("-").take()
}
