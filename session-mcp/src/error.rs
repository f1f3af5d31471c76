//! What a call gets instead of its session.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, ErrorCode, JsonObject, MetaObject};
use serde_json::{Value, json};
use session_core::{Error, Expired, Quota, StoreError};

use crate::project::ProjectError;
use crate::time::rfc3339;

/// What a call gets instead of its session.
///
/// In a tool, `?` makes it a *tool execution error*: a sentence that tells the model what to do, and for programs, in
/// `_meta`, `"session-mcp/refusal": {"error": …}` with `retry_after_ms` where trying again helps. That holds for
/// methods that return `Result<_, SessionError>` and, behind [`WithSessions`](crate::WithSessions), for those that
/// return `Result<_, ErrorData>`. In a prompt or a resource it becomes a JSON-RPC error with the same data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The call brings no session and its protocol version has none.
    #[error("this call belongs to no session: call `open_session`, then pass the handle it returns as `session`")]
    NoSession,
    /// The `session` argument is not a handle. It is never passed over in favour of another session.
    #[error("the argument `session` is no session handle: pass it exactly as `open_session` returned it")]
    InvalidHandle,
    /// The session has ended, has expired or never was, which are one case.
    #[error(
        "there is no such session: it has ended, has expired, or never was; call `open_session` for a new one, and \
         pass the handle it returns as `session`"
    )]
    NotFound,
    /// The caller's own session has expired, by this limit. Said to nobody else.
    #[error(
        "this session has ended: {}; call `open_session` for a new one, and pass the handle it returns as `session`",
        by_words(*by)
    )]
    Expired {
        /// By which limit.
        by: Expired,
    },
    /// An argument cannot be used.
    #[error("the argument `{name}` {problem}")]
    Argument {
        /// Which.
        name: &'static str,
        /// What is the matter with it, and what to pass instead.
        problem: &'static str,
    },
    /// An argument that the tool does not have. Which is not said: it may be anything.
    #[error("this tool takes no argument but {takes}; leave others out")]
    UnknownArgument {
        /// Those it takes.
        takes: String,
    },
    /// The session has as many handles as it can.
    #[error("this session has its limit of {max} handles: use one that it gave before")]
    Handles {
        /// The limit.
        max: usize,
    },
    /// There is no such project or directory, or none that may be used.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The handler is not wrapped in [`WithSessions`](crate::WithSessions).
    #[error("this server does not resolve sessions; its author finds why in the documentation of `WithSessions`")]
    NotWrapped,
    /// What the manager or its store answered.
    #[error(transparent)]
    Manager(Error),
}

