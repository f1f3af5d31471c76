//! Who is compared: our store, and what people would use instead, each behind the same kind of call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dashmap::DashMap;
use moka::sync::Cache;
use session_core::{
    Access, Change, Created, Expired, Lifetimes, Limits, Listing, Load, NewSession, Owner, Page, Record, Right,
    Session, SessionId, SessionKey, SessionName, SessionStore, StateValue, StoreError, Timestamp, Updated,
};
use session_memory::{MemoryConfig, MemoryStore};
use time::OffsetDateTime;
use tower_sessions_core::SessionStore as TowerStore;
use tower_sessions_core::session::{Id, Record as TowerRecord};

/// What is compared, in the order in which it is printed.
pub(crate) const CONTENDERS: [&str; 4] = ["session-memory", "bare DashMap", "moka", "tower-sessions"];

/// One of them, with as many sessions as it was filled with.
#[derive(Clone)]
pub(crate) enum Contender {
    Store(Arc<dyn SessionStore>),
    Tower(Arc<dyn TowerStore>),
}

/// How to reach a session of any of them.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    ours: SessionKey,
    towers: Id,
}

impl Contender {
    pub(crate) fn new(name: &str) -> Self {
        match name {
            "session-memory" => Self::Store(Arc::new(store(Duration::from_secs(3_600)))),
            "bare DashMap" => Self::Store(Arc::new(Bare::default())),
            "moka" => Self::Store(Arc::new(Moka::new())),
            _ => Self::Tower(Arc::new(tower_sessions_memory_store::MemoryStore::default())),
        }
    }

    pub(crate) async fn create(&self, session: &Planned) {
        match self {
            Self::Store(store) => drop(store.as_ref().create(session.new.clone()).await.expect("there is room")),
            Self::Tower(store) => {
                let mut record = session.towers();
                store.create(&mut record).await.expect("there is room");
            }
        }
    }

    /// Loads each session as a use of it.
    pub(crate) async fn touch_all(&self, keys: impl Iterator<Item = &Key>) {
        match self {
            Self::Store(store) => {
                // Called as what it is: a pointer to a store is itself a store, whose call would be one more.
                let store = store.as_ref();
                for key in keys {
                    let session = store.load(&key.ours, Load::Touch).await.expect("memory answers");
                    assert!(session.is_some(), "it is live");
                }
            }
            Self::Tower(store) => {
                for key in keys {
                    // What its middleware does for a session whose inactivity is to count: load, prolong, save.
                    let mut record = store.load(&key.towers).await.expect("memory answers").expect("it is live");
                    record.expiry_date = OffsetDateTime::now_utc() + DAY;
                    store.save(&record).await.expect("memory answers");
                }
            }
        }
    }

