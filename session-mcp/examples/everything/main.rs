//! A server that uses the whole protocol: for clients to be tried on, and as an example. Each file shows one part.
//!
//! `cargo run -p session-mcp --example everything --all-features -- --help` says how to start it.
//!
//! It passes the official conformance suite, whose names its tools, prompts and resources bear. And it can be one of
//! several behind a balancer: what one request leaves for another is in the session store, never in this process.
#![expect(deprecated, reason = "clients still log, sample, subscribe and have roots")]

mod announcements;
mod arguments;
mod asking;
mod changes;
mod completions;
mod content;
mod logging;
mod prompts;
mod questions;
mod resources;
mod rounds;
mod simple;
mod slow;
mod tasks;

use std::process::ExitCode;
use std::sync::Arc;

use rmcp::handler::server::prompt::PromptContext;
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    CancelTaskParams, CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler, tool_handler};
use session_core::SessionManager;
use session_mcp::{Program, Session, SessionTools};

use self::announcements::Subscriber;
use self::questions::Answers;

fn main() -> ExitCode {
    Program::new("everything")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_about("An MCP server that uses the whole protocol, beside the session tools.")
        .run(|tools| Everything::new(&tools))
}

/// Cloned for each client or request, so it holds nothing but pointers.
#[derive(Clone)]
struct Everything {
    tools: Arc<ToolRouter<Self>>,
    prompts: Arc<PromptRouter<Self>>,
}

impl Everything {
    fn new(sessions: &SessionTools) -> Self {
        let own = Self::simple()
            + Self::slow()
            + Self::content()
            + Self::arguments()
            + Self::logging()
            + Self::changes()
            + Self::asking()
            + Self::rounds()
            + Self::tasks();
        Self { tools: Arc::new(sessions.mount(own)), prompts: Arc::new(prompts::all()) }
    }
}

/// Whether a request is of a protocol version before 2026-07-28, in which a client initializes a session and can be
/// asked and told things at any time. Later ones are answered, and told things only where they listen.
fn has_connection(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_none_or(|version| version.has_initialize())
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("everything", env!("CARGO_PKG_VERSION")))
            .with_instructions("`open_session` opens a session; `counter` counts in it.")
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        logging::set_level(request.level, &context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completions::complete(&request)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(self.prompts.list_all()))
    }

    // Written out since what `#[prompt_handler]` writes forgets the answers.
    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        context.extensions.insert(Answers::new(request.input_responses));
        self.prompts.get_prompt(PromptContext::new(self, request.name, request.arguments, context)).await
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![resources::template()]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(resources::read(&request.uri)?.into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(resources::subscribe(&Session::of(&context)?, request.uri).await?)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(resources::unsubscribe(&Session::of(&context)?, &request.uri).await?)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // Of these rmcp accepts what the capabilities above promise.
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let sessions = SessionManager::global().expect("a program has one");
        if let Some(announced) = Subscriber::begin(sessions).await {
            changes::tell(&subscription, announced).await;
        }
        Ok(())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        tasks::get(&Session::of(&context)?, request.task_id).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::update(&Session::of(&context)?, &request.task_id, request.input_responses).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::cancel(&Session::of(&context)?, &request.task_id).await
    }
}
