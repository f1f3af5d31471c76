//! What each of many sessions keeps is its own.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use session_tests::HttpServer;

use crate::peer::{Peer, http};
use crate::turn;

const SESSIONS: usize = 1_000;
const OPERATIONS: usize = 10;
/// Values that each session keeps.
const VALUES: usize = 4;
/// Calls that are under way at once; the others wait for one of the connections.
const CONNECTIONS: usize = 256;

/// Half of the sessions are of each era. All calls begin at once, those of neighbours next to each other, and whatever
/// is read carries its session's number.
#[test]
#[ignore = "long: 18,000 calls over HTTP"]
fn ten_thousand_calls_over_a_thousand_http_sessions_never_mix() {
    let _turn = turn();
    Runtime::new().expect("the system has threads").block_on(async {
        let server = Arc::new(HttpServer::start());
        let folders = tempfile::tempdir().expect("the system has room for temporary folders");
        let root = folders.path().canonicalize().expect("the folder was just made");
        let http = http();

        let connected = all((0..SESSIONS).map(|number| {
            let (http, server) = (http.clone(), Arc::clone(&server));
            let folder = root.join(number.to_string());
            async move {
                fs::create_dir(&folder).expect("the folder is ours");
                let directory = folder.to_str().expect("temporary folders have plain names").to_owned();
                Own { number, directory, peer: Peer::connect(&http, &server, number).await }
            }
        }));
        let sessions: Vec<Arc<Own>> = connected.await.into_iter().map(Arc::new).collect();
        assert_eq!(sessions.iter().map(|own| own.peer.name()).collect::<HashSet<_>>().len(), SESSIONS);

        let calls = (0..OPERATIONS).flat_map(|operation| sessions.iter().map(move |own| (operation, Arc::clone(own))));
        all(calls.map(|(operation, own)| async move { own.operate(operation).await })).await;
        all(sessions.iter().cloned().map(|own| async move { own.is_exact().await })).await;
    });
}

/// A session and what it alone may hold.
struct Own {
    number: usize,
    directory: String,
    peer: Peer,
}

impl Own {
    async fn operate(&self, operation: usize) {
        match operation {
            0..VALUES => {
                let value = json!([self.number, operation]);
                let set = self.ask("set_state", json!({ "name": name(operation), "value": value })).await;
                assert_eq!(set["name"], name(operation));
            }
            VALUES => {
                let set = self.ask("set_working_directory", json!({ "directory": self.directory })).await;
                assert_eq!(set["working_directory"], self.directory);
            }
            5 => {
                let got = self.ask("get_working_directory", json!({})).await;
                self.owns_directory(&got);
            }
            6 => {
                let info = self.ask("session_info", json!({})).await;
                self.owns_directory(&info);
                assert!(info["version"].as_u64() <= Some(self.writes()), "{info}");
            }
            _ => {
                let operation = operation - 7;
                let got = self.ask("get_state", json!({ "name": name(operation) })).await;
                let own = json!([self.number, operation]);
                assert!(got["found"] == false || got["value"] == own, "{got} in session {}", self.number);
            }
        }
    }

    /// Checks everything that the session keeps, and how often it was written.
    async fn is_exact(&self) {
        for operation in 0..VALUES {
            let got = self.ask("get_state", json!({ "name": name(operation) })).await;
            assert_eq!(got["value"], json!([self.number, operation]));
        }
        let info = self.ask("session_info", json!({})).await;
        assert_eq!(info["working_directory"], self.directory);
        assert_eq!(info["state_names"], json!((0..VALUES).map(name).collect::<Vec<_>>()));
        assert_eq!(info["version"], self.writes(), "each write counted once");
    }

    /// The version after the creation, each value, the working directory, and, of a connection, what its client said
    /// when it initialized.
    fn writes(&self) -> u64 {
        2 + VALUES as u64 + u64::from(self.peer.initialized())
    }

    fn owns_directory(&self, answer: &Value) {
        let directory = &answer["working_directory"];
        assert!(directory.is_null() || *directory == self.directory, "{answer} in session {}", self.number);
    }

    async fn ask(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.peer.call(tool, arguments).await.expect("the server answers");
        assert_eq!(answer["source"], self.peer.source());
        answer
    }
}

fn name(operation: usize) -> String {
    format!("value-{operation}")
}

/// Begins all, lets so many be under way as there are connections, and waits for all.
async fn all<T: Send + 'static>(calls: impl Iterator<Item: Future<Output = T> + Send + 'static>) -> Vec<T> {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks: JoinSet<T> = calls
        .map(|call| {
            let connections = Arc::clone(&connections);
            async move {
                let _connection = connections.acquire().await.expect("nobody closes it");
                call.await
            }
        })
        .collect();
    tasks.join_all().await
}
