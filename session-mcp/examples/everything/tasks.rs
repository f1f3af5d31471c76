//! Calls that go on as tasks: the client is given the task's id at once, and asks later, whichever replica.

mod progress;
mod record;
mod work;

use std::time::Duration;

use rmcp::handler::server::tool::InputResponses as Given;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock, GetTaskResult, InputResponses};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use session_mcp::Session;

use crate::Everything;
use crate::questions::{Answers, ask, ask_consent, ask_text};

use self::record::TaskRecord;
use self::work::begin;

#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// Whom to greet.
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct SlowCompute {
    /// How long to take: at most 600.
    #[schemars(range(min = 0, max = 600))]
    seconds: f64,
    /// What to call the result.
    label: String,
}

#[derive(Deserialize, JsonSchema)]
struct ConfirmDelete {
    /// What to delete. No file is touched.
    filename: String,
}

#[tool_router(router = tasks, vis = "pub(crate)")]
impl Everything {
    /// Greets. That takes no time and is never a task.
    #[tool(annotations(read_only_hint = true))]
    fn greet(Parameters(Greet { name }): Parameters<Greet>) -> String {
        format!("Hello, {name}!")
    }

    /// Computes for a while: as a task if the client knows of tasks.
    #[tool(annotations(read_only_hint = true))]
    async fn slow_compute(
        Parameters(SlowCompute { seconds, label }): Parameters<SlowCompute>,
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= Duration::from_secs(600));
        let time = time.ok_or_else(|| {
            ErrorData::invalid_params("the argument `seconds` must be from 0 to 600, which is ten minutes", None)
        })?;
        let compute = async move {
            tokio::time::sleep(time).await;
            text(format!("{label} was computed."))
        };
        if has_tasks(&context) { begin(&session, async |_| Ok(compute.await)).await } else { Ok(compute.await.into()) }
    }

    /// Works for a second and then fails, in a way that a model can read. Always a task.
    #[tool(annotations(read_only_hint = true))]
    async fn failing_job(session: Session, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        require_tasks(&context)?;
        let work = async |_| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(CallToolResult::error(vec![ContentBlock::text("The job has failed.")]))
        };
        begin(&session, work).await
    }

    /// Fails in a way that only the client learns of. Always a task.
    #[tool(annotations(read_only_hint = true))]
    async fn protocol_error_job(
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        require_tasks(&context)?;
        begin(&session, async |_| Err(ErrorData::internal_error("the job broke", None))).await
    }

    /// Asks the user before it deletes. Always a task, which waits for the answer.
    #[tool]
    async fn confirm_delete(
        Parameters(ConfirmDelete { filename }): Parameters<ConfirmDelete>,
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        require_tasks(&context)?;
        let work = async move |client: work::Client| {
            let question = ask_consent(&format!("Delete {filename}?"), "confirm");
            let answers = client.ask("confirmation", question).await?;
            let is_confirmed = answers.is_confirmed("confirmation", "confirm") == Some(true);
            Ok(text(format!("{filename} is {}.", if is_confirmed { "deleted" } else { "still there" })))
        };
        begin(&session, work).await
    }

    /// Asks the user two things at once. Always a task, which waits for both answers.
    #[tool]
    async fn multi_input(session: Session, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        require_tasks(&context)?;
        let work = async |client: work::Client| {
            let name = client.ask("name", ask_text("What is your name?", "name"));
            let consent = client.ask("consent", ask_consent("May I use it?", "confirm"));
            let (name, consent) = tokio::try_join!(name, consent)?;
            let name = name.text("name", "name").filter(|_| consent.is_confirmed("consent", "confirm") == Some(true));
            Ok(text(format!("Hello, {}!", name.as_deref().unwrap_or("whoever you are"))))
        };
        begin(&session, work).await
    }

    /// Asks the user for their name, and greets them in a task.
    #[tool]
    async fn test_tool_with_task(
        Given(given): Given,
        session: Session,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        require_tasks(&context)?;
        match Answers::new(given).text("user_name", "name") {
            Some(name) => begin(&session, async move |_| Ok(text(format!("Hello, {name}!")))).await,
            None => Ok(ask([("user_name", ask_text("What is your name?", "name"))], &context)?.into()),
        }
    }
}

/// Answers `tasks/get`.
///
/// # Errors
///
/// That the caller has no such task.
pub(crate) async fn get(session: &Session, id: String) -> Result<GetTaskResult, ErrorData> {
    let progress = TaskRecord::find(session, &id)?.look().await?;
    Ok(GetTaskResult::new(progress.describe(id)))
}

/// Answers `tasks/update`. An answer to what is not asked is passed over.
///
/// # Errors
///
/// As [`get`].
pub(crate) async fn update(session: &Session, id: &str, answers: InputResponses) -> Result<(), ErrorData> {
    TaskRecord::find(session, id)?.change(|progress| progress.answer(answers.clone())).await
}

/// Answers `tasks/cancel`. A task that has ended stays what it is.
///
/// # Errors
///
/// As [`get`].
pub(crate) async fn cancel(session: &Session, id: &str) -> Result<(), ErrorData> {
    TaskRecord::find(session, id)?.change(|progress| progress.end(progress::End::Cancelled)).await
}

fn has_tasks(context: &RequestContext<RoleServer>) -> bool {
    context.client_capabilities().is_some_and(|client| client.supports_tasks())
}

fn require_tasks(context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    if has_tasks(context) {
        return Ok(());
    }
    let needed = ClientCapabilities::builder().enable_tasks().build();
    Err(ErrorData::missing_required_client_capability(needed))
}

fn text(text: String) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}
