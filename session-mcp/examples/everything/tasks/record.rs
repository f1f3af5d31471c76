//! Where a task is kept: in a session record of its own, whose name is the task's id.
//!
//! So every replica finds it, it is there for its owner alone, and it expires. A principal who lists their sessions
//! sees their tasks among them, and ending one of those cancels it.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::Task;
use session_core::{Change, Error, SessionKey, SessionManager, SessionStoreExt as _, StateKey, StoreError};
use session_mcp::{Session, SessionError};

use super::progress::{End, Progress};

/// Under which name a record keeps how far its task is.
struct Kept;

impl StateKey for Kept {
    const NAME: &'static str = "everything.task";
    type Value = Progress;
}

/// The record of one task.
#[derive(Clone, Debug)]
pub(super) struct TaskRecord {
    sessions: Arc<SessionManager>,
    key: SessionKey,
}

/// A record that its worker has not touched for so long has lost it: a worker touches its record all the time.
const LOST_AFTER: Duration = Duration::from_secs(10);

impl TaskRecord {
    /// Opens the record of a new task of the caller's.
    pub(super) async fn open(session: &Session) -> Result<(Self, Task), ErrorData> {
        let sessions = session.manager();
        let lifetimes = sessions.lifetimes();
        let ttl = lifetimes.idle().min(lifetimes.absolute());
        let progress = Progress::begin(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let opened = sessions.open(session.owner(), Change::new()).await.map_err(SessionError::from)?;
        let id = opened.name.expose();
        let record = Self::find(session, &id)?;
        sessions.write::<Kept>(&record.key, &progress).await.map_err(SessionError::from)?;
        Ok((record, progress.describe(id).task))
    }

    /// The record of a task, if the caller has such a one: only asking it tells.
    pub(super) fn find(session: &Session, id: &str) -> Result<Self, ErrorData> {
        let sessions = session.manager();
        let key = sessions.resolve(session.owner(), id).map_err(|_| no_such_task())?;
        Ok(Self { sessions: Arc::clone(sessions), key })
    }

    /// How far the task is. Ends it if nobody works on it any more.
    pub(super) async fn look(&self) -> Result<Progress, ErrorData> {
        let record = self.sessions.store().peek(&self.key).await.map_err(|error| refused(error.into()))?;
        let record = record.ok_or_else(no_such_task)?;
        let mut progress = record.read::<Kept>().map_err(refused)?.ok_or_else(no_such_task)?;
        if !progress.has_ended() && record.loaded_at().since(record.last_used()) > LOST_AFTER {
            let lost = ErrorData::internal_error("the server that worked on this task has gone; call again", None);
            self.change(|progress| progress.end(End::Failed(lost.clone()))).await?;
            progress.end(End::Failed(lost));
        }
        Ok(progress)
    }

    /// How far the task is, for its worker, who shows by asking that it is still there.
    pub(super) async fn attend(&self) -> Result<Option<Progress>, Error> {
        match self.sessions.read::<Kept>(&self.key).await {
            Err(Error::Store(StoreError::NotFound)) => Ok(None),
            progress => progress,
        }
    }

    /// Changes how far the task is, whoever else is changing it.
    pub(super) async fn change(&self, change: impl FnMut(&mut Progress) + Send) -> Result<(), ErrorData> {
        self.try_change(change).await.map_err(refused)
    }

    /// The same, for who can try again.
    pub(super) async fn try_change(&self, mut change: impl FnMut(&mut Progress) + Send) -> Result<(), Error> {
        // Not `modify`, which would make a task of a session that is none.
        self.sessions.read::<Kept>(&self.key).await?.ok_or(StoreError::NotFound)?;
        let next = |progress: Option<Progress>| {
            let mut progress = progress.unwrap_or_else(|| Progress::begin(0));
            change(&mut progress);
            progress
        };
        self.sessions.modify::<Kept, _>(&self.key, next).await?;
        Ok(())
    }
}

fn refused(error: Error) -> ErrorData {
    match error {
        Error::Store(StoreError::NotFound) => no_such_task(),
        error => SessionError::from(error).into(),
    }
}

fn no_such_task() -> ErrorData {
    ErrorData::invalid_params("there is no such task: it has expired, was ended, or never was; call again", None)
}