    /// Sets one value of each session.
    pub(crate) async fn update_all(&self, keys: impl Iterator<Item = &Key>) {
        match self {
            Self::Store(store) => {
                let store = store.as_ref();
                let change = Change::new().set(state_name(0), value(20));
                for key in keys {
                    store.update(&key.ours, change.clone()).await.expect("it is live");
                }
            }
            Self::Tower(store) => {
                for key in keys {
                    let mut record = store.load(&key.towers).await.expect("memory answers").expect("it is live");
                    record.data.insert(state_name(0).as_str().to_owned(), "x".repeat(20).into());
                    record.expiry_date = OffsetDateTime::now_utc() + DAY;
                    store.save(&record).await.expect("memory answers");
                }
            }
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Our store with room for a benchmark.
pub(crate) fn store(sweep_interval: Duration) -> MemoryStore {
    let limits = Limits { sessions: 10_000_000, creation_rate: None, ..Limits::default() };
    MemoryStore::new(MemoryConfig { limits, sweep_interval })
}

/// A session that every contender is to keep.
pub(crate) struct Planned {
    pub(crate) key: Key,
    new: NewSession,
}

impl Planned {
    /// A session of so many values of so many bytes.
    pub(crate) fn new(owner: Owner, values: usize, bytes: usize, idle: Duration) -> Self {
        let name = SessionName::mint();
        let initial = (0..values).fold(Change::new(), |change, at| change.set(state_name(at), value(bytes)));
        let lifetimes = Lifetimes::new(idle, idle * 7).expect("valid lifetimes");
        let towers = Id(i128::from_le_bytes(*name.locator().as_bytes()));
        let key = Key { ours: SessionKey::by_name(owner, &name), towers };
        Self { key, new: NewSession::new(owner, &name, lifetimes).with(initial) }
    }

    fn towers(&self) -> TowerRecord {
        let initial = &self.new.initial().state;
        let text = |value: &StateValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = initial.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let data = values.map(|(name, value)| (name.as_str().to_owned(), text(value).into()));
        let data: HashMap<_, _> = data.collect();
        TowerRecord { id: self.key.towers, data, expiry_date: OffsetDateTime::now_utc() + self.new.lifetimes().idle() }
    }
}

/// Small sessions, and their keys in an order that has nothing to do with theirs in memory.
pub(crate) fn plan(count: usize, idle: Duration) -> (Vec<Planned>, Vec<Key>) {
    let planned: Vec<Planned> = (0..count).map(|_| Planned::new(Owner::Anonymous, 1, 20, idle)).collect();
    let mut keys: Vec<Key> = planned.iter().map(|planned| planned.key).collect();
    keys.sort_by_key(|key| key.ours.locator());
    (planned, keys)
}

impl Key {
    pub(crate) fn ours(&self) -> &SessionKey {
        &self.ours
    }
}

fn state_name(at: usize) -> session_core::StateName {
    format!("value-{at}").parse().expect("a valid name")
}

fn value(bytes: usize) -> StateValue {
    StateValue::from(vec![b'x'; bytes])
}

fn right_of(record: &Record, new: &NewSession, now: Timestamp) -> Right {
    record.right(Access::Secret(new.secret()), now).expect("a new session's name opens it")
}

/// A map of the same records and keys, with an atomic touch and nothing else that a store promises.
#[derive(Debug)]
pub(crate) struct Bare {
    map: DashMap<SessionId, Used>,
    /// What everybody may do: a map keeps no rights of its own.
    right: OnceLock<Right>,
    origin: Instant,
    limits: Limits,
}

#[derive(Debug)]
struct Used {
    record: Arc<Record>,
    last_used: AtomicU64,
}

impl Default for Bare {
    fn default() -> Self {
        Self { map: DashMap::new(), right: OnceLock::new(), origin: Instant::now(), limits: Limits::default() }
    }
}

impl Bare {
    fn now(&self) -> Timestamp {
        let elapsed = self.origin.elapsed();
        Timestamp::from_millis(elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis()))
    }

    /// Frees what has expired, and says how many there were.
    pub(crate) fn sweep(&self) -> usize {
        let (now, before) = (self.now(), self.map.len());
        self.map.retain(|_, used| {
            let last_used = Timestamp::from_millis(used.last_used.load(Ordering::Relaxed));
            used.record.expired(last_used, now).is_none()
        });
        before - self.map.len()
    }
}

#[async_trait]
impl SessionStore for Bare {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        let now = self.now();
        let record = Arc::new(Record::create(&new, now, &self.limits)?);
        let right = *self.right.get_or_init(|| right_of(&record, &new, now));
        self.map.insert(*new.id(), Used { record: record.clone(), last_used: AtomicU64::new(now.as_millis()) });
        Ok(Created::new(Session::new(record, right, now, now), Vec::new()))
    }

    async fn load(&self, key: &SessionKey, _: Load) -> Result<Option<Session>, StoreError> {
        let now = self.now();
        let Some(used) = self.map.get(key.id()) else { return Ok(None) };
        used.last_used.store(now.as_millis(), Ordering::Relaxed);
        let right = *self.right.get().expect("a session was created");
        Ok(Some(Session::new(used.record.clone(), right, now, now)))
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        let now = self.now();
        let mut used = self.map.get_mut(key.id()).ok_or(StoreError::NotFound)?;
        Record::apply(&mut used.record, key.access(), &change, now, &self.limits)?;
        used.last_used.store(now.as_millis(), Ordering::Relaxed);
        Ok(Updated::new(used.record.version, now, used.record.expires_at(now)))
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        Ok(self.map.remove(key.id()).is_some())
    }

    async fn count(&self, _: Duration) -> Result<u64, StoreError> {
        Ok(self.map.len() as u64)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }

    async fn list(&self, _: &Owner, _: Page) -> Result<Listing, StoreError> {
        unreachable!("a map has no lists")
    }

    async fn end_all(&self, _: &Owner) -> Result<u64, StoreError> {
        unreachable!("a map has no lists")
    }

    async fn why_absent(&self, _: &SessionKey) -> Result<Option<Expired>, StoreError> {
        unreachable!("a map does not remember")
    }
}

/// A cache with an idle timeout, which every read begins anew by itself.
#[derive(Debug)]
struct Moka {
    cache: Cache<SessionId, Arc<Record>>,
    right: OnceLock<Right>,
    limits: Limits,
}

impl Moka {
    fn new() -> Self {
        Self { cache: Cache::builder().time_to_idle(DAY).build(), right: OnceLock::new(), limits: Limits::default() }
    }
}

#[async_trait]
impl SessionStore for Moka {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        let now = Timestamp::from_millis(0);
        let record = Arc::new(Record::create(&new, now, &self.limits)?);
        let right = *self.right.get_or_init(|| right_of(&record, &new, now));
        self.cache.insert(*new.id(), record.clone());
        Ok(Created::new(Session::new(record, right, now, now), Vec::new()))
    }

    async fn load(&self, key: &SessionKey, _: Load) -> Result<Option<Session>, StoreError> {
        let now = Timestamp::from_millis(0);
        let Some(record) = self.cache.get(key.id()) else { return Ok(None) };
        Ok(Some(Session::new(record, *self.right.get().expect("a session was created"), now, now)))
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        let now = Timestamp::from_millis(0);
        let mut record = self.cache.get(key.id()).ok_or(StoreError::NotFound)?;
        Record::apply(&mut record, key.access(), &change, now, &self.limits)?;
        let updated = Updated::new(record.version, now, record.expires_at(now));
        self.cache.insert(*key.id(), record);
        Ok(updated)
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        Ok(self.cache.remove(key.id()).is_some())
    }

    async fn count(&self, _: Duration) -> Result<u64, StoreError> {
        self.cache.run_pending_tasks();
        Ok(self.cache.entry_count())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }

    async fn list(&self, _: &Owner, _: Page) -> Result<Listing, StoreError> {
        unreachable!("a cache has no lists")
    }

    async fn end_all(&self, _: &Owner) -> Result<u64, StoreError> {
        unreachable!("a cache has no lists")
    }

    async fn why_absent(&self, _: &SessionKey) -> Result<Option<Expired>, StoreError> {
        unreachable!("a cache does not remember")
    }
}
