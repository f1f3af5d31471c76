//! Sessions as an application uses them: opened, resolved, worked in, ended.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::change::{Change, Edit};
use crate::changes::Changes;
use crate::error::{Error, StoreError};
use crate::ext::{MAX_ATTEMPTS, SessionStoreExt as _};
use crate::gate::{Gate, Pass};
use crate::grant::NewGrant;
use crate::journal::{Feed, Journal};
use crate::name::{SessionKey, SessionName};
use crate::observer::{Event, Observer, Reason, Subject};
use crate::owner::Owner;
use crate::page::{Listing, Page};
use crate::session::{NewSession, Session};
use crate::state::StateName;
use crate::store::{Created, Gone, SessionStore, Updated};
use crate::target::Target;
use crate::text::Text;
use crate::time::{Expired, Lifetimes};
use crate::timer::Timer;
use crate::typed::encode;

/// Sessions as an application uses them, over any [`SessionStore`].
///
/// A manager begins stopped. Between [`start`](Self::start) and [`stop`](Self::stop) it serves; outside, whatever asks
/// the store answers [`Error::NotRunning`]. Share it as `Arc<SessionManager>`, or [`install`](Self::install) it for the
/// process.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use session_core::{Owner, SessionManager, SessionStore, Timer};
/// # async fn example(store: Arc<dyn SessionStore>, timer: Arc<dyn Timer>) -> Result<(), session_core::Error> {
/// let sessions = SessionManager::new(store, timer);
/// sessions.start().await?;
///
/// let opened = sessions.open(Owner::Anonymous, Default::default()).await?;
/// let key = sessions.resolve(Owner::Anonymous, &opened.name.expose())?;
/// sessions.set(&key, "cart", &vec!["tea"]).await?;
/// let cart: Option<Vec<String>> = sessions.get(&key, "cart").await?;
/// # Ok(())
/// # }
/// ```
///
/// State values have a type where they are read, as above, or one for good: a [`StateKey`](crate::StateKey), whose
/// values survive a change of that type. An [`Observer`] learns what becomes of sessions.
pub struct SessionManager {
    store: Arc<dyn SessionStore>,
    timer: Arc<dyn Timer>,
    lifetimes: Lifetimes,
    grace: Duration,
    observer: Box<dyn Observer>,
    journal: Option<Arc<dyn Journal>>,
    changes: Changes,
    gate: Gate,
}

impl SessionManager {
    /// How long `stop` waits for operations in flight unless told otherwise.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

    /// A stopped manager over a store, with the default lifetimes.
    pub fn new(store: Arc<dyn SessionStore>, timer: Arc<dyn Timer>) -> Self {
        let (lifetimes, grace) = (Lifetimes::default(), Self::DEFAULT_GRACE);
        let observer = Box::new(|_: &Event| {});
        Self { store, timer, lifetimes, grace, observer, journal: None, changes: Changes::new(), gate: Gate::closed() }
    }

    /// Gives the sessions opened from now on these lifetimes.
    #[must_use]
    pub fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Lets `stop` wait this long for operations in flight.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Tells `observer` what becomes of sessions through this manager; [`Observer`] says how far one can rely on that.
    ///
    /// Each method says which events it raises; those that say nothing raise none.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Keeps what is said in sessions in `journal`, which forgets those that end through this manager. Those who follow
    /// a session there learn at once of its end, and that a name was taken from it, in every process.
    #[must_use]
    pub fn with_journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Makes this the manager that [`global`](Self::global) returns, once in a process.
    ///
    /// # Errors
    ///
    /// Gives the manager back if the process has one already.
    pub fn install(self: Arc<Self>) -> Result<(), Arc<Self>> {
        GLOBAL.set(self)
    }

