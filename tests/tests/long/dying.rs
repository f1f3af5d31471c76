//! Clients that end without a word.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use session_tests::{Client, HttpServer, Link, Sdk, Transport, binary};

use crate::turn;

const ROUNDS: usize = 16;
/// Sessions that one client opens before it dies.
const SESSIONS: usize = 8;
/// Sessions that the server has room for: fewer than all that are opened, more than are opened while one expires.
const ROOM: usize = 100;
/// Between the steps of those who count on, so that the others get to begin.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);

/// In each round a client of every kind opens sessions, writes into them, and is killed in the middle of a call. One of
/// every kind counts on all the while.
#[test]
#[ignore = "long: 64 clients are started and killed"]
fn clients_that_die_leave_the_others_alone() {
    let _turn = turn();
    let server = HttpServer::configured(&[("IDLE_TIMEOUT", "5s"), ("LIMITS__SESSIONS", &ROOM.to_string())]);
    let files = server.open_files();
    let command = binary();
    let connect = |link: Link| match link.transport {
        Transport::Http => Client::connect(link.sdk, server.url()),
        Transport::Stdio => Client::connect(link.sdk, command.to_str().expect("a plain path")),
    };
    let links = [Link::mcp_1_stdio(), Link::mcp_1_http(), Link::mcp_2_stdio(), Link::mcp_2_http()];

    let dying = AtomicBool::new(true);
    thread::scope(|scope| {
        let survivors = links.map(|link| {
            let (connect, dying) = (&connect, &dying);
            scope.spawn(move || count_on(connect(link), dying))
        });
        let rounds = scope.spawn(|| {
            for _ in 0..ROUNDS {
                thread::scope(|round| links.iter().for_each(|link| drop(round.spawn(|| die(connect(*link))))));
            }
        });
        let rounds = rounds.join();
        dying.store(false, Ordering::Relaxed);
        for survivor in survivors {
            let counted = survivor.join().expect("a survivor counts rightly");
            assert!(counted > ROUNDS, "{counted} is not all the while");
        }
        rounds.expect("a client that is to die lives until then");
    });

    const { assert!(ROUNDS * SESSIONS > ROOM) };
    let mut later = Client::connect(Sdk::Mcp2, server.url());
    later.open();
    later.close();
    within("the connections of the dead are closed", || server.open_files() <= files);
}

/// Counts in a session until no more clients die, checks each step, and returns how far it came.
fn count_on(mut client: Client, dying: &AtomicBool) -> usize {
    let session = client.open();
    let mut version = client.ask("session_info", json!({ "session": session }))["version"].as_u64();
    let mut count = 0;
    while dying.load(Ordering::Relaxed) {
        count += 1;
        let set = client.ask("set_state", json!({ "name": "count", "value": count, "session": session }));
        assert_eq!(set["version"].as_u64(), version.map(|version| version + 1), "nobody else writes here");
        version = set["version"].as_u64();
        let got = client.ask("get_state", json!({ "name": "count", "session": session }));
        assert_eq!(got["value"], count);
        thread::sleep(PAUSE);
    }
    let info = client.ask("session_info", json!({ "session": session }));
    assert_eq!((&info["state_names"], info["version"].as_u64()), (&json!(["count"]), version));
    client.close();
    count
}

/// Opens sessions and writes into them, and is killed in the middle of a call within a second. Over stdio, its server
/// has to end of itself.
fn die(mut client: Client) {
    let sessions: Vec<String> = (0..SESSIONS).map(|_| client.open()).collect();
    let servers = client.children();
    let last = Instant::now() + Duration::from_millis(below(1_000));
    let mut write =
        (0..).map(|number| json!({ "name": "count", "value": number, "session": sessions[number % SESSIONS] }));
    let mut next = || write.next().expect("there is always a next number");
    while Instant::now() < last {
        client.ask("set_state", next());
    }
    client.begin("set_state", next());
    thread::sleep(Duration::from_micros(below(5_000)));
    drop(client);
    for id in servers {
        within("the server of a dead client ends", || has_ended(id));
    }
}

/// Whether a process is no more, or waits only for someone to ask how it ended.
fn has_ended(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|state| state.trim_start().starts_with('Z')))
}

#[track_caller]
fn within(promise: &str, mut is_kept: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_kept() {
        assert!(Instant::now() < deadline, "{promise}, but not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A number that nobody knows before.
fn below(limit: u64) -> u64 {
    RandomState::new().build_hasher().finish() % limit
}
