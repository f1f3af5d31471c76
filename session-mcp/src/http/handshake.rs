//! A session whose client does not know of it yet.

use std::cell::Cell;
use std::fmt;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

tokio::task_local! {
    static HANDSHAKE: Cell<Option<Handshake>>;
}

/// A session whose client does not know of it yet, kept with the request that opens it: unless the handshake
/// [succeeds](Self::succeed), the session is cleaned up when the request ends or is dropped, whatever the reason.
pub(super) struct Handshake {
    /// Taken by whoever is first to need it.
    clean_up: Option<BoxFuture<'static, ()>>,
}

impl Handshake {
    /// Runs a request that may open a session.
    pub(super) fn watch<T>(request: impl Future<Output = T>) -> impl Future<Output = T> {
        HANDSHAKE.scope(Cell::new(None), request)
    }

    /// Begins a handshake that is undone by `clean_up`. Outside [`watch`](Self::watch) it is undone at once.
    pub(super) fn begin(clean_up: impl Future<Output = ()> + Send + 'static) {
        let handshake = Self { clean_up: Some(Box::pin(clean_up)) };
        let _ = HANDSHAKE.try_with(|slot| slot.set(Some(handshake)));
    }

    /// Leaves the session to its client.
    pub(super) fn succeed() {
        if let Some(mut handshake) = Self::take() {
            handshake.clean_up = None;
        }
    }

    /// Cleans up before the request is answered. Dropping this future leaves the rest to a task.
    pub(super) async fn fail() {
        let Some(mut handshake) = Self::take() else { return };
        if let Some(clean_up) = handshake.clean_up.as_mut() {
            clean_up.await;
        }
        handshake.clean_up = None;
    }

    fn take() -> Option<Self> {
        HANDSHAKE.try_with(Cell::take).ok().flatten()
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if let (Some(clean_up), Ok(runtime)) = (self.clean_up.take(), Handle::try_current()) {
            runtime.spawn(clean_up);
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}
