//! A server of the session tools and nothing else.

use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};

use crate::tools::SessionTools;

/// A server of the session tools and nothing else: what the `session-mcp` binary serves.
///
/// Cloning it copies a pointer, so that one can be made per request.
#[derive(Clone, Debug)]
pub struct SessionServer {
    router: Arc<ToolRouter<Self>>,
}

impl SessionServer {
    /// A server of these tools.
    #[must_use]
    pub fn new(tools: &SessionTools) -> Self {
        Self { router: Arc::new(tools.router()) }
    }
}

impl ServerHandler for SessionServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("session-mcp", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.router.call(ToolCallContext::new(self, request, context)).await
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut list = ListToolsResult::with_all_items(self.router.list_all());
        if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            list.ttl_ms = Some(LIST_TTL_MS);
            list.cache_scope = Some(CacheScope::Public);
        }
        Ok(list)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.router.get(name).cloned()
    }
}

const INSTRUCTIONS: &str = "Keeps a working directory and small values for you, apart from everyone else's. Call \
                            `open_session` or `set_working_directory` first; if the answer has a `session`, pass it \
                            with every later call.";

/// How long clients may keep the list of tools, which changes with the server's version alone.
const LIST_TTL_MS: u64 = 60_000;
