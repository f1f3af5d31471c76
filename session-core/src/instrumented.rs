//! A store or a journal that says what it does.
#![deny(clippy::missing_trait_methods)]

mod journal;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tracing::{Instrument as _, Span, field};

use crate::change::Change;
use crate::error::StoreError;
use crate::name::SessionKey;
use crate::owner::Owner;
use crate::page::{Listing, Page};
use crate::session::{NewSession, Session};
use crate::store::{Created, Load, SessionStore, Updated};
use crate::time::Expired;

/// Gives each operation of a store or a [`Journal`](crate::Journal) a `tracing` span and reports it to a [`Meter`].
///
/// Spans are named `session_store` and `session_journal`, at debug level, with the fields `operation` and `outcome`;
/// neither span nor report holds a name, an owner or a value. A backend that is away is logged as a warning and a
/// defect as an error, with the backend's own words, which is where an operator finds them.
#[derive(Clone)]
pub struct Instrumented<S> {
    inner: S,
    meter: Arc<dyn Meter>,
}

impl<S> Instrumented<S> {
    /// Wraps a store or a journal, with spans and no meter.
    pub fn new(inner: S) -> Self {
        Self { inner, meter: Arc::new(|_: &Measurement| {}) }
    }

    /// Reports each operation to `meter` as well.
    #[must_use]
    pub fn with_meter(mut self, meter: impl Meter + 'static) -> Self {
        self.meter = Arc::new(meter);
        self
    }

    /// The store or the journal inside.
    pub fn into_inner(self) -> S {
        self.inner
    }

    async fn observe<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T, StoreError>> + Send,
        describe: impl Fn(&T) -> Outcome + Send,
    ) -> Result<T, StoreError> {
        let span = operation.span();
        let started = Instant::now();
        let result = work.instrument(span.clone()).await;
        let outcome = result.as_ref().map_or_else(Outcome::of_error, describe);
        span.record("outcome", outcome.as_str());
        match &result {
            Err(StoreError::Unavailable { store, source, .. }) => span.in_scope(|| {
                let cause = source.as_ref().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(operation = operation.as_str(), store, cause, "store unavailable");
            }),
            Err(StoreError::Full { store }) => span.in_scope(|| {
                tracing::warn!(operation = operation.as_str(), store, "store full");
            }),
            Err(StoreError::Defect { store, source }) => span.in_scope(|| {
                tracing::error!(operation = operation.as_str(), store, cause = %source, "store defect");
            }),
            _ => {}
        }
        self.meter.record(&Measurement { operation, outcome, elapsed: started.elapsed() });
        result
    }
}

impl<S: fmt::Debug> fmt::Debug for Instrumented<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instrumented").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: SessionStore> SessionStore for Instrumented<S> {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        self.observe(Operation::Create, self.inner.create(new), |_| Outcome::Done).await
    }

    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        self.observe(Operation::Load, self.inner.load(key, load), |found| Outcome::of(found.is_some())).await
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        self.observe(Operation::Update, self.inner.update(key, change), |_| Outcome::Done).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.observe(Operation::Delete, self.inner.delete(key), |&ended| Outcome::of(ended)).await
    }

    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        self.observe(Operation::List, self.inner.list(owner, page), |_| Outcome::Done).await
    }

    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.observe(Operation::EndAll, self.inner.end_all(owner), |_| Outcome::Done).await
    }

    async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError> {
        self.observe(Operation::Count, self.inner.count(max_staleness), |_| Outcome::Done).await
    }

    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        self.observe(Operation::WhyAbsent, self.inner.why_absent(key), |why| Outcome::of(why.is_some())).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.observe(Operation::Ping, self.inner.ping(), |()| Outcome::Done).await
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }
}

/// Where measurements go. Any `Fn(&Measurement)` is one; it runs in the operation's own task and must be quick.
pub trait Meter: Send + Sync {
    /// Takes one measurement.
    fn record(&self, measurement: &Measurement);
}

impl<F: Fn(&Measurement) + Send + Sync> Meter for F {
    fn record(&self, measurement: &Measurement) {
        self(measurement);
    }
}

/// One operation, as a [`Meter`] sees it. An operation whose future is dropped is not reported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Measurement {
    /// Which operation.
    pub operation: Operation,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// A method of [`SessionStore`], or of [`Journal`](crate::Journal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named for its method")]
#[expect(clippy::exhaustive_enums, reason = "the contracts add no method")]
pub enum Operation {
    Create,
    Load,
    Update,
    Delete,
    List,
    EndAll,
    Count,
    WhyAbsent,
    Ping,
    Append,
    Read,
    End,
    Ring,
    Forget,
}

impl Operation {
    /// The method's name, for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Load => "load",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
            Self::EndAll => "end_all",
            Self::Count => "count",
            Self::WhyAbsent => "why_absent",
            Self::Ping => "ping",
            Self::Append => "append",
            Self::Read => "read",
            Self::End => "end",
            Self::Ring => "ring",
            Self::Forget => "forget",
        }
    }

    fn span(self) -> Span {
        let operation = self.as_str();
        match self {
            Self::Append | Self::Read | Self::End | Self::Ring | Self::Forget => {
                tracing::debug_span!("session_journal", operation, outcome = field::Empty)
            }
            _ => tracing::debug_span!("session_store", operation, outcome = field::Empty),
        }
    }
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// There was no such session.
    Absent,
    /// It was refused: a live name, a conflict, a limit, a full backend, a read-only grant, a missing owner, a wrong
    /// cursor.
    Refused,
    /// The backend is away.
    Unavailable,
    /// The backend holds something it should not.
    Defect,
}

impl Outcome {
    /// The outcome's name, for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Defect => "defect",
        }
    }

    fn of(found: bool) -> Self {
        if found { Self::Done } else { Self::Absent }
    }

    fn of_error(error: &StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::Absent,
            StoreError::Unavailable { .. } => Self::Unavailable,
            StoreError::Defect { .. } => Self::Defect,
            _ => Self::Refused,
        }
    }
}
