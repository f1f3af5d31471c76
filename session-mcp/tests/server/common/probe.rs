//! A handler whose tools tell which session they were given.

use std::time::Duration;

use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, InitializeRequestParams, InitializeResult, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ResourceContents, Role, ServerCapabilities,
    ServerConfig, SubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, prompt, prompt_handler, prompt_router, tool, tool_handler, tool_router,
};
use schemars::JsonSchema;
use serde::Deserialize;
use session_core::Change;
use session_mcp::{Session, SessionError, SessionTools};

/// Tools that tell which session they were given, beside the session tools.
#[derive(Clone)]
pub(crate) struct Probe {
    tools: ToolRouter<Self>,
    prompts: PromptRouter<Self>,
}

/// What the tools are called with. It has no field for the handle: the handle is read before.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Told {
    /// Anything.
    #[serde(default)]
    word: String,
}

/// What the tool behind all of these does: it writes a word and says by which way it came to its session.
async fn keep(session: &Session, told: Told) -> Result<String, SessionError> {
    session.set("word", &told.word).await?;
    let kept: Option<String> = session.get("word").await?;
    Ok(format!("{} {}", session.source()?, kept.unwrap_or_default()))
}

#[tool_router]
impl Probe {
    pub(crate) fn new(tools: &SessionTools) -> Self {
        Self { tools: tools.mount(Self::tool_router()), prompts: Self::prompt_router() }
    }

    #[tool(description = "The session comes first")]
    async fn session_first(
        &self,
        session: Session,
        Parameters(told): Parameters<Told>,
    ) -> Result<String, SessionError> {
        keep(&session, told).await
    }

    #[tool(description = "The session comes last")]
    async fn session_last(&self, Parameters(told): Parameters<Told>, session: Session) -> Result<String, SessionError> {
        keep(&session, told).await
    }

    #[tool(description = "The session comes between others")]
    async fn session_between(
        &self,
        Parameters(told): Parameters<Told>,
        session: Session,
        _context: RequestContext<RoleServer>,
    ) -> Result<String, SessionError> {
        keep(&session, told).await
    }

    #[tool(description = "The session comes twice")]
    async fn session_twice(
        &self,
        first: Session,
        Parameters(told): Parameters<Told>,
        second: Session,
    ) -> Result<String, SessionError> {
        assert_eq!(first.key()?, second.key()?);
        keep(&second, told).await
    }

    #[tool(description = "Answers with JSON-RPC errors where it can")]
    async fn with_error_data(&self, session: Session) -> Result<String, ErrorData> {
        session.load().await?;
        Ok("there".to_owned())
    }

    #[tool(description = "Refuses with an error of its own")]
    async fn refuse(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no", None))
    }

    #[tool(description = "Panics")]
    async fn panic(&self, session: Session) -> String {
        panic!("a secret of {session:?}");
    }

    #[tool(description = "Panics, and takes no time to show where")]
    async fn unwind(&self, _session: Session) -> String {
        std::panic::resume_unwind(Box::new("a secret"))
    }

    #[tool(description = "Counts in the session")]
    async fn count(&self, session: Session) -> Result<String, SessionError> {
        session.update_with("count", |count: Option<u64>| count.unwrap_or(0) + 1).await.map(|count| count.to_string())
    }

    #[tool(description = "Opens another session of the caller's and answers with what it keeps")]
    async fn another(&self, session: Session, Parameters(told): Parameters<Told>) -> Result<String, SessionError> {
        let sessions = session.manager();
        let opened = sessions.open(session.owner(), Change::new()).await?;
        let key = sessions.resolve(session.owner(), &opened.name.expose())?;
        sessions.set(&key, "word", &told.word).await?;
        Ok(sessions.get(&key, "word").await?.unwrap_or_default())
    }

    #[tool(description = "Takes so many milliseconds and leaves the session alone")]
    async fn doze(&self, Parameters(told): Parameters<Told>) -> String {
        tokio::time::sleep(Duration::from_millis(told.word.parse().unwrap_or(0))).await;
        "awake".to_owned()
    }

    #[tool(description = "Takes its time, a second unless told otherwise")]
    async fn slow(&self, session: Session, Parameters(told): Parameters<Told>) -> Result<String, SessionError> {
        tokio::time::sleep(Duration::from_millis(told.word.parse().unwrap_or(1000))).await;
        session.load().await?;
        Ok("done".to_owned())
    }
}

#[prompt_router]
impl Probe {
    #[prompt(name = "prompt_first")]
    async fn prompt_first(
        &self,
        session: Session,
        Parameters(told): Parameters<Told>,
    ) -> Result<Vec<PromptMessage>, ErrorData> {
        Ok(vec![PromptMessage::new_text(Role::User, keep(&session, told).await?)])
    }

    #[prompt(name = "prompt_last")]
    async fn prompt_last(
        &self,
        Parameters(told): Parameters<Told>,
        session: Session,
    ) -> Result<Vec<PromptMessage>, ErrorData> {
        Ok(vec![PromptMessage::new_text(Role::User, keep(&session, told).await?)])
    }
}

#[tool_handler(router = self.tools)]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for Probe {
    fn get_info(&self) -> ServerConfig {
        let all = ServerCapabilities::builder().enable_tools().enable_prompts().enable_resources();
        ServerConfig::new(all.enable_resources_subscribe().enable_completions().build())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        if request.client_info.name == "unwelcome" {
            return Err(ErrorData::invalid_request("not you", None));
        }
        if request.client_info.name == "impatient" {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let source = Session::of(&context)?.source()?.to_string();
        Ok(ReadResourceResult::new(vec![ResourceContents::text(source, request.uri)]).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        assert!(request.uri != "x://panic", "a secret");
        keep(&Session::of(&context)?, Told { word: request.uri }).await?;
        Ok(())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let session = Session::of(&context)?;
        let word = session.get("word").await?.unwrap_or_default();
        Ok(CompleteResult::new(CompletionInfo::new(vec![word]).expect("one is not too many")))
    }
}
