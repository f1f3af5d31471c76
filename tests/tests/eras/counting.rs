//! Many clients at once, each counting in sessions of its own.

use std::iter::repeat_n;

use serde_json::{Value, json};

use crate::client::Client;
use crate::library::Library;
use crate::site::{Site, Store};

#[tokio::test(flavor = "multi_thread")]
async fn each_session_counts_for_itself_over_http_in_memory() {
    each_session_counts_for_itself(Site::http(Store::Memory)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_counts_for_itself_over_http_in_redis() {
    each_session_counts_for_itself(Site::http(Store::redis().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_counts_for_itself_over_stdio_in_memory() {
    each_session_counts_for_itself(Site::stdio(Store::Memory)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_counts_for_itself_over_stdio_in_redis() {
    each_session_counts_for_itself(Site::stdio(Store::redis().await)).await;
}

/// How far each session counts.
const COUNTS: usize = 4;

/// One of a client's two sessions.
struct Counting {
    client: usize,
    /// Where the connection has no session of its own.
    handle: Option<String>,
    /// In which round it begins. Sessions that begin in different rounds never stand at the same number.
    begins: usize,
}

impl Counting {
    /// Arguments that lead to this session.
    fn with(&self, mut arguments: Value) -> Value {
        if let Some(handle) = &self.handle {
            arguments["session"] = json!(handle);
        }
        arguments
    }

    /// What it keeps that no other does.
    fn mark(&self) -> Value {
        json!([self.client, self.begins])
    }
}

/// Each library has two sessions: on two connections, or by two handles on one. In every round all clients call before
/// the first one hears an answer.
async fn each_session_counts_for_itself(site: Site) {
    let connections = Library::ALL.map(|library| repeat_n(library, if library.has_sessions() { 2 } else { 1 }));
    let mut clients = Client::connect(connections.into_iter().flatten(), &site);
    let mut sessions = Vec::new();
    for (index, client) in clients.iter_mut().enumerate() {
        let handles =
            if client.library().has_sessions() { vec![None] } else { vec![Some(client.open()), Some(client.open())] };
        for handle in handles {
            sessions.push(Counting { client: index, handle, begins: sessions.len() % COUNTS });
        }
    }

    for round in 0..2 * COUNTS {
        let on: Vec<_> = sessions.iter().filter(|on| (on.begins..on.begins + COUNTS).contains(&round)).collect();
        for session in &on {
            clients[session.client].begin_count(session.handle.as_deref());
        }
        for session in &on {
            let client = &mut clients[session.client];
            assert_eq!(client.finish_count(), (round - session.begins + 1) as u64, "a count of {:?}", client.library());
        }
        for session in on.iter().filter(|session| session.begins == round) {
            let mark = session.with(json!({ "name": "mark", "value": session.mark() }));
            clients[session.client].ask("set_state", mark);
        }
    }
    for session in &sessions {
        let kept = clients[session.client].ask("get_state", session.with(json!({ "name": "mark" })));
        assert_eq!(kept["value"], session.mark(), "no other's session");
    }
    clients.into_iter().for_each(Client::close);
    site.end().await;
}
