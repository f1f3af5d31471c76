//! A client in this process, of a server in this process: it calls the session tools as any other would.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RunningService};
use serde_json::Value;
use session_core::SessionManager;
use session_mcp::{SessionServer, SessionTools, WithSessions, serve_connection};

/// A connection of 2026-07-28, where each call says its session.
#[derive(Debug)]
pub(crate) struct Caller(RunningService<RoleClient, ()>);

impl Caller {
    pub(crate) async fn connect(tools: &SessionTools, sessions: Arc<SessionManager>) -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let server = WithSessions::new(SessionServer::new(tools), sessions);
        tokio::spawn(serve_connection(server, tokio::io::split(far), pending::<Duration>()));
        let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        Self(().serve_with_lifecycle(tokio::io::split(near), lifecycle).await.expect("it connects"))
    }

    /// What a tool answers that has to succeed.
    pub(crate) async fn ask(&self, tool: &'static str, arguments: Value) -> Value {
        self.call(tool, arguments).await.unwrap_or_else(|refusal| panic!("{tool} should have succeeded: {refusal}"))
    }

    /// What a tool answers, or what it refuses with.
    pub(crate) async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, String> {
        let Value::Object(arguments) = arguments else { panic!("arguments have names") };
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = self.0.call_tool(call).await.expect("the server answers");
        match result.structured_content {
            Some(content) if result.is_error != Some(true) => Ok(content),
            content => Err(format!("{content:?} {:?}", result.content)),
        }
    }
}
