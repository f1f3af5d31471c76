//! Changing one session.

use std::time::Duration;

use session_core::{Change, Edit, Quota, SessionKey, StoreError, Text, Updated, Version};

use crate::client::{Call, Request};
use crate::fields::{grant_name, mode_name};
use crate::keys::slot;
use crate::reply::{Defect, Reply, STORE, defect, unknown};
use crate::scripts::UPDATE;
use crate::sessions::{Sessions, grant_of, millis};
use crate::turns::Turn;

/// How often a change is tried when others change the session so fast that nobody can tell whether it was applied.
const ROUNDS: usize = 16;

impl Sessions {
    pub(crate) async fn update(&self, key: &SessionKey, change: &Change) -> Result<Updated, StoreError> {
        let grant = grant_of(key).ok_or(StoreError::NotFound)?;
        let until = self.client.deadline();
        let turn = self.turns.of(key.id());
        let Ok(_writing) = tokio::time::timeout_at(until, turn.writing.lock()).await else {
            return Err(StoreError::Unavailable { store: STORE, maybe_applied: false, source: None });
        };
        let name = self.keys.session(key.id());
        let number = self.writer.next();
        for _ in 0..ROUNDS {
            let known = change.expected.map_or(turn.seen(), Version::get);
            let call = self.change(Call::of(&UPDATE, &[&name]), &grant, change, number, known);
            let request = Request::new(slot(&name)).script(call);
            let answer = self.client.send(&request, until).await?;
            let mut reply = Reply::first(answer.replies)?;
            match (reply.text()?.as_str(), answer.uncertain) {
                ("ok", _) => return self.updated(&turn, reply),
                ("absent", _) => return Err(StoreError::NotFound),
                ("read_only", _) => return Err(StoreError::ReadOnly),
                ("conflict", _) => return Err(StoreError::Conflict),
                ("over", uncertain) => {
                    let over = self.over(&reply.text()?)?.into();
                    // An earlier attempt may find, or have found, more room, unless there is none for such a change.
                    let by_itself = !self.over_by_itself(change).is_empty();
                    return Err(if uncertain && !by_itself { unknown(over) } else { over });
                }
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
        Err(StoreError::Unavailable { store: STORE, maybe_applied: false, source: None })
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

    /// Calls `update.lua` with a change.
    fn change(&self, call: Call, grant: &str, change: &Change, number: u64, known: u64) -> Call {
        let over = self.over_by_itself(change);
        let mut all = call
            .text(grant)
            .maybe(change.expected.map(Version::get))
            .text(self.writer.id())
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
            all = all.text(&grant_name(secret));
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
        if change.state.len() + change.grants.len() > Change::MAX_EDITS {
            "edits"
        } else if change.longest_value() > self.limits.value_bytes {
            "value"
        } else {
            ""
        }
    }
}
