//! What the contract's rules are run with.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness, JournalHarness};
use session_core::{Journal, JournalLimits, Limits, SessionStore};
use session_redis::{RedisConfig, RedisStore, TlsFiles};
use session_test_servers::Server;

/// Makes stores on some servers, a deployment of its own for each rule. Rules that run beside each other can share it.
pub(crate) struct Redis {
    url: String,
    config: RedisConfig,
    deployments: AtomicU64,
    /// Kept for as long as the stores are.
    _servers: Box<dyn Any + Send + Sync>,
}

impl Redis {
    /// One server of the usual kind.
    pub(crate) async fn standalone() -> Self {
        let server = Server::start().await;
        Self::at(&server.url(), server)
    }

    /// The servers of a URL.
    pub(crate) fn at(url: &str, servers: impl Any + Send + Sync) -> Self {
        let config = url.parse().expect("the servers' URL is one");
        Self { url: url.to_owned(), config, deployments: AtomicU64::new(0), _servers: Box::new(servers) }
    }

    /// The URL of the servers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Trusts, and is trusted, by these files.
    pub(crate) fn with_tls(mut self, files: TlsFiles) -> Self {
        self.config.tls = files;
        self
    }

    /// The configuration of one more deployment.
    pub(crate) fn deployment(&self, limits: Limits) -> RedisConfig {
        let deployment = self.deployments.fetch_add(1, Ordering::Relaxed);
        let key_prefix = format!("deployment-{deployment}").parse().expect("a prefix");
        RedisConfig { key_prefix, limits, ..self.config.clone() }
    }
}

#[async_trait]
impl Harness for Redis {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let config = self.deployment(limits);
        let mut handles: Vec<Arc<dyn SessionStore>> = Vec::new();
        for _ in 0..count {
            handles.push(Arc::new(RedisStore::connect(config.clone()).await.expect("the servers are there")));
        }
        handles
    }

    async fn elapse(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Long enough for a busy machine: four of them are longer than the second for which a full store may be taken for
    /// full.
    fn tick(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn clock_error(&self) -> Duration {
        Duration::from_millis(1)
    }

    /// The limit of all sessions is advisory, and how far it is passed depends on the limit; the rules set it to 4 and
    /// to 5. Each further store can have counted as early as the first one, and let as many in. In a cluster, a master
    /// that holds less than its share of the limit lets sessions in uncounted: two masters with a share of one.
    fn overshoot(&self) -> u64 {
        5 + 2
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async { task.await.expect("the task ends without a panic") })
    }
}

#[async_trait]
impl JournalHarness for Redis {
    /// Each with a store of its own, as if it were in a process of its own.
    async fn handles(&self, limits: JournalLimits, count: usize) -> Vec<Arc<dyn Journal>> {
        let config = self.deployment(Limits::default());
        let mut handles: Vec<Arc<dyn Journal>> = Vec::new();
        for _ in 0..count {
            let store = RedisStore::connect(config.clone()).await.expect("the servers are there");
            handles.push(Arc::new(store.journal(limits.clone())));
        }
        handles
    }

    async fn elapse(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn tick(&self) -> Duration {
        Harness::tick(self)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Harness::spawn(self, task)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("config", &self.config).finish_non_exhaustive()
    }
}
