//! What a session manager wants to tell the client, past rmcp.

use std::cell::Cell;
use std::time::Duration;

use session_core::{Error, Quota, StoreError};

use crate::error::RETRY_AFTER;

tokio::task_local! {
    static TROUBLE: Cell<Option<Trouble>>;
}

/// Why a request's session could be neither opened nor looked up, though the request was right.
///
/// rmcp makes a 500 with the error's text of whatever its session manager answers; this travels beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// What to tell the client.
    pub(super) message: &'static str,
    /// When to try again.
    pub(super) retry_after: Duration,
}

impl Trouble {
    /// Runs a request and says what trouble there was.
    pub(super) async fn watch<T>(request: impl Future<Output = T>) -> (T, Option<Self>) {
        TROUBLE.scope(Cell::new(None), async { (request.await, TROUBLE.with(Cell::get)) }).await
    }

    /// Notes what went wrong, for the request that is being answered.
    pub(super) fn note(error: &Error) {
        let trouble = match error {
            Error::Store(StoreError::Quota(Quota::CreationRate { retry_after })) => {
                Self { message: "sessions are being opened too fast; try again later", retry_after: *retry_after }
            }
            Error::Store(StoreError::Quota(_)) => {
                Self { message: "this server holds its limit of sessions; try again later", retry_after: FULL }
            }
            Error::NotRunning | Error::Store(StoreError::Unavailable { .. }) => {
                Self { message: "the session store does not answer; try again shortly", retry_after: RETRY_AFTER }
            }
            _ => return,
        };
        // Background tasks have no request to answer.
        let _ = TROUBLE.try_with(|slot| slot.set(Some(trouble)));
    }
}

/// How long to wait for a full server.
const FULL: Duration = Duration::from_secs(30);
