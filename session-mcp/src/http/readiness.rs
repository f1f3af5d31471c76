//! Whether a balancer should send requests here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use session_core::SessionManager;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Whether a balancer should send requests here: the process is not about to end, and the session store answered a
/// moment ago.
#[derive(Clone)]
pub(super) struct Readiness {
    sessions: Arc<SessionManager>,
    /// Cancelled when the process is about to end.
    draining: CancellationToken,
    /// When the store was asked last, and what it was. Those who ask together wait for one look.
    seen: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Readiness {
    pub(super) fn new(sessions: Arc<SessionManager>, draining: CancellationToken) -> Self {
        Self { sessions, draining, seen: Arc::default() }
    }

    async fn has_store(&self) -> bool {
        let mut seen = self.seen.lock().await;
        if let Some((at, answered)) = *seen
            && at.elapsed() < FRESH
        {
            return answered;
        }
        let answered = timeout(PATIENCE, self.sessions.store().ping()).await.is_ok_and(|ping| ping.is_ok());
        *seen = Some((Instant::now(), answered));
        answered
    }
}

/// Answers `/readyz`.
pub(super) async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.draining.is_cancelled() || !readiness.sessions.is_running() {
        (StatusCode::SERVICE_UNAVAILABLE, "this server is about to end\n")
    } else if readiness.has_store().await {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the session store does not answer\n")
    }
}

/// Answers `/healthz`: whoever can answer is alive. A store that is away is no reason to be restarted.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// For how long what the store answered is believed.
const FRESH: Duration = Duration::from_secs(1);

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);
