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
    pub(crate) async fn start() -> Self {
        let redis = Server::start().await;
        let seconds = |time: Duration| format!("{}s", time.as_secs());
        let times = ["--drain-delay", &seconds(DRAIN_DELAY), "--drain-timeout", &seconds(DRAIN_TIMEOUT)];
        let arguments: Vec<_> = times.into_iter().chain(["--store", &redis.url()]).map(str::to_owned).collect();
        let replicas = [(); N].map(|()| HttpServer::start_of_with(&everything(), &arguments));
        Self { _redis: redis, replicas }
    }
}
