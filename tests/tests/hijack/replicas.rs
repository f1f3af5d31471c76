//! Two replicas of the `everything` example, and two people who use them.

use session_test_servers::Server;
use session_tests::{HttpServer, everything};
use tempfile::NamedTempFile;

use crate::caller::Caller;
use crate::{ALICE, BOB, path, tokens};

/// Two replicas on one Redis, which know the same tokens.
pub(crate) struct Replicas {
    servers: [HttpServer; 2],
    _redis: Server,
    _tokens: NamedTempFile,
}

impl Replicas {
    pub(crate) async fn start() -> Self {
        let (redis, tokens) = (Server::start().await, tokens());
        let arguments = ["--tokens".to_owned(), path(&tokens).to_owned(), "--store".to_owned(), redis.url()];
        let servers = [(); 2].map(|()| HttpServer::start_of_with(&everything(), &arguments));
        Self { servers, _redis: redis, _tokens: tokens }
    }

    /// Alice, as a client of each replica.
    pub(crate) fn alice(&self) -> [Caller; 2] {
        self.servers.each_ref().map(|server| Caller::new(server.url(), ALICE))
    }

    /// Bob, as a client of each replica.
    pub(crate) fn bob(&self) -> [Caller; 2] {
        self.servers.each_ref().map(|server| Caller::new(server.url(), BOB))
    }
}