impl SessionError {
    /// Names the kind of error, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::InvalidHandle | Self::Manager(Error::Name(_)) => "invalid_handle",
            Self::NotFound => "not_found",
            Self::Expired { .. } => "expired",
            Self::Argument { .. }
            | Self::UnknownArgument { .. }
            | Self::Manager(
                Error::StateName(_) | Error::Text(_) | Error::Encode { .. } | Error::Store(StoreError::InvalidCursor),
            ) => "invalid_argument",
            Self::Manager(Error::Store(StoreError::OwnerRequired)) => "principal_required",
            Self::Project(error) => error.code(),
            Self::Handles { .. } | Self::Manager(Error::Store(StoreError::Quota(_))) => "quota",
            Self::Manager(Error::Decode { .. } | Error::Upgrade { .. }) => "wrong_type",
            Self::Manager(Error::NewerVersion { .. }) => "newer_version",
            Self::Manager(Error::Store(StoreError::ReadOnly)) => "read_only",
            Self::Manager(Error::Store(StoreError::Conflict)) => "conflict",
            Self::Manager(Error::NotRunning | Error::Store(StoreError::Unavailable { .. })) => "unavailable",
            Self::Manager(Error::Store(StoreError::Full { .. })) => "full",
            Self::NotWrapped | Self::Manager(_) => "internal",
        }
    }

    /// After which time trying again makes sense, if it does at all.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Manager(Error::Store(StoreError::Quota(Quota::CreationRate { retry_after }))) => Some(*retry_after),
            Self::Manager(Error::Store(StoreError::Quota(Quota::Sessions { .. }) | StoreError::Full { .. })) => {
                Some(FULL)
            }
            Self::Manager(Error::NotRunning | Error::Store(StoreError::Unavailable { .. })) => Some(RETRY_AFTER),
            Self::Project(error) if error.code() == "unavailable" => Some(FULL),
            _ => None,
        }
    }

    /// Whether the server cannot do now what was asked, rightly or not: a call with other parameters gets no further.
    fn is_servers(&self) -> bool {
        use Quota::{CreationRate, Sessions, SessionsPerPrincipal};

        match self {
            Self::Manager(Error::Store(StoreError::Quota(quota))) => {
                matches!(quota, Sessions { .. } | SessionsPerPrincipal { .. } | CreationRate { .. })
            }
            error => matches!(error.code(), "unavailable" | "full" | "newer_version" | "internal"),
        }
    }

    fn to_data(&self) -> Value {
        let mut data = json!({ "error": self.code() });
        if let Some(after) = self.retry_after() {
            data["retry_after_ms"] = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).into();
        }
        match self {
            Self::Expired { by: Expired::Idle } => data["limit"] = "idle_timeout".into(),
            Self::Expired { by: Expired::Absolute(at) } => {
                data["limit"] = "absolute_lifetime".into();
                data["ended_at"] = rfc3339(*at).into();
            }
            _ => {}
        }
        data
    }

    fn log(&self) {
        if let Self::Manager(Error::Store(error)) = self {
            log(error);
        }
    }
}

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(StoreError::NotFound) => Self::NotFound,
            error => Self::Manager(error),
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl IntoCallToolResult for SessionError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        self.log();
        Ok(tool_error(self.to_string(), self.to_data()).into())
    }
}

impl From<SessionError> for ErrorData {
    fn from(error: SessionError) -> Self {
        error.log();
        let code = if error.is_servers() { ErrorCode::INTERNAL_ERROR } else { ErrorCode::INVALID_PARAMS };
        Self::new(code, error.to_string(), Some(json!({ REFUSAL: error.to_data() })))
    }
}

/// Turns an error that `?` made of a [`SessionError`] into the tool execution error it should be; leaves others alone.
pub(crate) fn into_tool_answer(error: ErrorData) -> Result<CallToolResponse, ErrorData> {
    match error.data.as_ref().and_then(|data| data.get(REFUSAL)) {
        Some(data) => Ok(tool_error(error.message.to_string(), data.clone()).into()),
        None => Err(error),
    }
}

/// By which limit, and when where that is the session's own affair: the end of an idle timeout moves with its use.
fn by_words(by: Expired) -> String {
    match by {
        Expired::Idle => "it was not used for its idle timeout".to_owned(),
        Expired::Absolute(at) => format!("it reached its absolute lifetime at {}", rfc3339(at)),
    }
}

/// Tells the operator what the client is not told: which defect or outage it was, and what the backend said.
pub(crate) fn log(error: &StoreError) {
    let cause = std::error::Error::source(error);
    match error {
        StoreError::Unavailable { store, .. } => tracing::warn!(store, cause, "the session store does not answer"),
        StoreError::Full { store } => tracing::warn!(store, "the session store is out of memory"),
        StoreError::Defect { store, .. } => tracing::error!(store, cause, "the session store holds a defect"),
        _ => {}
    }
}

/// A tool execution error: a sentence for the model, data for programs. It has no structured content, which would have
/// to match the tool's output schema: there are clients that look.
pub(crate) fn tool_error(message: String, data: Value) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(message)]);
    result.meta = Some(MetaObject(JsonObject::from_iter([(REFUSAL.to_owned(), data)])));
    result
}

/// What a client should wait for a store that is away.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a client should wait for a server that is full.
pub(crate) const FULL: Duration = Duration::from_secs(30);

/// Under which key a tool execution error's `_meta`, and an [`ErrorData`]'s data, say for programs what was refused.
const REFUSAL: &str = "session-mcp/refusal";
