//! The contract's rules, on real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness};
use session_core::{Limits, SessionStore};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::Server;

/// Makes stores on the servers of a URL, a deployment of its own for each rule.
struct Redis {
    url: String,
    deployments: AtomicU64,
    /// Kept for as long as the stores are.
    _server: Server,
}

impl Redis {
    async fn standalone() -> Self {
        let server = Server::start().await;
        Self { url: server.url(), deployments: AtomicU64::new(0), _server: server }
    }
}

#[async_trait]
impl Harness for Redis {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let deployment = self.deployments.fetch_add(1, Ordering::Relaxed);
        let mut handles: Vec<Arc<dyn SessionStore>> = Vec::new();
        for _ in 0..count {
            let mut config: RedisConfig = self.url.parse().expect("the server's URL is one");
            config.key_prefix = format!("deployment-{deployment}").parse().expect("a prefix");
            config.limits = limits.clone();
            handles.push(Arc::new(RedisStore::connect(config).await.expect("the server is there")));
        }
        handles
    }

    async fn elapse(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Longer than the second for which a full store may be taken for full.
    fn tick(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn clock_error(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn overshoot(&self) -> u64 {
        8
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async { task.await.expect("the task ends without a panic") })
    }
}

session_core::conformance_tests! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    Redis::standalone().await
}
