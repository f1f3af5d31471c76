//! Sessions whose writers remember what they were told.
//!
//! Each session counts, at two replicas at once, and keeps a value that bears the session's number and a rising one.
//! Now and then its writer opens another session, and ends every second one of these. In the end
//!
//! - the count and the version are what was acknowledged, and at most what is unknown on top of that;
//! - the value is the last that was acknowledged, or one after it that is unknown;
//! - what was acknowledged as opened is there, and what was acknowledged as ended is not, at any replica.
//!
//! Meanwhile a session that lives is never said not to be there, no two calls are told the same count, and what is read
//! is the session's own and never older than what it was told before.

use std::collections::BTreeSet;
use std::io::{Write as _, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::caller::{Caller, Fleet, Refused};

/// Between a session's calls, so that two processors can keep up with all sessions.
const PAUSE: Duration = Duration::from_millis(1_200);
/// How many sessions are opened or looked at beside each other when there is no trouble.
const AT_ONCE: usize = 16;
/// How long the store may be said to be away once it is back.
const RECOVERY: Duration = Duration::from_secs(5);

/// What all writers were told.
#[derive(Debug)]
pub(crate) struct History {
    writers: Vec<Writer>,
}

impl History {
    /// Opens sessions, and lets their writers write until the trouble is over.
    pub(crate) async fn of(fleet: &Arc<Fleet>, sessions: usize, trouble: impl Future<Output = ()>) -> Self {
        let begun = (0..sessions).map(|number| Writer::begin(fleet, number));
        let writers: Vec<_> = stream::iter(begun).buffered(AT_ONCE).collect().await;
        let over = Arc::new(AtomicBool::new(false));
        let mut writing = JoinSet::new();
        for (at, writer) in writers.into_iter().enumerate() {
            let over = Arc::clone(&over);
            let share = u32::try_from(at).expect("so many fit") * PAUSE / u32::try_from(sessions).expect("so many fit");
            writing.spawn(async move {
                sleep(share).await;
                writer.run(&over).await
            });
        }
        let watched = async {
            while let Some(writer) = writing.join_next().await {
                writer.expect("a writer is told the truth");
            }
        };
        tokio::select! {
            () = trouble => {}
            () = watched => panic!("writers write until the trouble is over"),
        }
        over.store(true, Ordering::Relaxed);
        Self { writers: writing.join_all().await }
    }

    /// Says what was measured, for whoever runs with `--no-capture`.
    pub(crate) fn report(&self, fleet: &Fleet) {
        let (acknowledged, unknown) = (self.sum(|log| log.changes.acknowledged), self.sum(|log| log.changes.unknown));
        let (opened, ended) = (self.sum(|log| log.opened.len() as u64), self.sum(|log| log.ended.len() as u64));
        let (reads, refused) = (self.sum(|log| log.reads), self.sum(|log| log.refused));
        let (slowest, shortest) = (fleet.slowest(), self.shortest());
        let _ = writeln!(
            stderr(),
            "{acknowledged} changes and {reads} reads acknowledged, {refused} calls refused of which {unknown} were \
             changes, {opened} more sessions opened, {ended} ended; the slowest call took {slowest:?}; each session \
             was served for {shortest:?} or longer"
        );
    }

    /// Sees that calls were refused, so that the rest means something, and that most were served.
    pub(crate) fn noticed_the_trouble(&self) {
        let served = self.sum(|log| log.changes.acknowledged + log.reads);
        let refused = self.sum(|log| log.refused);
        assert!(refused > self.writers.len() as u64, "{refused} refused");
        assert!(refused < served, "{refused} refused, {served} served");
    }

    /// Sees that each session was served for so long, from its first call to its last.
    pub(crate) fn went_on_for(&self, time: Duration) {
        let shortest = self.shortest();
        assert!(shortest >= time, "a session was served for {shortest:?} only");
    }

    fn shortest(&self) -> Duration {
        self.writers.iter().map(|writer| writer.log.served_for()).min().unwrap_or_default()
    }

    /// Every session is served at every replica soon, all at once.
    pub(crate) async fn goes_on_everywhere(&self) {
        timeout(RECOVERY, self.each(Writer::goes_on_everywhere))
            .await
            .expect("all sessions are served at all replicas soon after the trouble");
    }

    /// Holds it against what is there now.
    pub(crate) async fn is_what_is_there(&self) {
        self.each(Writer::is_what_is_there).await;
    }

    /// Checks all sessions, several at once.
    async fn each(&self, check: impl AsyncFn(&Writer)) {
        stream::iter(&self.writers).for_each_concurrent(AT_ONCE, |writer| check(writer)).await;
    }

    fn sum(&self, figure: impl Fn(&Log) -> u64) -> u64 {
        self.writers.iter().map(|writer| figure(&writer.log)).sum()
    }
}

/// A session, and what was told of it.
#[derive(Debug)]
struct Writer {
    number: usize,
    fleet: Arc<Fleet>,
    caller: Caller,
    log: Log,
}

#[derive(Debug, Default)]
struct Log {
    /// All changes, which the version counts.
    changes: Tally,
    counted: Tally,
    /// All counts that were told.
    counts: BTreeSet<u64>,
    /// The latest version that was told.
    version: u64,
    /// How often the value was written, which is the number that it bears.
    written: u64,
    /// The last number of it that was acknowledged, and those after it of which nothing is known.
    value: u64,
    unknown: BTreeSet<u64>,
    opened: Vec<Caller>,
    ended: Vec<Caller>,
    reads: u64,
    refused: u64,
    /// When the first call was served, and the last one.
    served: Option<(Instant, Instant)>,
}

impl Log {
    fn served_for(&self) -> Duration {
        self.served.map(|(first, last)| last - first).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Tally {
    acknowledged: u64,
    unknown: u64,
}

impl Tally {
    fn note(&mut self, is_acknowledged: bool) {
        *(if is_acknowledged { &mut self.acknowledged } else { &mut self.unknown }) += 1;
    }

    #[track_caller]
    fn agrees_with(&self, value: u64, what: &str) {
        let possible = self.acknowledged..=self.acknowledged + self.unknown;
        assert!(possible.contains(&value), "{what} is {value}, and should be in {possible:?}");
    }
}

impl Writer {
    async fn begin(fleet: &Arc<Fleet>, number: usize) -> Self {
        let caller = Caller::connect(fleet, number).await.expect("there is no trouble yet");
        let log = Log { version: caller.first_version(), ..Log::default() };
        Self { number, fleet: Arc::clone(fleet), caller, log }
    }

    async fn run(mut self, over: &AtomicBool) -> Self {
        for round in 1_u64.. {
            for part in 0..5 {
                if over.load(Ordering::Relaxed) {
                    return self;
                }
                match part {
                    0 => self.count().await,
                    1 => self.write().await,
                    2 => drop(self.read_value().await),
                    3 => drop(self.read_count().await),
                    _ => drop(self.read_information().await),
                }
                sleep(PAUSE).await;
            }
            if round.is_multiple_of(2) {
                self.come_and_go(round / 2).await;
            }
        }
        self
    }

    /// Counts twice, at two replicas at once.
    async fn count(&mut self) {
        let before = self.log.counts.last().copied().unwrap_or_default();
        let count = || self.caller.call("counter", json!({}));
        let (one, two) = tokio::join!(count(), count());
        for answer in [one, two].map(|answer| self.told(answer)) {
            self.log.changes.note(answer.is_ok());
            self.log.counted.note(answer.is_ok());
            if let Ok(answer) = answer {
                let count = answer["count"].as_u64().expect("a number");
                assert!(count > before, "{count} is told after {before}");
                assert!(self.log.counts.insert(count), "{count} is told twice");
            }
        }
        let latest = self.log.counts.last().copied().unwrap_or_default();
        assert!(latest <= self.log.counted.acknowledged + self.log.counted.unknown, "{latest}: {:?}", self.log.counted);
    }

    async fn write(&mut self) {
        self.log.written += 1;
        let value = self.log.written;
        let own = json!([self.number, value]);
        let answer = self.caller.call("set_state", json!({ "name": self.name(), "value": own })).await;
        let answer = self.told(answer);
        self.log.changes.note(answer.is_ok());
        match answer {
            Ok(answer) => {
                self.is_no_older(&answer);
                self.log.value = value;
                self.log.unknown.clear();
            }
            Err(_) => drop(self.log.unknown.insert(value)),
        }
    }

    async fn read_value(&mut self) -> Result<(), Refused> {
        let answer = self.caller.call("get_state", json!({ "name": self.name() })).await;
        let answer = self.told(answer)?;
        self.is_possible(&answer);
        self.log.reads += 1;
        Ok(())
    }

    async fn read_count(&mut self) -> Result<(), Refused> {
        let answer = self.caller.call("get_state", json!({ "name": "count" })).await;
        let count = self.told(answer)?["value"].as_u64().unwrap_or_default();
        self.log.counted.agrees_with(count, "the count");
        self.log.reads += 1;
        Ok(())
    }

    async fn read_information(&mut self) -> Result<(), Refused> {
        let answer = self.caller.call("session_info", json!({})).await;
        let answer = self.told(answer)?;
        self.is_own(&answer);
        self.is_no_older(&answer);
        self.log.reads += 1;
        Ok(())
    }

    /// Opens a session and writes to it. Every second one is ended.
    async fn come_and_go(&mut self, round: u64) {
        let opened = Caller::connect(&self.fleet, self.number).await;
        let Ok(caller) = self.told(opened) else { return };
        let written = caller.call("set_state", json!({ "name": self.name(), "value": round })).await;
        drop(self.told(written));
        if round.is_multiple_of(2) {
            return self.log.opened.push(caller);
        }
        let ended = caller.end().await;
        // What was refused may have been done all the same, so nothing is known of it.
        if self.told(ended).is_ok() {
            let after = caller.call("session_info", json!({})).await;
            assert!(after.is_err(), "a session is visible after its end: {after:?}");
            self.log.ended.push(caller);
        }
    }

    async fn goes_on_everywhere(&self) {
        for replica in 0..self.fleet.size() {
            while self.caller.call_at(replica, "session_info", json!({})).await.is_err() {
                sleep(PAUSE / 10).await;
            }
        }
    }

    async fn is_what_is_there(&self) {
        let log = &self.log;
        for replica in 0..self.fleet.size() {
            let value = self.caller.call_at(replica, "get_state", json!({ "name": self.name() })).await;
            self.is_possible(&value.expect("Redis is well"));
            let count = self.caller.call_at(replica, "get_state", json!({ "name": "count" })).await;
            log.counted.agrees_with(count.expect("Redis is well")["value"].as_u64().unwrap_or_default(), "the count");
            let information = self.caller.call_at(replica, "session_info", json!({})).await.expect("Redis is well");
            self.is_own(&information);
            let version = information["version"].as_u64().expect("a number");
            log.changes.agrees_with(version - self.caller.first_version(), "the version");
            for opened in &log.opened {
                let there = opened.call_at(replica, "session_info", json!({})).await;
                assert!(there.is_ok(), "what was opened is there: {there:?}");
            }
            for ended in &log.ended {
                let gone = ended.call_at(replica, "session_info", json!({})).await;
                assert_eq!(gone, Err(Refused::NotFound), "what was ended is gone");
            }
        }
    }

    /// What the session alone keeps.
    fn name(&self) -> String {
        format!("value-{}", self.number)
    }

    /// Notes when a call was served, or a refusal, which can be nothing but that the store does not answer.
    fn told<T>(&mut self, answer: Result<T, Refused>) -> Result<T, Refused> {
        match answer {
            Ok(_) => {
                let now = Instant::now();
                self.log.served = Some((self.log.served.map_or(now, |(first, _)| first), now));
            }
            Err(refused) => {
                assert_eq!(refused, Refused::Unavailable, "session {} lives", self.number);
                self.log.refused += 1;
            }
        }
        answer
    }

    /// Holds a version against those that were told before.
    fn is_no_older(&mut self, answer: &Value) {
        let version = answer["version"].as_u64().expect("a number");
        assert!(version >= self.log.version, "version {version} is told after {}", self.log.version);
        self.log.version = version;
    }

    fn is_own(&self, information: &Value) {
        let own = information["state_names"].as_array().expect("a list");
        assert!(own.iter().all(|name| *name == "count" || *name == self.name()), "{own:?} in session {}", self.number);
    }

    fn is_possible(&self, answer: &Value) {
        let log = &self.log;
        let possible = |value: u64| match value {
            0 => answer["found"] == false,
            value => answer["value"] == json!([self.number, value]),
        };
        assert!(
            possible(log.value) || log.unknown.iter().copied().any(possible),
            "{answer} in session {}; acknowledged {}, unknown {:?}",
            self.number,
            log.value,
            log.unknown
        );
    }
}
