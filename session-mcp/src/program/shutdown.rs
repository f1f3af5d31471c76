//! When the process is asked to end.

use std::io;

/// Completes at SIGTERM or Ctrl-C.
///
/// # Errors
///
/// If the signals cannot be listened to.
#[cfg(unix)]
pub(super) fn requested() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending: calls in flight are still answered");
    })
}

/// Completes at Ctrl-C.
///
/// # Errors
///
/// None here.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn requested() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tracing::info!("ending: calls in flight are still answered");
    })
}
