//! `Instrumented` is a store or a journal like the one inside, and reports what it does without saying to whom.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness, JournalHarness};
use session_core::{
    Change, Feed, Instrumented, Journal, JournalLimits, Lifetimes, Limits, Load, Measurement, NewSession, Operation,
    Outcome, Owner, Position, SessionId, SessionKey, SessionName, SessionStore, StateValue, StoreError, Subject,
};
use session_memory::{MemoryConfig, MemoryJournal, MemoryStore};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

struct InstrumentedHarness;

#[async_trait]
impl Harness for InstrumentedHarness {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let store = memory(limits);
        // A box, so that the suite also runs through the store that a pointer to a store is.
        let handle = || Arc::new(Instrumented::new(Box::new(store.clone()) as Box<dyn SessionStore>));
        (0..count).map(|_| handle() as Arc<dyn SessionStore>).collect()
    }

    async fn elapse(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn tick(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async { task.await.expect("the task keeps the rule") })
    }
}

#[async_trait]
impl JournalHarness for InstrumentedHarness {
    async fn handles(&self, limits: JournalLimits, count: usize) -> Vec<Arc<dyn Journal>> {
        let journal = MemoryJournal::new(limits);
        let handle = || Arc::new(Instrumented::new(Box::new(journal.clone()) as Box<dyn Journal>));
        (0..count).map(|_| handle() as Arc<dyn Journal>).collect()
    }

    async fn elapse(&self, duration: Duration) {
        Harness::elapse(self, duration).await;
    }

    fn tick(&self) -> Duration {
        Harness::tick(self)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Harness::spawn(self, task)
    }
}

mod conformance {
    session_core::conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::InstrumentedHarness
    }
}

mod journal_conformance {
    session_core::journal_conformance_tests! {
        #[tokio::test(start_paused = true)]
        super::InstrumentedHarness
    }
}

fn memory(limits: Limits) -> MemoryStore {
    MemoryStore::new(MemoryConfig { limits, ..MemoryConfig::default() })
}

#[tokio::test]
async fn each_operation_is_measured_once_with_its_outcome() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let meter = move |measurement: &Measurement| {
        kept.lock().expect("no test panics here").push((measurement.operation, measurement.outcome));
    };
    let store = Instrumented::new(memory(Limits::default())).with_meter(meter);
    let (name, owner) = (SessionName::mint(), Owner::principal("issuer", "alice"));
    let new = NewSession::new(owner, &name, Lifetimes::default());
    let key = SessionKey::by_name(owner, &name);
    let absent = SessionKey::by_name(owner, &SessionName::mint());

    store.create(new.clone()).await.expect("a new name is created");
    store.create(new).await.expect_err("a live name is refused");
    store.load(&key, Load::Touch).await.expect("the store answers");
    store.load(&absent, Load::Peek).await.expect("the store answers");
    store.update(&key, Change::new()).await.expect("the session is live");
    store.update(&absent, Change::new()).await.expect_err("there is no such session");
    store.why_absent(&absent).await.expect("the store answers");
    store.count(Duration::ZERO).await.expect("the store answers");
    store.ping().await.expect("the store answers");
    store.delete(&key).await.expect("the store answers");
    store.delete(&key).await.expect("the store answers");
    store.end_all(&owner).await.expect("a principal has a list");
    store.end_all(&Owner::Anonymous).await.expect_err("the anonymous owner has none");

    let expected = [
        (Operation::Create, Outcome::Done),
        (Operation::Create, Outcome::Refused),
        (Operation::Load, Outcome::Done),
        (Operation::Load, Outcome::Absent),
        (Operation::Update, Outcome::Done),
        (Operation::Update, Outcome::Absent),
        (Operation::WhyAbsent, Outcome::Absent),
        (Operation::Count, Outcome::Done),
        (Operation::Ping, Outcome::Done),
        (Operation::Delete, Outcome::Done),
        (Operation::Delete, Outcome::Absent),
        (Operation::EndAll, Outcome::Done),
        (Operation::EndAll, Outcome::Refused),
    ];
    assert_eq!(*seen.lock().expect("no test panics here"), expected);
}

