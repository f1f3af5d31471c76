//! What a session manager wants to tell the client, past rmcp.

use std::cell::Cell;
use std::time::Duration;

use session_core::{Error, Quota, StoreError};

use crate::error::{FULL, RETRY_AFTER};

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
        // Background tasks have no request to answer.
        let _ = TROUBLE.try_with(|slot| slot.set(Self::of(error)));
    }

    /// Notes that what was said cannot reach who it is for, for the request that is being answered.
    pub(super) fn note_undelivered() {
        let message = "the session store does not answer; try again shortly";
        let _ = TROUBLE.try_with(|slot| slot.set(Some(Self { message, retry_after: RETRY_AFTER })));
    }

    /// Notes that the session could not be taken over from another process, for the request that is being answered.
    pub(super) fn note_unrestored() {
        let message = "the session could not be taken over by this server; try again shortly";
        let _ = TROUBLE.try_with(|slot| slot.set(Some(Self { message, retry_after: RETRY_AFTER })));
    }

    /// What to tell the client of an error that passes; `None` for others.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let (message, retry_after) = match error {
            Error::Store(StoreError::Quota(Quota::CreationRate { retry_after })) => {
                ("sessions are being opened too fast; try again later", *retry_after)
            }
            Error::Store(StoreError::Quota(Quota::SessionsPerPrincipal { .. })) => {
                ("you have your limit of sessions, and all are in use; end one of them, or try again later", FULL)
            }
            Error::Store(StoreError::Quota(_)) => ("this server holds its limit of sessions; try again later", FULL),
            Error::Store(StoreError::Full { .. }) => ("the session store is full; try again later", FULL),
            Error::NotRunning | Error::Store(StoreError::Unavailable { .. }) => {
                ("the session store does not answer; try again shortly", RETRY_AFTER)
            }
            _ => return None,
        };
        Some(Self { message, retry_after })
    }
}
