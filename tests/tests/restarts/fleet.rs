//! Replicas that can be ended.

use std::time::Duration;

use session_test_servers::Server;
use session_tests::{HttpServer, everything};

/// How long a replica serves on after SIGTERM: longer than `HAProxy` takes to notice.
pub(crate) const DRAIN_DELAY: Duration = Duration::from_secs(3);
/// How long its calls may take then.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Replicas of the `everything` example that share a Redis.
pub(crate) struct Fleet<const N: usize> {
    _redis: Server,
    pub(crate) replicas: [HttpServer; N],
}

impl<const N: usize> Fleet<N> {
    /// As a server is unless told otherwise.
    pub(crate) async fn start() -> Self {
        Self::configured("").await
    }

    /// Each call is kept, however short, so that none is in doubt whose answer was given.
    pub(crate) async fn keeping_every_call() -> Self {
        Self::configured("[journal]\nafter = \"0s\"\n").await
    }

    async fn configured(config: &str) -> Self {
        let redis = Server::start().await;
        let file = redis.folder().join("replicas.toml");
        std::fs::write(&file, config).expect("the server's folder can be written to");
        let seconds = |time: Duration| format!("{}s", time.as_secs());
        let times = ["--drain-delay", &seconds(DRAIN_DELAY), "--drain-timeout", &seconds(DRAIN_TIMEOUT)];
        let file = file.to_str().expect("its name is UTF-8");
        let places = ["--store", &redis.url(), "--config", file];
        let arguments: Vec<_> = times.into_iter().chain(places).map(str::to_owned).collect();
        let replicas = [(); N].map(|()| HttpServer::start_of_with(&everything(), &arguments));
        Self { _redis: redis, replicas }
    }
}
