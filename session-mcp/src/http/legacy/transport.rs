//! What connects a session to the handler that serves it.

use std::fmt;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, GetMeta as _, ProgressToken, RequestId, ServerJsonRpcMessage,
    ServerNotification,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::WorkerTransport;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionWorker, LocalSessionWorkerError};
use serde::{Deserialize, Serialize};
use session_core::SessionName;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What connects a session to the handler that serves it.
///
/// What the handler asks the client gets an id that nobody else has given: rmcp counts them up from 0 for each handler,
/// so that an answer to one could be taken for an answer to another.
pub(in crate::http) struct SessionTransport {
    rmcp: WorkerTransport<LocalSessionWorker>,
    asker: Asker,
    _ended: DropGuard,
}

impl SessionTransport {
    /// Cancels `ended` when the handler has ended.
    pub(super) fn new(rmcp: WorkerTransport<LocalSessionWorker>, asker: Asker, ended: CancellationToken) -> Self {
        Self { rmcp, asker, _ended: ended.drop_guard() }
    }
}

impl Transport<RoleServer> for SessionTransport {
    type Error = LocalSessionWorkerError;

    fn send(
        &mut self,
        mut message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.asker.sign(&mut message);
        self.rmcp.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let mut message = self.rmcp.receive().await?;
            // An answer to what nobody here has asked answers nothing here.
            if self.asker.check(&mut message) {
                return Some(message);
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.rmcp.close().await
    }
}

/// One process of a fleet, as the others know it: random, and another after a restart.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replica(Arc<str>);

impl Replica {
    /// Half of a name is as random as it has to be.
    pub(super) fn new() -> Self {
        Self(SessionName::mint().locator().to_string().into())
    }

    /// One that is called so.
    pub(super) fn read(replica: &str) -> Self {
        Self(replica.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The process that a client's message answers or tells of its progress, if it is one of those. Other messages are
    /// for whoever serves the session.
    pub(super) fn addressed(message: &ClientJsonRpcMessage) -> Option<Self> {
        let id = match message {
            ClientJsonRpcMessage::Response(response) => Some(&response.id),
            ClientJsonRpcMessage::Error(error) => error.id.as_ref(),
            ClientJsonRpcMessage::Notification(notification) => match &notification.notification {
                ClientNotification::ProgressNotification(progress) => Some(&progress.params.progress_token.0),
                _ => None,
            },
            ClientJsonRpcMessage::Request(_) => None,
        };
        let RequestId::String(id) = id? else { return None };
        id.split_once('.').map(|(replica, _)| Self(replica.into()))
    }
}

/// Who asks a client: one handler of one process.
#[derive(Debug)]
pub(super) struct Asker {
    /// What the ids of its requests begin with: that of the process first.
    prefix: String,
}

impl Asker {
    /// One of the handlers of this process, by its number.
    pub(super) fn new(replica: &Replica, number: u64) -> Self {
        Self { prefix: format!("{}.{number}.", replica.as_str()) }
    }

    fn sign(&self, message: &mut ServerJsonRpcMessage) {
        match message {
            ServerJsonRpcMessage::Request(request) => {
                request.id = self.signed(&request.id);
                let meta = request.request.get_meta_mut();
                if let Some(ProgressToken(token)) = meta.get_progress_token() {
                    meta.set_progress_token(ProgressToken(self.signed(&token)));
                }
            }
            ServerJsonRpcMessage::Notification(notification) => {
                if let ServerNotification::CancelledNotification(cancelled) = &mut notification.notification
                    && let Some(id) = &mut cancelled.params.request_id
                {
                    *id = self.signed(id);
                }
            }
            ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_) => {}
        }
    }

    /// Undoes what `sign` did. `false` if somebody else signed it, or nobody.
    fn check(&self, message: &mut ClientJsonRpcMessage) -> bool {
        let signed = match message {
            ClientJsonRpcMessage::Response(response) => Some(&mut response.id),
            ClientJsonRpcMessage::Error(error) => error.id.as_mut(),
            ClientJsonRpcMessage::Notification(notification) => match &mut notification.notification {
                ClientNotification::ProgressNotification(progress) => Some(&mut progress.params.progress_token.0),
                _ => None,
            },
            ClientJsonRpcMessage::Request(_) => None,
        };
        let Some(signed) = signed else { return true };
        let own = self.own(signed);
        own.map(|own| *signed = own).is_some()
    }

    fn signed(&self, id: &RequestId) -> RequestId {
        RequestId::String(format!("{}{id}", self.prefix).into())
    }

    fn own(&self, signed: &RequestId) -> Option<RequestId> {
        let RequestId::String(signed) = signed else { return None };
        let id = signed.strip_prefix(&self.prefix)?;
        Some(id.parse().map_or_else(|_| RequestId::String(id.into()), RequestId::Number))
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replica")
    }
}
