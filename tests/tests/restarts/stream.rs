//! A stream of events, as it comes.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

/// Longer than a stream says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of events, and what a client has to know of it to come back.
pub(crate) struct Stream {
    response: Response,
    read: String,
    /// The last event that had an id.
    pub(crate) last: Option<String>,
    /// When to come back.
    pub(crate) retry: Option<Duration>,
}

impl Stream {
    pub(crate) fn of(response: Response) -> Self {
        Self { response, read: String::new(), last: None, retry: None }
    }

    /// The next message, `None` when the stream has ended or broken.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.read.find("\n\n") {
                let event: String = self.read.drain(..end + 2).collect();
                if let Some(message) = self.hear(&event) {
                    return Some(message);
                }
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("the stream goes on or ends");
            self.read += std::str::from_utf8(&chunk.ok()??).expect("events are ASCII");
        }
    }

    fn hear(&mut self, event: &str) -> Option<Value> {
        let mut message = None;
        for (field, value) in event.lines().filter_map(|line| line.split_once(':')) {
            match (field, value.trim_start()) {
                ("id", id) => self.last = Some(id.to_owned()),
                ("retry", time) => self.retry = time.parse().ok().map(Duration::from_millis),
                ("data", data) if !data.is_empty() => message = Some(serde_json::from_str(data).expect("JSON")),
                _ => {}
            }
        }
        message
    }
}
