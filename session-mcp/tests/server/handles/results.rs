//! What an author's tools answer is theirs.

use std::future::pending;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, ErrorCode, JsonObject};
use rmcp::{ErrorData, ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use session_core::Lifetimes;
use session_mcp::{Durability, SessionTools, WithSessions, serve_connection};
use session_memory::{MemoryConfig, MemoryStore};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines};

use crate::common::manager;

/// A server whose answers have everything that an answer can have.
#[derive(Clone)]
struct Author {
    tools: ToolRouter<Self>,
}

fn everything(is_error: bool) -> CallToolResult {
    let mut result = CallToolResult::success(vec![
        ContentBlock::text("one"),
        ContentBlock::image("aGVsbG8=", "image/png"),
        ContentBlock::embedded_text("shop://cart", "tea"),
    ]);
    result.structured_content = Some(json!({ "z": 1, "session": "theirs", "a": [null, 0.5, "é\u{2028}"] }));
    let meta = json!({ "session": { "error": "theirs" }, "example.com/b": [1, { "c": null }] });
    result.meta = serde_json::from_value(meta).expect("an object");
    result.is_error = Some(is_error);
    result
}

#[tool_router]
impl Author {
    #[tool(description = "Answers")]
    async fn answers(&self) -> CallToolResult {
        everything(false)
    }

    #[tool(description = "Answers that it failed")]
    async fn fails(&self) -> CallToolResult {
        everything(true)
    }

    #[tool(description = "Answers neither")]
    async fn leaves_it_open(&self) -> CallToolResult {
        let mut result = everything(false);
        result.is_error = None;
        result
    }

    #[tool(description = "Refuses by an error of the protocol")]
    async fn refuses(&self) -> Result<String, ErrorData> {
        let data: Value = json!({ "why": [1, "é"], "sessions": { "error": "theirs" } });
        Err(ErrorData::new(ErrorCode(-32_099), "no", Some(data)))
    }

    #[tool(description = "Answers what it was asked")]
    async fn echoes(&self, Parameters(arguments): Parameters<JsonObject>) -> CallToolResult {
        CallToolResult::structured(arguments.into())
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Author {}

/// The lines that a server answers.
struct Wire {
    lines: Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    input: tokio::io::WriteHalf<DuplexStream>,
}

impl Wire {
    async fn connect(stream: DuplexStream) -> Self {
        let (output, input) = tokio::io::split(stream);
        let mut wire = Self { lines: BufReader::new(output).lines(), input };
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        wire.ask(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })).await;
        wire.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        wire
    }

    async fn say(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.expect("the server reads");
    }

    async fn ask(&mut self, message: &Value) -> String {
        self.say(message).await;
        self.lines.next_line().await.expect("the server writes").expect("it is not the end")
    }
}

#[tokio::test]
async fn results_reach_the_client_byte_for_byte() {
    let sessions = manager(Arc::new(MemoryStore::new(MemoryConfig::default())), Lifetimes::default()).await;
    let tools = SessionTools::new(Lifetimes::default(), Durability::Process);
    let (here, there) = tokio::io::duplex(1 << 16);
    let wrapped = WithSessions::new(Author { tools: tools.mount(Author::tool_router()) }, sessions);
    tokio::spawn(serve_connection(wrapped, there, pending()));
    let (here_too, there_too) = tokio::io::duplex(1 << 16);
    let bare = tokio::spawn(Author { tools: Author::tool_router() }.serve(there_too));
    let (mut ours, mut theirs) = (Wire::connect(here).await, Wire::connect(here_too).await);
    let _serving = bare.await.expect("it does not panic").expect("it was initialized");

    for (tool, has) in [
        ("answers", r#""isError":false"#),
        ("fails", r#""isError":true"#),
        ("leaves_it_open", "example.com/b"),
        ("refuses", "-32099"),
        ("echoes", r#""word":"é""#),
        ("no_such_tool", r#""error""#),
    ] {
        let params = json!({ "name": tool, "arguments": { "word": "é", "number": 1 } });
        let asked = json!({ "jsonrpc": "2.0", "id": tool, "method": "tools/call", "params": params });
        let answered = theirs.ask(&asked).await;
        assert!(answered.contains(has), "{tool}: {answered}");
        assert_eq!(ours.ask(&asked).await, answered, "{tool}");
    }
}
