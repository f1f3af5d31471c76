//! The server of an author who takes the session in every place of a method's parameters, and who is slow at times.
//!
//! `Parameters` takes the arguments out of the call, and the metadata can be taken too, in the order in which a method
//! names them. Each tool counts items in the call's session and answers how many there are.

use std::sync::Arc;
use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{RequestMetaObject, ServerCapabilities, ServerConfig};
use rmcp::transport::io::stdio_pipes;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use session_mcp::{Config, Endpoint, Lifespan, Session, SessionError, SessionTools, WithSessions, serve_connection};

#[derive(Deserialize, JsonSchema)]
struct Items {
    /// How many are added.
    count: u32,
}

#[derive(Clone)]
struct Shop {
    tool_router: Arc<ToolRouter<Self>>,
}

#[tool_router]
impl Shop {
    fn new(tools: &SessionTools) -> Self {
        Self { tool_router: Arc::new(tools.mount(Self::tool_router())) }
    }

    #[tool(description = "Adds items to the cart")]
    async fn session_items_meta(
        &self,
        session: Session,
        items: Parameters<Items>,
        meta: RequestMetaObject,
    ) -> Result<String, SessionError> {
        add(session, items, meta).await
    }

    #[tool(description = "Adds items to the cart")]
    async fn session_meta_items(
        &self,
        session: Session,
        meta: RequestMetaObject,
        items: Parameters<Items>,
    ) -> Result<String, SessionError> {
        add(session, items, meta).await
    }

    #[tool(description = "Adds items to the cart")]
    async fn items_session_meta(
        &self,
        items: Parameters<Items>,
        session: Session,
        meta: RequestMetaObject,
    ) -> Result<String, SessionError> {
        add(session, items, meta).await
    }

    #[tool(description = "Adds items to the cart")]
    async fn items_meta_session(
        &self,
        items: Parameters<Items>,
        meta: RequestMetaObject,
        session: Session,
    ) -> Result<String, SessionError> {
        add(session, items, meta).await
    }

    #[tool(description = "Adds items to the cart")]
    async fn meta_session_items(
        &self,
        meta: RequestMetaObject,
        session: Session,
        items: Parameters<Items>,
    ) -> Result<String, SessionError> {
        add(session, items, meta).await
    }

    #[tool(description = "Adds items to the cart")]
    async fn meta_items_session(
        &self,
        meta: RequestMetaObject,
        items: Parameters<Items>,
        session: Session,
    ) -> Result<String, SessionError> {
        add(session, items, meta).await
    }

    #[tool(description = "Adds items to the cart, in four seconds")]
    async fn slowly(&self, session: Session, items: Parameters<Items>) -> Result<String, SessionError> {
        tokio::time::sleep(Duration::from_secs(4)).await;
        add(session, items, RequestMetaObject::default()).await
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Shop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

async fn add(session: Session, items: Parameters<Items>, _: RequestMetaObject) -> Result<String, SessionError> {
    let count = items.0.count;
    let total = session.update_with("items", |items: Option<u32>| items.unwrap_or(0) + count).await?;
    Ok(total.to_string())
}

/// Serves over stdio; with any argument, over HTTP at a free port. Behind `--store` is the URL of a store.
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("warn,session_mcp=info").with_writer(std::io::stderr).init();
    let mut config = Config::default();
    if let Some(store) = std::env::args().skip_while(|argument| argument != "--store").nth(1) {
        config.store = store.parse()?;
    }
    let lifespan = Lifespan::begin(&config).await?;
    let shop = Shop::new(&lifespan.tools());
    let mut terminated = signal(SignalKind::terminate())?;
    let grace = config.drain_timeout;
    let shutdown = async move { terminated.recv().await.unwrap_or_default() };
    if std::env::args().len() == 1 {
        let shutdown = async {
            shutdown.await;
            grace
        };
        serve_connection(WithSessions::new(shop, lifespan.sessions()), stdio_pipes(), shutdown).await?;
    } else {
        let endpoint = Endpoint::new(move || shop.clone(), lifespan.sessions(), &config)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        endpoint.serve(listener, grace, shutdown).await?;
    }
    lifespan.end().await;
    // A read of standard input can block for ever, and the runtime would wait for it.
    std::process::exit(0)
}
