//! Inside an application that has routes, and knows who calls, by itself: each of its users has their own sessions.
//!
//! `cargo run -p session-mcp --example own_router --all-features -- 127.0.0.1:8787`

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use session_mcp::{Config, Endpoint, Lifespan, Principal, Session, SessionError};
use tokio::net::TcpListener;

/// The application's authentication. This one knows two keys; yours looks at a token, a cookie or a certificate.
async fn identify(mut request: Request, next: Next) -> Response {
    let key = request.headers().get("x-api-key").and_then(|key| key.to_str().ok());
    let user = match key {
        Some("key-of-alice") => Some("alice"),
        Some("key-of-bob") => Some("bob"),
        _ => None,
    };
    if let Some(user) = user
        && let Ok(principal) = Principal::new("https://shop.example", user)
    {
        request.extensions_mut().insert(principal);
    }
    next.run(request).await
}

#[derive(Clone)]
struct Shop {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Shop {
    #[tool(description = "Puts one more into your cart")]
    async fn add(&self, session: Session) -> Result<String, SessionError> {
        let items = session.update_with("items", |items: Option<u32>| items.unwrap_or(0) + 1).await?;
        Ok(format!("{items} in the cart"))
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Shop {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Whoever has no principal is answered 401: a layer that is forgotten, or in the wrong place, opens nothing.
    let config = Config { require_principal: true, ..Config::default() };
    let lifespan = Lifespan::begin(&config).await?;
    let shop = Shop { tools: lifespan.tools().mount(Shop::tool_router()) };
    let endpoint = Endpoint::new(move || shop.clone(), lifespan.sessions(), &config)?.map_router(|mcp| {
        let site = Router::new().route("/", get(async || "welcome\n"));
        site.merge(mcp.layer(from_fn(identify)))
    });

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8787".to_owned());
    let listener = TcpListener::bind(address).await?;
    let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or(()) };
    endpoint.serve(listener, config.drain_timeout, shutdown).await?;
    lifespan.end().await;
    Ok(())
}
