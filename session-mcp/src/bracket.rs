//! What surrounds each call: its session is kept in use, and what ends it early is answered.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::OptionFuture;
use rmcp::ErrorData;
use rmcp::model::CallToolResponse;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::tool_error;
use crate::session::Session;

/// Runs one call of a handler. Its session is used again and again meanwhile, often enough for it not to idle out, and
/// once more at the end of a call that took long enough for that, or did not use it.
///
/// Once `cancelled` says so, or `ended`, which is told to `cancelled` then, the call has [`GRACE`] to end by itself.
/// Then it is dropped, wherever it is.
///
/// The call's future is made at once, and put where it stays: an `async fn` would hold what it is made of a second
/// time.
///
/// # Errors
///
/// [`CutShort`] says what ended the call before it had an answer.
pub(crate) fn bracket<T: Send, F: Future<Output = Result<T, ErrorData>> + Send>(
    session: Session,
    cancelled: CancellationToken,
    ended: Option<CancellationToken>,
    call: impl FnOnce() -> F,
) -> impl Future<Output = Result<Result<T, ErrorData>, CutShort>> + Send {
    let begun = Instant::now();
    let call = catch_unwind(AssertUnwindSafe(|| Box::pin(call())));
    async move {
        let answer = match call {
            Ok(call) => run(&session, &cancelled, ended.as_ref(), call).await,
            Err(_) => Err(CutShort::Panicked),
        };
        session.leave(begun).await;
        answer
    }
}

async fn run<T>(
    session: &Session,
    cancelled: &CancellationToken,
    ended: Option<&CancellationToken>,
    call: Pin<Box<impl Future<Output = T>>>,
) -> Result<T, CutShort> {
    let mut call = AssertUnwindSafe(call).catch_unwind();
    let at_once = poll_fn(|context| Poll::Ready(call.poll_unpin(context))).await;
    // From here on, it may have heard of what changed since the session was found.
    session.forget_loaded();
    let answer = match at_once {
        Poll::Ready(answer) => answer,
        // Apart, since most calls are over by now, and would have room for this all the same.
        Poll::Pending => Box::pin(stay(session, cancelled, ended, call)).await?,
    };
    answer.map_err(|_| CutShort::Panicked)
}

/// Waits for a call, in whose session it stays meanwhile.
async fn stay<T>(
    session: &Session,
    cancelled: &CancellationToken,
    ended: Option<&CancellationToken>,
    call: impl Future<Output = T>,
) -> Result<T, CutShort> {
    let heartbeat = pin!(session.keep_in_use());
    let cut = pin!(async {
        let ended = OptionFuture::from(ended.map(CancellationToken::cancelled));
        let why = tokio::select! {
            biased;
            Some(()) = ended => CutShort::Ended,
            () = cancelled.cancelled() => CutShort::Cancelled,
        };
        cancelled.cancel();
        tokio::time::sleep(GRACE).await;
        why
    });
    tokio::select! {
        biased;
        answer = call => Ok(answer),
        why = cut => Err(why),
        never = heartbeat => match never {},
    }
}

/// How long a call that is cancelled, or whose session has ended, may take to end by itself.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// Why a call has no answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutShort {
    /// It panicked. The message went to the panic hook and goes nowhere else.
    Panicked,
    /// It was cancelled and did not end by itself.
    Cancelled,
    /// The session that its client is connected by has ended, and it did not end by itself.
    Ended,
}

impl CutShort {
    fn code(self) -> &'static str {
        match self {
            Self::Panicked => "internal",
            Self::Cancelled => "cancelled",
            Self::Ended => "session_ended",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Panicked => "this call failed inside the server; the session is unharmed, other calls go on",
            Self::Cancelled => "this call was cancelled and stopped; the session is unharmed, other calls go on",
            Self::Ended => "this call was stopped because its client's session has ended; initialize a new one",
        }
    }
}

impl From<CutShort> for CallToolResponse {
    fn from(cut: CutShort) -> Self {
        tool_error(cut.message().to_owned(), json!({ "error": cut.code() })).into()
    }
}

impl From<CutShort> for ErrorData {
    fn from(cut: CutShort) -> Self {
        Self::internal_error(cut.message(), None)
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use std::future::pending;

    use crate::testing::TestSession;

    use super::*;

    /// What is said after ten seconds.
    #[derive(Clone, Copy)]
    enum Said {
        Cancelled,
        Ended,
    }

    /// A call's answer, if that is said while it runs, and when it had it.
    async fn told<F: Future<Output = Result<&'static str, ErrorData>> + Send>(
        said: Said,
        call: impl FnOnce(CancellationToken) -> F,
    ) -> (Result<Result<&'static str, ErrorData>, CutShort>, Duration) {
        let (cancelled, ended, begun) = (CancellationToken::new(), CancellationToken::new(), Instant::now());
        let session = TestSession::without();
        let answer = bracket(session, cancelled.clone(), Some(ended.clone()), || call(cancelled.clone()));
        let (answer, ()) = tokio::join!(answer, async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            match said {
                Said::Cancelled => cancelled.cancel(),
                Said::Ended => ended.cancel(),
            }
        });
        (answer, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_ignores_its_cancellation_is_dropped_after_the_grace() {
        for (said, cut) in [(Said::Cancelled, CutShort::Cancelled), (Said::Ended, CutShort::Ended)] {
            let (answer, took) = told(said, async |_| pending().await).await;
            assert_eq!(answer.expect_err("it has no answer"), cut);
            assert_eq!(took, Duration::from_secs(10) + GRACE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_ends_within_the_grace_keeps_its_answer() {
        for said in [Said::Cancelled, Said::Ended] {
            let ends = async |token: CancellationToken| {
                token.cancelled().await;
                tokio::time::sleep(GRACE / 2).await;
                Ok("cleaned up")
            };
            let (answer, took) = told(said, ends).await;
            assert!(matches!(answer, Ok(Ok("cleaned up"))), "{answer:?}");
            assert_eq!(took, Duration::from_secs(10) + GRACE / 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_cut_short_says_by_what() {
        let CallToolResponse::Complete(result) = CutShort::Cancelled.into() else { panic!("it is an answer") };
        assert_eq!(result.is_error, Some(true), "{result:?}");
        assert_eq!(result.meta.expect("it says why").0["session-mcp/refusal"]["error"], "cancelled");
        assert!(ErrorData::from(CutShort::Cancelled).message.contains("was cancelled"));
        assert!(ErrorData::from(CutShort::Ended).message.contains("session has ended"));
    }
}
