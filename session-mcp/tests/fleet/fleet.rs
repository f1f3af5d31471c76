//! Replicas in one process, each with a runtime of its own that can be ended like a process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use session_core::{Instrumented, Journal, JournalLimits, Lifetimes, Limits, Meter, SessionManager, SessionStore};
use session_mcp::{Config, Durability, Endpoint, JournalConfig, Principal, SessionTools, TokioTimer};
use session_memory::{MemoryConfig, MemoryJournal, MemoryStore};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::site::{Mood, Site};

/// Waits until something holds, which it does soon.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Each call is kept, however short.
pub(crate) fn every_call() -> Config {
    Config { journal: JournalConfig { after: Duration::ZERO, ..JournalConfig::default() }, ..Config::default() }
}

/// What replicas share.
#[derive(Clone)]
pub(crate) struct Backend {
    store: Arc<dyn SessionStore>,
    journal: Arc<dyn Journal>,
    lifetimes: Lifetimes,
}

impl Backend {
    pub(crate) fn new() -> Self {
        Self::limited(Limits::default())
    }

    /// One that keeps no more than this.
    pub(crate) fn limited(limits: Limits) -> Self {
        let store = MemoryStore::new(MemoryConfig { limits, ..MemoryConfig::default() });
        let journal = Arc::new(MemoryJournal::new(JournalLimits::default()));
        Self { store: Arc::new(store), journal, lifetimes: Lifetimes::default() }
    }

    /// Sessions live so long.
    pub(crate) fn with_lifetimes(mut self, idle: Duration, absolute: Duration) -> Self {
        self.lifetimes = Lifetimes::new(idle, absolute).expect("a session can live so long");
        self
    }

    /// What is said is kept there.
    pub(crate) fn with_journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = journal;
        self
    }

    /// Whatever is asked of it is told to `meter` first.
    pub(crate) fn measured(mut self, meter: impl Meter + Clone + 'static) -> Self {
        self.store = Arc::new(Instrumented::new(self.store).with_meter(meter.clone()));
        self.journal = Arc::new(Instrumented::new(self.journal).with_meter(meter));
        self
    }

    /// A replica over this.
    pub(crate) async fn replica(&self) -> Replica {
        self.configured(Config::default()).await
    }

    /// A replica that goes on serving for so long when it is asked to end.
    pub(crate) async fn patient_replica(&self, delay: Duration) -> Replica {
        self.configured(Config { drain_delay: delay, ..Config::default() }).await
    }

    pub(crate) async fn configured(&self, config: Config) -> Replica {
        Replica::start(self.clone(), Duration::ZERO, config).await
    }

    /// A replica whose handlers take so long to make.
    pub(crate) async fn slow_replica(&self, making: Duration) -> Replica {
        Replica::start(self.clone(), making, Config::default()).await
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
    /// Held by each handler that has not ended, and by whoever makes them.
    handlers: Weak<Mutex<Mood>>,
    unkept: Box<dyn Fn() -> u64 + Send + Sync>,
    shutdown: Option<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
}

impl Replica {
    async fn start(backend: Backend, making: Duration, config: Config) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (shutdown, asked) = oneshot::channel::<()>();
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let (url, sessions, waiting, handlers, unkept) = runtime
            .spawn(async move {
                let sessions = SessionManager::new(backend.store, Arc::new(TokioTimer))
                    .with_lifetimes(backend.lifetimes)
                    .with_journal(backend.journal);
                sessions.start().await.expect("the store is there");
                let sessions = Arc::new(sessions);
                let site = Site::new(&SessionTools::new(sessions.lifetimes(), Durability::Store));
                let (waiting, handlers) = (Arc::clone(&site.waiting), Arc::downgrade(&site.mood));
                let handler = move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(making);
                    site.clone()
                };
                let endpoint = Endpoint::new(handler, Arc::clone(&sessions), &config).expect("valid");
                let endpoint = endpoint.map_router(|router| router.layer(from_fn(authenticate)));
                let unkept = endpoint.unkept();
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
                let url = format!("http://{}/mcp", listener.local_addr().expect("it is bound"));
                tokio::spawn(endpoint.serve(listener, Duration::from_millis(500), async {
                    let _ = asked.await;
                }));
                (url, sessions, waiting, handlers, unkept)
            })
            .await
            .expect("it starts");
        let (unkept, shutdown, runtime) = (Box::new(unkept), Some(shutdown), Some(runtime));
        Self { url, sessions, made, waiting, handlers, unkept, shutdown, runtime }
    }

    /// How many handlers have not ended.
    pub(crate) fn handlers(&self) -> usize {
        // One more makes them.
        self.handlers.strong_count().saturating_sub(1)
    }

    /// Says how its handlers take the news of a client from now on.
    pub(crate) fn feels(&self, mood: Mood) {
        *self.handlers.upgrade().expect("it serves").lock().expect("nobody panicked") = mood;
    }

    /// How much of what it said could not be kept.
    pub(crate) fn unkept(&self) -> u64 {
        (self.unkept)()
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

/// Believes whoever says who they are; others are nobody.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let subject = request.headers().get("subject").and_then(|subject| subject.to_str().ok());
    if let Some(principal) = subject.and_then(|subject| Principal::new("https://issuer.example", subject).ok()) {
        request.extensions_mut().insert(principal);
    }
    next.run(request).await
}
