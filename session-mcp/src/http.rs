//! Serving over Streamable HTTP.

mod caller;
mod deletion;
mod foresight;
mod front;
mod guard;
mod handshake;
mod headers;
mod legacy;
mod readiness;
mod refusal;
mod trouble;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any_service, get};
use axum::serve::{Listener, ListenerExt as _};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use session_core::{Journal, SessionManager};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::service_fn;

use crate::config::Config;
use crate::lifespan::{Lifespan, StartError};
use crate::serve::ServeError;
use crate::tokens::Tokens;
use crate::tools::SessionTools;
use crate::with_sessions::WithSessions;

use self::foresight::Foresight;
use self::front::Front;
use self::guard::Guard;
use self::legacy::{Keeping, LegacySessions};
use self::readiness::{Readiness, healthz, readyz};

/// Serves a handler, with sessions, over Streamable HTTP at `/mcp`, until `shutdown` completes.
///
/// `handler` makes it, and may mount the session tools that it is given. Its clones serve: one for each session of a
/// protocol version before 2026-07-28 and one for each request after, so share what is dear.
///
/// When `shutdown` completes, `/readyz` answers 503. Requests are served for [`drain_delay`](Config::drain_delay) more,
/// in which a balancer notices; then calls in flight are still answered for [`drain_timeout`](Config::drain_timeout),
/// and streams end with a hint to come back. Sessions stay in their store. The manager becomes the one of the process,
/// unless that has one.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve_http<H: ServerHandler + Clone>(
    listener: TcpListener,
    config: &Config,
    handler: impl FnOnce(SessionTools) -> H,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let lifespan = Lifespan::begin(config).await?;
    lifespan.install();
    let handler = handler(lifespan.tools());
    let served = match Endpoint::new(move || handler.clone(), lifespan.sessions(), config) {
        Ok(endpoint) => endpoint.serve(listener, config.drain_timeout, shutdown).await,
        Err(error) => Err(error.into()),
    };
    lifespan.end().await;
    served
}

/// A handler with sessions behind `/mcp`, and beside it `/readyz`, which is 200 while requests should come here, and
/// `/healthz`, which is 200 while the process can answer at all.
///
/// It keeps what rmcp leaves open: `Origin` and `Host` are validated, a body has a limit, what is no JSON is answered
/// as JSON-RPC says, an unknown session is 404, a store that is away is 503, and DELETE ends a session.
#[derive(Debug)]
pub struct Endpoint {
    router: Router,
    /// Requests that are being answered.
    calls: TaskTracker,
    /// How long requests are still served when no more should come.
    drain_delay: Duration,
    /// Says that no more requests should come.
    draining: CancellationToken,
    /// Ends the streams of earlier protocol versions, so that their clients come back elsewhere.
    closing: CancellationToken,
    /// Ends all other streams that have no end of their own.
    streams: CancellationToken,
    legacy: Arc<LegacySessions>,
}

