//! Counting in a session, which shows what was lost and what was done twice.

use serde_json::{Value, json};

use crate::client::{Client, Sdk};

/// A client that counts by the tool `counter` of `everything`, by a handle if its connection has no session.
#[derive(Debug)]
pub struct Counter {
    client: Client,
    arguments: Value,
}

impl Counter {
    /// Connects to a URL, and opens a session if need be.
    ///
    /// # Panics
    ///
    /// As [`Client::connect`].
    #[must_use]
    pub fn connect(sdk: Sdk, url: &str) -> Self {
        let mut client = Client::connect(sdk, url);
        let arguments = if sdk == Sdk::Mcp2 { json!({ "session": client.open() }) } else { json!({}) };
        Self { client, arguments }
    }

    /// Counts on, and returns how far it is.
    ///
    /// # Panics
    ///
    /// If there is no answer, or no number in it.
    pub fn count(&mut self) -> u64 {
        self.client.ask("counter", self.arguments.clone())["count"].as_u64().expect("a number")
    }

    /// Ends the connection as the protocol says.
    ///
    /// # Panics
    ///
    /// As [`Client::close`].
    pub fn close(self) {
        self.client.close();
    }
}
