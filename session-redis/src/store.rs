//! The store, as the contract has it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use session_core::{
    Change, Created, Expired, JournalLimits, Listing, Load, NewSession, Owner, Page, Session, SessionKey, SessionStore,
    StoreError, Updated,
};
use tokio::time::Instant;

use crate::census::Census;
use crate::client::{Client, ConnectError};
use crate::clock::ServerClock;
use crate::config::RedisConfig;
use crate::journal::RedisJournal;
use crate::keys::Keys;
use crate::sessions::Sessions;
use crate::snapshots::Snapshots;
use crate::turns::Turns;
use crate::writer::Writer;

/// Sessions kept in Redis or Valkey, where any number of processes share them.
///
/// It is a handle: clones are the same store, and share their connections. Each operation on one session takes one
/// round trip, and answers within the configured deadline.
#[derive(Clone)]
pub struct RedisStore(Arc<Sessions>);

impl RedisStore {
    /// Connects to the servers of a configuration. Needs a `tokio` runtime with its timers and I/O enabled.
    ///
    /// From then on the store connects again by itself, however long its servers were away.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what to change.
    pub async fn connect(config: RedisConfig) -> Result<Self, ConnectError> {
        let until = Instant::now() + config.deadline.min(RedisConfig::MAX_DEADLINE);
        let client = Client::connect(&config).await?;
        let store = Self::new(client, config);
        // A creation says by the server's clock how long it is meant to be on its way. Without an answer now the first
        // one takes two round trips.
        let _ = store.0.ping(until).await;
        Ok(store)
    }

    /// Uses a connection to one server that the caller owns. What the configuration says of servers and connections
    /// is not looked at; the rest is.
    ///
    /// The connection is not made anew: once it is closed, every operation is [`StoreError::Unavailable`]. As long as
    /// it is open it is waited for, however silent it is, and what was not answered is sent again over it.
    ///
    /// Have it made with `AsyncConnectionConfig::set_response_timeout(None)`: by its default, half a second, the
    /// library gives up each command after that, and what it blocks for on purpose with it. That is `WAIT`, if the
    /// configuration asks for [`durability`](RedisConfig::durability), and it holds up everything else on this
    /// connection meanwhile.
    #[must_use]
    pub fn from_connection(connection: MultiplexedConnection, config: RedisConfig) -> Self {
        let deadline = config.deadline.min(RedisConfig::MAX_DEADLINE);
        Self::new(Client::from_connection(connection, deadline), RedisConfig { deadline, ..config })
    }

    /// A journal on the same servers, under the same prefix and over the same connections. Whoever follows something
    /// adds one more connection.
    ///
    /// Journals on one backend are one journal, and are to have the same limits.
    #[must_use]
    pub fn journal(&self, limits: JournalLimits) -> RedisJournal {
        RedisJournal::new(Arc::clone(&self.0), limits)
    }

    fn new(client: Client, config: RedisConfig) -> Self {
        let census = Census::new(client.shards());
        Self(Arc::new(Sessions {
            client,
            keys: Keys::new(config.key_prefix),
            limits: config.limits,
            deadline: config.deadline,
            durability: config.durability,
            writer: Writer::new(),
            turns: Turns::default(),
            clock: ServerClock::default(),
            census,
            snapshots: Snapshots::new(config.cache),
        }))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("client", &self.0.client).finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        self.0.create(&new).await
    }

    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        self.0.load(key, load).await
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        self.0.update(key, &change).await
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        self.0.delete(key).await
    }

    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        self.0.list(owner, &page).await
    }

    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.0.end_all(owner).await
    }

    async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError> {
        self.0.count(max_staleness, self.0.client.deadline()).await
    }

    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        self.0.why_absent(key).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping(self.0.client.deadline()).await
    }

    fn is_local(&self) -> bool {
        false
    }
}
