//! Requests as they are written, over HTTP or over a connection.

use std::future::pending;
use std::sync::Arc;

use reqwest::Client;
use serde_json::Value;
use session_core::Lifetimes;
use session_mcp::{Durability, SessionServer, SessionTools, WithSessions, serve_connection};
use session_memory::MemoryStore;
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};

use crate::common::{Legacy, Server, json, manager};

/// A client of 2025-11-25 that writes its requests by hand.
pub(super) enum Wire {
    Http { client: Client, server: Server, legacy: Legacy },
    Connection { lines: BufReader<ReadHalf<DuplexStream>>, server: WriteHalf<DuplexStream>, last_request: u64 },
}

/// What comes back.
pub(super) enum Answer {
    Message(Value),
    Nothing,
}

impl Wire {
    /// A client over each transport, with a session of its own.
    pub(super) async fn all() -> [Self; 2] {
        [Self::http().await, Self::connection().await]
    }

    async fn http() -> Self {
        let server = Server::start().await;
        let legacy = Legacy::connect(&server).await;
        Self::Http { client: Client::new(), server, legacy }
    }

    async fn connection() -> Self {
        let sessions = manager(Arc::new(MemoryStore::default()), Lifetimes::default()).await;
        let tools = SessionServer::new(&SessionTools::new(sessions.lifetimes(), Durability::Process));
        let (here, there) = duplex(1 << 16);
        tokio::spawn(serve_connection(WithSessions::new(tools, sessions), there, pending()));
        let (lines, server) = split(here);
        let mut wire = Self::Connection { lines: BufReader::new(lines), server, last_request: 0 };
        let client = r#"{"name":"test","version":"1"}"#;
        let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{client}}}"#);
        let Answer::Message(answer) = wire.request("initialize", &params).await else { panic!("no handshake") };
        assert!(answer["result"].is_object(), "{answer}");
        wire
    }

    pub(super) fn is_connection(&self) -> bool {
        matches!(self, Self::Connection { .. })
    }

    /// What a tool answers to arguments as they are written.
    pub(super) async fn call(&mut self, tool: &str, arguments: &str) -> Answer {
        self.request("tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#)).await
    }

    /// What a request is answered, with parameters as they are written.
    pub(super) async fn request(&mut self, method: &str, params: &str) -> Answer {
        match self {
            Self::Http { client, server, legacy } => {
                let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#);
                let request = client.post(&server.url).header("content-type", "application/json");
                let request = request.header("accept", "application/json, text/event-stream");
                let request = request.header("mcp-session-id", &legacy.id).body(body);
                Answer::Message(json(request.send().await.expect("the server answers")).await)
            }
            Self::Connection { lines, server, last_request } => {
                *last_request += 1;
                let asked = format!(r#"{{"jsonrpc":"2.0","id":{last_request},"method":"{method}","params":{params}}}"#);
                let is_json = serde_json::from_str::<Value>(&asked).is_ok();
                // What is no JSON is passed over, so that the next answer is that to the next request.
                let ping = if is_json { "" } else { "{\"jsonrpc\":\"2.0\",\"id\":\"ping\",\"method\":\"ping\"}\n" };
                let mut line = String::new();
                let (written, read) = tokio::join!(
                    async { server.write_all(format!("{asked}\n{ping}").as_bytes()).await },
                    lines.read_line(&mut line),
                );
                written.and(read).expect("the server goes on");
                let answer: Value = serde_json::from_str(&line).expect("the protocol");
                if is_json {
                    return Answer::Message(answer);
                }
                assert_eq!(answer["id"], "ping", "{answer}");
                Answer::Nothing
            }
        }
    }
}
