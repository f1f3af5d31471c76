//! What these tests share.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod events;
pub(crate) mod log;
pub(crate) mod manager;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use session_core::{Lifetimes, Limits, NewSession, Owner, SessionKey, SessionName, SessionStore as _};
use session_memory::{MemoryConfig, MemoryStore};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Limits that are in nobody's way.
pub(crate) fn roomy() -> Limits {
    Limits { sessions: 1_000_000, creation_rate: None, ..Limits::default() }
}

pub(crate) fn store(limits: Limits, sweep_interval: Duration) -> MemoryStore {
    MemoryStore::new(MemoryConfig { limits, sweep_interval })
}

/// A session that idles out after `idle`, and ends after a hundred times that.
pub(crate) fn session(owner: Owner, idle: Duration) -> (SessionKey, NewSession) {
    let name = SessionName::mint();
    let lifetimes = Lifetimes::new(idle, idle * 100).expect("a valid lifetime");
    (SessionKey::by_name(owner, &name), NewSession::new(owner, &name, lifetimes))
}

/// Creates a session that idles out after `idle`.
pub(crate) async fn open(store: &MemoryStore, owner: Owner, idle: Duration) -> SessionKey {
    let (key, new) = session(owner, idle);
    store.create(new).await.expect("there is room");
    key
}

pub(crate) fn alice() -> Owner {
    principal("alice")
}

pub(crate) fn principal(subject: &str) -> Owner {
    Owner::principal("https://issuer.example", subject)
}

/// The answer of an operation that awaits nothing.
pub(crate) fn ready<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the operation awaits something"),
    }
}