#[tokio::test]
async fn each_operation_of_a_journal_is_measured_once_with_its_outcome() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let meter = move |measurement: &Measurement| {
        kept.lock().expect("no test panics here").push((measurement.operation, measurement.outcome));
    };
    let journal = Instrumented::new(MemoryJournal::new(JournalLimits { bytes: 10, ..JournalLimits::default() }));
    let journal = journal.with_meter(meter);
    let owner = Owner::principal("issuer", "alice");
    let feed = Feed::ToClient(SessionId { owner, locator: SessionName::mint().locator() });

    journal.append(&feed, b"short").await.expect("there is room");
    journal.append(&feed, b"much too long").await.expect_err("more than the feed may hold is refused");
    journal.read(&feed, Position::START, 1).await.expect("the journal answers");
    journal.end(&feed).await.expect("the journal answers");
    journal.ring(&feed).await.expect("the journal answers");
    journal.forget(&owner, &Subject::All { sessions: 1 }).await.expect("a principal has sessions");
    journal.forget(&Owner::Anonymous, &Subject::All { sessions: 1 }).await.expect_err("the anonymous owner has none");

    let expected = [
        (Operation::Append, Outcome::Done),
        (Operation::Append, Outcome::Refused),
        (Operation::Read, Outcome::Done),
        (Operation::End, Outcome::Done),
        (Operation::Ring, Outcome::Done),
        (Operation::Forget, Outcome::Done),
        (Operation::Forget, Outcome::Refused),
    ];
    assert_eq!(*seen.lock().expect("no test panics here"), expected);
}

#[test]
fn spans_say_what_was_done_and_to_whom_nothing() {
    let written = Arc::new(Mutex::new(String::new()));
    let (name, owner) = (SessionName::mint(), Owner::principal("issuer", "alice@example.com"));
    tracing::subscriber::with_default(Transcript(written.clone()), || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built");
        runtime.block_on(async {
            let store = Instrumented::new(memory(Limits::default()));
            let value = StateValue::from(b"a secret value".as_slice());
            let initial = Change::new().set("cart".parse().expect("a name"), value);
            let new = NewSession::new(owner, &name, Lifetimes::default()).with(initial);
            store.create(new).await.expect("a new name is created");
            let key = SessionKey::by_name(owner, &name);
            store.load(&key, Load::Touch).await.expect("the store answers");
            store.update(&key, Change::new()).await.expect("the session is live");
            store.delete(&key).await.expect("the store answers");
        });
    });
    let written = written.lock().expect("no test panics here").clone();
    for operation in ["create", "load", "update", "delete"] {
        assert!(written.contains(&format!("operation={operation}")), "{written}");
    }
    assert!(written.contains("outcome=done"), "{written}");
    let exposed = name.expose();
    for secret in [&exposed[4..26], &exposed[26..], "alice", "cart", "a secret value"] {
        assert!(!written.contains(secret), "a span says `{secret}`: {written}");
    }
}

#[tokio::test]
async fn an_unavailable_backend_is_measured_as_such_and_passed_on() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let meter = move |measurement: &Measurement| kept.lock().expect("no panic").push(measurement.outcome);
    let store = Instrumented::new(Away).with_meter(meter);
    let answer = store.ping().await;
    assert!(matches!(answer, Err(StoreError::Unavailable { maybe_applied: true, .. })), "{answer:?}");
    assert_eq!(*seen.lock().expect("no test panics here"), [Outcome::Unavailable]);
}

/// A backend that is away.
#[derive(Debug)]
struct Away;

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { store: "away", maybe_applied: true, source: Some("connection refused".into()) })
}

#[async_trait]
impl SessionStore for Away {
    async fn create(&self, _: NewSession) -> Result<session_core::Created, StoreError> {
        away()
    }
    async fn load(&self, _: &SessionKey, _: Load) -> Result<Option<session_core::Session>, StoreError> {
        away()
    }
    async fn update(&self, _: &SessionKey, _: Change) -> Result<session_core::Updated, StoreError> {
        away()
    }
    async fn delete(&self, _: &SessionKey) -> Result<bool, StoreError> {
        away()
    }
    async fn list(&self, _: &Owner, _: session_core::Page) -> Result<session_core::Listing, StoreError> {
        away()
    }
    async fn end_all(&self, _: &Owner) -> Result<u64, StoreError> {
        away()
    }
    async fn count(&self, _: Duration) -> Result<u64, StoreError> {
        away()
    }
    async fn why_absent(&self, _: &SessionKey) -> Result<Option<session_core::Expired>, StoreError> {
        away()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        away()
    }

    fn is_local(&self) -> bool {
        false
    }
}

/// Writes down every field of every span and event.
struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    fn note(&self, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(String::new());
        record(&mut fields);
        self.0.lock().expect("no test panics here").push_str(&fields.0);
    }
}

impl Subscriber for Transcript {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(|fields| span.record(fields));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.note(|fields| values.record(fields));
    }

    fn event(&self, event: &Event<'_>) {
        self.note(|fields| event.record(fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string takes everything");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).expect("a string takes everything");
    }
}
