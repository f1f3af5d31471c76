//! The simplest tools: without a session, with one, and one that fails.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use session_mcp::{Session, SessionError};

use crate::Everything;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to answer.
    text: String,
}

#[tool_router(router = simple, vis = "pub(crate)")]
impl Everything {
    /// Answers with the text it is given.
    #[tool(annotations(read_only_hint = true))]
    fn echo(Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    /// Counts its calls in this session: answers 1, then 2, then 3.
    #[tool]
    async fn counter(session: Session) -> Result<CallToolResult, SessionError> {
        let session = session.ensure_open().await?;
        let count = session.update_with("count", |count: Option<u64>| count.unwrap_or(0) + 1).await?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(count.to_string())]);
        result.structured_content = Some(json!({ "count": count }));
        Ok(result)
    }

    /// Panics, which is answered with an error and harms neither the session nor the server.
    #[tool]
    fn boom() -> String {
        panic!("boom")
    }
}
