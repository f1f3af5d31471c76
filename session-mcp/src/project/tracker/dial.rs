//! How a connection to a server comes about.

use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, RoleClient, RunningService};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use tokio::process::Command;
use tokio::time::timeout;

use super::http::{HttpClient, TlsError};
use super::settings::{InvalidTracker, TrackerSettings};

/// Connects to one server.
#[derive(Debug)]
pub(super) struct Dialer {
    server: Server,
    /// How long an attempt may take.
    patience: Duration,
}

enum Server {
    Http { url: Arc<str>, token: Option<HeaderValue> },
    Program(Vec<String>),
}

impl Dialer {
    /// How long a program may take to start, a first download of it included.
    const START: Duration = Duration::from_secs(60);

    /// Connects as the settings say, which have been checked.
    pub(super) fn new(settings: &TrackerSettings) -> Result<Self, InvalidTracker> {
        let Some(url) = &settings.url else {
            let patience = settings.timeout.max(Self::START);
            return Ok(Self { server: Server::Program(settings.command.clone()), patience });
        };
        if url.parse::<http::Uri>().is_err() {
            return Err(InvalidTracker::Url);
        }
        let token = settings.token_variable.as_deref().map(token).transpose()?;
        Ok(Self { server: Server::Http { url: url.as_str().into(), token }, patience: settings.timeout })
    }

    /// Connects to a server of 2026-07-28, or else to one of an earlier version.
    ///
    /// # Errors
    ///
    /// [`DialError`] says why neither was possible.
    pub(super) async fn dial(&self) -> Result<RunningService<RoleClient, ClientConfig>, DialError> {
        // It falls back by itself on what the specification has earlier servers answer.
        let auto = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        };
        let attempts = async {
            match timeout(self.patience / 2, self.connect(auto)).await {
                Ok(Err(error @ DialError::Handshake(_))) => {
                    tracing::debug!(%error, "the project tracker is taken for one of an earlier protocol version");
                }
                Ok(connected) => return connected,
                Err(_elapsed) => {}
            }
            self.connect(ClientLifecycleMode::Initialize).await
        };
        timeout(self.patience, attempts).await.unwrap_or(Err(DialError::Late))
    }

    async fn connect(
        &self,
        lifecycle: ClientLifecycleMode,
    ) -> Result<RunningService<RoleClient, ClientConfig>, DialError> {
        let this = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let client = ClientConfig::new(ClientCapabilities::default(), this)
            .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE);
        let connected = match &self.server {
            Server::Http { url, token } => {
                let http = HttpClient::new(url, token.clone()).await?;
                let config = StreamableHttpClientTransportConfig::with_uri(Arc::clone(url));
                let transport = StreamableHttpClientTransport::with_client(http, config);
                client.serve_with_lifecycle(transport, lifecycle).await
            }
            Server::Program(command) => {
                let transport = TokioChildProcess::new(program(command)).map_err(DialError::Start)?;
                client.serve_with_lifecycle(transport, lifecycle).await
            }
        };
        connected.map_err(|error| DialError::Handshake(Box::new(error)))
    }
}

/// Shows no argument of the program and nothing of the URL, since each can hold a secret.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { .. } => f.write_str("Http"),
            Self::Program(command) => f.debug_tuple("Program").field(&command.first()).finish(),
        }
    }
}

/// A program with the environment of this process, but for what is ours: it may be of our kind itself.
fn program(command: &[String]) -> Command {
    let (program, arguments) = command.split_first().expect("the settings have been checked");
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::inherit()).kill_on_drop(true);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SESSION_MCP_")) {
        command.env_remove(name);
    }
    command
}

/// The value of the header that authenticates with the token of this variable.
fn token(variable: &str) -> Result<HeaderValue, InvalidTracker> {
    let token = std::env::var(variable).map_err(|_| InvalidTracker::Token)?;
    if token.trim().is_empty() {
        return Err(InvalidTracker::Token);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| InvalidTracker::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("the program does not start")]
    Start(#[source] std::io::Error),
    #[error("there is nothing to trust a server by")]
    Tls(#[from] TlsError),
    #[error("the server does not begin to speak MCP")]
    Handshake(#[source] Box<ClientInitializeError>),
    #[error("connecting took too long")]
    Late,
    #[error("the connection has ended")]
    Ended,
}