    /// The manager of this process, if one was installed.
    pub fn global() -> Option<&'static Arc<Self>> {
        GLOBAL.get()
    }

    /// Begins to serve, after a sign of life from the store. Starting a running manager changes nothing.
    ///
    /// # Errors
    ///
    /// The store's, when it does not answer, and [`Error::NotRunning`] when it was stopped meanwhile; the manager is
    /// then still stopped.
    pub async fn start(&self) -> Result<(), Error> {
        if self.is_running() {
            return Ok(());
        }
        let closed = self.gate.times_closed();
        self.inner().ping().await?;
        if self.gate.open(closed) { Ok(()) } else { Err(Error::NotRunning) }
    }

    /// Refuses what comes from now on, and waits for what is in flight, at most the grace time. Sessions stay in their
    /// store. Stopping a stopped manager changes nothing. `false` if the grace time was too short.
    pub async fn stop(&self) -> bool {
        self.gate.close();
        let mut empty = std::pin::pin!(self.gate.empty());
        let mut grace = self.timer.sleep(self.grace);
        std::future::poll_fn(|context| {
            if empty.as_mut().poll(context).is_ready() {
                return std::task::Poll::Ready(true);
            }
            grace.as_mut().poll(context).map(|()| false)
        })
        .await
    }

    /// Whether the manager serves.
    pub fn is_running(&self) -> bool {
        self.gate.is_open()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// Where what is said in sessions is kept, if anywhere.
    pub fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.journal.as_ref()
    }

    /// The lifetimes that new sessions get.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Opens a session under a name minted here, with what `initial` sets.
    ///
    /// Raises [`Reason::Created`]; before it, for each session that went on this occasion, [`Reason::Evicted`] or
    /// [`Reason::Expired`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Quota`], or that the store is away.
    pub async fn open(&self, owner: Owner, initial: Change) -> Result<Opened, Error> {
        let _pass = self.enter()?;
        let name = SessionName::mint();
        let new = NewSession::new(owner, &name, self.lifetimes).with(initial);
        let Created { session, gone } = self.inner().create(new).await?;
        let mut is_told = true;
        for gone in &gone {
            // Each would wait for a journal that is away as long as the one before.
            is_told = is_told && self.forget(&owner, Subject::One(gone.locator)).await;
            self.report(owner, Subject::One(gone.locator), gone.expired.map_or(Reason::Evicted, Reason::Expired));
        }
        self.report(owner, Subject::One(name.locator()), Reason::Created);
        Ok(Opened { name, session, gone })
    }

    /// Turns what a caller passed as a session's name into a key. Asks no store.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] for what is not a name.
    pub fn resolve(&self, owner: Owner, name: &str) -> Result<SessionKey, Error> {
        Ok(SessionKey::by_name(owner, &name.parse()?))
    }

    /// Loads a session as a use of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], or that the store is away.
    pub async fn load(&self, key: &SessionKey) -> Result<Session, Error> {
        let _pass = self.enter()?;
        Ok(self.inner().touch(key).await?.ok_or(StoreError::NotFound)?)
    }

    /// A number that has moved once a change of a session that was made through this manager is known to its maker, and
    /// may move without one. Whoever loads a session when it was this, and finds it the same later, missed no change
    /// that anybody in this process could tell them of. Asks no store.
    #[must_use]
    pub fn changes(&self, key: &SessionKey) -> u64 {
        self.changes.of(key.locator())
    }

    /// Changes a session.
    ///
    /// Raises [`Reason::Promoted`] if the change adds grants and [`Reason::Revoked`] if it takes grants away, each once
    /// however many they are, and [`Reason::Switched`] if it sets or removes the project. Whether there was something
    /// to take away, or another project before, nobody says.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::update`].
    pub async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, Error> {
        let _pass = self.enter()?;
        let reasons = Reason::of_change(&change);
        let noting = self.changes.noting(key.locator());
        let updated = self.inner().update(key, change).await?;
        drop(noting);
        self.report_each(key, reasons).await;
        Ok(updated)
    }

    /// Gives a session another name, minted here, and applies `change` in the same step. Raises [`Reason::Promoted`],
    /// and what else [`update`](Self::update) does.
    ///
    /// The name can do what `grant` says, and its first holder keeps theirs: the name of a transport, say, stays with
    /// the transport, and this one is for the client.
    ///
    /// # Errors
    ///
    /// [`Quota::Grants`](crate::Quota::Grants) if the session holds its limit of names; else as
    /// [`update`](Self::update).
    pub async fn promote(
        &self,
        key: &SessionKey,
        grant: NewGrant,
        change: Change,
    ) -> Result<(SessionName, Updated), Error> {
        let name = SessionName::mint_for(key.locator());
        let updated = self.update(key, change.grant(&name, grant)).await?;
        Ok((name, updated))
    }

    /// Ends a session; `true` for the one caller who ended it. Raises [`Reason::Ended`] then.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::delete`].
    pub async fn end(&self, key: &SessionKey) -> Result<bool, Error> {
        let _pass = self.enter()?;
        let noting = self.changes.noting(key.locator());
        let ended = self.inner().delete(key).await?;
        drop(noting);
        if ended {
            self.forget(&key.owner(), Subject::One(key.locator())).await;
            self.report(key.owner(), Subject::One(key.locator()), Reason::Ended);
        }
        Ok(ended)
    }

    /// Lists a principal's sessions, a page at a time.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::list`].
    pub async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, Error> {
        let _pass = self.enter()?;
        Ok(self.inner().list(owner, page).await?)
    }

    /// Ends all sessions of a principal, and says how many. Raises [`Reason::Ended`] once for all of them, if there are
    /// any.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::end_all`].
    pub async fn end_all(&self, owner: &Owner) -> Result<u64, Error> {
        let _pass = self.enter()?;
        let noting = self.changes.noting_all();
        let sessions = self.inner().end_all(owner).await?;
        drop(noting);
        if sessions > 0 {
            self.forget(owner, Subject::All { sessions }).await;
            self.report(*owner, Subject::All { sessions }, Reason::Ended);
        }
        Ok(sessions)
    }

    /// By which limit a principal's own session expired, as far as the store knows.
    ///
    /// # Errors
    ///
    /// That the store is away.
    pub async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, Error> {
        let _pass = self.enter()?;
        Ok(self.inner().why_absent(key).await?)
    }

    /// Counts the live sessions of all owners, now; see [`SessionStore::count`] for what that costs.
    ///
    /// # Errors
    ///
    /// That the store is away.
    pub async fn session_count(&self) -> Result<u64, Error> {
        let _pass = self.enter()?;
        Ok(self.inner().count(Duration::ZERO).await?)
    }

    /// Sets the directory a session works in. Without a key it opens a session for it first, in one step, under a name
    /// minted here: a name from outside never creates anything.
    ///
    /// The session has no project and no config file from then on: those it had belong to the directory before.
    ///
    /// The directory is taken as it is; whether it exists is for the caller to know, who shares its file system.
    ///
    /// # Errors
    ///
    /// [`Error::Text`] if the path is no text; else as [`open`](Self::open) and [`update`](Self::update).
    pub async fn set_working_directory(
        &self,
        owner: Owner,
        key: Option<&SessionKey>,
        directory: &Path,
    ) -> Result<Placed, Error> {
        let alone = Change { config_path: Edit::Remove, project_id: Edit::Remove, ..Change::new() };
        let change = alone.working_directory(Text::from_path(directory)?);
        match key {
            Some(key) => Ok(Placed::Updated(self.update(key, change).await?)),
            None => Ok(Placed::Opened(self.open(owner, change).await?)),
        }
    }

    /// The directory a session works in, if it was set.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn get_working_directory(&self, key: &SessionKey) -> Result<Option<PathBuf>, Error> {
        let session = self.load(key).await?;
        Ok(session.working_directory.as_ref().map(|directory| directory.as_path().to_owned()))
    }

    /// Reads a state value, as a use of the session. `None` if there is none under this name.
    ///
    /// # Errors
    ///
    /// [`Error::StateName`]; [`Error::Decode`] if what is kept is no `T`; else as [`load`](Self::load).
    pub async fn get<T: DeserializeOwned>(&self, key: &SessionKey, name: &str) -> Result<Option<T>, Error> {
        let name = name.parse()?;
        self.load(key).await?.value(&name)
    }

    /// Keeps a state value as JSON under a name. Writers of other names are not disturbed.
    ///
    /// # Errors
    ///
    /// [`Error::StateName`]; [`Error::Encode`] if `value` is no JSON; else as [`update`](Self::update).
    pub async fn set<T: Serialize + Sync>(&self, key: &SessionKey, name: &str, value: &T) -> Result<Updated, Error> {
        let name = name.parse()?;
        let value = encode(&name, value)?;
        self.update(key, Change::new().set(name, value)).await
    }

    /// Removes a state value; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`Error::StateName`]; else as [`update`](Self::update).
    pub async fn remove(&self, key: &SessionKey, name: &str) -> Result<Updated, Error> {
        let name = name.parse()?;
        self.update(key, Change::new().remove(name)).await
    }

    /// Replaces a state value by what `next` makes of it, without losing what others write meanwhile.
    ///
    /// `next` runs once for each attempt and must not act on anything else. Between attempts the manager pauses for a
    /// short time that grows, so that many writers of one session get their turns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when others were faster in hundreds of attempts; else as [`get`](Self::get) and
    /// [`set`](Self::set).
    pub async fn update_with<T, F>(
        &self,
        target: impl Into<Target<'_>> + Send,
        name: &str,
        mut next: F,
    ) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        F: FnMut(Option<T>) -> T + Send,
    {
        let _pass = self.enter()?;
        let name: StateName = name.parse()?;
        let updated = self.change_with(target.into(), |session| {
            let value = next(session.value(&name)?);
            Ok((Change::new().set(name.clone(), encode(&name, &value)?), value))
        });
        Ok(updated.await?.1)
    }

    /// Changes a session depending on what it is, as
    /// [`SessionStoreExt::update_with`](crate::SessionStoreExt::update_with) does, with a pause between attempts. For
    /// callers who are let in already.
    pub(crate) async fn change_with<T: Send>(
        &self,
        target: Target<'_>,
        mut change: impl FnMut(&Session) -> Result<(Change, T), Error> + Send,
    ) -> Result<(Updated, T), Error> {
        let Target { key, mut loaded } = target;
        for attempt in 0..MAX_ATTEMPTS {
            let session = match loaded.take() {
                Some(session) => session,
                None => self.inner().peek(key).await?.ok_or(StoreError::NotFound)?,
            };
            let (wanted, answer) = change(&session)?;
            let noting = self.changes.noting(key.locator());
            let updated = self.inner().update(key, wanted.if_version(session.version)).await;
            drop(noting);
            match updated {
                Ok(updated) => return Ok((updated, answer)),
                Err(StoreError::Conflict) => self.timer.sleep(pause_after(attempt)).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Lets the journal forget sessions that have ended. It forgets by itself what it is not told of here, later.
    /// `false` if it could not be told.
    async fn forget(&self, owner: &Owner, subject: Subject) -> bool {
        let Some(journal) = &self.journal else { return true };
        let told = journal.forget(owner, &subject).await;
        if let Err(error) = &told {
            tracing::debug!(%error, "the journal was not told of a session's end");
        }
        told.is_ok()
    }

    pub(crate) fn report(&self, owner: Owner, subject: Subject, reason: Reason) {
        Event::new(owner, subject, reason).report_to(&*self.observer);
    }

    /// Reports what a change did. If it took a name away, whoever serves the session by that name is rung first.
    pub(crate) async fn report_each(&self, key: &SessionKey, reasons: impl Iterator<Item = Reason> + Send) {
        for reason in reasons {
            if reason == Reason::Revoked
                && let Some(journal) = &self.journal
                && let Err(error) = journal.ring(&Feed::ToServers(*key.id())).await
            {
                tracing::debug!(%error, "nobody was told that a name was taken from a session");
            }
            self.report(key.owner(), Subject::One(key.locator()), reason);
        }
    }

    /// The store itself: a call on the pointer would be boxed once for the pointer and once for the store.
    fn inner(&self) -> &dyn SessionStore {
        &*self.store
    }

    pub(crate) fn enter(&self) -> Result<Pass<'_>, Error> {
        self.gate.enter().ok_or(Error::NotRunning)
    }
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("store", &self.store)
            .field("lifetimes", &self.lifetimes)
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}

static GLOBAL: OnceLock<Arc<SessionManager>> = OnceLock::new();

/// A session that was opened, with the name its client is to keep.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The name: the only time it exists in full on this side.
    pub name: SessionName,
    /// The session.
    pub session: Session,
    /// Sessions of the same principal that went on this occasion.
    pub gone: Vec<Gone>,
}

/// Where a working directory was set.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a session is there or is opened")]
pub enum Placed {
    /// In the session that was named.
    Updated(Updated),
    /// In a session opened for it.
    Opened(Opened),
}

/// 1, 2, 4 … 64 ms.
fn pause_after(attempt: usize) -> Duration {
    Duration::from_millis(1 << attempt.min(6))
}
