//! One tool body for every protocol version and transport: whichever way a call arrives, the cart is its caller's.
//!
//! `cargo run -p session-mcp --example shopping_cart --all-features -- --http 127.0.0.1:8787`

use std::collections::BTreeMap;
use std::process::ExitCode;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use session_core::{BoxError, StateKey};
use session_mcp::{InSession, Program, Session, SessionError};

/// What is in a cart: how many of which. Version 1 was a list of names.
enum Cart {}

impl StateKey for Cart {
    const NAME: &'static str = "cart";
    const VERSION: u32 = 2;
    type Value = BTreeMap<String, u32>;

    fn upgrade(_: u32, value: serde_json::Value) -> Result<Self::Value, BoxError> {
        let names: Vec<String> = serde_json::from_value(value)?;
        Ok(names.into_iter().map(|name| (name, 1)).collect())
    }
}

#[derive(Deserialize, JsonSchema)]
struct Item {
    /// What to put into the cart.
    name: String,
}

#[derive(Clone)]
struct Shop {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Shop {
    #[tool(description = "Puts one item into your cart and says what is in it")]
    async fn add(
        &self,
        session: Session,
        Parameters(InSession(item)): Parameters<InSession<Item>>,
    ) -> Result<String, SessionError> {
        let cart = session.modify::<Cart, _>(|cart| {
            let mut cart = cart.unwrap_or_default();
            *cart.entry(item.name.clone()).or_default() += 1;
            cart
        });
        Ok(cart.await?.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", "))
    }

    #[tool(description = "Tells when the shop opens")]
    fn opens() -> String {
        "at nine".to_owned()
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Shop {}

fn main() -> ExitCode {
    Program::new("shopping_cart").run(|tools| Shop { tools: tools.mount_beside(Shop::tool_router()) })
}

#[tokio::test]
async fn a_cart_holds_what_was_put_into_it() -> Result<(), SessionError> {
    let (shop, test) = (Shop { tools: Shop::tool_router() }, session_mcp::TestSession::open().await?);
    let tea = || Parameters(InSession(Item { name: "tea".to_owned() }));
    assert_eq!(shop.add(test.session(), tea()).await?, "1 tea");
    assert_eq!(shop.add(test.session(), tea()).await?, "2 tea");
    Ok(())
}
