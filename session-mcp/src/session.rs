//! A call's session, as a tool or a prompt takes it.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use session_core::{
    Change, Edit, Error, Listing, Locator, Mode, NewGrant, Opened, Owner, Page, Quota, Session as Snapshot, SessionKey,
    SessionManager, SessionName, StateKey, StoreError, Target, Text, Timestamp, Updated,
};
use tokio::time::Instant;

#[cfg(feature = "http")]
use crate::ahead::Ahead;
use crate::error::SessionError;
use crate::heartbeat::{keep_in_use, soon};
use crate::resolve::{Found, Unresolved};
use crate::source::Source;
use crate::within::within;

/// A call's session, as a parameter of a `#[tool]` or `#[prompt]` method, in any place.
///
/// Which session that is was decided before the method was called, and stays so until it returns.
///
/// Taking it costs nothing and never fails for a call that has no session: the store is asked when a method is called,
/// and each method says then what is missing. Cloning shares it.
///
/// ```
/// # use session_mcp::{Session, SessionError};
/// # struct Shop;
/// # #[rmcp::tool_router]
/// # impl Shop {
/// #[rmcp::tool(description = "Puts something into the cart")]
/// async fn add(&self, session: Session) -> Result<String, SessionError> {
///     let items = session.update_with("items", |items: Option<u32>| items.unwrap_or(0) + 1).await?;
///     Ok(format!("{items} in the cart"))
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Call>);

/// What the store answered, and how many [changes](SessionManager::changes) the manager had counted before it was
/// asked.
pub(crate) type Loaded = (Result<Snapshot, Error>, u64);

struct Call {
    sessions: Arc<SessionManager>,
    owner: Owner,
    found: Result<Found, Unresolved>,
    key: Result<SessionKey, Unresolved>,
    /// What was loaded ahead of the call, until it is used for the first time or the call waits for something.
    loaded: Mutex<Option<Loaded>>,
    /// Set where the session is taken as a parameter.
    is_taken: AtomicBool,
    /// Set by what uses the session, and by what finds out that it cannot be used.
    is_used: AtomicBool,
    /// Whether the store did not answer when it was asked last.
    is_away: AtomicBool,
}

impl Session {
    pub(crate) fn new(sessions: Arc<SessionManager>, owner: Owner, found: Result<Found, Unresolved>) -> Self {
        // An `Mcp-Session-Id` is validated by loading its session.
        let is_used = found.as_ref().is_ok_and(|found| found.source() == Source::HttpSession).into();
        let key = found.as_ref().map(|found| found.key(owner)).map_err(|unresolved| *unresolved);
        Self(Arc::new(Call {
            sessions,
            owner,
            found,
            key,
            loaded: Mutex::default(),
            is_taken: false.into(),
            is_used,
            is_away: false.into(),
        }))
    }

    /// The same, with what was loaded for it ahead of the call, if anything was.
    #[cfg(feature = "http")]
    pub(crate) fn with(self, ahead: Option<&Ahead>) -> Self {
        if let (Some(ahead), Ok(key)) = (ahead, &self.0.key)
            && let Some(loaded) = ahead.take(key)
        {
            *self.loaded() = Some(loaded);
            self.0.is_used.store(true, Ordering::Relaxed);
        }
        self
    }

    /// The session of a request, for methods that choose no parameters of their own, such as `read_resource`,
    /// `set_level` and `get_task`.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotWrapped`].
    pub fn of(context: &RequestContext<RoleServer>) -> Result<Self, SessionError> {
        context.extensions.get().cloned().ok_or(SessionError::NotWrapped)
    }

    /// The key under which the store has the session. Asks no store, so the session may have ended.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoSession`], [`SessionError::InvalidHandle`].
    pub fn key(&self) -> Result<SessionKey, SessionError> {
        // Whoever has it can change the session.
        self.forget_loaded();
        Ok(self.0.key?)
    }

    /// How the call reached its session. Asks no store.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key).
    pub fn source(&self) -> Result<Source, SessionError> {
        Ok(self.found()?.source())
    }

