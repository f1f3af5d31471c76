//! Writers who remember what they were told.
//!
//! Each writer owns a value with a rising number and adds to a counter that all share, by compare-and-set; now and then
//! it opens a session of its own and ends it. Whatever happens meanwhile, in the end
//!
//! - the counter and the version are what was acknowledged, and at most what is unknown on top of that;
//! - each writer's own value is the last that was acknowledged, or one after it that is unknown;
//! - what was acknowledged as ended is gone, and what was acknowledged as opened is there;
//! - every key has an end.
//!
//! While they write, no one reads a version older than one that anybody was told of before.
#![allow(dead_code, reason = "the tests of faults use one part and those of topologies another")]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::Value;
use session_core::{
    Load, Locator, Owner, Page, Session, SessionKey, SessionStore as _, SessionStoreExt as _, StoreError, Updated,
};
use session_redis::RedisStore;
use session_test_servers::Server;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::stores::{alice, draft, number, open, set};

/// How many write, and to how many sessions: every other one is a principal's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) writers: usize,
    pub(crate) sessions: usize,
    /// Where a session is, if what is told of it there is to be looked at by itself.
    pub(crate) place: fn(&SessionKey) -> usize,
    /// Whether what was acknowledged can be lost, to be asked for as [`History::lost`]: then the writers are surprised
    /// by nothing.
    pub(crate) lossy: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { writers: 9, sessions: 2, place: |_| 0, lossy: false }
    }
}

/// What all writers were told.
#[derive(Debug)]
pub(crate) struct History {
    plan: Plan,
    subjects: Vec<Arc<Subject>>,
    logs: Vec<Log>,
}

/// A session that several write to.
#[derive(Debug)]
struct Subject {
    key: SessionKey,
    changes: Tally,
    counted: Tally,
    /// The latest version that anybody was told of.
    told: AtomicU64,
}

#[derive(Debug, Default)]
struct Tally {
    acknowledged: AtomicU64,
    unknown: AtomicU64,
}

/// What one writer was told.
#[derive(Debug, Default)]
struct Log {
    field: String,
    subject: usize,
    /// The last number of its own that was acknowledged, and those after it of which nothing is known.
    acknowledged: u64,
    unknown: BTreeSet<u64>,
    opened: Vec<SessionKey>,
    ended: Vec<SessionKey>,
    /// What was told of the sessions in each place.
    told: BTreeMap<usize, Told>,
}

/// What was wrong with answers, and how long the slowest took.
#[derive(Debug, Default)]
struct Told {
    errors: BTreeMap<&'static str, usize>,
    slowest: Duration,
}

const COUNTER: &str = "counter";
/// For how long they go on after the trouble.
const AFTERWARDS: Duration = Duration::from_millis(300);

impl History {
    /// Opens sessions, and lets writers write to them by way of these stores until the trouble is over and a moment
    /// longer.
    pub(crate) async fn of(stores: &[RedisStore], plan: Plan, trouble: impl Future<Output = ()>) -> Self {
        let mut subjects = Vec::new();
        for session in 0..plan.sessions {
            let owner = if session % 2 == 0 { alice() } else { Owner::Anonymous };
            let key = open(&stores[0], owner).await;
            let (changes, counted) = (Tally::default(), Tally::default());
            subjects.push(Arc::new(Subject { key, changes, counted, told: AtomicU64::new(1) }));
        }
        let over = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for number in 0..plan.writers {
            let subject = number % subjects.len();
            let log = Log { field: format!("writer-{number}"), subject, ..Log::default() };
            let store = stores[number % stores.len()].clone();
            let writer = Writer { store, subject: Arc::clone(&subjects[subject]), plan, log };
            writers.spawn(writer.run(Arc::clone(&over)));
        }
        trouble.await;
        sleep(AFTERWARDS).await;
        over.store(true, Ordering::Relaxed);
        let logs = writers.join_all().await;
        let history = Self { plan, subjects, logs };
        assert!(history.acknowledged() > 0, "somebody was answered: {:?}", history.errors());
        history
    }

