//! A server, and the connections to it.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;

use super::dial::Dialer;
use super::link::{Link, Patience, Target};
use super::request::Request;

/// A server that holds keys.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    shared: Link,
    alone: Link,
}

impl Node {
    /// The server that this leads to at the time.
    pub(crate) fn at(target: &Target, dialer: &Arc<Dialer>, patience: Patience) -> Self {
        let link = || Link::new(Arc::clone(dialer), target.clone(), patience);
        Self { shared: link(), alone: link() }
    }

    /// The server behind a connection of the caller's, which carries everything.
    pub(crate) fn over(connection: MultiplexedConnection, patience: Patience) -> Self {
        let link = Link::over(connection, patience);
        Self { shared: link.clone(), alone: link }
    }

    /// The connection that requests share.
    pub(crate) fn shared(&self) -> &Link {
        &self.shared
    }

    /// The connection for this request.
    pub(crate) fn link(&self, request: &Request) -> &Link {
        if request.blocks().is_some() { &self.alone } else { &self.shared }
    }

    /// Both connections.
    pub(crate) fn links(&self) -> [&Link; 2] {
        [&self.shared, &self.alone]
    }
}
