//! What surrounds each call: its session is kept in use, and a panic is answered.

use std::panic::AssertUnwindSafe;
use std::pin::pin;

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
    let begun = Instant::now();
    let answer = {
        let heartbeat = pin!(session.keep_in_use());
        let call = pin!(AssertUnwindSafe(async { call().await }).catch_unwind());
        tokio::select! {
            biased;
            answer = call => answer.map_err(|_| Panicked),
            never = heartbeat => match never {},
        }
    };
    session.leave(begun.elapsed()).await;
    answer
}

/// A handler panicked. Its message went to the panic hook and goes nowhere else.
pub(crate) struct Panicked;

impl Panicked {
    const MESSAGE: &'static str = "this call failed inside the server; the session is unharmed, other calls go on";
}

impl From<Panicked> for CallToolResponse {
    fn from(_: Panicked) -> Self {
        let data = json!({ "error": "internal" });
        tool_error(Panicked::MESSAGE.to_owned(), data).into()
    }
}

impl From<Panicked> for ErrorData {
    fn from(_: Panicked) -> Self {
        Self::internal_error(Panicked::MESSAGE, None)
    }
}
