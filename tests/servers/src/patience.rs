//! How long to wait.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// What takes longer than this does not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(10);

/// Asks again and again until the answer is a value, and returns it.
///
/// # Panics
///
/// If there is none within 20 seconds; the message is that there is no `hoped`.
pub async fn eventually<T>(hoped: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let answer = timeout(PATIENCE, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            sleep(PAUSE).await;
        }
    });
    answer.await.unwrap_or_else(|_| panic!("no {hoped} within {PATIENCE:?}"))
}
