//! A connection that comes back.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Pipeline;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::backoff::Backoff;
use super::connection::Connection;
use super::dial::{Address, DialError, Dialer};
use super::outcome::{Cause, Outcome, Then, judge};
use super::request::Request;

/// One connection to one server, made when it is first needed and made again when it is lost. All who wait for it share
/// one making.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How connections are made; `None` if the only one is the caller's.
    dialer: Option<Arc<Dialer>>,
    target: Target,
    patience: Patience,
    state: watch::Sender<State>,
    /// Counts the connections made, so that the end of an earlier one is not taken for the end of this one.
    made: AtomicU64,
    /// When a connection was last tried, and how long to wait until the next time.
    tries: Mutex<Tries>,
    /// Whether somebody was told of a loss, and waits for the news that it is over.
    reported: AtomicBool,
}

#[derive(Debug)]
struct Tries {
    latest: Option<Instant>,
    backoff: Backoff,
}

/// Where a link leads.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it leads now, if anybody knows.
    pub(crate) address: watch::Receiver<Option<Address>>,
    /// Whom to tell that it may be somewhere else.
    pub(crate) doubts: Arc<Notify>,
}

impl Target {
    /// It leads to this address for good.
    pub(crate) fn fixed(address: Address) -> Self {
        Self { address: watch::channel(Some(address)).1, doubts: Arc::default() }
    }
}

/// How long to wait for one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the reply to one attempt.
    ///
    /// A connection from which nothing at all came in this time is left at once: waiting for a second and a third
    /// silence would cost a black hole three times as much, while a new connection to a server that is merely slow
    /// costs next to nothing. A connection on which other replies came is slow, not dead, and is kept.
    pub(crate) attempt: Duration,
    /// For a connection, TLS and handshake included.
    pub(crate) opening: Duration,
    /// Whether to wait for another try when a connection cannot be made. In a cluster, the keys may be elsewhere.
    pub(crate) insists: bool,
}

