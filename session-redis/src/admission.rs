//! Who may come in, and who goes for it.

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Access, Created, Expired, Gone, Lifetimes, Limits, Locator, NewSession, PrincipalId, Quota, Rate, Record, Session,
    SessionId, StoreError, Text, Timestamp,
};
use tokio::time::Instant;

use crate::client::{Call, Request};
use crate::fields::{encode, grant_field, mode_name};
use crate::keys::{Keys, slot};
use crate::reply::{Defect, Reply, STORE, defect, text, unknown};
use crate::scripts::CREATE;
use crate::sessions::{Sessions, millis};

impl Sessions {
    pub(crate) async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        let mut uncertain = false;
        let created = self.admit(new, &mut uncertain).await;
        // What refuses it now may not have been there for an earlier attempt, or not be there any more when that
        // arrives.
        created.map_err(|error| if uncertain { unknown(error) } else { error })
    }

    /// Creates a session, and says whether an attempt may have been executed without our learning its answer.
    async fn admit(&self, new: &NewSession, uncertain: &mut bool) -> Result<Created, StoreError> {
        let until = self.client.deadline();
        let mut admission = Admission {
            new,
            draft: Record::create(new, Timestamp::from_millis(0), &self.limits)?,
            signature: self.writer.sign().to_string(),
            latest: self.clock.about().after(self.patience()),
            room: Some(self.census.room(self.limits.sessions)),
            leavers: Vec::new(),
        };
        if let (Some(rate), Some(_)) = (self.limits.creation_rate, admission.principal()) {
            // Told at once where nobody is admitted at all.
            rate.admit(None, Timestamp::from_millis(0))?;
        }
        let mut place = None;
        for _ in 0..ROUNDS {
            let answer = self.client.send(&admission.request(&self.keys, &self.limits), until).await?;
            *uncertain |= answer.uncertain;
            let mut reply = Reply::first(answer.replies)?;
            match (reply.text()?.as_str(), *uncertain) {
                ("ok", _) => {
                    place.unwrap_or_else(|| self.census.take_place()).keep();
                    let now = reply.time()?;
                    self.clock.hear(now);
                    return self.created(new, now, gone(reply)?);
                }
                // An earlier attempt created it. Who went for it was in the answer that was lost.
                ("own", _) => {
                    place.unwrap_or_else(|| self.census.take_place()).keep();
                    return self.created(new, reply.time()?, Vec::new());
                }
                ("exists", _) => return Err(StoreError::AlreadyExists),
                // It took longer than a creation may, or the server's clock is not what it was.
                ("late", false) => {
                    self.clock.hear(reply.time()?);
                    admission.latest = self.clock.about().after(self.patience());
                }
                // It was created and has ended, or the last attempt was too late to tell.
                ("ended", _) | ("late", true) => {
                    return Err(StoreError::Unavailable { store: STORE, maybe_applied: true, source: None });
                }
                ("rate", _) => {
                    let retry_after = Duration::from_millis(reply.number()?);
                    return Err(Quota::CreationRate { retry_after }.into());
                }
                ("cap", _) => {
                    let principal = admission.principal().ok_or_else(|| defect(Defect::Answer))?;
                    admission.leavers = self.who_may_go(&principal, until).await?;
                    if admission.leavers.is_empty() {
                        return Err(Quota::SessionsPerPrincipal { max: self.limits.sessions_per_principal }.into());
                    }
                }
                ("crowded", _) => {
                    let max = self.limits.sessions;
                    place = Some(self.place(max, until).await?.ok_or(Quota::Sessions { max })?);
                    admission.room = None;
                }
                _ => return Err(defect(Defect::Answer)),
            }
        }
        // Whoever was about to go was used again, or went for somebody else, each time.
        Err(Quota::SessionsPerPrincipal { max: self.limits.sessions_per_principal }.into())
    }

    fn created(&self, new: &NewSession, now: Timestamp, gone: Vec<Gone>) -> Result<Created, StoreError> {
        let record = Arc::new(Record::create(new, now, &self.limits)?);
        let right = record.right(Access::Secret(new.secret()), now).ok_or_else(|| defect(Defect::Answer))?;
        self.turns.saw(new.id(), record.version);
        for gone in &gone {
            self.census.left(u64::from(gone.expired.is_none()));
        }
        Ok(Created::new(Session::new(record, right, now, now), gone))
    }

    /// Those of a principal's sessions that may go for another: all that have expired, or else the one that was idle
    /// longest, if it was idle long enough. The server looks again before one goes.
    async fn who_may_go(&self, principal: &PrincipalId, until: Instant) -> Result<Vec<Locator>, StoreError> {
        let mut longest_idle: Option<(Timestamp, Locator)> = None;
        let mut after = None;
        loop {
            let part = self.part(principal, after, PAGE, until).await?;
            if !part.expired.is_empty() {
                return Ok(part.expired);
            }
            let idle = part.live.iter().map(|(record, last_used)| (*last_used, record.locator));
            let idle = idle.filter(|(last_used, _)| part.now.since(*last_used) >= self.limits.evict_after);
            longest_idle = longest_idle.into_iter().chain(idle).min();
            after = part.next;
            if after.is_none() {
                return Ok(longest_idle.into_iter().map(|(_, locator)| locator).collect());
            }
        }
    }
}

