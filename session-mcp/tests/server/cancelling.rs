//! A call that is cancelled ends, by itself or not, in every way in which a client can cancel it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest};
use rmcp::service::{PeerRequestOptions, RequestContext, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use serde_json::json;
use session_core::{Lifetimes, SessionManager};
use session_mcp::{Config, Endpoint, WithSessions, serve_connection};
use session_memory::MemoryStore;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::common::{manager, post};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Begun,
    Ended,
    Dropped,
}

/// Says that the call it belongs to was dropped, unless it says first that it has ended.
struct Told(UnboundedSender<Fate>, Fate);

impl Told {
    fn begin(fates: &UnboundedSender<Fate>) -> Self {
        let _ = fates.send(Fate::Begun);
        Self(fates.clone(), Fate::Dropped)
    }

    fn end(mut self) {
        self.1 = Fate::Ended;
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

/// Tools that last until they are cancelled, or longer.
#[derive(Clone)]
struct Sleeper {
    tools: ToolRouter<Self>,
    fates: UnboundedSender<Fate>,
}

#[tool_router]
impl Sleeper {
    #[tool(description = "Sleeps for ever")]
    async fn ignores(&self) -> String {
        let _told = Told::begin(&self.fates);
        pending().await
    }

    #[tool(description = "Sleeps until it is cancelled, and then a little")]
    async fn listens(&self, context: RequestContext<RoleServer>) -> String {
        let told = Told::begin(&self.fates);
        context.ct.cancelled().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        told.end();
        "cancelled".to_owned()
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Sleeper {}

/// The tools, and what becomes of their calls.
const TOOLS: [(&str, Fate); 2] = [("ignores", Fate::Dropped), ("listens", Fate::Ended)];

/// Twice what a call that is cancelled may take.
const SOON: Duration = Duration::from_secs(2);

async fn sleeper() -> (Sleeper, UnboundedReceiver<Fate>, Arc<SessionManager>) {
    let (fates, told) = unbounded_channel();
    let sessions = manager(Arc::new(MemoryStore::default()), Lifetimes::default()).await;
    (Sleeper { tools: Sleeper::tool_router(), fates }, told, sessions)
}

/// Serves it over HTTP until the runtime ends.
async fn serve(sleeper: Sleeper, sessions: Arc<SessionManager>) -> String {
    let endpoint = Endpoint::new(move || sleeper.clone(), sessions, &Config::default()).expect("a valid configuration");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let url = format!("http://{}/mcp", listener.local_addr().expect("it is bound"));
    tokio::spawn(endpoint.serve(listener, Duration::ZERO, pending()));
    url
}

async fn next(told: &mut UnboundedReceiver<Fate>) -> Fate {
    timeout(SOON, told.recv()).await.expect("it is told in time").expect("the server is there")
}

/// Has a client of 2025-11-25 cancel its calls.
async fn cancel(client: RunningService<RoleClient, ()>, mut told: UnboundedReceiver<Fate>) {
    for (tool, fate) in TOOLS {
        let call = ClientRequest::CallToolRequest(CallToolRequest::new(CallToolRequestParams::new(tool)));
        let call = client.send_cancellable_request(call, PeerRequestOptions::no_options()).await.expect("it is sent");
        assert_eq!(next(&mut told).await, Fate::Begun);
        call.cancel(None).await.expect("it is sent");
        assert_eq!(next(&mut told).await, fate, "{tool}");
    }
}

#[tokio::test]
async fn a_call_whose_stream_is_closed_on_2026_ends() {
    let (sleeper, mut told, sessions) = sleeper().await;
    let url = serve(sleeper, sessions).await;
    for (tool, fate) in TOOLS {
        let params = json!({ "name": tool, "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        }});
        let request = post(&url, &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
        let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call");
        let call = tokio::spawn(request.header("mcp-name", tool).send());
        assert_eq!(next(&mut told).await, Fate::Begun);
        call.abort();
        assert_eq!(next(&mut told).await, fate, "{tool}");
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_over_a_connection_ends() {
    let (sleeper, told, sessions) = sleeper().await;
    let (here, there) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve_connection(WithSessions::new(sleeper, sessions), there, pending()));
    cancel(().serve(here).await.expect("the handshake succeeds"), told).await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_over_http_before_2026_ends() {
    let (sleeper, told, sessions) = sleeper().await;
    let url = serve(sleeper, sessions).await;
    let client = ().serve(StreamableHttpClientTransport::from_uri(&*url)).await.expect("the server speaks it");
    cancel(client, told).await;
}
