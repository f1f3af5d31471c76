//! Two replicas of the `everything` example, and two people who use them.

use std::time::Duration;

use session_test_servers::Server;
use session_tests::{HttpServer, age, everything};
use tempfile::NamedTempFile;

use crate::caller::Caller;
use crate::{ALICE, BOB, path, tokens};

/// Two replicas on one Redis, which know the same tokens.
pub(crate) struct Replicas {
    servers: [HttpServer; 2],
    redis: Server,
    _tokens: NamedTempFile,
}

impl Replicas {
    pub(crate) async fn start() -> Self {
        Self::configured("").await
    }

    pub(crate) async fn configured(config: &str) -> Self {
        let (redis, tokens) = (Server::start().await, tokens());
        let file = redis.folder().join("replicas.toml");
        std::fs::write(&file, config).expect("the server's folder can be written to");
        let file = file.to_str().expect("its path is a text");
        let arguments = ["--tokens", path(&tokens), "--store", &redis.url(), "--config", file].map(str::to_owned);
        let servers = [(); 2].map(|()| HttpServer::start_of_with(&everything(), &arguments));
        Self { servers, redis, _tokens: tokens }
    }

    /// Lets so much time pass for all sessions.
    pub(crate) async fn age(&self, time: Duration) {
        age(&self.redis.url(), time).await;
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
