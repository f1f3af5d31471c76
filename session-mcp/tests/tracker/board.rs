//! A server that knows a project, and says it as the test wants.

use std::borrow::Cow;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::serve::Listener;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, ProtocolVersion};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;
use session_mcp::project::TrackerSettings;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Which protocol versions a server speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Era {
    Both,
    /// 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// What a server answers.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    Structured(Value),
    Text(String),
    Nothing,
    /// An error of the tool.
    Error,
    /// An error of the protocol.
    Refusal,
    /// No answer at all.
    Hang,
}

/// A question that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) tool: String,
    pub(crate) arguments: JsonObject,
    pub(crate) authorization: Option<String>,
    pub(crate) version: Option<ProtocolVersion>,
}

/// A port that stays the test's own while servers come and go on it.
pub(crate) struct Port(std::net::TcpListener);

impl Port {
    pub(crate) fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        listener.set_nonblocking(true).expect("it can be");
        Self(listener)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.0.local_addr().expect("it is bound"))
    }

    pub(crate) fn serve(&self, era: Era, say: Say) -> Board {
        Board::on(self.listener(), era, say, |router| router)
    }

    /// Hangs up on everybody, until it is aborted.
    pub(crate) fn hang_up(&self) -> JoinHandle<()> {
        let listener = self.listener();
        tokio::spawn(async move { while listener.accept().await.is_ok() {} })
    }

    fn listener(&self) -> TcpListener {
        TcpListener::from_std(self.0.try_clone().expect("a descriptor is free")).expect("it does not block")
    }
}

/// A server on a loopback port, which ends with the test.
pub(crate) struct Board {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    era: Era,
    say: Mutex<Say>,
    questions: Mutex<Vec<Question>>,
    handshakes: AtomicUsize,
}

#[derive(Clone)]
struct Handler(Arc<State>);

impl Board {
    pub(crate) async fn start(era: Era, say: Say) -> Self {
        Self::layered(era, say, |router| router).await
    }

    /// Serves within a layer of the test's.
    pub(crate) async fn layered(era: Era, say: Say, layer: impl FnOnce(Router) -> Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        Self::on(listener, era, say, layer)
    }

    /// Serves what a listener accepts.
    pub(crate) fn on(
        listener: impl Listener<Addr = SocketAddr>,
        era: Era,
        say: Say,
        layer: impl FnOnce(Router) -> Router,
    ) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let state =
            State { era, say: Mutex::new(say), questions: Mutex::default(), handshakes: AtomicUsize::default() };
        let state = Arc::new(state);
        let handler = Handler(Arc::clone(&state));
        let sessions = Arc::new(LocalSessionManager::default());
        let service =
            StreamableHttpService::new(move || Ok(handler.clone()), sessions, StreamableHttpServerConfig::default());
        let router = layer(Router::new().route_service("/mcp", service));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("the listener holds") });
        Self { address, state, serving }
    }

    /// Ends the server with all that it knows.
    pub(crate) async fn end(mut self) {
        self.serving.abort();
        let _cancelled = (&mut self.serving).await;
    }

    pub(crate) fn says(&self, say: Say) {
        *self.state.say.lock().expect("no panic") = say;
    }

    pub(crate) fn questions(&self) -> Vec<Question> {
        self.state.questions.lock().expect("no panic").clone()
    }

    /// How many clients of 2025-11-25 introduced themselves.
    pub(crate) fn handshakes(&self) -> usize {
        self.state.handshakes.load(Ordering::Relaxed)
    }

    pub(crate) fn settings(&self) -> TrackerSettings {
        TrackerSettings { url: Some(format!("http://{}/mcp", self.address)), ..TrackerSettings::default() }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl ServerHandler for Handler {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        match self.0.era {
            Era::Both => Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
            Era::Legacy => Cow::Owned(vec![ProtocolVersion::V_2025_11_25]),
            Era::Modern => Cow::Owned(vec![ProtocolVersion::V_2026_07_28]),
        }
    }

    async fn on_initialized(&self, _context: NotificationContext<RoleServer>) {
        self.0.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts = context.extensions.get::<Parts>().expect("it came over HTTP");
        let authorization = parts.headers.get(AUTHORIZATION).map(|value| value.to_str().expect("ASCII").to_owned());
        self.0.questions.lock().expect("no panic").push(Question {
            tool: request.name.to_string(),
            arguments: request.arguments.unwrap_or_default(),
            authorization,
            version: context.protocol_version(),
        });
        let say = self.0.say.lock().expect("no panic").clone();
        let result = match say {
            Say::Structured(value) => {
                let mut result = CallToolResult::success(vec![ContentBlock::text("for people")]);
                result.structured_content = Some(value);
                result
            }
            Say::Text(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Say::Nothing => CallToolResult::success(Vec::new()),
            Say::Error => CallToolResult::error(vec![ContentBlock::text(r#"{ "id": "no project" }"#)]),
            Say::Refusal => return Err(ErrorData::invalid_params("no such tool", None)),
            Say::Hang => pending().await,
        };
        Ok(result.into())
    }
}
