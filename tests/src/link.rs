//! The ways in which a client and the server meet.

use std::path::{Path, PathBuf};

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
            (Sdk::Mcp2, _) => "opened",
            (_, Transport::Stdio) => "connection",
            (_, Transport::Http) => "http_session",
        }
    }

    /// Where clients of this link connect to. It lasts as long as what is returned.
    ///
    /// # Panics
    ///
    /// If the server does not start.
    #[must_use]
    pub fn site(self) -> Site {
        self.site_of(&binary())
    }

    /// The same, of another server that takes the arguments that `session-mcp` takes.
    ///
    /// # Panics
    ///
    /// If the server does not start.
    #[must_use]
    pub fn site_of(self, binary: &Path) -> Site {
        let server = (self.transport == Transport::Http).then(|| HttpServer::start_of(binary));
        Site { sdk: self.sdk, binary: binary.to_owned(), arguments: Vec::new(), server }
    }

    /// The same, of servers whose sessions can work beneath these directories only.
    ///
    /// # Panics
    ///
    /// If the server does not start.
    #[must_use]
    pub fn site_confined_to(self, roots: &[&str]) -> Site {
        let arguments: Vec<String> = roots.iter().map(|root| format!("--allowed-root={root}")).collect();
        let server = (self.transport == Transport::Http).then(|| HttpServer::start_with(&arguments));
        Site { sdk: self.sdk, binary: binary(), arguments, server }
    }
}

/// Where clients of one link connect to: one HTTP server, or the command that each of them starts.
#[derive(Debug)]
pub struct Site {
    sdk: Sdk,
    binary: PathBuf,
    arguments: Vec<String>,
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
            Some(server) => Client::connect(self.sdk, server.url()),
            None => Client::connect_with(self.sdk, self.binary.to_str().expect("a plain path"), &self.arguments),
        }
    }
}

/// Makes a module of each test, with a test for each of the links it is for.
#[macro_export]
macro_rules! over_links {
    ($($test:ident: $($link:ident)+;)+) => {
        $(mod $test {
            $(#[test] fn $link() { super::$test($crate::Link::$link()); })+
        })+
    };
}
