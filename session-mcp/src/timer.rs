//! tokio's clock, for a manager that knows no runtime.

use std::time::Duration;

use async_trait::async_trait;
use session_core::Timer;

/// Waits on tokio's clock.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no settings")]
pub struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
