//! How a server ends that has much to do.

use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use session_tests::HttpServer;

use crate::peer::{Peer, http};
use crate::turn;

/// A server with a tool that takes four seconds.
const SHOP: &str = env!("CARGO_BIN_EXE_shop");
/// Slow calls that begin before the server is asked to end, each in a session of its own.
const EARLY: usize = 300;
/// And after.
const LATE: usize = 100;
/// After which every call that has begun has reached the server.
const ARRIVED: Duration = Duration::from_secs(2);

#[test]
#[ignore = "long: four servers end, each while 300 calls of four seconds are in flight"]
fn a_server_drains_under_load() {
    let _turn = turn();
    let runtime = Runtime::new().expect("the system has threads");
    for millis in [10, 100, 2_000, 3_950] {
        runtime.block_on(drain(Duration::from_millis(millis)));
    }
}

/// Asks a server to end so long after the calls began.
async fn drain(after: Duration) {
    let mut server = HttpServer::start_of(Path::new(SHOP));
    let http = http();
    let mut peers = Vec::with_capacity(EARLY + LATE);
    for number in 0..EARLY + LATE {
        peers.push(Peer::connect(&http, &server, number).await);
    }
    let late = peers.split_off(EARLY);

    let early: Vec<_> = peers.into_iter().enumerate().map(|(number, peer)| Call::begin(number, peer)).collect();
    sleep(after).await;
    server.terminate();
    let mut calls = Vec::with_capacity(LATE);
    for (number, peer) in late.into_iter().enumerate() {
        calls.push(Call::begin(number, peer));
        sleep(Duration::from_millis(5)).await;
    }

    for call in early {
        let answered = call.ends_well().await;
        assert!(answered || after < ARRIVED, "a call in flight was refused {after:?} after it began");
    }
    for call in calls {
        call.ends_well().await;
    }
    assert_eq!(server.wait().code(), Some(0), "asked to end {after:?} after the calls began");
}

/// A slow call.
struct Call {
    count: usize,
    running: JoinHandle<Result<Value, reqwest::Error>>,
}

impl Call {
    fn begin(number: usize, peer: Peer) -> Self {
        let count = number + 1;
        Self { count, running: tokio::spawn(async move { peer.call("slowly", json!({ "count": count })).await }) }
    }

    /// Waits until it was answered rightly or refused as a whole, and returns whether it was answered.
    async fn ends_well(self) -> bool {
        match self.running.await.expect("the answer is the tool's") {
            Ok(total) => {
                assert_eq!(total, self.count.to_string());
                true
            }
            Err(error) => {
                let refused = match error.status() {
                    Some(status) => status == StatusCode::SERVICE_UNAVAILABLE,
                    None => error.is_request() && !error.is_timeout(),
                };
                assert!(refused, "neither an answer nor a refusal: {error:?}");
                false
            }
        }
    }
}
