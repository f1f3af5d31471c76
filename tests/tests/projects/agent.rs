//! An agent as the server sees it.

use serde_json::{Value, json};
use session_tests::Client;

/// A client that passes its session's handle on, where it was given one.
#[derive(Debug)]
pub(crate) struct Agent {
    client: Client,
    session: Option<Value>,
}

impl Agent {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, session: None }
    }

    /// Goes on elsewhere with the session of a handle.
    pub(crate) fn with_session(client: Client, session: Value) -> Self {
        Self { client, session: Some(session) }
    }

    /// Calls a tool without waiting, so that other agents can call meanwhile.
    pub(crate) fn begin(&mut self, tool: &str, mut arguments: Value) {
        if let Some(session) = &self.session {
            arguments["session"] = session.clone();
        }
        self.client.begin(tool, arguments);
    }

    /// Waits for what has to be an answer to what was begun.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> Value {
        let mut answer = self.client.finish().content();
        if let Value::String(_) = answer["session"] {
            self.session = Some(answer["session"].take());
        }
        answer
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, tool: &str, arguments: Value) -> Value {
        self.begin(tool, arguments);
        self.finish()
    }

    /// Calls a tool that has to refuse, and returns what it tells the model.
    #[track_caller]
    pub(crate) fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        self.begin(tool, arguments);
        self.client.finish().refusal()
    }

    /// What the session's record says of its project.
    #[track_caller]
    pub(crate) fn record(&mut self) -> [Value; 3] {
        let mut info = self.ask("session_info", json!({}));
        ["working_directory", "config_path", "project_id"].map(|field| info[field].take())
    }

    /// A handle of the session, for others.
    #[track_caller]
    pub(crate) fn handle(&mut self) -> Value {
        self.ask("open_session", json!({}));
        self.session.clone().expect("what was opened has a handle")
    }

    pub(crate) fn close(self) {
        self.client.close();
    }
}
