//! Scripts that a server forgets.

use std::time::Duration;

use session_test_servers::Server;
use tokio::time::sleep;

use crate::history::{History, Plan};
use crate::stores::several;

/// `SCRIPT FLUSH` under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_seen_of_scripts_that_are_forgotten() {
    let server = Server::start().await;
    let stores = several(3, &server.url()).await;
    let history = History::of(&stores, Plan::default(), async {
        for _ in 0..100 {
            server.cli(&["SCRIPT", "FLUSH"]).await;
            sleep(Duration::from_millis(15)).await;
        }
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    history.agrees_with(&server).await;
}
