//! The servers that are compared: each offers the same tools.

use std::io::{Write as _, stdout};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use session_core::{Lifetimes, SessionManager, SessionStore};
use session_mcp::{
    Config, Durability, Endpoint, JournalConfig, Lifespan, Session, SessionError, SessionTools, StoreUrl, TokioTimer,
};
use session_memory::MemoryStore;
use session_redis::{RedisConfig, RedisStore};
use tokio::net::TcpListener;

use crate::nowhere::Nowhere;

/// Bare rmcp.
pub(crate) const BARE: &str = "bare";
/// Ours, as it is.
pub(crate) const OURS: &str = "ours";
/// Ours, with every call kept, however short.
pub(crate) const KEPT: &str = "kept";
/// Ours, with a journal that keeps nothing.
pub(crate) const UNKEPT: &str = "unkept";

/// The store that is in the server's process.
pub(crate) const MEMORY: &str = "memory";

/// Serves until it is killed, and says where on standard output.
pub(crate) async fn serve(kind: &str, store: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback is free");
    let said = writeln!(stdout(), "{}", listener.local_addr().expect("it is bound"));
    said.expect("who started this listens");
    match kind {
        BARE => bare(listener).await,
        OURS => ours(listener, store, JournalConfig::default()).await,
        KEPT => ours(listener, store, JournalConfig { after: Duration::ZERO, ..JournalConfig::default() }).await,
        _ => unkept(listener, store).await,
    }
}

async fn bare(listener: TcpListener) {
    let tools = Arc::new(Plain::tool_router());
    let config = StreamableHttpServerConfig::default().with_json_response(true);
    let handler = move || Ok(Plain { tools: Arc::clone(&tools) });
    let service = StreamableHttpService::new(handler, Arc::new(LocalSessionManager::default()), config);
    let router = Router::new().route_service("/mcp", service).route("/readyz", get(async || "ready"));
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("it is a connection"));
    axum::serve(listener, router).await.expect("the listener stays");
}

async fn ours(listener: TcpListener, store: &str, journal: JournalConfig) {
    let config = Config { store: store.parse::<StoreUrl>().expect("a store"), journal, ..Config::default() };
    let lifespan = Lifespan::begin(&config).await.expect("the store is there");
    endless(listener, &lifespan.tools(), lifespan.sessions(), &config).await;
}

async fn unkept(listener: TcpListener, store: &str) {
    let store: Arc<dyn SessionStore> = if store == MEMORY {
        Arc::new(MemoryStore::default())
    } else {
        let config = RedisConfig::new(store.parse().expect("a URL"));
        Arc::new(RedisStore::connect(config).await.expect("the store is there"))
    };
    let sessions = SessionManager::new(store, Arc::new(TokioTimer)).with_journal(Arc::new(Nowhere));
    sessions.start().await.expect("the store is there");
    let tools = SessionTools::new(Lifetimes::default(), Durability::Store);
    endless(listener, &tools, Arc::new(sessions), &Config::default()).await;
}

async fn endless(listener: TcpListener, tools: &SessionTools, sessions: Arc<SessionManager>, config: &Config) {
    let handler = WithSession { tools: Arc::new(tools.mount(WithSession::tool_router())) };
    let endpoint = Endpoint::new(move || handler.clone(), sessions, config).expect("the configuration is valid");
    endpoint.serve(listener, config.drain_timeout, std::future::pending()).await.expect("the listener stays");
}

/// Tools that know of no session.
#[derive(Clone)]
struct Plain {
    tools: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl Plain {
    #[tool(description = "Takes the session and leaves it")]
    async fn take(&self) -> String {
        "done".to_owned()
    }

    #[tool(description = "Reads the session")]
    async fn read(&self) -> String {
        "done".to_owned()
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Plain {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// The same with a session.
#[derive(Clone)]
struct WithSession {
    tools: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl WithSession {
    #[tool(description = "Takes the session and leaves it")]
    async fn take(&self, _session: Session) -> String {
        "done".to_owned()
    }

    #[tool(description = "Reads the session")]
    async fn read(&self, session: Session) -> Result<String, SessionError> {
        session.load().await?;
        Ok("done".to_owned())
    }

    #[tool(description = "Asks the client for its roots")]
    #[expect(deprecated, reason = "it is what every client of an earlier protocol version can be asked")]
    async fn ask(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        context.peer.list_roots().await.map_err(|_| ErrorData::internal_error("unanswered", None))?;
        Ok("done".to_owned())
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for WithSession {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