    /// How many changes were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.subjects.iter().map(|subject| subject.changes.acknowledged.load(Ordering::Relaxed)).sum()
    }

    /// How often which error was told. A conflict is none; a session that is absent is.
    pub(crate) fn errors(&self) -> BTreeMap<&'static str, usize> {
        self.errors_where(|_| true)
    }

    /// The same for sessions in some places.
    pub(crate) fn errors_where(&self, which: impl Fn(usize) -> bool) -> BTreeMap<&'static str, usize> {
        let mut all = BTreeMap::new();
        for (&error, count) in self.told_where(which).flat_map(|told| &told.errors) {
            *all.entry(error).or_default() += count;
        }
        all
    }

    /// The errors but for these.
    pub(crate) fn errors_but_for(&self, expected: &[&str]) -> BTreeMap<&'static str, usize> {
        self.errors().into_iter().filter(|(error, _)| !expected.contains(error)).collect()
    }

    /// The longest that anybody waited for one answer.
    pub(crate) fn slowest(&self) -> Duration {
        self.slowest_where(|_| true)
    }

    /// The same for sessions in some places.
    pub(crate) fn slowest_where(&self, which: impl Fn(usize) -> bool) -> Duration {
        self.told_where(which).map(|told| told.slowest).max().unwrap_or_default()
    }

    fn told_where(&self, which: impl Fn(usize) -> bool) -> impl Iterator<Item = &Told> {
        let told = self.logs.iter().flat_map(|log| &log.told);
        told.filter(move |(place, _)| which(**place)).map(|(_, told)| told)
    }

    /// Holds it against what is there now.
    pub(crate) async fn agrees_with(&self, server: &Server) {
        self.agrees_with_all(&server.url(), &[server]).await;
    }

    /// The same for several servers that a URL leads to.
    pub(crate) async fn agrees_with_all(&self, url: &str, servers: &[&Server]) {
        let store = crate::stores::connect(url).await;
        for (index, subject) in self.subjects.iter().enumerate() {
            let session = seen(&store, &subject.key).await.expect("nobody ended it");
            subject.counted.agrees_with(number(&session, COUNTER), "the counter");
            subject.changes.agrees_with(session.version.get() - 1, "the version");
            for log in self.logs.iter().filter(|log| log.subject == index) {
                let own = number(&session, &log.field);
                let possible = own == log.acknowledged || log.unknown.contains(&own);
                assert!(
                    possible,
                    "{} holds {own}; acknowledged {}, unknown {:?}",
                    log.field, log.acknowledged, log.unknown
                );
            }
        }
        let listed = listed(&store).await;
        for log in &self.logs {
            for key in &log.ended {
                assert!(seen(&store, key).await.is_none(), "an ended session is visible");
                assert!(!listed.contains(&key.locator()), "an ended session is listed");
            }
            for key in &log.opened {
                assert!(seen(&store, key).await.is_some(), "an opened session is absent");
                assert!(listed.contains(&key.locator()) || key.owner() == Owner::Anonymous, "and it is listed");
            }
        }
        for server in servers {
            every_key_has_an_end(server).await;
        }
    }

    /// How much of what was acknowledged is not there, at least: changes that are missing, ended sessions that are
    /// visible, opened ones that are not. Whatever was lost, nothing was applied twice and every key has an end.
    pub(crate) async fn lost(&self, url: &str, servers: &[&Server]) -> u64 {
        self.lost_where(url, servers, |_| true).await
    }

    /// The same for sessions in some places.
    pub(crate) async fn lost_where(&self, url: &str, servers: &[&Server], which: impl Fn(usize) -> bool) -> u64 {
        let store = crate::stores::connect(url).await;
        let here = |key: &SessionKey| which((self.plan.place)(key));
        let mut lost = 0;
        for subject in self.subjects.iter().filter(|subject| here(&subject.key)) {
            let session = seen(&store, &subject.key).await.expect("nobody ended it");
            lost += subject.changes.lost(session.version.get() - 1, "the version");
            subject.counted.lost(number(&session, COUNTER), "the counter");
        }
        for key in self.logs.iter().flat_map(|log| &log.ended).filter(|key| here(key)) {
            lost += u64::from(seen(&store, key).await.is_some());
        }
        for key in self.logs.iter().flat_map(|log| &log.opened).filter(|key| here(key)) {
            lost += u64::from(seen(&store, key).await.is_none());
        }
        for server in servers {
            every_key_has_an_end(server).await;
        }
        lost
    }

    /// Holds against a server that lost everything: nothing that was there before is visible in any part.
    pub(crate) async fn is_forgotten_by(&self, server: &Server) {
        let store = crate::stores::connect(&server.url()).await;
        let subjects = self.subjects.iter().map(|subject| &subject.key);
        for key in subjects.chain(self.logs.iter().flat_map(|log| &log.ended)) {
            assert!(seen(&store, key).await.is_none(), "a lost session is visible");
        }
        every_key_has_an_end(server).await;
    }
}

