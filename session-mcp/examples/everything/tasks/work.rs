//! The work on a task, on the replica that was called. Other replicas reach it through the record.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, CreateTaskResult, InputRequest, InputResponses};
use session_core::{Error, StoreError};
use session_mcp::Session;
use tokio::sync::watch::{self, Receiver, Sender};
use tokio::time::{sleep, timeout};

use crate::questions::Answers;

use super::progress::{End, Progress};
use super::record::TaskRecord;

/// How often a worker looks what was answered, and whether it is to stop.
const PERIOD: Duration = Duration::from_millis(100);

/// How long a task may take, waiting for answers included: its record does not idle out meanwhile.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Begins a task, and answers the call with it. The work is dropped where it stands when the task is cancelled, and
/// lost with this process, which [`TaskRecord::look`] notices. How many tasks there can be is limited as sessions are.
///
/// # Errors
///
/// What opening a session refuses.
pub(super) async fn begin<W>(session: &Session, work: impl FnOnce(Client) -> W) -> Result<CallToolResponse, ErrorData>
where
    W: Future<Output = Result<CallToolResult, ErrorData>> + Send + 'static,
{
    let (record, task) = TaskRecord::open(session).await?;
    let (heard, progress) = watch::channel(None);
    let work = work(Client { record: record.clone(), progress });
    tokio::spawn(async move {
        let end = tokio::select! {
            answer = timeout(LONGEST, work) => End::from(answer.unwrap_or_else(|_| {
                Err(ErrorData::internal_error("the task took longer than 15 minutes; call again", None))
            })),
            () = follow(&record, &heard) => return,
        };
        settle(&record, end).await;
    });
    Ok(CreateTaskResult::new(task).into())
}

/// Looks at a task's record again and again, until the task has ended.
async fn follow(record: &TaskRecord, heard: &Sender<Option<Progress>>) {
    loop {
        sleep(PERIOD).await;
        match record.attend().await {
            Ok(Some(progress)) if !progress.has_ended() => {
                heard.send_replace(Some(progress));
            }
            // It was ended, with its record or without.
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, "a task's record cannot be read now"),
        }
    }
}

/// Writes down how a task has ended. While the store is away it is tried again.
async fn settle(record: &TaskRecord, end: End) {
    while let Err(error) = record.try_change(|progress| progress.end(end.clone())).await {
        if !matches!(error, Error::Store(StoreError::Unavailable { .. })) {
            tracing::warn!(%error, "what a task came to cannot be kept");
            return;
        }
        sleep(PERIOD).await;
    }
}

/// The client, for the work on its task.
pub(super) struct Client {
    record: TaskRecord,
    /// Written by whoever follows the record.
    progress: Receiver<Option<Progress>>,
}

impl Client {
    /// Asks the client something, under a key of its own, and waits for the answer, which any replica may receive.
    pub(super) async fn ask(&self, key: &str, question: InputRequest) -> Result<Answers, ErrorData> {
        self.record.change(|progress| progress.ask(key, question.clone())).await?;
        let mut progress = self.progress.clone();
        let answer = progress.wait_for(|progress| answer_to(progress.as_ref(), key).is_some()).await;
        let answer = answer.ok().and_then(|progress| answer_to(progress.as_ref(), key));
        let answer = answer.ok_or_else(|| ErrorData::internal_error("the task has ended", None))?;
        Ok(Answers::new(Some(InputResponses::from([(key.to_owned(), answer)]))))
    }
}

fn answer_to(progress: Option<&Progress>, key: &str) -> Option<serde_json::Value> {
    progress?.answer_to(key).cloned()
}
