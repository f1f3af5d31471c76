//! The shortest server whose tool has a session: `cargo run -p session-mcp --example quickstart --all-features`.
//!
//! It serves over stdio, with `--http 127.0.0.1:8787` over HTTP; `--help` says what else it can do.

use std::process::ExitCode;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use session_mcp::{Program, Session, SessionError};

#[derive(Clone)]
struct Counter {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Counter {
    #[tool(description = "Counts its calls in this session")]
    async fn count(&self, session: Session) -> Result<String, SessionError> {
        let count = session.update_with("count", |count: Option<u64>| count.unwrap_or(0) + 1).await?;
        Ok(format!("call number {count}"))
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Counter {}

fn main() -> ExitCode {
    Program::new("quickstart").run(|tools| Counter { tools: tools.mount(Counter::tool_router()) })
}
