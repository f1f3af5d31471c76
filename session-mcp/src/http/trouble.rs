//! What a session manager wants to tell the client, past rmcp.

use std::cell::Cell;
use std::time::Duration;

use axum::http::header::RETRY_AFTER as RETRY_AFTER_HEADER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use session_core::{Error, Quota, StoreError};

use crate::error::{FULL, RETRY_AFTER};

use super::refusal::{INTERNAL_ERROR, INVALID_REQUEST, refuse};

tokio::task_local! {
    static TROUBLE: Cell<Option<Trouble>>;
}

/// Why a request could not be served.
///
/// rmcp makes a 500 with the error's text of whatever its session manager answers; this travels beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    status: StatusCode,
    /// What to tell the client.
    message: &'static str,
    /// When to try again, if that helps.
    retry_after: Option<Duration>,
}

impl Trouble {
    /// What was said cannot reach who it is for, or cannot be kept.
    pub(super) const UNDELIVERED: Self =
        Self::passing("the session store does not answer; try again shortly", RETRY_AFTER);

    /// The session could not be taken over from another process, or was just closed.
    pub(super) const UNRESTORED: Self =
        Self::passing("the session could not be taken over by this server; try again shortly", RETRY_AFTER);

    /// The session has its limit of streams.
    pub(super) const STREAMS: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        message: "this session has its limit of open streams; close one of them first",
        retry_after: None,
    };

    /// The session has its limit of calls.
    pub(super) const CALLS: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        message: "this session has its limit of calls that run at once; wait for one of them, or cancel it",
        retry_after: Some(RETRY_AFTER),
    };

    /// A call of the same id is running.
    pub(super) const REPEATED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        message: "a request of this id is still being answered in this session; give each request an id of its own",
        retry_after: None,
    };

    /// What was said is more than one server hands on to another.
    pub(super) const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: "the message is larger than what servers hand on to one another, which `journal.bytes` limits",
        retry_after: None,
    };

    const fn passing(message: &'static str, retry_after: Duration) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, message, retry_after: Some(retry_after) }
    }

    /// Runs a request and says what trouble there was.
    pub(super) async fn watch<T>(request: impl Future<Output = T>) -> (T, Option<Self>) {
        TROUBLE.scope(Cell::new(None), async { (request.await, TROUBLE.with(Cell::get)) }).await
    }

    /// Notes that this is the trouble with the request that is being answered.
    pub(super) fn note(self) {
        // Background tasks have no request to answer.
        let _ = TROUBLE.try_with(|slot| slot.set(Some(self)));
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
        Some(Self::passing(message, retry_after))
    }

    /// How that is answered.
    pub(super) fn response(self) -> Response {
        let code = if self.status.is_server_error() { INTERNAL_ERROR } else { INVALID_REQUEST };
        let mut response = refuse(self.status, code, self.message);
        if let Some(retry_after) = self.retry_after {
            let seconds = retry_after.as_millis().div_ceil(1000).to_string();
            let seconds = HeaderValue::from_str(&seconds).expect("digits are a header's value");
            response.headers_mut().insert(RETRY_AFTER_HEADER, seconds);
        }
        response
    }
}
