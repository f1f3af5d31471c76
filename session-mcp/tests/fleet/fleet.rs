//! Replicas in one process, each with a runtime of its own that can be ended like a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use session_core::{Journal, JournalLimits, SessionManager, SessionStore};
use session_mcp::{Config, Durability, Endpoint, SessionTools, TokioTimer};
use session_memory::{MemoryJournal, MemoryStore};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::site::Site;

/// What replicas share.
#[derive(Clone)]
pub(crate) struct Backend {
    store: Arc<dyn SessionStore>,
    journal: Arc<dyn Journal>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        let journal = Arc::new(MemoryJournal::new(JournalLimits::default()));
        Self { store: Arc::new(MemoryStore::default()), journal }
    }

    /// A replica over this.
    pub(crate) async fn replica(&self) -> Replica {
        Replica::start(self.clone(), Duration::ZERO, Duration::ZERO).await
    }

    /// A replica that goes on serving for so long when it is asked to end.
    pub(crate) async fn patient_replica(&self, delay: Duration) -> Replica {
        Replica::start(self.clone(), Duration::ZERO, delay).await
    }

    /// A replica whose handlers take so long to make.
    pub(crate) async fn slow_replica(&self, making: Duration) -> Replica {
        Replica::start(self.clone(), making, Duration::ZERO).await
    }
}

/// One server.
pub(crate) struct Replica {
    pub(crate) url: String,
    pub(crate) sessions: Arc<SessionManager>,
    /// How many handlers were made.
    pub(crate) made: Arc<AtomicUsize>,
    /// How many calls of the tool `wait` are running.
    pub(crate) waiting: Arc<AtomicUsize>,
    shutdown: Option<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
}

impl Replica {
    async fn start(backend: Backend, making: Duration, delay: Duration) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (shutdown, asked) = oneshot::channel::<()>();
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let (url, sessions, waiting) = runtime
            .spawn(async move {
                let sessions = SessionManager::new(backend.store, Arc::new(TokioTimer)).with_journal(backend.journal);
                sessions.start().await.expect("the store is there");
                let sessions = Arc::new(sessions);
                let site = Site::new(&SessionTools::new(sessions.lifetimes(), Durability::Store));
                let waiting = Arc::clone(&site.waiting);
                let handler = move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(making);
                    site.clone()
                };
                let config = Config { drain_delay: delay, ..Config::default() };
                let endpoint = Endpoint::new(handler, Arc::clone(&sessions), &config).expect("valid");
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
                let url = format!("http://{}/mcp", listener.local_addr().expect("it is bound"));
                tokio::spawn(endpoint.serve(listener, Duration::from_millis(500), async {
                    let _ = asked.await;
                }));
                (url, sessions, waiting)
            })
            .await
            .expect("it starts");
        Self { url, sessions, made, waiting, shutdown: Some(shutdown), runtime: Some(runtime) }
    }

    /// Asks it to end, as a deployment does.
    pub(crate) fn shut_down(&mut self) {
        drop(self.shutdown.take());
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}
