//! From a configuration to a running manager, and its end.

use std::sync::Arc;
use std::time::Duration;

use session_core::{BoxError, Error, Event, InvalidLifetime, Journal, Observer, SessionManager, SessionStore};

use crate::config::Config;
use crate::heartbeat::unused_after;
use crate::project::{InvalidProjects, Projects};
use crate::timer::TokioTimer;
#[cfg(feature = "http")]
use crate::tokens::UnusableTokens;
use crate::tools::{Durability, SessionTools};

/// The time in which a server has sessions: it builds the store that the configuration names, starts a manager over it,
/// and stops it at the end.
///
/// ```
/// # use session_mcp::{Config, Lifespan};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let lifespan = Lifespan::begin(&Config::default()).await?;
/// let sessions = lifespan.sessions();
/// // … serve with `sessions` …
/// lifespan.end().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Lifespan {
    sessions: Arc<SessionManager>,
    tools: SessionTools,
}

impl Lifespan {
    /// Builds the store, connects where it is one of servers, and starts the manager. Needs a tokio runtime.
    ///
    /// A Redis store connects within its configured deadline or not at all; once it did, it connects again by itself
    /// whenever it has to.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what to change, in the configuration or at the servers.
    pub async fn begin(config: &Config) -> Result<Self, StartError> {
        Self::observed(config, Arc::new(|_: &Event| {})).await
    }

    /// As [`begin`](Self::begin), and tells `observer` what becomes of sessions; [`Observer`] says how far one can rely
    /// on that.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub async fn observed(config: &Config, observer: Arc<dyn Observer>) -> Result<Self, StartError> {
        let lifetimes = config.lifetimes()?;
        let limits = [
            ("limits.sessions", config.limits.sessions == 0),
            ("limits.sessions_per_principal", config.limits.sessions_per_principal == 0),
            ("limits.grants", config.limits.grants == 0),
            ("limits.state_names", config.limits.state_names == 0),
            ("limits.value_bytes", config.limits.value_bytes == 0),
            ("limits.session_bytes", config.limits.session_bytes == 0),
            ("body_limit", config.body_limit == 0),
            ("journal.entries", config.journal.entries == 0),
            ("journal.bytes", config.journal.bytes == 0),
            ("journal.keep", config.journal.keep.is_zero()),
            #[cfg(feature = "redis")]
            ("redis.deadline", config.redis.deadline.is_zero()),
        ];
        if let Some((key, _)) = limits.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(StartError::Zero { key });
        }
        let least = unused_after(lifetimes.idle());
        if config.limits.evict_after < least {
            return Err(StartError::EvictAfter { least });
        }
        if config.handle_header && !config.require_principal && config.tokens.is_none() {
            return Err(StartError::HandleHeader);
        }
        let projects = {
            let (roots, settings) = (config.allowed_roots.clone(), config.projects.clone());
            let opened = tokio::task::spawn_blocking(move || Projects::new(&roots, &settings)).await;
            opened.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?
        };
        let Backend { store, journal, durability } = backend(config, &observer).await?;
        let sessions = SessionManager::new(store, Arc::new(TokioTimer))
            .with_journal(journal)
            .with_lifetimes(lifetimes)
            .with_grace(config.drain_timeout)
            .with_observer(move |event: &Event| observer.observe(event));
        sessions.start().await.map_err(StartError::Manager)?;
        let tools =
            SessionTools::new(lifetimes, durability).with_handle_header(config.handle_header).with_projects(projects);
        Ok(Self { sessions: Arc::new(sessions), tools })
    }

    /// The running manager.
    #[must_use]
    pub fn sessions(&self) -> Arc<SessionManager> {
        Arc::clone(&self.sessions)
    }

    /// The session tools that suit this configuration.
    #[must_use]
    pub fn tools(&self) -> SessionTools {
        self.tools.clone()
    }

    /// Where the projects of directories are found, as this configuration says.
    #[must_use]
    pub fn projects(&self) -> &Projects {
        self.tools.projects()
    }

    /// Makes this the manager of the process, unless that has one; see [`SessionManager::global`].
    pub fn install(&self) {
        if self.sessions().install().is_err() {
            tracing::debug!("the process has a manager already");
        }
    }

    /// Stops the manager. `false` if operations in flight took longer than the configured time.
    pub async fn end(self) -> bool {
        self.sessions.stop().await
    }
}

