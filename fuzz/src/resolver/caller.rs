//! Who speaks.

use std::mem;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetExtensions as _, GetMeta as _, JsonRpcMessage};
use rmcp::service::{Peer, RequestContext, Service as _, serve_directly};
use serde_json::{Value, json};
use session_core::{Owner, SessionManager};
use session_mcp::{SessionServer, WithSessions};
use tokio::io::{empty, sink};

/// Somebody with a connection.
pub(super) struct Caller {
    pub(super) owner: Owner,
    handler: WithSessions<SessionServer>,
    peer: Peer<RoleServer>,
}

impl Caller {
    pub(super) fn new(server: &SessionServer, sessions: &Arc<SessionManager>, owner: Owner) -> Self {
        let handler = WithSessions::new(server.clone(), Arc::clone(sessions)).owned_by(owner);
        // Only its peer is of use: what is said goes to the handler without a detour through a pipe.
        let connection = serve_directly(server.clone(), (empty(), sink()), None);
        Self { owner, handler, peer: connection.peer().clone() }
    }

    /// Shakes hands as before 2026-07-28, which gives the connection a session of its own.
    pub(super) async fn initialized(self) -> Self {
        let client = json!({ "name": "fuzz", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let request = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let answer = self.ask(&request.to_string()).await.expect("it is a request");
        assert!(answer.is_ok(), "the handshake failed");
        self
    }

    /// What a request is answered: a result, or an error. `None` for what rmcp takes for no request, or streams for.
    pub(super) async fn ask(&self, text: &str) -> Option<Result<Value, Value>> {
        let JsonRpcMessage::Request(message) = serde_json::from_str::<ClientJsonRpcMessage>(text).ok()? else {
            return None;
        };
        let mut request = message.request;
        if matches!(request, ClientRequest::SubscriptionsListenRequest(_)) {
            return None;
        }
        let mut context = RequestContext::new(message.id, self.peer.clone());
        context.meta = mem::take(request.get_meta_mut());
        context.extensions = mem::take(request.extensions_mut());
        let written = |answer| serde_json::to_value(answer).expect("an answer is JSON");
        match self.handler.handle_request(request, context).await {
            Ok(result) => Some(Ok(written(json!(result)))),
            Err(error) => Some(Err(written(json!(error)))),
        }
    }
}
