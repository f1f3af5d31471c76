//! Taking over a session that another process opened, or that this one lost.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode};
use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use futures_util::stream::{Empty, empty};
use rmcp::ServerHandler;
use rmcp::model::{ClientJsonRpcMessage, InitializeRequestParams, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager as RmcpSessions, SessionState,
    SessionStore as RmcpSessionStore, SessionStoreError,
};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use session_core::SessionKey;

use super::local::{Local, LocalSessions};
use super::transport::SessionTransport;

/// Restores sessions: makes a handler for each and lets it hear again what the client said when it initialized.
///
/// Any number of requests that want one session restored share one restoration. It goes on without them, in a task of
/// its own, and a session is open to requests once it is complete.
pub(super) struct Restorer {
    open: Arc<LocalSessions>,
    initialize: Initialize,
    running: Arc<Mutex<HashMap<SessionKey, Restoration>>>,
}

/// Tells a new handler what a client said when it initialized. `false` if that failed.
type Initialize = Arc<dyn Fn(One, InitializeRequestParams, Parts) -> BoxFuture<'static, bool> + Send + Sync>;

type Restoration = Shared<BoxFuture<'static, bool>>;

impl Restorer {
    /// Makes handlers by this factory. They are served as the configuration says.
    pub(super) fn new<H, F>(open: Arc<LocalSessions>, factory: F, config: &StreamableHttpServerConfig) -> Self
    where
        H: ServerHandler,
        F: Fn() -> io::Result<H> + Clone + Send + Sync + 'static,
    {
        let config = config.clone();
        let initialize: Initialize = Arc::new(move |one, params, parts| {
            let (factory, config) = (factory.clone(), config.clone());
            initialize(one, params, parts, factory, config).boxed()
        });
        Self { open, initialize, running: Arc::default() }
    }

    /// Restores a session, or waits for somebody who does. `false` if it cannot be done now.
    pub(super) async fn restore(
        &self,
        id: &SessionId,
        key: SessionKey,
        params: InitializeRequestParams,
        parts: Parts,
    ) -> bool {
        let restoration = {
            let mut running = lock(&self.running);
            match running.get(&key) {
                Some(restoration) => restoration.clone(),
                // It was restored since the caller looked: it is open before it is no longer being restored.
                None if self.open.get(id, &key).is_some() => return true,
                None => {
                    let restoration = self.begin(id.clone(), key, params, parts);
                    running.insert(key, restoration.clone());
                    restoration
                }
            }
        };
        restoration.await
    }

    fn begin(&self, id: SessionId, key: SessionKey, params: InitializeRequestParams, parts: Parts) -> Restoration {
        let done = Done { running: Arc::clone(&self.running), key };
        let (open, initialize) = (Arc::clone(&self.open), Arc::clone(&self.initialize));
        let restoring = tokio::spawn(async move {
            let _done = done;
            let Some((local, transport)) = open.begin(&id, key).await else { return false };
            let heard = open.heard_so_far(&key).await;
            let one =
                One { local: Arc::clone(&local), open: Arc::clone(&open), transport: Mutex::new(Some(transport)) };
            let restored = tokio::time::timeout(DEADLINE, initialize(one, params, parts)).await.unwrap_or(false);
            if restored {
                open.add(local, heard);
            } else {
                tracing::warn!("a session could not be restored; its client is told to try again");
                local.close();
            }
            restored
        });
        async { restoring.await.unwrap_or(false) }.boxed().shared()
    }
}

impl fmt::Debug for Restorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restorer").field("running", &lock(&self.running).len()).finish_non_exhaustive()
    }
}

/// How long a handler may take to be made and to initialize.
const DEADLINE: Duration = Duration::from_secs(5);

/// Lets the next one who wants the session restored begin anew, however this restoration ended.
struct Done {
    running: Arc<Mutex<HashMap<SessionKey, Restoration>>>,
    key: SessionKey,
}

impl Drop for Done {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.key);
    }
}

