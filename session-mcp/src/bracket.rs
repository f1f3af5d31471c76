//! What surrounds each call: its session is kept in use, and a panic is answered.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use rmcp::ErrorData;
use rmcp::model::CallToolResponse;
use serde_json::json;
use tokio::time::Instant;

use crate::error::tool_error;
use crate::session::Session;

/// Runs one call of a handler. Its session is used again and again meanwhile, often enough for it not to idle out, and
/// once more at the end of a call that took long enough for that.
///
/// # Errors
///
/// [`Panicked`] if the call did.
pub(crate) async fn bracket<T, F: Future<Output = Result<T, ErrorData>>>(
    session: &Session,
    call: impl FnOnce() -> F,
) -> Result<Result<T, ErrorData>, Panicked> {
    let period = (session.idle_timeout() / 3).clamp(Duration::from_millis(1), MAX_HEARTBEAT);
    let begun = Instant::now();
    let answer = {
        let heartbeat = pin!(heartbeat(session, period));
        let call = pin!(AssertUnwindSafe(async { call().await }).catch_unwind());
        tokio::select! {
            biased;
            answer = call => answer.map_err(|_| Panicked),
            never = heartbeat => match never {},
        }
    };
    if begun.elapsed() >= period {
        session.keep_alive().await;
    }
    answer
}

async fn heartbeat(session: &Session, period: Duration) -> Infallible {
    loop {
        tokio::time::sleep(period).await;
        session.keep_alive().await;
    }
}

/// The longest time between two uses of a session by one call.
const MAX_HEARTBEAT: Duration = Duration::from_secs(10);

/// A handler panicked. Its message went to the panic hook and goes nowhere else.
pub(crate) struct Panicked;

impl Panicked {
    const MESSAGE: &'static str = "this call failed inside the server; the session is unharmed, other calls go on";
}

impl From<Panicked> for CallToolResponse {
    fn from(_: Panicked) -> Self {
        let data = json!({ "error": "internal", "message": Panicked::MESSAGE });
        tool_error(Panicked::MESSAGE.to_owned(), data).into()
    }
}

impl From<Panicked> for ErrorData {
    fn from(_: Panicked) -> Self {
        Self::internal_error(Panicked::MESSAGE, None)
    }
}
