//! Log messages for the client: of the level that its session asked for, or this very request.

use std::time::Duration;

use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam, SetLevelRequestMethod};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use serde_json::json;
use session_mcp::{Session, SessionError};

use crate::{Everything, has_connection};

/// Under which name a session keeps the level that it asked for.
const LEVEL: &str = "everything.level";

#[tool_router(router = logging, vis = "pub(crate)")]
impl Everything {
    /// Logs that it begins, works and ends.
    #[tool(annotations(read_only_hint = true))]
    async fn test_tool_with_logging(
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<String, SessionError> {
        let log = Log::of(&session, &context).await?;
        log.say(LoggingLevel::Info, "Tool execution started").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        log.say(LoggingLevel::Info, "Tool processing data").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        log.say(LoggingLevel::Info, "Tool execution completed").await;
        Ok("Three messages were logged.".to_owned())
    }

    /// Logs a message of each level.
    #[tool(annotations(read_only_hint = true))]
    async fn test_logging_tool(session: Session, context: RequestContext<RoleServer>) -> Result<String, SessionError> {
        let log = Log::of(&session, &context).await?;
        for level in LEVELS {
            log.say(level, "One message of this level").await;
        }
        Ok("A message of each level was logged.".to_owned())
    }
}

/// From the least important to the most important.
const LEVELS: [LoggingLevel; 8] = [
    LoggingLevel::Debug,
    LoggingLevel::Info,
    LoggingLevel::Notice,
    LoggingLevel::Warning,
    LoggingLevel::Error,
    LoggingLevel::Critical,
    LoggingLevel::Alert,
    LoggingLevel::Emergency,
];

/// Keeps the level that a session asks for, where every replica finds it.
pub(crate) async fn set_level(level: LoggingLevel, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    if !has_connection(context) {
        // From 2026-07-28, each request says its own.
        return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
    }
    Session::of(context)?.ensure_open().await?.set(LEVEL, &level).await?;
    Ok(())
}

/// The log of one call.
struct Log<'a> {
    context: &'a RequestContext<RoleServer>,
    /// What the client wants to know at least; nothing at all if there is none.
    least: Option<LoggingLevel>,
}

impl<'a> Log<'a> {
    async fn of(session: &Session, context: &'a RequestContext<RoleServer>) -> Result<Self, SessionError> {
        let least = if has_connection(context) {
            Some(session.ensure_open().await?.get(LEVEL).await?.unwrap_or(LoggingLevel::Info))
        } else {
            context.meta.log_level()
        };
        Ok(Self { context, least })
    }

    async fn say(&self, level: LoggingLevel, text: &str) {
        if self.least.is_some_and(|least| level as u8 >= least as u8) {
            let message = LoggingMessageNotificationParam::new(level, json!(text));
            // A message that reaches nobody is no reason to stop.
            let _ = self.context.peer.notify_logging_message(message).await;
        }
    }
}
