//! What a rule needs from whoever runs it, and the small things that rules share.

use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, poll_immediate, select};

use crate::change::Change;
use crate::ext::SessionStoreExt as _;
use crate::limits::Limits;
use crate::name::{SessionKey, SessionName};
use crate::owner::Owner;
use crate::session::{NewSession, Session};
use crate::state::{StateName, StateValue};
use crate::store::SessionStore;
use crate::time::{Lifetimes, Timestamp};

/// A boxed future that may be sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes stores of one kind, and owns their clock.
#[async_trait]
pub trait Harness: Send + Sync {
    /// `count` handles on one new and empty backend that keeps these limits.
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>>;

    /// Lets at least `duration` pass on the stores' clock, and not much more.
    async fn elapse(&self, duration: Duration);

    /// A time that `elapse` measures well: rules use lifetimes of a few ticks, and rely on what they do in between
    /// taking less than one. Anything on a paused clock, some 100 ms on a real one.
    fn tick(&self) -> Duration;

    /// How far the time of the last use that the store answers may be off, at most a millisecond; 0 is exact.
    fn clock_error(&self) -> Duration {
        Duration::ZERO
    }

    /// How far the store may go over [`Limits::sessions`], as its documentation states; 0 is exact.
    fn overshoot(&self) -> u64 {
        0
    }

    /// Starts a task beside the caller; the future that is returned ends with it, and panics if it did.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
}

/// Runs tasks beside each other and waits for all.
pub(super) async fn together(harness: &dyn Harness, tasks: impl IntoIterator<Item = BoxFuture<'static, ()>>) {
    let running: Vec<_> = tasks.into_iter().map(|task| harness.spawn(task)).collect();
    for task in running {
        task.await;
    }
}

/// Lets an operation run until it has been looked at `polls` times, with the work of `others` in between, and drops it.
/// The answer, if it was there by then. Where `polls` is 7 the operation races with `moment` instead.
pub(super) async fn interrupted<T>(
    polls: usize,
    operation: impl Future<Output = T>,
    others: impl Fn() -> BoxFuture<'static, ()>,
    moment: impl Future<Output = ()> + Unpin,
) -> Option<T> {
    let mut operation = pin!(operation);
    if polls == 7 {
        return match select(operation, moment).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        };
    }
    for _ in 0..polls {
        let answer = poll_immediate(operation.as_mut()).await;
        if answer.is_some() {
            return answer;
        }
        others().await;
    }
    None
}

/// A random part of a twentieth of a tick.
pub(super) fn moment(tick: Duration) -> Duration {
    tick / 20 * u32::from(SessionName::mint().locator().as_bytes()[0]) / 256
}

/// Limits that are in nobody's way.
pub(super) fn roomy() -> Limits {
    Limits { creation_rate: None, sessions_per_principal: 100_000, ..Limits::default() }
}

/// One handle on a new store.
pub(super) async fn store(harness: &dyn Harness, limits: Limits) -> Arc<dyn SessionStore> {
    harness.handles(limits, 1).await.remove(0)
}

/// Lifetimes of so many ticks.
pub(super) fn ticks(harness: &dyn Harness, idle: u32, absolute: u32) -> Lifetimes {
    Lifetimes::new(harness.tick() * idle, harness.tick() * absolute).expect("a tick is a valid lifetime")
}

/// Lifetimes that no rule lives to see the end of.
pub(super) fn long() -> Lifetimes {
    Lifetimes::default()
}

pub(super) fn alice() -> Owner {
    Owner::principal("https://issuer.example", "alice")
}

pub(super) fn bob() -> Owner {
    Owner::principal("https://issuer.example", "bob")
}

/// A session that a rule created, under the name it minted.
pub(super) struct Fixture {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) name: SessionName,
    pub(super) key: SessionKey,
    pub(super) session: Session,
}

impl Fixture {
    pub(super) async fn create(store: &Arc<dyn SessionStore>, owner: Owner, lifetimes: Lifetimes) -> Self {
        let name = SessionName::mint();
        let new = NewSession::new(owner, &name, lifetimes);
        let created = store.create(new).await.expect("a new name within the limits is created");
        Self { store: store.clone(), key: SessionKey::by_name(owner, &name), name, session: created.session }
    }

    /// A session that was created under a name already.
    pub(super) async fn of(store: &Arc<dyn SessionStore>, owner: Owner, name: SessionName) -> Self {
        let key = SessionKey::by_name(owner, &name);
        let session = store.peek(&key).await.expect("the store answers").expect("the session is live");
        Self { store: store.clone(), name, key, session }
    }

    pub(super) async fn touch(&self) -> Option<Session> {
        self.store.touch(&self.key).await.expect("the store answers")
    }

    pub(super) async fn peek(&self) -> Option<Session> {
        self.store.peek(&self.key).await.expect("the store answers")
    }

    pub(super) async fn set(&self, name: &str, text: &str) {
        self.store.update(&self.key, set(name, text)).await.expect("a live session is changed");
    }

    pub(super) async fn end(&self) -> bool {
        self.store.delete(&self.key).await.expect("the store answers")
    }
}

/// Asserts that a session is what it was: the same record, last used at the same time as far as the store can tell.
pub(super) fn assert_same(harness: &dyn Harness, seen: Option<Session>, before: &Session, promise: &str) {
    let seen = seen.unwrap_or_else(|| panic!("{promise}, but the session is gone"));
    assert_eq!(**before, *seen, "{promise}");
    assert_eq!(before.mode(), seen.mode(), "{promise}");
    assert_same_time(harness, seen.last_used(), before.last_used(), promise);
}

/// Asserts that two answers mean one time.
pub(super) fn assert_same_time(harness: &dyn Harness, left: Timestamp, right: Timestamp, promise: &str) {
    let apart = left.since(right).max(right.since(left));
    assert!(apart <= harness.clock_error(), "{promise}, but the times are {apart:?} apart");
}

pub(super) fn state_name(name: &str) -> StateName {
    name.parse().expect("the rule uses valid state names")
}

/// The change that sets one state value to a text.
pub(super) fn set(name: &str, text: &str) -> Change {
    Change::new().set(state_name(name), StateValue::from(text.as_bytes()))
}

/// The text that a state value holds.
pub(super) fn text_of(session: &Session, name: &str) -> Option<String> {
    let value = session.state.get(&state_name(name))?;
    Some(String::from_utf8(value.as_bytes().to_vec()).expect("the rule wrote text"))
}

pub(super) fn page_size(size: u32) -> NonZeroU32 {
    NonZeroU32::new(size).expect("the rule asks for more than nothing")
}

/// Asserts that an expression matches a pattern, with a sentence for whoever's store failed.
macro_rules! assert_answer {
    ($answer:expr, $pattern:pat $(if $guard:expr)?, $($promise:tt)+) => {
        match $answer {
            $pattern $(if $guard)? => {}
            other => panic!("{}, but the store answered {other:?}", format_args!($($promise)+)),
        }
    };
}

pub(super) use assert_answer;
