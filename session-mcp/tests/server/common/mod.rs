//! A server with sessions on a loopback port, and clients of both eras.

mod client;
mod fragile;
mod probe;

use std::sync::Arc;

use axum::Router;
use rmcp::service::{RoleClient, RunningService, ServiceExt as _};
use session_core::{Lifetimes, SessionManager, SessionStore};
use session_mcp::project::Projects;
use session_mcp::{Config, Durability, Endpoint, SessionTools, TokioTimer, WithSessions, serve_connection};
use session_memory::{MemoryConfig, MemoryStore};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use self::client::{Legacy, Modern, json, post};
pub(crate) use self::fragile::Fragile;
pub(crate) use self::probe::Probe;

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) sessions: Arc<SessionManager>,
    shutdown: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Serves with the default configuration.
    pub(crate) async fn start() -> Self {
        Self::with(&Config::default()).await
    }

    pub(crate) async fn with(config: &Config) -> Self {
        Self::over(Arc::new(MemoryStore::new(MemoryConfig::default())), config).await
    }

    pub(crate) async fn over(store: Arc<dyn SessionStore>, config: &Config) -> Self {
        Self::layered_over(store, config, |router| router).await
    }

    /// Serves within an application's layers.
    pub(crate) async fn layered(config: &Config, layers: impl FnOnce(Router) -> Router) -> Self {
        Self::layered_over(Arc::new(MemoryStore::default()), config, layers).await
    }

    pub(crate) async fn layered_over(
        store: Arc<dyn SessionStore>,
        config: &Config,
        layers: impl FnOnce(Router) -> Router,
    ) -> Self {
        let sessions = manager(store, config.lifetimes().expect("the test's lifetimes are valid")).await;
        let projects = Projects::new(&config.allowed_roots, &config.projects).expect("the test's settings are valid");
        let tools = SessionTools::new(sessions.lifetimes(), Durability::Process).with_projects(projects);
        let endpoint =
            Endpoint::new(move || Probe::new(&tools), Arc::clone(&sessions), config).expect("valid").map_router(layers);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let url = format!("http://{}/mcp", listener.local_addr().expect("it is bound"));
        let (shutdown, asked) = oneshot::channel();
        let grace = config.drain_timeout;
        let serving = tokio::spawn(async move {
            let asked = async {
                let _ = asked.await;
            };
            endpoint.serve(listener, grace, asked).await.expect("the listener holds");
        });
        Self { url, sessions, shutdown: Some(shutdown), serving }
    }

    /// Asks the server to end.
    pub(crate) fn shut_down(&mut self) {
        drop(self.shutdown.take());
    }

    /// Waits for the server's end.
    pub(crate) async fn ended(self) {
        self.serving.await.expect("the server does not panic");
    }
}

/// A running manager.
pub(crate) async fn manager(store: Arc<dyn SessionStore>, lifetimes: Lifetimes) -> Arc<SessionManager> {
    let sessions = SessionManager::new(store, Arc::new(TokioTimer)).with_lifetimes(lifetimes);
    sessions.start().await.expect("the store is there");
    Arc::new(sessions)
}

/// A client of 2025-11-25 on the other end of a pipe.
pub(crate) async fn connection() -> (RunningService<RoleClient, ()>, JoinHandle<()>, Arc<SessionManager>) {
    let sessions = manager(Arc::new(Fragile::new()), Lifetimes::default()).await;
    let tools = SessionTools::new(sessions.lifetimes(), Durability::Process);
    let (here, there) = tokio::io::duplex(1 << 16);
    let served =
        serve_connection(WithSessions::new(Probe::new(&tools), Arc::clone(&sessions)), there, std::future::pending());
    let serving = tokio::spawn(async move { served.await.expect("the pipe holds") });
    let client = ().serve(here).await.expect("the handshake succeeds");
    (client, serving, sessions)
}
