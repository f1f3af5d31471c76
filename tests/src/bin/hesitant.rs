//! The server of an author whose handlers take a millisecond to make: at `/mcp` with this workspace's sessions, and at
//! `/rmcp` on what rmcp has by itself.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Client};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use tokio::net::TcpListener;

use session_mcp::{Config, Endpoint, Lifespan, Session, SessionError, SessionTools, WithSessions};

#[derive(Clone)]
struct Counter {
    tool_router: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl Counter {
    fn new(tools: &SessionTools) -> Self {
        Self { tool_router: Arc::new(tools.mount(Self::tool_router())) }
    }

    #[tool(description = "Counts its calls in this session")]
    async fn count(&self, session: Session) -> Result<String, SessionError> {
        session.update_with("count", |count: Option<u32>| count.unwrap_or(0) + 1).await.map(|count| count.to_string())
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Counter {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// Keeps in Redis what rmcp wants to find again when another process restores a session.
struct RedisStore(MultiplexedConnection);

#[async_trait]
impl SessionStore for RedisStore {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let state: Option<String> = self.0.clone().get(id).await?;
        Ok(state.map(|state| serde_json::from_str(&state)).transpose()?)
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        Ok(self.0.clone().set(id, serde_json::to_string(state)?).await?)
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        Ok(self.0.clone().del(id).await?)
    }
}

/// Serves at a free port until it is killed; the first argument is the URL of a Redis.
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("off,session_mcp=info").with_writer(std::io::stderr).init();
    let url = std::env::args().nth(1).ok_or("which Redis?")?;
    let config = Config { store: url.parse()?, ..Config::default() };
    let lifespan = Lifespan::begin(&config).await?;
    let counter = Counter::new(&lifespan.tools());
    let handler = move || {
        sleep(Duration::from_millis(1));
        counter.clone()
    };

    let mut on_rmcp = StreamableHttpServerConfig::default();
    on_rmcp.session_store = Some(Arc::new(RedisStore(Client::open(url)?.get_multiplexed_async_connection().await?)));
    let (make, sessions) = (handler.clone(), lifespan.sessions());
    let factory = move || Ok(WithSessions::new(make(), Arc::clone(&sessions)));
    let on_rmcp = StreamableHttpService::new(factory, Arc::new(LocalSessionManager::default()), on_rmcp);

    let endpoint = Endpoint::new(handler, lifespan.sessions(), &config)?;
    let endpoint = endpoint.map_router(|router| router.route_service("/rmcp", on_rmcp));
    endpoint.serve(TcpListener::bind("127.0.0.1:0").await?, Duration::ZERO, std::future::pending()).await?;
    Ok(())
}
