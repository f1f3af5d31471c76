//! Serving over Streamable HTTP.

mod caller;
mod deletion;
mod front;
mod guard;
mod handshake;
mod legacy;
mod local;
mod refusal;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::serve::{Listener, ListenerExt as _};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use session_core::SessionManager;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::lifespan::{Lifespan, StartError};
use crate::serve::ServeError;
use crate::tokens::Tokens;
use crate::tools::SessionTools;
use crate::with_sessions::WithSessions;

use self::front::Front;
use self::guard::Guard;
use self::legacy::LegacySessions;

/// Serves a handler, with sessions, over Streamable HTTP at `/mcp`, until `shutdown` completes.
///
/// `handler` makes it, and may mount the session tools that it is given. Its clones serve: one for each session of a
/// protocol version before 2026-07-28 and one for each request after, so share what is dear.
///
/// A call in flight when `shutdown` completes is still answered, if it takes no longer than the configured time.
/// `/healthz` answers 200 while sessions can be served, else 503. The manager becomes the one of the process, unless
/// that has one.
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

/// A handler with sessions behind `/mcp`, and `/healthz` beside it.
///
/// It keeps what rmcp leaves open: `Origin` and `Host` are validated, a body has a limit, what is no JSON is answered
/// as JSON-RPC says, an unknown session is 404, a store that is away is 503, and DELETE ends a session.
#[derive(Debug)]
pub struct Endpoint {
    router: Router,
    /// Requests that are being answered.
    calls: TaskTracker,
    /// Ends the streams that have no end of their own.
    streams: CancellationToken,
}

impl Endpoint {
    /// Puts a handler behind HTTP. `handler` is called once for each session of a protocol version before 2026-07-28
    /// and once for each request after, so it has to be cheap: share what is dear. Needs a tokio runtime.
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
        let legacy = Arc::new(LegacySessions::new(Arc::clone(&sessions)));
        let tokens = config.tokens.as_deref().map(Tokens::read).transpose()?;
        let front = Front::new(Guard::new(tokens, config.require_principal), calls.clone(), config.body_limit);
        let factory = {
            let sessions = Arc::clone(&sessions);
            move || Ok(WithSessions::new(handler(), Arc::clone(&sessions)))
        };
        let service = StreamableHttpService::new(factory, legacy, rmcp_config(config, streams.clone())?);
        let router = Router::new()
            .route_service("/mcp", service)
            .route_layer(from_fn_with_state(front, front::handle))
            .route("/healthz", get(health).with_state(sessions));
        Ok(Self { router, calls, streams })
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

    /// Waits for the calls in flight, at most for `grace`, then ends the streams that have no end of their own.
    pub async fn drain(&self, grace: Duration) {
        self.calls.close();
        if tokio::time::timeout(grace, self.calls.wait()).await.is_err() {
            tracing::warn!("some calls were not answered in time");
        }
        self.streams.cancel();
    }

    /// Serves a listener until `shutdown` completes, then drains for at most `grace`. Nagle's algorithm is off: it would
    /// hold each answer back for 40 ms.
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

async fn health(State(sessions): State<Arc<SessionManager>>) -> (StatusCode, &'static str) {
    if sessions.is_running() && sessions.store().ping().await.is_ok() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the session store does not answer\n")
    }
}
