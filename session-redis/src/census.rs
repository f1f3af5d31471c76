//! How many sessions there are.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Value, cmd};
use session_core::StoreError;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, Request};
use crate::reply::{Defect, Reply, STORE, defect, text};
use crate::sessions::Sessions;

/// How old a count may always be by which a creation is refused.
const STALENESS: Duration = Duration::from_secs(1);
/// How many times as old as it took it may be: so counting takes a tenth of the time at most.
const SHARE: u32 = 10;
/// How many keys the server looks at without a pause: about a millisecond's work.
const KEYS_AT_ONCE: usize = 1_000;

/// What is known of the number of sessions on the server.
///
/// One task at a time counts, for all who want to know. It goes on when their time is over, and ends with this.
#[derive(Debug)]
pub(crate) struct Census {
    shared: Arc<Shared>,
    /// The latest task.
    counting: Mutex<Option<AbortHandle>>,
}

#[derive(Debug)]
struct Shared {
    progress: watch::Sender<Progress>,
    /// How many more came than left by this process.
    net: AtomicI64,
    masters: AtomicU64,
}

/// How far counting is. The task writes it.
#[derive(Debug, Default)]
struct Progress {
    counting: bool,
    last: Option<Count>,
    /// When counting failed last, and why.
    failure: Option<(Instant, Arc<StoreError>)>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    begun: Instant,
    took: Duration,
    /// What [`Shared::net`] was when it began.
    net: i64,
    sessions: u64,
}

impl Count {
    /// How old it may be by which a creation is refused.
    fn staleness(&self) -> Duration {
        STALENESS.max(self.took.saturating_mul(SHARE))
    }

    /// Whether it was begun no longer than that before this moment.
    fn is_of(&self, moment: Instant, staleness: Duration) -> bool {
        moment.saturating_duration_since(self.begun) <= staleness
    }
}

impl Census {
    /// Nothing is known yet but how many masters there are.
    pub(crate) fn new(masters: usize) -> Self {
        let masters = AtomicU64::new(masters as u64);
        let shared = Shared { progress: watch::Sender::default(), net: AtomicI64::new(0), masters };
        Self { shared: Arc::new(shared), counting: Mutex::default() }
    }

    /// How many keys a server may hold without there being a question of too many sessions: its share of them.
    pub(crate) fn room(&self, max: u64) -> u64 {
        max / self.shared.masters.load(Ordering::Relaxed).max(1)
    }

    /// Takes a place for one session more.
    pub(crate) fn take_place(&self) -> Place<'_> {
        self.shared.net.fetch_add(1, Ordering::Relaxed);
        Place(Some(self))
    }

    /// Takes note that so many sessions have ended.
    pub(crate) fn left(&self, sessions: u64) {
        self.shared.net.fetch_sub(i64::try_from(sessions).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn last(&self) -> Option<Count> {
        self.shared.progress.borrow().last
    }

    /// Whether there is a place for all that have one, going by this count and by what this process did since.
    fn is_within(&self, max: u64, count: &Count) -> bool {
        let since = self.shared.net.load(Ordering::Relaxed).saturating_sub(count.net);
        count.sessions.saturating_add_signed(since) <= max
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        let counting = self.counting.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(counting) = counting {
            counting.abort();
        }
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
    ///
    /// What was counted some time ago is good enough to let somebody in; only who would be refused waits for a new
    /// count, until then at most.
    pub(crate) async fn place(&self, max: u64, until: Instant) -> Result<Option<Place<'_>>, StoreError> {
        let asked = Instant::now();
        let known = match self.census.last() {
            Some(known) => known,
            None => self.counted(Duration::MAX, until).await?,
        };
        let stale = !known.is_of(asked, known.staleness());
        if stale {
            self.begin_to_count();
        }
        let place = self.census.take_place();
        if self.census.is_within(max, &known) {
            return Ok(Some(place));
        }
        let fresh = if stale { self.counted(known.staleness(), until).await.ok() } else { None };
        Ok(fresh.filter(|fresh| self.census.is_within(max, fresh)).map(|_| place))
    }

    /// Counts the sessions of all owners, unless that was begun at most `max_staleness` ago.
    pub(crate) async fn count(&self, max_staleness: Duration, until: Instant) -> Result<u64, StoreError> {
        Ok(self.counted(max_staleness, until).await?.sessions)
    }

    /// A count that was begun at most so long ago, waited for until then.
    async fn counted(&self, max_staleness: Duration, until: Instant) -> Result<Count, StoreError> {
        let unavailable = |source| StoreError::Unavailable { store: STORE, maybe_applied: false, source };
        let asked = Instant::now();
        let mut progress = self.census.shared.progress.subscribe();
        loop {
            {
                let seen = progress.borrow_and_update();
                if let Some(count) = seen.last.filter(|count| count.is_of(asked, max_staleness)) {
                    return Ok(count);
                }
                if let Some((_, error)) = seen.failure.as_ref().filter(|(failed, _)| *failed >= asked) {
                    return Err(unavailable(Some(Box::new(Arc::clone(error)))));
                }
            }
            self.begin_to_count();
            if timeout_at(until, progress.changed()).await.is_err() {
                return Err(unavailable(Some(NotCounted.into())));
            }
        }
    }

    /// Begins to count in the background, unless that has begun.
    fn begin_to_count(&self) {
        let shared = &self.census.shared;
        if !shared.progress.send_if_modified(|progress| !std::mem::replace(&mut progress.counting, true)) {
            return;
        }
        let counting = Counting(Arc::clone(shared));
        let (client, pattern) = (self.client.clone(), self.keys.sessions());
        let task = tokio::spawn(async move { counting.count(&client, &pattern).await });
        let mut latest = self.census.counting.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(task.abort_handle());
    }
}

/// The one who counts, until this is dropped: at the end, or together with the runtime.
struct Counting(Arc<Shared>);

impl Counting {
    async fn count(&self, client: &Client, pattern: &str) {
        let (begun, net) = (Instant::now(), self.0.net.load(Ordering::Relaxed));
        let sessions = self.scan(client, pattern).await;
        let now = Instant::now();
        self.0.progress.send_modify(|progress| match sessions {
            Ok(sessions) => progress.last = Some(Count { begun, took: now - begun, net, sessions }),
            Err(error) => progress.failure = Some((now, Arc::new(error))),
        });
    }

    /// Looks at every key of every master. A key that moves meanwhile can be met twice and is counted once.
    async fn scan(&self, client: &Client, pattern: &str) -> Result<u64, StoreError> {
        let hasher = RandomState::new();
        let mut seen = HashSet::new();
        let masters = client.masters(client.deadline()).await?;
        self.0.masters.store(masters.len() as u64, Ordering::Relaxed);
        for master in &masters {
            let mut cursor = "0".to_owned();
            loop {
                let mut scan = cmd("SCAN");
                scan.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(KEYS_AT_ONCE).arg("TYPE").arg("hash");
                let request = Request::new(0).command(scan);
                let mut reply = Reply::first(client.send_to(master, &request, client.deadline()).await?.replies)?;
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

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.progress.send_modify(|progress| progress.counting = false);
    }
}

/// Counting takes longer than an operation may.
#[derive(Debug, thiserror::Error)]
#[error("the sessions are not counted yet; counting goes on")]
struct NotCounted;
