//! The ways in which a client and the server meet.

use crate::binary::binary;
use crate::client::{Client, Sdk};
use crate::server::HttpServer;

/// Over what a client speaks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Each client starts a server of its own.
    Stdio,
    /// All clients share one server.
    Http,
}

/// A client and the way it speaks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which client.
    pub sdk: Sdk,
    /// Over what.
    pub transport: Transport,
}

impl Link {
    /// Python `mcp` 1.30 over stdio.
    #[must_use]
    pub fn mcp_1_stdio() -> Self {
        Self { sdk: Sdk::Mcp1, transport: Transport::Stdio }
    }

    /// Python `mcp` 1.30 over Streamable HTTP.
    #[must_use]
    pub fn mcp_1_http() -> Self {
        Self { sdk: Sdk::Mcp1, transport: Transport::Http }
    }

    /// Python `mcp` 2.3 over stdio.
    #[must_use]
    pub fn mcp_2_stdio() -> Self {
        Self { sdk: Sdk::Mcp2, transport: Transport::Stdio }
    }

    /// Python `mcp` 2.3 over Streamable HTTP.
    #[must_use]
    pub fn mcp_2_http() -> Self {
        Self { sdk: Sdk::Mcp2, transport: Transport::Http }
    }

    /// What a call without a handle says its session came from: that of the connection where there is one, else one
    /// that the call opened.
    #[must_use]
    pub fn source_without_handle(self) -> &'static str {
        match (self.sdk, self.transport) {
            (Sdk::Mcp1, Transport::Stdio) => "connection",
            (Sdk::Mcp1, Transport::Http) => "http_session",
            (Sdk::Mcp2, _) => "opened",
        }
    }

    /// Where clients of this link connect to.
    ///
    /// # Panics
    ///
    /// If the server does not start.
    #[must_use]
    pub fn site(self) -> Site {
        let server = (self.transport == Transport::Http).then(HttpServer::start);
        Site { link: self, server }
    }
}

/// Where clients of one link connect to: one HTTP server, or the command that each of them starts.
#[derive(Debug)]
pub struct Site {
    link: Link,
    server: Option<HttpServer>,
}

impl Site {
    /// Connects another client.
    ///
    /// # Panics
    ///
    /// As [`Client::connect`].
    #[must_use]
    pub fn connect(&self) -> Client {
        match &self.server {
            Some(server) => Client::connect(self.link.sdk, server.url()),
            None => Client::connect(self.link.sdk, binary().to_str().expect("a plain path")),
        }
    }
}
