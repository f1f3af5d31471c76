//! A server with a tool for each thing that can happen to a call: for clients to be tried on, and as an example.
//!
//! `cargo run -p session-mcp --example everything --all-features -- --help` says how to start it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, ContentBlock, Implementation, ProgressNotificationParam, ServerCapabilities, ServerConfig,
    SubscriptionFilter,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use session_mcp::{Program, Session, SessionError, SessionTools};
use tokio::sync::watch;

fn main() -> ExitCode {
    Program::new("everything")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_about("An MCP server with a tool for each thing that can happen to a call, beside the session tools.")
        .run(|tools| Everything::new(&tools))
}

/// Cloned for each client or request, so it holds nothing but pointers.
#[derive(Clone)]
struct Everything {
    tools: Arc<ToolRouter<Self>>,
    /// Tells the subscriptions of protocol 2026-07-28 that `notify` was called.
    changes: Arc<watch::Sender<()>>,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to answer.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Slow {
    /// How long to take, in milliseconds: at most 600000.
    #[schemars(range(max = 600_000))]
    ms: u64,
    /// In how many steps, each of which is reported as progress: 1 to 1000.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    steps: u32,
}

fn one() -> u32 {
    1
}

#[tool_router]
impl Everything {
    fn new(sessions: &SessionTools) -> Self {
        Self { tools: Arc::new(sessions.mount(Self::tool_router())), changes: Arc::default() }
    }

    /// Answers with the text it is given.
    #[tool(annotations(read_only_hint = true))]
    fn echo(Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    /// Counts its calls in this session: answers 1, then 2, then 3.
    #[tool]
    async fn counter(&self, session: Session) -> Result<CallToolResult, SessionError> {
        let session = session.ensure_open().await?;
        let count = session.update_with("count", |count: Option<u64>| count.unwrap_or(0) + 1).await?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(count.to_string())]);
        result.structured_content = Some(json!({ "count": count }));
        Ok(result)
    }

    /// Takes its time, reports its progress if asked to, and answers `slow done`. Can be cancelled.
    #[tool(annotations(read_only_hint = true))]
    async fn slow(
        &self,
        Parameters(Slow { ms, steps }): Parameters<Slow>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, String> {
        if ms > 600_000 {
            return Err("the argument `ms` must be at most 600000, which is ten minutes".to_owned());
        }
        if !(1..=1000).contains(&steps) {
            return Err("the argument `steps` must be from 1 to 1000".to_owned());
        }
        let token = context.meta.get_progress_token();
        for step in 1..=steps {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(ms) / steps) => {}
                () = context.ct.cancelled() => return Err("cancelled".to_owned()),
            }
            if let Some(token) = token.clone() {
                let progress = ProgressNotificationParam::new(token, step.into()).with_total(steps.into());
                // Progress that reaches nobody is no reason to stop.
                let _ = context.peer.notify_progress(progress).await;
            }
        }
        Ok("slow done".to_owned())
    }

    /// Tells clients that the list of tools has changed, though it has not: who is connected by this call's connection,
    /// and everyone who listens.
    #[tool]
    async fn notify(&self, context: RequestContext<RoleServer>) -> String {
        self.changes.send_replace(());
        // From 2026-07-28, only those who listen are told.
        if context.protocol_version().is_none_or(|version| version.has_initialize()) {
            let _ = context.peer.notify_tool_list_changed().await;
        }
        "notified".to_owned()
    }

    /// Panics, which is answered with an error and harms neither the session nor the server.
    #[tool]
    fn boom() -> String {
        panic!("boom")
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("everything", env!("CARGO_PKG_VERSION")))
            .with_instructions("`open_session` opens a session; `counter` counts in it.")
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.subscribe();
        loop {
            tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                Ok(()) = changes.changed() => {
                    // It fails for who did not ask for this kind, or has gone.
                    let _ = subscription.sink().notify_tool_list_changed().await;
                }
            }
        }
    }
}
