//! A server before it has sessions; `adopt_after.rs` is the same with them.

use std::sync::Arc;

use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Shop {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Shop {
    #[tool(description = "Puts one more into the cart")]
    async fn add(&self) -> Result<String, ErrorData> {
        let items = 1;
        Ok(format!("{items} in the cart"))
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Shop {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8787".to_owned());
    let listener = TcpListener::bind(address).await?;
    let shop = Shop { tools: Shop::tool_router() };
    let (manager, config) = (Arc::new(LocalSessionManager::default()), StreamableHttpServerConfig::default());
    let service = StreamableHttpService::new(move || Ok(shop.clone()), manager, config);
    axum::serve(listener, Router::new().route_service("/mcp", service)).await?;
    Ok(())
}