impl Tally {
    fn note(&self, applied: Option<bool>) {
        match applied {
            Some(true) => self.acknowledged.fetch_add(1, Ordering::Relaxed),
            None => self.unknown.fetch_add(1, Ordering::Relaxed),
            Some(false) => 0,
        };
    }

    /// How much of what was acknowledged is missing, at least.
    fn lost(&self, value: u64, what: &str) -> u64 {
        let (acknowledged, unknown) = (self.acknowledged.load(Ordering::Relaxed), self.unknown.load(Ordering::Relaxed));
        assert!(value <= acknowledged + unknown, "{what} is {value}; acknowledged {acknowledged}, unknown {unknown}");
        acknowledged.saturating_sub(value)
    }

    fn agrees_with(&self, value: u64, what: &str) {
        let (acknowledged, unknown) = (self.acknowledged.load(Ordering::Relaxed), self.unknown.load(Ordering::Relaxed));
        assert!(
            (acknowledged..=acknowledged + unknown).contains(&value),
            "{what} is {value}; acknowledged {acknowledged}, unknown {unknown}"
        );
    }
}

struct Writer {
    store: RedisStore,
    subject: Arc<Subject>,
    plan: Plan,
    log: Log,
}

impl Writer {
    async fn run(mut self, over: Arc<AtomicBool>) -> Log {
        let mut round = 0_u64;
        while !over.load(Ordering::Relaxed) {
            round += 1;
            self.write(round).await;
            self.add().await;
            self.read(if round.is_multiple_of(2) { Load::Touch } else { Load::Peek }).await;
            if round.is_multiple_of(4) {
                self.come_and_go(round).await;
            }
        }
        self.log
    }

    async fn write(&mut self, number: u64) {
        let change = set(&self.log.field, number);
        let answer = timed(self.log.told_at(self.here()), self.store.update(&self.subject.key, change)).await;
        match self.changed(&answer) {
            Some(true) => {
                self.log.acknowledged = number;
                self.log.unknown.clear();
            }
            Some(false) => {}
            None => drop(self.log.unknown.insert(number)),
        }
    }

    /// Adds one to the counter, however often somebody else is faster.
    async fn add(&mut self) {
        loop {
            let Some(session) = self.read(Load::Peek).await else { return };
            let change = set(COUNTER, number(&session, COUNTER) + 1).if_version(session.version);
            let answer = timed(self.log.told_at(self.here()), self.store.update(&self.subject.key, change)).await;
            if !matches!(answer, Err(StoreError::Conflict)) {
                return self.subject.counted.note(self.changed(&answer));
            }
        }
    }

    /// Reads the session, and looks that it is none of the past.
    async fn read(&mut self, load: Load) -> Option<Session> {
        let told = self.subject.told.load(Ordering::Relaxed);
        let session = timed(self.log.told_at(self.here()), self.store.load(&self.subject.key, load)).await.ok()?;
        let Some(session) = session else {
            self.log.told_at(self.here()).erred("absent");
            return None;
        };
        assert_eq!(session.locator, self.subject.key.locator(), "the answer belongs to the question");
        if self.plan.lossy {
            return Some(session);
        }
        assert!(session.version.get() >= told, "version {:?} is read after {told} was told", session.version);
        let own = number(&session, &self.log.field);
        let possible = own == self.log.acknowledged || self.log.unknown.contains(&own);
        assert!(possible, "read {own} of one's own after {}", self.log.acknowledged);
        Some(session)
    }

    /// Opens a session, writes to it and ends it. Every other one stays.
    async fn come_and_go(&mut self, round: u64) {
        let (new, key) = draft(if round.is_multiple_of(8) { alice() } else { Owner::Anonymous });
        let there = (self.plan.place)(&key);
        if timed(self.log.told_at(there), self.store.create(new)).await.is_err() {
            return;
        }
        let _ = timed(self.log.told_at(there), self.store.update(&key, set("round", round))).await;
        if round.is_multiple_of(16) {
            return self.log.opened.push(key);
        }
        match timed(self.log.told_at(there), self.store.delete(&key)).await {
            Ok(true) => {
                let after = timed(self.log.told_at(there), self.store.load(&key, Load::Touch)).await;
                assert!(!matches!(after, Ok(Some(_))) || self.plan.lossy, "a session is visible after its end");
                let late = timed(self.log.told_at(there), self.store.update(&key, set("round", "late"))).await;
                assert!(late.is_err() || self.plan.lossy, "a session is changed after its end");
                self.log.told_at(there).forgive("not found", matches!(late, Err(StoreError::NotFound)));
                self.log.ended.push(key);
            }
            Ok(false) => self.log.told_at(there).erred("absent"),
            Err(_) => {}
        }
    }

