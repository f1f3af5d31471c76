//! What a server says over a stream, as it comes.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

/// A stream of events.
pub(crate) struct Events {
    response: Response,
    read: String,
}

impl Events {
    pub(crate) fn of(response: Response) -> Self {
        Self { response, read: String::new() }
    }

    /// The value of a field in the next event that has it. `None` at the end of the stream.
    async fn field(&mut self, field: &str) -> Option<String> {
        loop {
            while let Some(end) = self.read.find('\n') {
                let line: String = self.read.drain(..=end).collect();
                let value = line.strip_prefix(field).map(str::trim).filter(|value| !value.is_empty());
                if let Some(value) = value {
                    return Some(value.to_owned());
                }
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("the stream goes on or ends");
            self.read += std::str::from_utf8(&chunk.ok()??).expect("events are text");
        }
    }

    /// The id of the next event.
    pub(crate) async fn id(&mut self) -> String {
        self.field("id:").await.expect("an event that can be named")
    }

    /// The next message. `None` at the end of the stream.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        self.field("data:").await.map(|data| serde_json::from_str(&data).expect("JSON"))
    }

    /// The text that a tool answers, in what is left of the stream.
    pub(crate) async fn answer(&mut self) -> Option<String> {
        let mut answer = None;
        while let Some(message) = self.message().await {
            answer = message["result"]["content"][0]["text"].as_str().map(str::to_owned).or(answer);
        }
        answer
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
