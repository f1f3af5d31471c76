//! What is said need not be kept for a server to work, unless it has to be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::json;
use session_core::{Appended, Entry, Feed, Follower, Journal, Owner, Position, SessionId, StoreError, Subject};
use session_mcp::Config;
use session_memory::MemoryJournal;

use crate::client::{Client, Events};
use crate::fleet::{Backend, every_call};

/// A journal that can be away.
#[derive(Debug, Default)]
struct Unreliable {
    inner: MemoryJournal,
    away: Mutex<Away>,
    /// The session that something was said in last.
    latest: Mutex<Option<SessionId>>,
}

/// For whom a journal is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Away {
    #[default]
    Nobody,
    One(SessionId),
    All,
}

impl Unreliable {
    fn leave(&self) {
        *self.away.lock().expect("nobody panics") = Away::All;
    }

    /// Is away for the session that something was said in last.
    fn leave_the_latest(&self) {
        let latest = self.latest.lock().expect("nobody panics").expect("something was said");
        *self.away.lock().expect("nobody panics") = Away::One(latest);
    }

    fn come_back(&self) {
        *self.away.lock().expect("nobody panics") = Away::Nobody;
    }

    /// While it is away, that takes some time to be known.
    async fn inner(&self, session: Option<&SessionId>) -> Result<&MemoryJournal, StoreError> {
        let is_away = match *self.away.lock().expect("nobody panics") {
            Away::Nobody => false,
            Away::One(left) => session == Some(&left),
            Away::All => true,
        };
        if is_away {
            tokio::time::sleep(Duration::from_millis(200)).await;
            return Err(StoreError::Unavailable { store: "unreliable", maybe_applied: false, source: None });
        }
        Ok(&self.inner)
    }

    async fn of(&self, feed: &Feed) -> Result<&MemoryJournal, StoreError> {
        self.inner(session_of(feed)).await
    }
}

fn session_of(feed: &Feed) -> Option<&SessionId> {
    match feed {
        Feed::ToClient(session) | Feed::ToServers(session) => Some(session),
        Feed::ToAll => None,
    }
}

#[async_trait]
impl Journal for Unreliable {
    async fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError> {
        if let Some(session) = session_of(feed) {
            *self.latest.lock().expect("nobody panics") = Some(*session);
        }
        self.of(feed).await?.append(feed, entry).await
    }

    async fn read(&self, feed: &Feed, after: Position, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.of(feed).await?.read(feed, after, max).await
    }

    async fn end(&self, feed: &Feed) -> Result<Position, StoreError> {
        self.of(feed).await?.end(feed).await
    }

    fn follow(&self, feed: &Feed) -> Box<dyn Follower> {
        self.inner.follow(feed)
    }

    async fn ring(&self, feed: &Feed) -> Result<(), StoreError> {
        self.of(feed).await?.ring(feed).await
    }

    async fn forget(&self, owner: &Owner, subject: &Subject) -> Result<(), StoreError> {
        self.inner(None).await?.forget(owner, subject).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nothing_can_be_kept_calls_are_answered_and_what_is_lost_is_counted() {
    let journal = Arc::new(Unreliable::default());
    let backend = Backend::new().with_journal(Arc::clone(&journal) as Arc<dyn Journal>);
    let (a, b) = (backend.configured(every_call()).await, backend.configured(every_call()).await);
    let client = Client::connect(&a).await;
    assert_eq!(a.unkept(), 0);
    journal.leave();
    for count in 1..=3 {
        assert_eq!(client.call(&a, "count", json!({})).await, count.to_string());
    }
    assert_eq!(client.call(&b, "count", json!({})).await, "4", "a session is also restored");
    assert_eq!((a.unkept(), b.unkept()), (3, 1), "an answer each");
    journal.come_back();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let mut stream = Events::of(client.post(&a, &client.tool("count", &json!({}))).await);
    assert_eq!(stream.answer().await, "5");
    let last = stream.last_id.expect("it is kept again, and can be named");
    assert!(client.listen(&b, Some(&last)).await.message().await.is_none(), "nothing follows an answer");
    assert_eq!(a.unkept(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_everything_has_to_be_kept_calls_wait_for_that() {
    let journal = Arc::new(Unreliable::default());
    let backend = Backend::new().with_journal(Arc::clone(&journal) as Arc<dyn Journal>);
    let a = backend.configured(Config { require_resumability: true, ..Config::default() }).await;
    let client = Client::connect(&a).await;
    assert_eq!(client.call(&a, "count", json!({})).await, "1");
    journal.leave();
    for _ in 0..2 {
        let refused = client.post(&a, &client.tool("count", &json!({}))).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
    }
    journal.come_back();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(client.call(&a, "count", json!({})).await, "2", "those that were refused did not run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nothing_can_be_read_no_call_is_said_to_be_lost() {
    let journal = Arc::new(Unreliable::default());
    let backend = Backend::new().with_journal(Arc::clone(&journal) as Arc<dyn Journal>);
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut stream = Events::of(client.post(&a, &client.tool("slow", &json!({ "ms": 7_000 }))).await);
    let cut = stream.next().await.expect("an event to come back to").id.expect("it can be named");
    drop(stream);
    let mut resumed = client.listen(&b, Some(&cut)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    journal.leave();
    tokio::time::sleep(Duration::from_secs(5)).await;
    journal.come_back();
    assert_eq!(resumed.answer().await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_of_one_session_says_nothing_of_another() {
    let journal = Arc::new(Unreliable::default());
    let backend = Backend::new().with_journal(Arc::clone(&journal) as Arc<dyn Journal>);
    let (a, b) = (backend.configured(every_call()).await, backend.configured(every_call()).await);
    let (other, left) = (Client::connect(&a).await, Client::connect(&a).await);
    for client in [&other, &left] {
        assert_eq!(client.call(&a, "count", json!({})).await, "1");
    }
    journal.leave_the_latest();
    for lost in 1..=3 {
        left.call(&a, "count", json!({})).await;
        assert_eq!(a.unkept(), lost);
        let mut stream = Events::of(other.post(&a, &other.tool("count", &json!({}))).await);
        stream.answer().await;
        let last = stream.last_id.expect("it is kept, and can be named");
        assert!(other.listen(&b, Some(&last)).await.message().await.is_none(), "nothing follows an answer");
        assert_eq!(a.unkept(), lost);
    }
}
