//! What carries requests to the servers: our own layer over the library's plain connections.

mod backoff;
mod bell;
mod call;
mod cluster;
mod connection;
mod delivery;
mod dial;
mod error;
mod gather;
mod handshake;
mod link;
mod node;
mod outcome;
mod pulse;
mod request;
mod sentinel;
mod slots;
mod subscription;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use session_core::Feed;
use tokio::time::Instant;

pub(crate) use bell::Listener;
pub(crate) use call::Call;
pub use error::ConnectError;
pub(crate) use node::Node;
pub(crate) use outcome::Failure;
pub(crate) use request::{Answer, Request};

use self::bell::Bell;
use self::cluster::Cluster;
use self::delivery::Delivery;
use self::dial::{Address, DialError, Dialer};
use self::handshake::{Expected, Handshake};
use self::link::{Patience, Target, Trouble};
use self::sentinel::{Sentinels, Watch};
use self::subscription::Place;
use self::tls::Tls;
use crate::config::RedisConfig;
use crate::keys::Keys;
use crate::url::{Credentials, Topology};

/// The servers. A handle: clones share connections, and what runs in the background ends with the last of them.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Servers,
    deadline: Duration,
    /// `None` over a connection of the caller's.
    bell: Option<Bell>,
}

/// Who holds the keys.
enum Servers {
    /// One server, wherever it is.
    One {
        node: Node,
        /// What looks for it in the background, as long as this lives.
        _watch: Option<Watch>,
    },
    /// One of the nodes of a cluster for each slot.
    Cluster(Cluster),
}

impl Client {
    /// Connects, and waits for it until the deadline.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says what to do.
    pub(crate) async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        if config.deadline.is_zero() || config.deadline > RedisConfig::MAX_DEADLINE {
            return Err(ConnectError::Deadline);
        }
        let tls = Tls::of(config)?;
        let until = Instant::now() + config.deadline;
        let servers = Servers::connect(config, tls, until).await.map_err(|error| match error {
            DialError::Never(error) => error,
            DialError::NotNow(cause) => {
                ConnectError::Unreachable { address: config.url.topology().to_string(), source: Some(cause) }
            }
        })?;
        let bell = servers.bell(config);
        Ok(Self { shared: Arc::new(Shared { servers, deadline: config.deadline, bell }) })
    }

    /// Uses a connection that the caller made. It is never made again: once it is closed, everything is unavailable.
    pub(crate) fn from_connection(connection: MultiplexedConnection, deadline: Duration) -> Self {
        let servers = Servers::One { node: Node::over(connection, Patience::within(deadline)), _watch: None };
        Self { shared: Arc::new(Shared { servers, deadline, bell: None }) }
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
            Servers::One { node, .. } => Delivery::new(request, until).to(node).await,
            Servers::Cluster(cluster) => Delivery::new(request, until).through(cluster).await,
        }
    }

    /// Begins to listen to what is published on some channels. Needs the runtime in which it was connected.
    ///
    /// `None` over a connection of the caller's, which has no room for that.
    pub(crate) fn listen(&self, channels: &[&str]) -> Option<Listener> {
        self.shared.bell.as_ref().map(|bell| bell.listen(channels))
    }

    /// How many masters the keys are shared out to, as far as is known.
    pub(crate) fn shards(&self) -> usize {
        match &self.shared.servers {
            Servers::One { .. } => 1,
            Servers::Cluster(cluster) => cluster.masters().len(),
        }
    }

    /// The nodes that hold keys, one for each master.
    ///
    /// # Errors
    ///
    /// [`Failure::Unavailable`] if nobody can say.
    pub(crate) async fn masters(&self, until: Instant) -> Result<Vec<Node>, Failure> {
        let cluster = match &self.shared.servers {
            Servers::One { node, .. } => return Ok(vec![node.clone()]),
            Servers::Cluster(cluster) => cluster,
        };
        // Counting wants all masters there are, not those of some time ago.
        cluster.refresh();
        cluster.refreshed(until).await;
        let masters = cluster.masters();
        if masters.is_empty() {
            return Err(Failure::Unavailable { maybe_applied: false, source: Some(Box::new(Trouble::NoSlots)) });
        }
        Ok(masters)
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

impl Servers {
    async fn connect(config: &RedisConfig, tls: Option<Tls>, until: Instant) -> Result<Self, DialError> {
        let url = &config.url;
        let patience = Patience::within(config.deadline);
        let dialer = |expected, credentials: Option<&Credentials>, database| {
            let handshake = Handshake { credentials: credentials.cloned(), database, expected };
            Arc::new(Dialer { handshake, tls: tls.clone() })
        };
        let one = dialer(Expected::Master, url.credentials(), url.database());
        let (node, watch) = match url.topology() {
            Topology::Standalone { server } => {
                (Node::at(&Target::fixed(Address::Tcp(server.clone())), &one, patience), None)
            }
            Topology::Unix { path } => (Node::at(&Target::fixed(Address::Unix(path.clone())), &one, patience), None),
            Topology::Sentinel { sentinels, master } => {
                let as_whom = dialer(Expected::Sentinel, config.sentinel_credentials.as_ref(), 0);
                let sentinels = Sentinels::at(sentinels, master, &as_whom, patience);
                let (node, watch) = sentinels.follow(&one, patience, until).await?;
                (node, Some(watch))
            }
            Topology::Cluster { nodes } => {
                let cluster = Cluster::at(nodes, &dialer(Expected::ClusterNode, url.credentials(), 0), patience);
                cluster.discover(until).await?;
                return Ok(Self::Cluster(cluster));
            }
        };
        node.shared().connection(until).await?;
        Ok(Self::One { node, _watch: watch })
    }

    /// What rings for what is published there.
    fn bell(&self, config: &RedisConfig) -> Option<Bell> {
        let (place, dialer) = match self {
            Self::One { node, .. } => {
                node.shared().way().map(|(target, dialer)| (Place::One(target.clone()), dialer))?
            }
            Self::Cluster(cluster) => (Place::Cluster(cluster.clone()), cluster.dialer()),
        };
        let key = Keys::new(config.key_prefix.clone()).feed(&Feed::ToAll);
        let sign = redis::cmd("XTRIM").arg(key).arg("MINID").arg(0).take();
        Some(Bell::new(place, Arc::clone(dialer), Patience::within(config.deadline), sign))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deadline", &self.shared.deadline).finish_non_exhaustive()
    }
}