/// Why sessions cannot be served with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A lifetime that no session can have.
    #[error(transparent)]
    Lifetime(#[from] InvalidLifetime),
    /// The store is not one that this build has.
    #[error("this build has no store `{form}`; build it with the feature `{feature}`")]
    NoStore {
        /// The store's form, without its address.
        form: String,
        /// What brings it.
        feature: &'static str,
    },
    /// The store's configuration cannot be used.
    #[error("the store `{form}` cannot be used: {source}")]
    Store {
        /// The store's form, without its address.
        form: String,
        /// Why not.
        source: BoxError,
    },
    /// The store's servers cannot be used: they are away, refuse the credentials, or are not what the URL says.
    #[error("the store `{form}` cannot be used: {source}")]
    Connect {
        /// The store's form, without its address.
        form: String,
        /// Why not, without credentials.
        source: BoxError,
    },
    /// The store did not answer.
    #[error(transparent)]
    Manager(Error),
    /// A limit that would refuse everybody.
    #[error("`{key}` is 0, which would refuse everything; set it to more")]
    Zero {
        /// The limit's key.
        key: &'static str,
    },
    /// Sessions would be evicted while a call is in flight in them.
    #[error(
        "`limits.evict_after` is less than three heartbeats of a call in flight, whose session could be evicted; set it \
         to {} or more",
        humantime::format_duration(*least)
    )]
    EvictAfter {
        /// The least it can be.
        least: Duration,
    },
    /// Projects cannot be found as the configuration says.
    #[error(transparent)]
    Projects(#[from] InvalidProjects),
    /// The tokens cannot be used.
    #[cfg(feature = "http")]
    #[error(transparent)]
    Tokens(#[from] UnusableTokens),
    /// Handles would be shown to whoever sees headers, and they are all that protects a session here.
    #[error("`handle_header` needs callers to be authenticated; set `tokens` or `require_principal`, or turn it off")]
    HandleHeader,
    /// Tokens would protect nothing.
    #[error("`tokens` are for HTTP; over stdio set `local_principal`, or set `http`")]
    TokensWithoutHttp,
    /// A list that would refuse everybody.
    #[error("`{key}` is empty, which would refuse every request; list what to serve, or `*` for any")]
    Empty {
        /// The list's key.
        key: &'static str,
    },
}

/// Where everything is kept.
struct Backend {
    store: Arc<dyn SessionStore>,
    journal: Arc<dyn Journal>,
    durability: Durability,
}

#[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "nothing to connect to in this build"))]
#[cfg_attr(not(feature = "memory"), expect(unused_variables, reason = "no other store tells what it frees"))]
async fn backend(config: &Config, observer: &Arc<dyn Observer>) -> Result<Backend, StartError> {
    match config.store.form() {
        #[cfg(feature = "memory")]
        "memory" => Ok(memory(config, Arc::clone(observer))),
        #[cfg(not(feature = "memory"))]
        "memory" => Err(StartError::NoStore { form: "memory".to_owned(), feature: "memory" }),
        #[cfg(feature = "redis")]
        form => redis(form, config).await,
        #[cfg(not(feature = "redis"))]
        form => Err(StartError::NoStore { form: form.to_owned(), feature: "redis" }),
    }
}

#[cfg(feature = "memory")]
fn memory(config: &Config, observer: Arc<dyn Observer>) -> Backend {
    use session_memory::{MemoryConfig, MemoryJournal, MemoryStore};

    #[cfg(feature = "redis")]
    if config.redis != crate::config::RedisSettings::default() {
        tracing::warn!("the keys of `redis` have no effect, because the store is `memory`");
    }
    let memory = MemoryConfig { limits: (&config.limits).into(), sweep_interval: config.sweep_interval };
    Backend {
        store: Arc::new(MemoryStore::observed(memory, observer)),
        journal: Arc::new(MemoryJournal::new((&config.journal).into())),
        durability: Durability::Process,
    }
}

#[cfg(feature = "redis")]
async fn redis(form: &str, config: &Config) -> Result<Backend, StartError> {
    use session_redis::{InvalidRedisUrl, RedisStore};

    let unusable = |source: BoxError| StartError::Store { form: form.to_owned(), source };
    let url = config.store.expose().parse().map_err(|error: InvalidRedisUrl| unusable(error.into()))?;
    let connected = RedisStore::connect(config.redis.of(url, (&config.limits).into())).await;
    let store = connected.map_err(|error| {
        if error.is_misconfiguration() {
            return unusable(error.into());
        }
        StartError::Connect { form: form.to_owned(), source: error.into() }
    })?;
    tracing::info!(store = form, "connected to the session store");
    let journal = Arc::new(store.journal((&config.journal).into()));
    Ok(Backend { store: Arc::new(store), journal, durability: Durability::Store })
}