    /// Where the session is that it writes to.
    fn here(&self) -> usize {
        (self.plan.place)(&self.subject.key)
    }

    /// Whether a change was applied; `None` if nobody knows.
    fn changed(&self, answer: &Result<Updated, StoreError>) -> Option<bool> {
        let applied = match answer {
            Ok(updated) => {
                self.subject.told.fetch_max(updated.version.get(), Ordering::Relaxed);
                Some(true)
            }
            Err(StoreError::Unavailable { maybe_applied: true, .. }) => None,
            Err(_) => Some(false),
        };
        self.subject.changes.note(applied);
        applied
    }
}

impl Log {
    fn told_at(&mut self, place: usize) -> &mut Told {
        self.told.entry(place).or_default()
    }
}

impl Told {
    fn erred(&mut self, error: &'static str) {
        *self.errors.entry(error).or_default() += 1;
    }

    /// Takes an error back that was meant to come.
    fn forgive(&mut self, error: &'static str, meant: bool) {
        if let Some(count) = self.errors.get_mut(error).filter(|_| meant) {
            *count -= 1;
        }
        self.errors.retain(|_, count| *count > 0);
    }
}

/// Waits for an answer, and notes how long that took and what was wrong with it.
async fn timed<T>(told: &mut Told, operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let begun = Instant::now();
    let answer = operation.await;
    told.slowest = told.slowest.max(begun.elapsed());
    match &answer {
        Ok(_) | Err(StoreError::Conflict) => {}
        Err(StoreError::Unavailable { maybe_applied: true, .. }) => told.erred("unavailable, unknown"),
        Err(StoreError::Unavailable { .. }) => told.erred("unavailable"),
        Err(StoreError::Full { .. }) => told.erred("full"),
        Err(StoreError::NotFound) => told.erred("not found"),
        Err(StoreError::Defect { .. }) => told.erred("defect"),
        Err(_) => told.erred("another"),
    }
    answer
}

/// What is there of a session.
async fn seen(store: &RedisStore, key: &SessionKey) -> Option<Session> {
    once_well(async || store.peek(key).await).await
}

/// What is answered by a server that is well. One whose replicas are late refuses to write for a moment, and says so;
/// nothing else is waited for.
async fn once_well<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> T {
    for _ in 0..50 {
        match ask().await {
            Err(StoreError::Unavailable { source: Some(source), .. })
                if format!("{source:?}").contains("NOREPLICAS") =>
            {
                sleep(Duration::from_millis(100)).await;
            }
            answer => return answer.expect("the server is well"),
        }
    }
    panic!("the replicas are late for seconds");
}

/// Everything that alice has.
pub(crate) async fn listed(store: &RedisStore) -> BTreeSet<Locator> {
    let mut all = BTreeSet::new();
    let mut page = Page::first(NonZeroU32::MAX);
    loop {
        let listing = once_well(async || store.list(&alice(), page.clone()).await).await;
        all.extend(listing.sessions.iter().map(|summary| summary.locator));
        page.after = listing.next;
        if page.after.is_none() {
            return all;
        }
    }
}

/// Looks that the server will forget everything it holds.
pub(crate) async fn every_key_has_an_end(server: &Server) {
    for key in keys(server).await {
        let left = server.cli(&[b"PTTL", key.as_slice()]).await;
        assert_ne!(left, Value::Int(-1), "{} has no end", String::from_utf8_lossy(&key));
    }
}

/// All keys of a server.
pub(crate) async fn keys(server: &Server) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = server.cli(&["SCAN", &cursor, "COUNT", "1000"]).await;
        let (next, keys): (String, Vec<Vec<u8>>) = redis::from_redis_value(reply).expect("a cursor and keys");
        all.extend(keys);
        if next == "0" {
            return all;
        }
        cursor = next;
    }
}