impl Endpoint {
    /// Puts a handler behind HTTP. `handler` is called once for each session of a protocol version before 2026-07-28
    /// and once for each request after, so it has to be cheap: share what is dear. Needs a tokio runtime.
    ///
    /// What clients of those versions are told is kept in the manager's [journal](SessionManager::with_journal).
    /// Without one it is kept in this process, if the feature `memory` is on: other processes cannot go on with it, and
    /// what ends through the manager is closed here within ten seconds instead of at once.
    ///
    /// # Errors
    ///
    /// [`StartError::Empty`] if the configuration would refuse every request; [`StartError::Tokens`] if its tokens
    /// cannot be read.
    pub fn new<H: ServerHandler>(
        handler: impl Fn() -> H + Send + Sync + 'static,
        sessions: Arc<SessionManager>,
        config: &Config,
    ) -> Result<Self, StartError> {
        config.warn_if_unconfined();
        let streams = CancellationToken::new();
        let calls = TaskTracker::new();
        let tokens = config.tokens.as_deref().map(Tokens::read).transpose()?;
        let guard = Guard::new(tokens, config.require_principal);
        let handlers = WithSessions::each(handler, Arc::clone(&sessions));
        let factory = move || Ok(handlers());
        let mut rmcp = rmcp_config(config, streams.clone())?;
        let (closing, draining) = (CancellationToken::new(), CancellationToken::new());
        let journal = sessions.journal().cloned().or_else(|| journal(config));
        if journal.is_some() {
            // The streams that can be resumed say so themselves, by ids that mean something.
            rmcp = rmcp.with_sse_retry(None);
        }
        let keeping = Keeping {
            journal,
            is_required: config.require_resumability,
            after: config.journal.after,
            keep: config.journal.keep,
            handler_idle_timeout: config.handler_idle_timeout,
        };
        let legacy =
            LegacySessions::new(Arc::clone(&sessions), factory.clone(), &rmcp, keeping, calls.clone(), closing.clone());
        let legacy = Arc::new(legacy);
        let rmcp = StreamableHttpService::new(factory, Arc::clone(&legacy), rmcp);
        let (tracker, leaving, foresight) = (calls.clone(), draining.clone(), Foresight::new(&sessions));
        let front =
            Arc::new(Front::new(rmcp, guard, foresight, Arc::clone(&legacy), tracker, leaving, config.body_limit));
        let mcp = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move { Ok::<_, Infallible>(front.handle(request).await) }
        });
        let router = Router::new()
            .route("/mcp", any_service(mcp))
            .route("/readyz", get(readyz).with_state(Readiness::new(sessions, draining.clone())))
            .route("/healthz", get(healthz));
        Ok(Self { router, calls, drain_delay: config.drain_delay, draining, closing, streams, legacy })
    }

    /// Puts the routes into a larger application, or layers around them, such as the one that says which
    /// [`Principal`](crate::Principal) calls.
    #[must_use]
    pub fn map_router(mut self, map: impl FnOnce(Router) -> Router) -> Self {
        self.router = map(self.router);
        self
    }

    /// The routes, for an application that serves them by itself. It has to end them too: see [`drain`](Self::drain).
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Counts, whenever it is called, the messages since the start that clients of protocol versions before 2026-07-28
    /// were sent and that could not be kept: a client that was cut off missed them. For a metric; 0 is well.
    pub fn unkept(&self) -> impl Fn() -> u64 + Clone + Send + Sync + use<> {
        let legacy = Arc::clone(&self.legacy);
        move || legacy.unkept()
    }

    /// Says by `/readyz` that no more requests should come. Those that do are served.
    pub fn leave(&self) {
        self.draining.cancel();
    }

    /// Waits for the calls in flight, at most for `grace`, then ends the streams that have no end of their own. Clients
    /// of protocol versions before 2026-07-28 are asked to come back, and go on elsewhere.
    pub async fn drain(&self, grace: Duration) {
        self.leave();
        self.calls.close();
        if tokio::time::timeout(grace, self.calls.wait()).await.is_err() {
            tracing::warn!("some calls were not answered in time");
        }
        self.closing.cancel();
        // Their last words are on their way before everything ends.
        tokio::time::sleep(FAREWELL).await;
        self.streams.cancel();
    }

    /// Serves a listener until `shutdown` completes, and for [`drain_delay`](Config::drain_delay) more; then drains for
    /// at most `grace`. Nagle's algorithm is off: it would hold each answer back for 40 ms.
    ///
    /// # Errors
    ///
    /// [`ServeError::Connection`] if the listener broke.
    pub async fn serve(
        self,
        listener: TcpListener,
        grace: Duration,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        if let Ok(address) = listener.local_addr() {
            tracing::info!("listening on http://{address}/mcp");
        }
        let stopping = CancellationToken::new();
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps Nagle's algorithm");
            }
        });
        let server = serve_until(listener, self.router(), stopping.clone());
        let mut server = std::pin::pin!(server);
        tokio::select! {
            ended = &mut server => return ended.map_err(|error| ServeError::Connection(error.into())),
            () = async {
                shutdown.await;
                self.leave();
                tokio::time::sleep(self.drain_delay).await;
                stopping.cancel();
                self.drain(grace).await;
            } => {}
        }
        match tokio::time::timeout(LINGER, server).await {
            Ok(ended) => ended.map_err(|error| ServeError::Connection(error.into())),
            Err(_) => Ok(()),
        }
    }
}

/// How long streams have for their last words.
const FAREWELL: Duration = Duration::from_millis(50);

/// How long a connection may take to close once all of its answers were sent.
const LINGER: Duration = Duration::from_secs(1);

async fn serve_until<L>(listener: L, router: Router, stop: CancellationToken) -> std::io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// rmcp's part of the configuration.
fn rmcp_config(config: &Config, streams: CancellationToken) -> Result<StreamableHttpServerConfig, StartError> {
    let any = |list: &[String]| list.iter().any(|item| item == "*");
    let mut rmcp = StreamableHttpServerConfig::default()
        .with_cancellation_token(streams)
        .with_max_request_body_bytes(config.body_limit)
        .with_json_response(true);
    rmcp = match &config.allowed_hosts {
        hosts if any(hosts) => rmcp.disable_allowed_hosts(),
        // To rmcp, no hosts are any hosts.
        hosts if hosts.is_empty() => return Err(StartError::Empty { key: "allowed_hosts" }),
        hosts => rmcp.with_allowed_hosts(hosts),
    };
    Ok(match &config.allowed_origins {
        origins if any(origins) => rmcp.disable_allowed_origins(),
        origins => rmcp.with_allowed_origins(origins).enforce_origin_validation(),
    })
}

/// Where what clients are told is kept for sessions whose manager has no journal: in this process.
#[cfg(feature = "memory")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature there is nowhere")]
fn journal(config: &Config) -> Option<Arc<dyn Journal>> {
    Some(Arc::new(session_memory::MemoryJournal::new((&config.journal).into())))
}

#[cfg(not(feature = "memory"))]
fn journal(_: &Config) -> Option<Arc<dyn Journal>> {
    None
}
