//! Time passing, for what knows no runtime.

use std::time::Duration;

use async_trait::async_trait;

/// Waits, for a manager that knows no runtime. An implementation over tokio is one line around `tokio::time::sleep`.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}