    /// Whose the call is, whether or not it has a session.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.0.owner
    }

    /// Who keeps the server's sessions, whether or not this call has one: for a tool that opens records of its own,
    /// which every process with the same store then has.
    ///
    /// ```
    /// # use session_mcp::{Session, SessionError};
    /// /// Keeps an order apart from the session it was given in, under a name that its owner alone can use.
    /// async fn order(session: &Session, items: &[String]) -> Result<String, SessionError> {
    ///     let sessions = session.manager();
    ///     let opened = sessions.open(session.owner(), Default::default()).await?;
    ///     let name = opened.name.expose();
    ///     sessions.set(&sessions.resolve(session.owner(), &name)?, "items", &items).await?;
    ///     Ok(name)
    /// }
    /// ```
    #[must_use]
    pub fn manager(&self) -> &Arc<SessionManager> {
        // It can change the session.
        self.forget_loaded();
        &self.0.sessions
    }

    /// Loads the session as a use of it: a snapshot that later changes do not reach.
    ///
    /// Where the session was loaded a moment ago to let the request in, over HTTP by its `Mcp-Session-Id`, or by its
    /// handle if the store has to be waited for, that is the answer for a method which asks this first of all, before
    /// it waits for anything: the store is not asked twice. To await what is ready already is not to wait. What the
    /// manager changes in the session meanwhile is seen in any case.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key); [`SessionError::NotFound`]; that the store is away.
    pub async fn load(&self) -> Result<Snapshot, SessionError> {
        let answer = match self.take_loaded() {
            Some(answer) => answer,
            None => self.0.sessions.load(&self.key()?).await,
        };
        self.explain(answer).await
    }

    /// Applies a change, all of it or nothing.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), and what [`SessionManager::update`] refuses.
    pub async fn update(&self, change: Change) -> Result<Updated, SessionError> {
        self.apply(self.0.sessions.update(&self.0.key?, change)).await
    }

    /// Reads a state value. `None` if there is none under this name.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), and if what is kept is no `T`.
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        self.check()?;
        let name = name.parse().map_err(Error::from)?;
        Ok(self.load().await?.value(&name)?)
    }

    /// Keeps a state value under a name. Writers of other names are not disturbed.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn set<T: Serialize + Sync>(&self, name: &str, value: &T) -> Result<Updated, SessionError> {
        self.apply(self.0.sessions.set(&self.0.key?, name, value)).await
    }

    /// Removes a state value; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn remove(&self, name: &str) -> Result<Updated, SessionError> {
        self.apply(self.0.sessions.remove(&self.0.key?, name)).await
    }

    /// Replaces a state value by what `next` makes of it, without losing what other calls write meanwhile.
    ///
    /// `next` runs once for each attempt and must not act on anything else.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::update_with`].
    pub async fn update_with<T, F>(&self, name: &str, next: F) -> Result<T, SessionError>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        F: FnMut(Option<T>) -> T + Send,
    {
        self.apply_to(|target| self.0.sessions.update_with(target, name, next)).await
    }

    /// Reads the value of a typed key. `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::read`]: a newer version than the key's is refused.
    pub async fn read<K: StateKey>(&self) -> Result<Option<K::Value>, SessionError> {
        Ok(self.load().await?.read::<K>()?)
    }

    /// Keeps the value of a typed key.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::write`]: a newer version than the key's stays.
    pub async fn write<K: StateKey>(&self, value: &K::Value) -> Result<Updated, SessionError> {
        self.apply_to(|target| self.0.sessions.write::<K>(target, value)).await
    }

    /// Replaces the value of a typed key by what `next` makes of it, as [`update_with`](Self::update_with) does.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::modify`]: a newer version than the key's stays.
    pub async fn modify<K, F>(&self, next: F) -> Result<K::Value, SessionError>
    where
        K: StateKey,
        F: FnMut(Option<K::Value>) -> K::Value + Send,
    {
        self.apply_to(|target| self.0.sessions.modify::<K, F>(target, next)).await
    }

    /// The directory the session works in, if it was set: the path as it is kept, which may lead somewhere else by now,
    /// or out of the allowed roots. What is to be worked in is opened by
    /// [`Projects::open`](crate::project::Projects::open), which looks at each use.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn working_directory(&self) -> Result<Option<PathBuf>, SessionError> {
        Ok(self.load().await?.working_directory.as_ref().map(|directory| directory.as_path().to_owned()))
    }

    /// Sets the directory the session works in. It is kept as it is given, and the session has no project from then on;
    /// [`Projects::set_working_directory`](crate::project::Projects::set_working_directory) finds that of the
    /// directory.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update), and if the path is not 1 to 4,096 bytes of UTF-8.
    pub async fn set_working_directory(&self, directory: &Path) -> Result<Updated, SessionError> {
        let directory = Text::from_path(directory).map_err(Error::from)?;
        let alone = Change { config_path: Edit::Remove, project_id: Edit::Remove, ..Change::new() };
        self.update(alone.working_directory(directory)).await
    }

    /// The project the session works in, if it was set.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn project(&self) -> Result<Option<String>, SessionError> {
        Ok(self.load().await?.project_id.as_ref().map(|id| id.as_str().to_owned()))
    }

    /// When the session ends if it is not used after this.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn expires_at(&self) -> Result<Timestamp, SessionError> {
        Ok(self.load().await?.expires_at())
    }

    /// When the session's absolute lifetime ends, however much it is used.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn ends_at(&self) -> Result<Timestamp, SessionError> {
        Ok(self.load().await?.ends_at)
    }

    /// Ends the session, under all of its names. A call whose client was connected by it has a second left then.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key); [`SessionError::NotFound`] or [`SessionError::Expired`] if it had ended already; if the
    /// handle may only read.
    pub async fn end(&self) -> Result<(), SessionError> {
        let ended = self.0.sessions.end(&self.key()?).await;
        self.explain(ended.and_then(|ended| if ended { Ok(()) } else { Err(StoreError::NotFound.into()) })).await
    }

    /// The handle that the call brought, if it reached its session by one. The transport's name is never told.
    pub(crate) fn handle(&self) -> Option<String> {
        match self.found() {
            Ok(Found::Handle(name)) => Some(name.expose()),
            _ => None,
        }
    }

    /// Opens a session that this call does not have yet, with what `initial` sets.
    pub(crate) async fn open(&self, initial: Change) -> Result<Opened, SessionError> {
        Ok(self.0.sessions.open(self.0.owner, initial).await?)
    }

    /// Gives the session another name, which may be handed to the model: its first one belongs to the transport.
    /// Applies `change` in the same step.
    pub(crate) async fn promote(&self, change: Change) -> Result<(SessionName, Updated), SessionError> {
        let sessions = &self.0.sessions;
        let promoted = match self.found()? {
            Found::Own(locator) => sessions.resume(&self.0.owner, *locator, change).await.map(|resumed| {
                let session = resumed.session;
                (resumed.name, Updated::new(session.version, session.loaded_at(), session.expires_at()))
            }),
            _ => sessions.promote(&self.key()?, NewGrant::new(Mode::ReadWrite), change).await,
        };
        match promoted {
            Err(Error::Store(StoreError::Quota(Quota::Grants { max }))) => Err(SessionError::Handles { max }),
            promoted => self.explain(promoted).await,
        }
    }

    /// Lists the caller's sessions, a page at a time, whether or not this call has one.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::list`].
    pub(crate) async fn list(&self, page: Page) -> Result<Listing, SessionError> {
        Ok(self.0.sessions.list(&self.0.owner, page).await?)
    }

    /// Ends all of the caller's sessions, whether or not this call has one, and says how many.
    ///
    /// # Errors
    ///
    /// As [`SessionManager::end_all`].
    pub(crate) async fn end_all(&self) -> Result<u64, SessionError> {
        let ended = self.manager().end_all(&self.0.owner).await?;
        self.0.is_used.store(true, Ordering::Relaxed);
        Ok(ended)
    }

    /// Another of the caller's sessions, by its locator. Asks no store.
    ///
    /// # Errors
    ///
    /// [`StoreError::OwnerRequired`] for an anonymous caller, who has nothing but names.
    pub(crate) fn own(&self, locator: Locator) -> Result<Self, SessionError> {
        match self.0.owner {
            Owner::Anonymous => Err(StoreError::OwnerRequired.into()),
            owner @ Owner::Principal(_) => Ok(Self::new(Arc::clone(&self.0.sessions), owner, Ok(Found::Own(locator)))),
        }
    }

    /// The session, if it is there. If it has ended and was the connection's own, which no other takes the place of by
    /// itself, a new one of the connection's.
    ///
    /// ```
    /// # use session_mcp::{Session, SessionError};
    /// # async fn visit(session: Session) -> Result<u64, SessionError> {
    /// let session = session.ensure_open().await?;
    /// session.update_with("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load) for every other session: handles stay what they are. What opening a session refuses.
    pub async fn ensure_open(&self) -> Result<Self, SessionError> {
        match self.load().await {
            Ok(_) => Ok(self.clone()),
            Err(error @ (SessionError::NotFound | SessionError::Expired { .. })) => match self.found()? {
                Found::Connection(..) => self.reopened().await,
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Gives a connection whose own session has ended a new one, unless another call did. The session that the
    /// connection has then is the returned one's; this one stays what it was.
    pub(crate) async fn reopened(&self) -> Result<Self, SessionError> {
        let Found::Connection(connection, gone) = self.found()? else { return Err(SessionError::NotFound) };
        let name = connection.reopen(&self.0.sessions, gone).await?;
        let found = Found::Connection(Arc::clone(connection), name);
        Ok(Self::new(Arc::clone(&self.0.sessions), self.0.owner, Ok(found)))
    }

    /// Keeps the session from idling out, if the call has one. Never completes.
    pub(crate) async fn keep_in_use(&self) -> Infallible {
        if let Ok(key) = &self.0.key {
            keep_in_use(&self.0.sessions, key).await;
        }
        std::future::pending().await
    }

    /// What was loaded before the call began is no answer any more.
    pub(crate) fn forget_loaded(&self) {
        *self.loaded() = None;
    }

    /// Refuses a handle that is none, before the call that brings it does anything.
    pub(crate) fn check(&self) -> Result<(), SessionError> {
        Ok(self.0.key.map(drop)?)
    }

    /// Refuses a handle that leads to no session, unless the session was taken as a parameter: who takes it asks the
    /// store by what they do with it.
    pub(crate) async fn require(&self) -> Result<(), SessionError> {
        if self.0.is_taken.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.load().await.map(drop)
    }

    /// Counts a call as a use of its session, if nothing did so far, or else its end, if it took long enough for that
    /// to matter. The answer does not wait long for a store that is slow, and not at all for one that was just found
    /// away.
    pub(crate) async fn leave(&self, begun: Instant) {
        if let Ok(key) = &self.0.key
            && (!self.0.is_used.load(Ordering::Relaxed) || begun.elapsed() >= soon(&self.0.sessions))
            && !self.0.is_away.load(Ordering::Relaxed)
        {
            let _ = within(PATIENCE, self.0.sessions.load(key)).await;
        }
    }

    /// Makes a change that does not depend on what the session is.
    async fn apply<T>(&self, change: impl Future<Output = Result<T, Error>> + Send) -> Result<T, SessionError> {
        let answer = match self.take_loaded() {
            // Nothing will have come of it since.
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => change.await,
        };
        self.explain(answer).await
    }

    /// Makes a change that depends on what the session is, from where that was loaded to if it was.
    async fn apply_to<'a, T, F>(&'a self, change: impl FnOnce(Target<'a>) -> F + Send) -> Result<T, SessionError>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let key = self.0.key.as_ref().map_err(|unresolved| *unresolved)?;
        let answer = match self.take_loaded() {
            Some(Ok(session)) => change(Target::loaded(key, session)).await,
            Some(Err(error)) => Err(error),
            None => change(key.into()).await,
        };
        self.explain(answer).await
    }

    /// Notes what was a use of the session, and says of a caller's own by which limit it expired; others get to know
    /// nothing by asking the same.
    async fn explain<T>(&self, answer: Result<T, Error>) -> Result<T, SessionError> {
        // To ask again for what is not there, or of a store that is not, would only take time.
        if let Ok(_) | Err(Error::NotRunning | Error::Store(StoreError::NotFound | StoreError::Unavailable { .. })) =
            answer
        {
            self.0.is_used.store(true, Ordering::Relaxed);
        }
        let is_away = matches!(answer, Err(Error::Store(StoreError::Unavailable { .. })));
        self.0.is_away.store(is_away, Ordering::Relaxed);
        match answer {
            Err(Error::Store(StoreError::NotFound)) if self.0.owner != Owner::Anonymous => {
                match self.0.sessions.why_absent(&self.key()?).await {
                    Ok(Some(by)) => Err(SessionError::Expired { by }),
                    Ok(None) => Err(SessionError::NotFound),
                    Err(error) => Err(error.into()),
                }
            }
            answer => Ok(answer?),
        }
    }

    /// What was loaded ahead of the call, unless the session may have changed since: somebody can have told the call,
    /// by a lock that it did not have to wait for.
    fn take_loaded(&self) -> Option<Result<Snapshot, Error>> {
        let (answer, changes) = self.loaded().take()?;
        let key = self.0.key.as_ref().ok()?;
        (self.0.sessions.changes(key) == changes).then_some(answer)
    }

    fn loaded(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self) -> Result<&Found, SessionError> {
        self.0.found.as_ref().map_err(|unresolved| SessionError::from(*unresolved))
    }
}

/// How long an answer waits for its call to be counted as a use.
const PATIENCE: Duration = Duration::from_millis(250);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("owner", &self.0.owner).field("found", &self.0.found).finish_non_exhaustive()
    }
}

impl<C: AsRequestContext> FromContextPart<C> for Session {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let session = Self::of(context.as_request_context())?;
        session.0.is_taken.store(true, Ordering::Relaxed);
        Ok(session)
    }
}