fn lock(running: &Mutex<HashMap<SessionKey, Restoration>>) -> MutexGuard<'_, HashMap<SessionKey, Restoration>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets rmcp restore one session: a service for nothing else is asked for a stream that does not exist, and restores
/// the session before it finds that out.
///
/// rmcp remembers for a while how an earlier restoration under the same id ended, and answers later ones by it, also if
/// that was for a store that was away. A service of its own remembers nothing.
async fn initialize<H: ServerHandler>(
    one: One,
    params: InitializeRequestParams,
    mut parts: Parts,
    factory: impl Fn() -> io::Result<H> + Send + Sync + 'static,
    config: StreamableHttpServerConfig,
) -> bool {
    let mut config = config;
    // A handler that takes too long is not waited for, and ends too.
    let handler = config.cancellation_token.child_token();
    let unless_restored = handler.clone().drop_guard();
    config.cancellation_token = handler;
    config.session_store = Some(Arc::new(Greeted(params)));
    parts.method = Method::GET;
    parts.headers.insert("accept", HeaderValue::from_static("text/event-stream"));
    parts.headers.insert("last-event-id", HeaderValue::from_static("none"));
    let service = StreamableHttpService::new(factory, Arc::new(one), config);
    let restored = service.handle(Request::from_parts(parts, Body::empty())).await.status() == StatusCode::OK;
    if restored {
        unless_restored.disarm();
    }
    restored
}

/// What one client said when it initialized.
struct Greeted(InitializeRequestParams);

#[async_trait]
impl RmcpSessionStore for Greeted {
    async fn load(&self, _: &str) -> Result<Option<SessionState>, SessionStoreError> {
        Ok(Some(SessionState::new(self.0.clone())))
    }

    async fn store(&self, _: &str, _: &SessionState) -> Result<(), SessionStoreError> {
        Ok(())
    }

    async fn delete(&self, _: &str) -> Result<(), SessionStoreError> {
        Ok(())
    }
}

/// A session manager of one session that is being restored.
struct One {
    local: Arc<Local>,
    open: Arc<LocalSessions>,
    transport: Mutex<Option<SessionTransport>>,
}

#[expect(refining_impl_trait_internal, reason = "a stream that never exists has to be of some type")]
impl RmcpSessions for One {
    type Error = Nothing;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport), Nothing> {
        Err(Nothing)
    }

    async fn initialize_session(
        &self,
        _: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Nothing> {
        match self.local.initialize(message).await {
            Some(answer @ ServerJsonRpcMessage::Response(_)) => Ok(answer),
            _ => Err(Nothing),
        }
    }

    async fn has_session(&self, _: &SessionId) -> Result<bool, Nothing> {
        Ok(false)
    }

    /// The handler has ended.
    async fn close_session(&self, _: &SessionId) -> Result<(), Nothing> {
        self.open.close_this(&self.local);
        Ok(())
    }

    async fn create_stream(&self, _: &SessionId, _: ClientJsonRpcMessage) -> Result<Silence, Nothing> {
        Err(Nothing)
    }

    async fn accept_message(&self, _: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Nothing> {
        self.local.accept(message).await.ok_or(Nothing)
    }

    async fn create_standalone_stream(&self, _: &SessionId) -> Result<Silence, Nothing> {
        Err(Nothing)
    }

    /// Is asked once the session is restored.
    async fn resume(&self, _: &SessionId, _: String) -> Result<Silence, Nothing> {
        Ok(empty())
    }

    async fn restore_session(&self, _: SessionId) -> Result<RestoreOutcome<SessionTransport>, Nothing> {
        let transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner).take();
        transport.map(RestoreOutcome::Restored).ok_or(Nothing)
    }
}

/// A stream of no events.
type Silence = Empty<ServerSseMessage>;

/// There is nothing but the restoration.
#[derive(Debug, thiserror::Error)]
#[error("the session is only being restored")]
struct Nothing;
