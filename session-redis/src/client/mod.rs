//! What carries requests to the servers: our own layer over the library's plain connections.

mod backoff;
mod connection;
mod delivery;
mod dial;
mod error;
mod handshake;
mod link;
mod node;
mod outcome;
mod request;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::Instant;

pub use error::ConnectError;
pub(crate) use node::Node;
pub(crate) use outcome::Failure;
pub(crate) use request::{Answer, Request};

use self::delivery::Delivery;
use self::dial::{Address, DialError, Dialer};
use self::handshake::{Expected, Handshake};
use self::link::Patience;
use self::tls::Tls;
use crate::config::RedisConfig;
use crate::url::Topology;

/// The servers. A handle: clones share connections, and what runs in the background ends with the last of them.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Servers,
    deadline: Duration,
}

/// Who holds the keys.
enum Servers {
    /// One server, wherever it is.
    One(Node),
}

impl Client {
    /// Connects, and waits for it until the deadline.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what to do.
    pub(crate) async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        let until = Instant::now() + config.deadline;
        let patience = Patience::within(config.deadline);
        let url = &config.url;
        let tls = Tls::of(config)?;
        let dialer = |expected| {
            let handshake = Handshake { credentials: url.credentials().cloned(), database: url.database(), expected };
            Arc::new(Dialer { handshake, tls: tls.clone() })
        };
        let servers = match url.topology() {
            Topology::Standalone { server } => {
                Servers::One(Node::at(Address::Tcp(server.clone()), &dialer(Expected::Master), patience))
            }
            Topology::Unix { path } => {
                Servers::One(Node::at(Address::Unix(path.clone()), &dialer(Expected::Master), patience))
            }
            Topology::Cluster { .. } | Topology::Sentinel { .. } => return Err(ConnectError::IsCluster),
        };
        let Servers::One(node) = &servers;
        if let Err(error) = node.shared().connection(until).await {
            return Err(match error {
                DialError::Never(error) => error,
                DialError::NotNow(cause) => {
                    ConnectError::Unreachable { address: url.topology().to_string(), source: Some(cause) }
                }
            });
        }
        Ok(Self { shared: Arc::new(Shared { servers, deadline: config.deadline }) })
    }

    /// Uses a connection that the caller made. It is never made again: once it is closed, everything is unavailable.
    pub(crate) fn from_connection(connection: MultiplexedConnection, deadline: Duration) -> Self {
        let servers = Servers::One(Node::over(connection, Patience::within(deadline)));
        Self { shared: Arc::new(Shared { servers, deadline }) }
    }

    /// When an operation that begins now must be over.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.shared.deadline
    }

    /// Sends a request to the server that holds its keys, again and again until it is answered or the time is over.
    ///
    /// Never takes longer than until then. Dropping the future leaves the connection in order; the request may have
    /// been executed or not.
    ///
    /// # Errors
    ///
    /// [`Failure`], by the table of [`outcome`].
    pub(crate) async fn send(&self, request: &Request, until: Instant) -> Result<Answer, Failure> {
        match &self.shared.servers {
            Servers::One(node) => Delivery::new(request, until).to(node).await,
        }
    }

    /// The nodes that hold keys, one for each master.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`] if nobody can say.
    #[expect(clippy::unused_async, reason = "a cluster has to be asked")]
    pub(crate) async fn masters(&self, _until: Instant) -> Result<Vec<Node>, Failure> {
        match &self.shared.servers {
            Servers::One(node) => Ok(vec![node.clone()]),
        }
    }

    /// Sends a request to this node, as [`send`](Self::send) does, wherever its slot is.
    ///
    /// # Errors
    ///
    /// The same.
    pub(crate) async fn send_to(&self, node: &Node, request: &Request, until: Instant) -> Result<Answer, Failure> {
        Delivery::new(request, until).to(node).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deadline", &self.shared.deadline).finish_non_exhaustive()
    }
}
