//! What becomes of sessions, for whoever wants to know.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::change::{Change, Edit};
use crate::name::Locator;
use crate::owner::Owner;
use crate::time::Expired;

/// Where events go. Any `Fn(&Event)` is one.
///
/// Who can know, tells: a [`SessionManager`](crate::SessionManager) what it did itself, and a store that removes
/// sessions on its own what it removed. What one can rely on:
///
/// - An event is raised **after the store acknowledged** what it says. What was refused raises none. An operation whose
///   outcome is unknown ([`Unavailable`](crate::StoreError::Unavailable) that may have been applied), or whose future
///   is dropped, raises none either: **events can be missed**, and none is told twice.
/// - **Each process tells what it did itself.** What other replicas do, they tell.
/// - [`Reason::Expired`] is told when somebody who removes an expired session first notices, **at most once, possibly
///   late, possibly never**: what a backend drops by itself, nobody notices but a later `create` of the same principal.
///   It is not the moment of expiry, and no place to clean up what must not be left over.
/// - An observer runs **in the task of the operation**, which waits for it, and so must be quick: it counts, or hands
///   the event on. No lock is held meanwhile.
/// - **A panic in it** is logged, without its message, and goes no further: the operation is done and answers so, and a
///   background task goes on.
///
/// Events hold no name and no value, and their `Debug` shows short hashes. An owner and a locator are an
/// [`Owner`] and a [`Locator`] all the same: a metric's label is [`Reason::as_str`].
///
/// ```
/// use session_core::{Event, Reason, SessionManager};
///
/// fn with_log(sessions: SessionManager) -> SessionManager {
///     sessions.with_observer(|event: &Event| {
///         if event.reason == Reason::Evicted {
///             println!("{:?} has more sessions than they may keep", event.owner);
///         }
///     })
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Takes one event.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Something that became of a session, as an [`Observer`] sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Whose session it is or was.
    pub owner: Owner,
    /// Which one.
    pub subject: Subject,
    /// What became of it.
    pub reason: Reason,
}

impl Event {
    /// Puts an event together; for stores and for what else makes sessions come and go.
    #[must_use]
    pub fn new(owner: Owner, subject: Subject, reason: Reason) -> Self {
        Self { owner, subject, reason }
    }

    /// Tells an observer. If it panics, that is logged and goes no further. To be called where no lock is held.
    pub fn report_to(&self, observer: &(impl Observer + ?Sized)) {
        if catch_unwind(AssertUnwindSafe(|| observer.observe(self))).is_err() {
            tracing::error!(reason = self.reason.as_str(), "an observer of session events panicked");
        }
    }
}

/// Which sessions an [`Event`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a session, or all that its owner had")]
pub enum Subject {
    /// One.
    One(Locator),
    /// All that their owner had.
    All {
        /// How many there were.
        sessions: u64,
    },
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was opened.
    Created,
    /// Its owner took it up again, by [`resume`](crate::SessionManager::resume).
    Restored,
    /// It was given another name.
    Promoted,
    /// It had ended by one of its lifetimes and was found to have.
    Expired(Expired),
    /// It was live and idle, and made room for another of the same principal.
    Evicted,
    /// Somebody who could ended it.
    Ended,
    /// A name was taken from it.
    Revoked,
    /// The project it works in was set or removed.
    Switched,
}

impl Reason {
    /// The reason's name, for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Restored => "restored",
            Self::Promoted => "promoted",
            Self::Expired(_) => "expired",
            Self::Evicted => "evicted",
            Self::Ended => "ended",
            Self::Revoked => "revoked",
            Self::Switched => "switched",
        }
    }

    /// What a change does to a session's names and project: each reason once, however many names it is about.
    pub(crate) fn of_change(change: &Change) -> impl Iterator<Item = Self> + use<> {
        let adds = change.grants.values().any(Option::is_some);
        let revokes = change.grants.values().any(Option::is_none);
        let switches = change.project_id != Edit::Keep;
        let reasons = [(adds, Self::Promoted), (revokes, Self::Revoked), (switches, Self::Switched)];
        reasons.into_iter().filter_map(|(applies, reason)| applies.then_some(reason))
    }
}
