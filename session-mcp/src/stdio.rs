//! Serving over standard input and output.

mod end_of_input;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ServerHandler;
use rmcp::service::{RoleServer, ServerInitializeError, serve_server_with_ct};
use rmcp::transport::IntoTransport;
use rmcp::transport::io::stdio_pipes;
use session_core::Owner;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::lifespan::{Lifespan, StartError};
use crate::serve::ServeError;
use crate::tools::SessionTools;
use crate::with_sessions::WithSessions;

use self::end_of_input::EndOfInput;

/// Serves a handler, with sessions, over standard input and output, until the input ends or `shutdown` completes.
///
/// `handler` makes it, and may mount the session tools that it is given. The connection's sessions are the configured
/// principal's, else nobody's in particular.
///
/// A call in flight when either happens is still answered, if it takes no longer than the configured time and the
/// client reads. The manager becomes the one of the process, unless that has one.
///
/// # Errors
///
/// [`ServeError`]; [`StartError::TokensWithoutHttp`], since nobody sends tokens here.
pub async fn serve_stdio<H: ServerHandler>(
    config: &Config,
    handler: impl FnOnce(SessionTools) -> H,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    if config.tokens.is_some() {
        return Err(StartError::TokensWithoutHttp.into());
    }
    let lifespan = Lifespan::begin(config).await?;
    lifespan.install();
    let owner = config.local_principal.map_or(Owner::Anonymous, Owner::from);
    let handler = WithSessions::new(handler(lifespan.tools()), lifespan.sessions()).owned_by(owner);
    let (input, output) = stdio_pipes();
    let ended = CancellationToken::new();
    let input = EndOfInput::new(input, ended.clone());
    let shutdown = async {
        tokio::select! {
            () = shutdown => config.drain_timeout,
            // rmcp answers what is in flight and ends by itself, unless the client does not read its answers.
            () = async {
                ended.cancelled().await;
                tokio::time::sleep(config.drain_timeout).await;
            } => Duration::ZERO,
        }
    };
    let served = serve_connection(handler, (input, output), shutdown).await;
    lifespan.end().await;
    served
}

/// Serves a handler, with sessions, over one connection such as standard input and output.
///
/// The connection has a session of its own if a client of a protocol version before 2026-07-28 initializes it; it ends
/// with the connection. `shutdown` says how long calls in flight may take from then on.
///
/// # Errors
///
/// [`ServeError::Connection`] if the connection broke; that it was closed is none.
pub async fn serve_connection<H, T, E, A>(
    handler: WithSessions<H>,
    transport: T,
    shutdown: impl Future<Output = Duration>,
) -> Result<(), ServeError>
where
    H: ServerHandler,
    T: IntoTransport<RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let handler = Arc::new(handler);
    let stop = CancellationToken::new();
    let mut serving = pin!(serve(Arc::clone(&handler), transport, stop.clone()));
    let served = tokio::select! {
        served = &mut serving => served,
        () = async {
            let grace = shutdown.await;
            let _ = tokio::time::timeout(grace, handler.idle()).await;
        } => {
            stop.cancel();
            // A client that no longer reads would keep its last answer, and this, waiting for ever.
            tokio::time::timeout(LINGER, serving).await.unwrap_or(Ok(()))
        }
    };
    handler.end_connection().await;
    served
}

/// How long a connection may take to close.
const LINGER: Duration = Duration::from_secs(3);

async fn serve<H, T, E, A>(handler: H, transport: T, stop: CancellationToken) -> Result<(), ServeError>
where
    H: ServerHandler,
    T: IntoTransport<RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    match serve_server_with_ct(handler, transport, stop).await {
        Ok(running) => running.waiting().await.map(drop).map_err(|error| ServeError::Connection(error.into())),
        // A client that has gone is no failure of the server's, whichever way it was noticed.
        Err(
            ServerInitializeError::ConnectionClosed(_)
            | ServerInitializeError::TransportError { .. }
            | ServerInitializeError::Cancelled,
        ) => Ok(()),
        // What the client sent instead may hold a handle, so it goes no further.
        Err(ServerInitializeError::ExpectedInitializeRequest(_)) => {
            Err(ServeError::Connection("the client's first message was neither `initialize` nor a request".into()))
        }
        Err(error) => Err(ServeError::Connection(error.into())),
    }
}
