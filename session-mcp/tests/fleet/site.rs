//! A server whose calls take a while, ask back and tell of themselves.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    InitializeRequestParams, InitializeResult, NumberOrString, ProgressNotificationParam, ProgressToken,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use session_mcp::{Session, SessionError, SessionTools};

/// A server whose calls take a while, ask back and tell of themselves.
#[derive(Clone)]
pub(crate) struct Site {
    tools: Arc<ToolRouter<Self>>,
    /// How many calls of `wait` are running in this replica.
    pub(crate) waiting: Arc<AtomicUsize>,
    pub(crate) mood: Arc<Mutex<Mood>>,
    turns: Arc<tokio::sync::Mutex<()>>,
}

/// How a handler takes the news of a client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Mood {
    #[default]
    Willing,
    Refusing,
    /// It never answers.
    Mute,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Time {
    ms: u64,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Talk {
    messages: u32,
    bytes: usize,
    /// Between two messages.
    ms: u64,
}

/// Counts a call for as long as it is running.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn begin(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tool_router]
impl Site {
    pub(crate) fn new(tools: &SessionTools) -> Self {
        let tools = Arc::new(tools.mount(Self::tool_router()));
        Self { tools, waiting: Arc::default(), mood: Arc::default(), turns: Arc::default() }
    }

    #[tool(description = "Counts in the session")]
    async fn count(&self, session: Session) -> Result<String, SessionError> {
        session.update_with("count", |count: Option<u64>| count.unwrap_or(0) + 1).await.map(|count| count.to_string())
    }

    #[tool(description = "Counts in the session, and takes its time to say so")]
    async fn slow(&self, session: Session, Parameters(time): Parameters<Time>) -> Result<String, SessionError> {
        let count = session.update_with("count", |count: Option<u64>| count.unwrap_or(0) + 1).await?;
        tokio::time::sleep(Duration::from_millis(time.ms)).await;
        Ok(count.to_string())
    }

    #[tool(description = "Says how far it has counted, after a time")]
    async fn look(&self, session: Session, Parameters(time): Parameters<Time>) -> Result<String, SessionError> {
        if time.ms > 0 {
            tokio::time::sleep(Duration::from_millis(time.ms)).await;
        }
        Ok(session.get::<u64>("count").await?.unwrap_or(0).to_string())
    }

    #[tool(description = "Begins to count from here, and says how far it has counted")]
    async fn begin(&self, session: Session, Parameters(time): Parameters<Time>) -> Result<String, SessionError> {
        session.set("count", &time.ms).await?;
        Ok(session.get::<u64>("count").await?.unwrap_or(0).to_string())
    }

    #[tool(description = "Counts in the session, where calls take turns")]
    async fn turn(&self, session: Session) -> Result<String, SessionError> {
        let _turn = self.turns.lock().await;
        let count = session.get::<u64>("count").await?.unwrap_or(0) + 1;
        session.set("count", &count).await?;
        Ok(count.to_string())
    }

    #[tool(description = "Says much")]
    async fn talk(
        &self,
        context: RequestContext<RoleServer>,
        Parameters(Talk { messages, bytes, ms }): Parameters<Talk>,
    ) -> String {
        let token = context.meta.get_progress_token().unwrap_or(ProgressToken(NumberOrString::Number(0)));
        for message in 0..messages {
            if ms > 0 {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            let progress = ProgressNotificationParam::new(token.clone(), f64::from(message));
            let _ = context.peer.notify_progress(progress.with_message("x".repeat(bytes))).await;
        }
        "said".to_owned()
    }

    #[tool(description = "Waits until it is told to end")]
    async fn wait(&self, context: RequestContext<RoleServer>) -> String {
        let _waiting = Waiting::begin(&self.waiting);
        context.ct.cancelled().await;
        "cancelled".to_owned()
    }

    #[tool(description = "Says that the tools have changed")]
    async fn notify(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        context.peer.notify_tool_list_changed().await.map_err(|_| ErrorData::internal_error("unheard", None))?;
        Ok("said".to_owned())
    }

    #[tool(description = "Asks the client for its roots and says how many there are")]
    #[expect(deprecated, reason = "it is what every client of an earlier protocol version can be asked")]
    async fn ask(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let roots = context.peer.list_roots().await.map_err(|_| ErrorData::internal_error("unanswered", None))?;
        Ok(roots.roots.len().to_string())
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Site {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mood = *self.mood.lock().expect("nobody panicked");
        match mood {
            Mood::Willing => {}
            Mood::Refusing => return Err(ErrorData::internal_error("not today", None)),
            Mood::Mute => pending().await,
        }
        let result = self.negotiate_initialize(&request)?;
        context.peer.set_peer_info(request);
        Ok(result)
    }
}
