//! How a connection to a server is made.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::connection::Connection;
use super::error::ConnectError;
use super::handshake::Handshake;
use super::outcome::Cause;
use super::tls::{self, Tls};
use crate::url::Endpoint;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// At a port.
    Tcp(Endpoint),
    /// At a socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => endpoint.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Makes connections of one kind.
#[derive(Debug)]
pub(crate) struct Dialer {
    /// What to say first.
    pub(crate) handshake: Handshake,
    /// How to speak TLS, if at all.
    pub(crate) tls: Option<Tls>,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(crate) enum DialError {
    /// There may be one soon.
    NotNow(Cause),
    /// There will be none until somebody changes something.
    Never(ConnectError),
}

impl Dialer {
    /// Connects and shakes hands. `ended` is called when the connection breaks after that.
    pub(crate) async fn dial(
        &self,
        address: &Address,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Connection, DialError> {
        match address {
            Address::Tcp(endpoint) => {
                let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    Some(tls) => self.greet(tls.over(stream, &endpoint.host).await?, ended).await,
                    None => self.greet(stream, ended).await,
                }
            }
            Address::Unix(path) => self.greet(UnixStream::connect(path).await?, ended).await,
        }
    }

    async fn greet<S>(&self, stream: S, ended: impl FnOnce() + Send + 'static) -> Result<Connection, DialError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = Connection::over(stream, ended).await.map_err(not_now)?;
        let replies = match connection.send(&self.handshake.steps()).await {
            Ok(replies) => replies,
            // By TLS 1.3, a server that wants a certificate says so when the client takes itself to be connected.
            Err(error) => return Err(connection.failure().map_or_else(|| not_now(error), DialError::from)),
        };
        self.handshake.check(&replies)?;
        Ok(connection)
    }
}

fn not_now(error: redis::RedisError) -> DialError {
    DialError::NotNow(Arc::new(error))
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::from(Arc::new(error))
    }
}

impl From<Arc<io::Error>> for DialError {
    /// A connection that broke may do better next time; one side's distrust stays.
    fn from(error: Arc<io::Error>) -> Self {
        if tls::is_distrust(&error) { Self::Never(ConnectError::Tls { source: error }) } else { Self::NotNow(error) }
    }
}
