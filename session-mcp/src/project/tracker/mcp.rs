//! A tool of another MCP server that says which project is being worked on.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rmcp::ServiceError;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, JsonObject};
use serde_json::Value;
use session_core::BoxError;

use super::dial::{DialError, Dialer};
use super::link::Link;
use super::reading::Reading;
use super::settings::{InvalidTracker, TrackerSettings};
use super::{ProjectTracker, TrackedProject};

/// Asks a tool of an MCP server, over Streamable HTTP or stdio, in protocol version 2026-07-28 or an earlier one.
///
/// It connects at the first question, in a task of its own, so that a program that takes longer to start than anybody
/// waits, up to a minute, is ready for a later question. The connection is kept until a question fails or is given up:
/// the next one takes a new connection, because nothing else helps against a server that hangs. A connection that
/// proves dead is replaced at once. The connection, and the program at its other end, ends with the tracker.
///
/// ```
/// # use session_mcp::project::{McpTracker, TrackerSettings};
/// let settings = TrackerSettings { command: vec!["task-board".into(), "--stdio".into()], ..Default::default() };
/// let tracker = McpTracker::new(&settings)?;
/// # Ok::<(), session_mcp::project::InvalidTracker>(())
/// ```
#[derive(Debug)]
pub struct McpTracker {
    tool: String,
    arguments: Arguments,
    directory_argument: Option<String>,
    reading: Reading,
    dialer: Arc<Dialer>,
    /// The connection that the next question takes.
    link: Mutex<Option<Arc<Link>>>,
}

impl McpTracker {
    /// A tracker as the settings say, connected to nothing yet. The token is read from its variable here.
    ///
    /// # Errors
    ///
    /// [`InvalidTracker`] names the key that no tracker can be made of.
    pub fn new(settings: &TrackerSettings) -> Result<Self, InvalidTracker> {
        settings.check()?;
        Ok(Self {
            tool: settings.tool.clone(),
            arguments: Arguments(settings.arguments.clone()),
            directory_argument: settings.directory_argument.clone(),
            reading: Reading::new(settings),
            dialer: Arc::new(Dialer::new(settings)?),
            link: Mutex::default(),
        })
    }

    fn question(&self, directory: Option<&Path>) -> Result<CallToolRequestParams, AskError> {
        let mut arguments = self.arguments.0.clone();
        if let Some((name, directory)) = self.directory_argument.as_ref().zip(directory) {
            let directory = directory.to_str().ok_or(AskError::Directory)?;
            arguments.insert(name.clone(), Value::from(directory));
        }
        Ok(CallToolRequestParams::new(self.tool.clone()).with_arguments(arguments))
    }

    /// The connection there is, or else a new one, and whether it is new.
    fn link(&self) -> (Arc<Link>, bool) {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = link.as_ref().filter(|link| !link.is_over()) {
            return (Arc::clone(link), false);
        }
        let new = Arc::new(Link::open(Arc::clone(&self.dialer)));
        *link = Some(Arc::clone(&new));
        (new, true)
    }

    async fn ask(&self, link: &Arc<Link>, question: CallToolRequestParams) -> Result<CallToolResult, AskError> {
        let server = link.server().await?;
        let asked = Asked { tracker: self, link };
        let answer = server.call_tool_once(question).await?;
        asked.answered();
        match answer {
            CallToolResponse::Complete(result) if result.is_error == Some(true) => {
                Err(AskError::Refused(said(&result)))
            }
            CallToolResponse::Complete(result) => Ok(result),
            _ => Err(AskError::Unfinished),
        }
    }
}

#[async_trait]
impl ProjectTracker for McpTracker {
    async fn current_project(&self, directory: Option<&Path>) -> Result<Option<TrackedProject>, BoxError> {
        let question = self.question(directory)?;
        let (link, new) = self.link();
        let result = match self.ask(&link, question.clone()).await {
            // The server may have been another since.
            Err(AskError::Call(error)) if !new => {
                tracing::debug!(%error, "the connection to the project tracker is replaced");
                self.ask(&self.link().0, question).await?
            }
            result => result?,
        };
        Ok(self.reading.project(result)?)
    }

    fn looks_at_directory(&self) -> bool {
        self.directory_argument.is_some()
    }
}

/// A question on its way. Unless it is answered, no other question takes its connection.
struct Asked<'a> {
    tracker: &'a McpTracker,
    link: &'a Arc<Link>,
}

impl Asked<'_> {
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut link = self.tracker.link.lock().unwrap_or_else(PoisonError::into_inner);
        if link.as_ref().is_some_and(|link| Arc::ptr_eq(link, self.link)) {
            *link = None;
        }
    }
}

/// Why a server was not asked, or did not say. For the operator's log.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("there is no connection")]
    Dial(#[from] Arc<DialError>),
    #[error("the tool was not called")]
    Call(#[from] ServiceError),
    #[error("the tool answered with an error: {0}")]
    Refused(String),
    #[error("the tool wants more than it was asked with, or time")]
    Unfinished,
    #[error("the directory is not UTF-8, and cannot be sent")]
    Directory,
}

fn said(result: &CallToolResult) -> String {
    let text = result.content.iter().find_map(|content| content.as_text());
    text.map_or_else(|| "no text".to_owned(), |text| text.text.clone())
}

/// What is sent with every question. `Debug` shows no value, since one can be a secret.
struct Arguments(JsonObject);

impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