impl Patience {
    /// Half a second for an attempt and three quarters for a connection, so that a server is used within a second of
    /// its return; more only if operations may take long anyway.
    pub(crate) fn within(deadline: Duration) -> Self {
        Self {
            attempt: (deadline / 4).max(Duration::from_millis(500)).min(deadline),
            opening: (deadline / 4).max(Duration::from_millis(750)),
            insists: true,
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody needed it since it was lost.
    Down,
    /// It is being made; what went wrong last.
    Making(Option<Cause>),
    Up(Arc<Connection>, u64),
    /// It cannot be made; whoever comes next may try again.
    Refused(DialError),
}

/// A connection that did not last so long was no success.
pub(super) const LASTING: Duration = Duration::from_secs(1);

impl Link {
    /// A link to whatever the target is at the time. Connects when it is first used.
    pub(crate) fn new(dialer: Arc<Dialer>, target: Target, patience: Patience) -> Self {
        Self::with(Some(dialer), target, patience, State::Down)
    }

    /// A link that ends with the caller's connection.
    pub(crate) fn over(connection: MultiplexedConnection, patience: Patience) -> Self {
        let connection = Arc::new(Connection::owned_by_caller(connection));
        let target = Target { address: watch::channel(None).1, doubts: Arc::default() };
        Self::with(None, target, patience, State::Up(connection, 0))
    }

    fn with(dialer: Option<Arc<Dialer>>, target: Target, patience: Patience, state: State) -> Self {
        let tries = Mutex::new(Tries { latest: None, backoff: Backoff::new() });
        let (made, reported) = (AtomicU64::new(0), AtomicBool::new(false));
        let state = watch::Sender::new(state);
        Self { shared: Arc::new(Shared { dialer, target, patience, state, made, tries, reported }) }
    }

    /// Whether it can come back when it is lost.
    pub(crate) fn comes_back(&self) -> bool {
        self.shared.dialer.is_some()
    }

    /// Where it leads and how, for who wants another connection like its own.
    pub(crate) fn way(&self) -> Option<(&Target, &Arc<Dialer>)> {
        self.shared.dialer.as_ref().map(|dialer| (&self.shared.target, dialer))
    }

    /// The connection, waited for until then.
    ///
    /// # Errors
    ///
    /// [`DialError`] if there is none by then, or none can be made.
    pub(crate) async fn connection(&self, until: Instant) -> Result<(Arc<Connection>, u64), DialError> {
        if let State::Up(connection, number) = &*self.shared.state.borrow() {
            return Ok((Arc::clone(connection), *number));
        }
        let mut states = self.shared.state.subscribe();
        let mut begun = false;
        let mut cause = None;
        loop {
            let state = states.borrow_and_update().clone();
            match state {
                State::Up(connection, number) => return Ok((connection, number)),
                State::Refused(error) if begun => return Err(error),
                State::Down | State::Refused(_) => self.shared.start(),
                State::Making(Some(error)) if begun && !self.shared.patience.insists => {
                    return Err(DialError::NotNow(error));
                }
                State::Making(error) => cause = error.or(cause),
            }
            begun = true;
            if timeout_at(until, states.changed()).await.is_err() {
                return Err(DialError::NotNow(cause.unwrap_or_else(|| Arc::new(Trouble::NotInTime))));
            }
        }
    }

    /// Sends these commands of a request once, and says what came of it. Until then at the latest.
    pub(crate) async fn attempt(&self, request: &Request, steps: &Pipeline, until: Instant) -> Outcome {
        let (connection, number) = match self.connection(until).await {
            Ok(connection) => connection,
            Err(DialError::NotNow(cause)) => return Outcome::Again { unknown: false, cause, then: Then::Wait },
            Err(DialError::Never(error)) => return Outcome::Never(error),
        };
        // What blocks on purpose is not waited for in vain.
        let attempt = self.shared.patience.attempt + request.blocks().unwrap_or_default();
        let begun = Instant::now();
        let patience = until.min(begun + attempt);
        let received = connection.received();
        let late = || Outcome::Again { unknown: true, cause: Arc::new(Trouble::NotInTime), then: Then::Wait };
        let trouble = match timeout_at(patience, connection.send(steps)).await {
            Ok(Ok(replies)) => {
                let mut outcome = judge(request, replies);
                if let Outcome::Again { then: then @ Then::Leave, cause, .. } = &mut outcome {
                    if self.comes_back() {
                        self.shared.lost(number, cause);
                    } else {
                        *then = Then::Wait;
                    }
                }
                return outcome;
            }
            // There is no other connection than the caller's, and it may have a patience of its own.
            Ok(Err(error)) if error.is_timeout() && !self.comes_back() => return late(),
            Err(_) if !self.comes_back() => return late(),
            Ok(Err(error)) => Arc::new(error) as Cause,
            // Where there was hardly any time left, nothing follows from silence.
            Err(_) if connection.received() == received && begun.elapsed() >= attempt / 2 => Arc::new(Trouble::Silence),
            // The server goes on to block for what nobody waits for any more, and all that comes after it waits.
            Err(_) if request.blocks().is_some() => Arc::new(Trouble::NotInTime),
            Err(_) => return late(),
        };
        self.shared.lost(number, &trouble);
        Outcome::Again { unknown: true, cause: trouble, then: Then::Leave }
    }

    /// Leaves the connection it has, if any, because the target is another now.
    pub(crate) fn leave(&self, cause: &Cause) {
        let number = match &*self.shared.state.borrow() {
            State::Up(_, number) => *number,
            _ => return,
        };
        self.shared.lost(number, cause);
    }
}

impl Shared {
    /// Notes that this connection is of no more use. It closes when the last attempt on it is over.
    fn lost(&self, number: u64, cause: &Cause) {
        if self.dialer.is_none() {
            return;
        }
        let was_up = self.state.send_if_modified(|state| match state {
            State::Up(_, current) if *current == number => {
                *state = State::Down;
                true
            }
            _ => false,
        });
        if was_up {
            self.reported.store(true, Ordering::Relaxed);
            self.target.doubts.notify_one();
            tracing::warn!(server = %self.server(), %cause, "lost the connection to Redis");
        }
    }

    fn server(&self) -> String {
        self.target.address.borrow().as_ref().map_or_else(|| "an unknown master".to_owned(), Address::to_string)
    }

    /// Begins to make a connection, unless that has begun.
    fn start(self: &Arc<Self>) {
        let begun = self.state.send_if_modified(|state| match state {
            State::Down | State::Refused(_) => {
                *state = State::Making(None);
                true
            }
            _ => false,
        });
        if begun {
            let making = Making(Arc::clone(self));
            tokio::spawn(async move { making.0.make().await });
        }
    }

    /// Tries until there is a connection or nobody waits for one.
    async fn make(self: &Arc<Self>) {
        let Some(dialer) = &self.dialer else { return };
        let mut address = self.target.address.clone();
        address.mark_unchanged();
        loop {
            // Somebody who learns that the target is another does not let it wait for the one before.
            tokio::select! {
                () = sleep(self.pause()) => {}
                Ok(()) = address.changed() => {}
            }
            let to = address.borrow_and_update().clone();
            let outcome = tokio::select! {
                outcome = self.dial(dialer, to) => outcome,
                Ok(()) = address.changed() => Err(DialError::NotNow(Arc::new(Trouble::Elsewhere))),
            };
            let cause = match outcome {
                Ok(()) => return,
                Err(DialError::NotNow(cause)) => cause,
                Err(error @ DialError::Never(_)) => {
                    self.state.send_replace(State::Refused(error));
                    return;
                }
            };
            self.target.doubts.notify_one();
            if self.state.receiver_count() == 0 {
                return;
            }
            self.state.send_replace(State::Making(Some(cause)));
        }
    }

    async fn dial(self: &Arc<Self>, dialer: &Dialer, to: Option<Address>) -> Result<(), DialError> {
        let address = to.ok_or_else(|| DialError::NotNow(Arc::new(Trouble::NoMaster)))?;
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let link = Arc::downgrade(self);
        let ended = move || {
            if let Some(link) = link.upgrade() {
                link.lost(number, &(Arc::new(Trouble::Closed) as Cause));
            }
        };
        let connection = timeout(self.patience.opening, dialer.dial(&address, ended))
            .await
            .unwrap_or_else(|_| Err(DialError::NotNow(Arc::new(Trouble::Silence))))?;
        self.state.send_replace(State::Up(Arc::new(connection), number));
        if self.reported.swap(false, Ordering::Relaxed) {
            tracing::info!(server = %address, "connected to Redis again");
        }
        // Whoever changed the target meanwhile may have found nothing to leave.
        if self.target.address.borrow().as_ref() != Some(&address) {
            self.lost(number, &(Arc::new(Trouble::Elsewhere) as Cause));
        }
        Ok(())
    }

    /// How long to wait before the next try: not at all, unless the one before was a moment ago. Then either it failed,
    /// or its connection did not last.
    fn pause(&self) -> Duration {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = tries.latest.is_some_and(|latest| latest.elapsed() < LASTING);
        let pause = if recent { tries.backoff.next() } else { Duration::ZERO };
        if !recent {
            tries.backoff = Backoff::new();
        }
        tries.latest = Some(Instant::now() + pause);
        pause
    }
}

/// The making of a connection. When it ends without one and without a reason, as it does together with its runtime, it
/// can begin again.
struct Making(Arc<Shared>);

impl Drop for Making {
    fn drop(&mut self) {
        self.0.state.send_if_modified(|state| {
            let unfinished = matches!(state, State::Making(_));
            if unfinished {
                *state = State::Down;
            }
            unfinished
        });
    }
}

/// What can be wrong with a link.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing came within the time for it.
    Silence,
    /// The answer did not come in time, though others did.
    NotInTime,
    /// The server closed the connection.
    Closed,
    /// No majority of sentinels names a master.
    NoMaster,
    /// The target is another now.
    Elsewhere,
    /// Nobody is known to hold the slot.
    NoSlots,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silence => "the server is silent",
            Self::NotInTime => "the server did not answer in time",
            Self::Closed => "the server closed the connection",
            Self::NoMaster => "no majority of the sentinels names a master",
            Self::Elsewhere => "the master is another server now",
            Self::NoSlots => "no node of the cluster is known to hold the slot",
        })
    }
}

impl std::error::Error for Trouble {}
