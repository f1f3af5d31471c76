//! The tracker that asks an MCP server, against real ones of both eras, over HTTP and stdio.

mod board;
#[cfg(all(unix, feature = "memory", feature = "server"))]
mod configured;
mod http;
#[cfg(all(unix, feature = "memory", feature = "server"))]
mod stdio;
mod tls;
