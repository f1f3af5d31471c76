//! The server of `adopt_before.rs`, with sessions: four lines other than imports are new.

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use session_mcp::{Config, Session, SessionError, SessionTools, serve_http};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Shop {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Shop {
    #[tool(description = "Puts one more into the cart")]
    async fn add(&self, session: Session) -> Result<String, SessionError> {
        let items = session.update_with("items", |items: Option<u32>| items.unwrap_or(0) + 1).await?;
        Ok(format!("{items} in the cart"))
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Shop {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8787".to_owned());
    let listener = TcpListener::bind(address).await?;
    let shop = |tools: SessionTools| Shop { tools: tools.mount(Shop::tool_router()) };
    serve_http(listener, &Config::default(), shop, async { _ = tokio::signal::ctrl_c().await }).await?;
    Ok(())
}
