//! How far a task is.

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResult, DetailedTask, InputRequest, InputRequests, InputResponses, JsonObject, Task, TaskPayload,
    TaskStatus,
};
use rmcp::task_manager::current_timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far a task is: what is kept of it. Clocks of several machines write the times, for people to read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Progress {
    created_at: String,
    updated_at: String,
    ttl_ms: u64,
    /// What the client is asked and has not answered yet.
    questions: InputRequests,
    answers: InputResponses,
    end: Option<End>,
}

/// How a task has ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum End {
    /// With what the call would have answered.
    Completed(CallToolResult),
    /// With the error that the call would have been refused with.
    Failed(ErrorData),
    /// By the client.
    Cancelled,
}

impl From<Result<CallToolResult, ErrorData>> for End {
    fn from(answer: Result<CallToolResult, ErrorData>) -> Self {
        answer.map_or_else(Self::Failed, Self::Completed)
    }
}

impl Progress {
    /// A task that begins now, and is kept at least for `ttl_ms`.
    pub(super) fn begin(ttl_ms: u64) -> Self {
        let now = current_timestamp();
        let (questions, answers) = (InputRequests::new(), InputResponses::new());
        Self { created_at: now.clone(), updated_at: now, ttl_ms, questions, answers, end: None }
    }

    /// Asks the client something, under a key that nothing was asked under before.
    pub(super) fn ask(&mut self, key: &str, question: InputRequest) {
        if self.end.is_none() && !self.answers.contains_key(key) {
            self.questions.insert(key.to_owned(), question);
            self.updated_at = current_timestamp();
        }
    }

    /// Takes the answers to what is asked.
    pub(super) fn answer(&mut self, answers: InputResponses) {
        for (key, answer) in answers {
            if self.questions.remove(&key).is_some() {
                self.answers.insert(key, answer);
                self.updated_at = current_timestamp();
            }
        }
    }

    /// What was answered to a question, if it was by now.
    pub(super) fn answer_to(&self, key: &str) -> Option<&Value> {
        self.answers.get(key)
    }

    /// Ends the task, unless it has ended.
    pub(super) fn end(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.questions.clear();
            self.updated_at = current_timestamp();
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The task as `tasks/get` shows it, under its id.
    pub(super) fn describe(self, id: String) -> DetailedTask {
        let payload = match self.end {
            Some(End::Completed(result)) => TaskPayload::Completed { result: object(&result) },
            Some(End::Failed(error)) => TaskPayload::Failed { error: object(&error) },
            Some(End::Cancelled) => TaskPayload::Cancelled,
            None if self.questions.is_empty() => TaskPayload::Working,
            None => TaskPayload::InputRequired { input_requests: self.questions },
        };
        let task = Task::new(id, TaskStatus::Working, self.created_at, self.updated_at);
        DetailedTask::new(task.with_ttl_ms(self.ttl_ms).with_poll_interval_ms(POLL_INTERVAL_MS), payload)
    }
}

/// How often a client is advised to ask.
const POLL_INTERVAL_MS: u64 = 250;

fn object(value: &impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}
