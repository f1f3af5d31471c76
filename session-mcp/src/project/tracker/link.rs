//! A connection to a server, from the first attempt to its end.

use std::sync::Arc;

use rmcp::{Peer, RoleClient};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::dial::{DialError, Dialer};

/// A connection, or the attempt at one, in a task of its own: who waits for it may go away. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    /// Set once by the task, which ends with the connection.
    server: watch::Receiver<Option<Server>>,
    _task: AbortOnDropHandle<()>,
}

type Server = Result<Peer<RoleClient>, Arc<DialError>>;

impl Link {
    /// Begins to connect.
    pub(super) fn open(dialer: Arc<Dialer>) -> Self {
        let (tell, server) = watch::channel(None);
        let task = tokio::spawn(async move {
            match dialer.dial().await {
                Ok(running) => {
                    tell.send_replace(Some(Ok(running.peer().clone())));
                    let _quit = running.waiting().await;
                }
                Err(error) => {
                    tell.send_replace(Some(Err(Arc::new(error))));
                }
            }
        });
        Self { server, _task: AbortOnDropHandle::new(task) }
    }

    /// The server, once it is connected.
    ///
    /// # Errors
    ///
    /// [`DialError`] if it cannot be.
    pub(super) async fn server(&self) -> Server {
        let mut server = self.server.clone();
        let known = server.wait_for(Option::is_some).await;
        known.ok().and_then(|known| known.clone()).unwrap_or_else(|| Err(Arc::new(DialError::Ended)))
    }

    /// Whether no question can be asked over it any more.
    pub(super) fn is_over(&self) -> bool {
        // The task holds the sender as long as it connects or is connected.
        self.server.has_changed().is_err()
    }
}
