//! How a connection to a server is made.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::PushInfo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

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

/// How long a host's address may be silent before the next one is tried too.
const HEAD_START: Duration = Duration::from_millis(100);

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
        self.greet(self.reach(address).await?, ended).await
    }

    /// The same for a connection on which the server also says what nobody asked for, and `hears` is called for each.
    pub(crate) async fn listen(
        &self,
        address: &Address,
        hears: impl Fn(PushInfo) + Send + Sync + 'static,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Connection, DialError> {
        let stream = self.reach(address).await?;
        let connection = match Connection::listening(stream, &self.handshake.as_whom(), hears, ended).await {
            Ok(connection) => connection,
            Err(error) => return Err(self.handshake.refused(error)),
        };
        self.handshake.check(&connection.send(&Handshake::question()).await.map_err(not_now)?)?;
        Ok(connection)
    }

    async fn reach(&self, address: &Address) -> Result<Box<dyn Stream>, DialError> {
        Ok(match address {
            Address::Tcp(endpoint) => {
                let addresses = lookup_host((endpoint.host.as_str(), endpoint.port)).await?;
                let stream = connect(addresses).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    Some(tls) => Box::new(tls.over(stream, &endpoint.host).await?),
                    None => Box::new(stream),
                }
            }
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }

    async fn greet(
        &self,
        stream: Box<dyn Stream>,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Connection, DialError> {
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

/// Connects to the first of a host's addresses that answers. Each has a head start on the next one, which is tried at
/// once when it refuses, and beside it when it is silent.
async fn connect(mut addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut tries = FuturesUnordered::new();
    let mut trouble = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        tries.extend(addresses.next().map(TcpStream::connect));
        match timeout(HEAD_START, tries.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => trouble = error,
            Ok(None) => return Err(trouble),
            Err(_) => {}
        }
    }
}

/// A way to a server, whatever it goes over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Instant;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// Listens, and has so many waiting already that the system drops whatever else comes.
    async fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(LOOPBACK).expect("a port is free");
        let listener = socket.listen(1).expect("it is bound");
        let address = listener.local_addr().expect("it is bound");
        let mut waiting = Vec::new();
        while let Ok(connected) = timeout(HEAD_START, TcpStream::connect(address)).await {
            waiting.push(connected.expect("it listens"));
        }
        (address, listener, waiting)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_keeps_the_next_one_waiting_for_a_moment() {
        let (silent, _listener, _waiting) = black_hole().await;
        let open = TcpListener::bind(LOOPBACK).await.expect("a port is free");
        let address = open.local_addr().expect("it is bound");
        let begun = Instant::now();
        let stream = timeout(HEAD_START * 5, connect([silent, silent, address].into_iter())).await;
        assert_eq!(stream.expect("in time").expect("it listens").peer_addr().expect("it is connected"), address);
        assert!(begun.elapsed() >= HEAD_START * 2, "each has its head start: {:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_address_that_refuses_keeps_the_next_one_waiting_for_nothing() {
        let closed = TcpListener::bind(LOOPBACK).await.expect("a port is free").local_addr().expect("it is bound");
        let open = TcpListener::bind(LOOPBACK).await.expect("a port is free");
        let address = open.local_addr().expect("it is bound");
        let begun = Instant::now();
        connect([closed, closed, address].into_iter()).await.expect("it listens");
        assert!(begun.elapsed() < HEAD_START, "{:?}", begun.elapsed());
        let refused = connect([closed, closed].into_iter()).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let nowhere = connect(std::iter::empty()).await.expect_err("there is no address");
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
    }
}
