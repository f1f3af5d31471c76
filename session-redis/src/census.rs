//! How many sessions there are.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use redis::{Value, cmd};
use session_core::StoreError;
use tokio::time::Instant;

use crate::client::Request;
use crate::reply::{Defect, Reply, defect, text};
use crate::sessions::Sessions;

/// How old a count may be by which a creation is admitted or refused.
const STALENESS: Duration = Duration::from_secs(1);
/// How many keys the server looks at without a pause: about a millisecond's work.
const KEYS_AT_ONCE: usize = 1_000;

/// What is known of the number of sessions on the server.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// Held while the sessions are counted, so that those who want to know wait for one count.
    last: tokio::sync::Mutex<Option<Count>>,
    /// How many more came than left by this process since the last count began.
    since: AtomicI64,
    masters: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    begun: Instant,
    sessions: u64,
}

impl Census {
    pub(crate) fn new(masters: usize) -> Self {
        Self { masters: AtomicU64::new(masters as u64), ..Self::default() }
    }

    /// How many keys a server may hold without there being a question of too many sessions: its share of them.
    pub(crate) fn room(&self, max: u64) -> u64 {
        max / self.masters.load(Ordering::Relaxed).max(1)
    }

    /// Takes a place for one session more.
    pub(crate) fn take_place(&self) -> Place<'_> {
        self.since.fetch_add(1, Ordering::Relaxed);
        Place(Some(self))
    }

    /// Takes note that so many sessions have ended.
    pub(crate) fn left(&self, sessions: u64) {
        self.since.fetch_sub(i64::try_from(sessions).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// A place for one session, given back unless it is kept.
#[derive(Debug)]
pub(crate) struct Place<'a>(Option<&'a Census>);

impl Place<'_> {
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(census) = self.0 {
            census.left(1);
        }
    }
}

impl Sessions {
    /// A place among `max` sessions, if there is one as far as is known here.
    pub(crate) async fn place(&self, max: u64, until: Instant) -> Result<Option<Place<'_>>, StoreError> {
        let counted = self.count(STALENESS, until).await?;
        let place = self.census.take_place();
        let sessions = counted.saturating_add_signed(self.census.since.load(Ordering::Relaxed));
        Ok((sessions <= max).then_some(place))
    }

    /// Counts the sessions of all owners, unless that was begun at most `max_staleness` ago.
    pub(crate) async fn count(&self, max_staleness: Duration, until: Instant) -> Result<u64, StoreError> {
        let asked = Instant::now();
        let mut last = self.census.last.lock().await;
        if let Some(count) = last.filter(|count| count.begun + max_staleness >= asked) {
            return Ok(count.sessions);
        }
        let begun = Instant::now();
        self.census.since.store(0, Ordering::Relaxed);
        let sessions = self.scan(until).await?;
        *last = Some(Count { begun, sessions });
        Ok(sessions)
    }

    /// Looks at every key of every master. A key that moves meanwhile can be met twice and is counted once.
    async fn scan(&self, until: Instant) -> Result<u64, StoreError> {
        let pattern = self.keys.sessions();
        let hasher = RandomState::new();
        let mut seen = HashSet::new();
        let masters = self.client.masters(until).await?;
        self.census.masters.store(masters.len() as u64, Ordering::Relaxed);
        for master in &masters {
            let mut cursor = "0".to_owned();
            loop {
                let mut scan = cmd("SCAN");
                scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(KEYS_AT_ONCE).arg("TYPE").arg("hash");
                let request = Request::new(0).command(scan);
                let mut reply = Reply::only(self.client.send_to(master, &request, until).await?.replies)?;
                cursor = reply.text()?;
                let Some(Value::Array(keys)) = reply.next() else { return Err(defect(Defect::Answer)) };
                seen.extend(keys.into_iter().filter_map(text).map(|key| hasher.hash_one(key)));
                if cursor == "0" {
                    break;
                }
            }
        }
        Ok(seen.len() as u64)
    }
}
