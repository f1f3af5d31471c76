//! Somebody else's session, in the hands of a caller with a valid token of their own.

mod caller;
mod ending;
mod events;
mod relaying;
mod replicas;
mod streams;

use std::io::Write as _;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use session_test_servers::{Command, Monitor, Server};
use session_tests::HttpServer;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::caller::{Caller, Way, locator, to_write};

const ALICE: &str = "alices-first-token";
const ALICE_REFRESHED: &str = "alices-second-token";
const BOB: &str = "bobs-token";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_anothers_session_in_memory() {
    let (_file, server) = serve("memory");
    hijack(&Names::of(&server, &server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_anothers_session_in_redis() {
    let redis = Server::start().await;
    let (_file, server) = serve(&redis.url());
    hijack(&Names::of(&server, &server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_a_session_that_another_opened_at_another_replica() {
    let redis = Server::start().await;
    let tokens = tokens();
    let [a, b] = [(); 2].map(|()| start(&tokens, &redis.url()));
    hijack(&Names::of(&a, &b).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reaches_a_session_that_another_opened_elsewhere_and_used_at_the_same_replica() {
    let redis = Server::start().await;
    let tokens = tokens();
    let [a, b] = [(); 2].map(|()| start(&tokens, &redis.url()));
    let names = Names::of(&a, &b).await;
    // Hers are open where he is, too.
    names.are_hers_for(&Caller::new(b.url(), ALICE)).await;
    hijack(&names).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_asked_the_same_for_a_foreign_an_ended_and_an_unknown_session() {
    let redis = Server::start().await;
    let (_file, server) = serve(&redis.url());
    let names = Names::of(&server, &server).await;
    for way in Way::ALL {
        let mut asked = Vec::new();
        for name in names.all() {
            let commands = if matches!(way, Way::HandleOnAConnection) {
                let connection = names.bob.initialize().await;
                // The server knows the connection's own session as it is, and not sometimes as it began.
                names.bob.call_within(&connection, "session_info", json!({})).await.content();
                // What is followed for the connection is asked for beside its calls, once.
                tokio::time::sleep(Duration::from_millis(300)).await;
                let monitor = Monitor::start(&redis).await;
                names.bob.call_within(&connection, "set_state", to_write(name)).await;
                monitor.finish().await
            } else {
                let monitor = Monitor::start(&redis).await;
                names.bob.present(name, way).await;
                monitor.finish().await
            };
            asked.push(commands.iter().filter(|command| is_asked(command)).map(shape).collect::<Vec<_>>());
        }
        assert!(!asked[0].is_empty(), "{way:?} asks the store");
        assert_eq!(asked[0], asked[1], "{way:?}: foreign and ended");
        assert_eq!(asked[0], asked[2], "{way:?}: foreign and unknown");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nothing_is_served() {
    let (_file, server) = serve("memory");
    let names = Names::of(&server, &server).await;
    for token in [None, Some("not-one-of-them")] {
        let stranger = Caller::new(server.url(), token);
        for way in Way::ALL {
            for name in names.all() {
                let said = stranger.present(name, way).await;
                assert_eq!(said.status, StatusCode::UNAUTHORIZED, "{way:?}");
                let challenge = said.headers["www-authenticate"].to_str().expect("visible ASCII");
                let expected = if token.is_some() {
                    r#"Bearer realm="mcp", error="invalid_token""#
                } else {
                    r#"Bearer realm="mcp""#
                };
                assert_eq!(challenge, expected, "{way:?}");
            }
        }
    }
    names.alice_has_hers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refreshed_token_keeps_its_sessions() {
    let (_file, server) = serve("memory");
    let names = Names::of(&server, &server).await;
    let refreshed = Caller::new(server.url(), ALICE_REFRESHED);
    let read = json!({ "session": names.handle, "name": "mark" });
    assert_eq!(refreshed.call("get_state", read).await.content()["value"], "alice was here");
    let said = refreshed.call_within(&names.id, "session_info", json!({})).await;
    assert_eq!(said.content()["source"], "http_session");
    assert_eq!(refreshed.sessions().await.len(), 2, "hers by an id and hers by a handle");
}

/// Bob tries every way with alice's names, with a name of his own that has ended, and with one that never was.
async fn hijack(names: &Names) {
    for way in Way::ALL {
        let [foreign, ended, unknown] = names.all();
        let said = names.bob.present(foreign, way).await;
        let body = &said.body;
        assert!(!body.contains("alice") && !body.contains(locator(foreign)), "{way:?}: {said:?}");
        if way.is_by_id() {
            assert_eq!(said.status, StatusCode::NOT_FOUND, "{way:?}: {said:?}");
        } else {
            let is_absent = body.contains(r#""isError":true"#) && body.contains("there is no such session");
            assert!(is_absent, "{way:?}: {said:?}");
        }
        assert_eq!(said, names.bob.present(ended, way).await, "{way:?}: foreign and ended");
        assert_eq!(said, names.bob.present(unknown, way).await, "{way:?}: foreign and unknown");
        // Her handle is as foreign as her id.
        let handle = names.bob.present(&names.handle, way).await;
        assert_eq!(said, handle, "{way:?}: an id and a handle");
        names.alice_has_hers().await;
        let own = if way.is_by_id() { names.alice.initialize().await } else { open(&names.alice).await };
        assert_ne!(said, names.alice.present(&own, way).await, "{way:?} works with one's own");
    }
    let own = open(&names.bob).await;
    assert_eq!(names.bob.sessions().await, [locator(&own)], "bob's list holds what is bob's");
    assert_eq!(names.bob.call("end_all_sessions", json!({})).await.content()["ended_sessions"], 1);
    names.alice_has_hers().await;
}

/// Sessions of two principals.
struct Names {
    alice: Caller,
    bob: Caller,
    /// Alice's, as `Mcp-Session-Id`.
    id: String,
    /// Another of alice's, as a handle.
    handle: String,
    /// Bob's, who ended it.
    ended: String,
    /// Nobody's.
    unknown: String,
}

impl Names {
    /// Alice's are opened at her server and bob's at his.
    async fn of(hers: &HttpServer, his: &HttpServer) -> Self {
        let (alice, bob) = (Caller::new(hers.url(), ALICE), Caller::new(his.url(), BOB));
        let id = alice.initialize().await;
        let handle = open(&alice).await;
        for session in [json!({ "session": handle }), json!({})] {
            let mut value = session.clone();
            value["name"] = "mark".into();
            value["value"] = "alice was here".into();
            alice.call_within(&id, "set_state", value).await.content();
        }
        let ended = open(&bob).await;
        bob.call("end_session", json!({ "session": ended })).await.content();
        let unknown = format!("{}{}", &ended[..20], &handle[20..]);
        Self { alice, bob, id, handle, ended, unknown }
    }

    /// A foreign session's name, one that has ended, and one that never was.
    fn all(&self) -> [&str; 3] {
        [&self.id, &self.ended, &self.unknown]
    }

    /// Her sessions are what she left, and she can still use them.
    async fn alice_has_hers(&self) {
        self.are_hers_for(&self.alice).await;
    }

    /// The same, for a client of hers at any replica.
    async fn are_hers_for(&self, alice: &Caller) {
        let by_id = alice.call_within(&self.id, "get_state", json!({ "name": "mark" })).await.content();
        assert_eq!(by_id["value"], "alice was here");
        let of_handle = json!({ "session": self.handle, "name": "mark" });
        assert_eq!(alice.call("get_state", of_handle).await.content()["value"], "alice was here");
        let info = alice.call("session_info", json!({ "session": self.handle })).await.content();
        assert_eq!(info["version"], 2, "it was changed once, by her");
    }
}

async fn open(caller: &Caller) -> String {
    caller.call("open_session", json!({})).await.content()["session"].as_str().expect("a handle").to_owned()
}

/// A server that knows three tokens of two principals.
fn serve(store: &str) -> (NamedTempFile, HttpServer) {
    let tokens = tokens();
    let server = start(&tokens, store);
    (tokens, server)
}

fn start(tokens: &NamedTempFile, store: &str) -> HttpServer {
    HttpServer::configured(&[("TOKENS", path(tokens)), ("STORE", store)])
}

/// Three tokens of two principals.
fn tokens() -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary folder");
    for (token, subject) in [(ALICE, "alice"), (ALICE_REFRESHED, "alice"), (BOB, "bob")] {
        let digits = hex::encode(Sha256::digest(token));
        let issuer = "https://issuer.example";
        writeln!(file, "[[token]]\nsha256 = \"{digits}\"\nissuer = \"{issuer}\"\nsubject = \"{subject}\"")
            .expect("the file can be written");
    }
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("its path is a text")
}

/// Whether a client asks for it because of a call, and not a script, or time: whoever follows a session asks its server
/// for a sign of life again and again, with the only command outside of scripts that trims.
fn is_asked(command: &Command) -> bool {
    !command.is_of_a_script() && command.name() != "XTRIM"
}

/// What a command looks like to whoever sees no names: its own, and how long its arguments are. Numbers count and grow.
fn shape(command: &Command) -> (String, Vec<usize>) {
    let length = |argument: &Vec<u8>| if argument.iter().all(u8::is_ascii_digit) { 0 } else { argument.len() };
    let lengths = command.arguments.iter().map(length).collect();
    (command.name(), lengths)
}