/// How often a creation is tried that the server answers with a question.
const ROUNDS: usize = 16;
/// How many of a principal's sessions are looked at together.
const PAGE: usize = 500;

/// A wish for one more session.
struct Admission<'a> {
    new: &'a NewSession,
    /// The record, as if it were created at no time: the server adds its own time to each of its points in time.
    draft: Record,
    signature: String,
    /// When it is too late, by the server's clock: an attempt that was delayed on its way must not bring back what has
    /// ended since.
    latest: Timestamp,
    /// How many keys the server may hold without being asked how many of them are sessions.
    room: Option<u64>,
    leavers: Vec<Locator>,
}

impl Admission<'_> {
    fn principal(&self) -> Option<PrincipalId> {
        self.new.id().owner.as_principal().copied()
    }

    fn request(&self, keys: &Keys, limits: &Limits) -> Request {
        let id = self.new.id();
        let name = keys.session(id);
        let mut names = vec![name.clone()];
        names.extend(id.owner.as_principal().map(|principal| keys.index(principal)));
        let leavers = self.leavers.iter().map(|&locator| SessionId { owner: id.owner, locator });
        names.extend(leavers.map(|leaver| keys.session(&leaver)));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let fields = encode(&self.draft);
        let grants: Vec<String> = self.draft.grants.iter().map(|grant| grant_field(grant.secret)).collect();

        // No longer than any session lives: what is for ever elsewhere overflows there.
        let rate =
            |part: fn(&Rate) -> Duration| limits.creation_rate.map(|rate| millis(part(&rate).min(Lifetimes::MAX)));

        let mut all = Call::of(&CREATE, &names)
            .text(&self.signature)
            .number(self.latest.as_millis())
            .number(self.draft.ends_at.as_millis())
            .number(millis(self.draft.idle_timeout))
            .maybe(self.room)
            .text(&self.principal().map(|_| id.locator.to_string()).unwrap_or_default())
            .number(limits.sessions_per_principal)
            .maybe(rate(Rate::interval))
            .maybe(rate(Rate::tolerance))
            .number(millis(limits.evict_after))
            .number(u8::from(self.draft.set_at.is_some()))
            .number(fields.len());
        for (name, value) in &fields {
            all = all.text(name).bytes(value);
        }
        all = all.number(grants.len());
        for (grant, field) in self.draft.grants.iter().zip(&grants) {
            all = all
                .text(field)
                .text(mode_name(grant.mode))
                .number(grant.ends_at.as_millis())
                .text(grant.label.as_ref().map_or("", Text::as_str));
        }
        for leaver in &self.leavers {
            all = all.text(&leaver.to_string());
        }
        Request::new(slot(&name)).script(all)
    }
}

/// Reads who went: a locator and a reason each.
fn gone(mut reply: Reply) -> Result<Vec<Gone>, StoreError> {
    let mut all = Vec::new();
    while let Some(locator) = reply.next() {
        let locator = text(locator).and_then(|locator| locator.parse().ok()).ok_or_else(|| defect(Defect::Answer))?;
        let expired = match reply.text()?.as_str() {
            "live" => None,
            "idle" => Some(Expired::Idle),
            deadline => {
                let deadline = deadline.parse().map_err(|_| defect(Defect::Answer))?;
                Some(Expired::Absolute(Timestamp::from_millis(deadline)))
            }
        };
        all.push(Gone::new(locator, expired));
    }
    Ok(all)
}
