//! An MCP server that keeps a working directory and small values for each of its clients.

use std::process::ExitCode;

use session_mcp::{Program, SessionServer};

fn main() -> ExitCode {
    Program::new("session-mcp")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_about(
            "An MCP server that keeps a working directory and small values for each of its clients, apart from \
             everyone else's.",
        )
        .run(|tools| SessionServer::new(&tools))
}
