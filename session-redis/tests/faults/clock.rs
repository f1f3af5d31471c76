//! A server whose clock is set while it runs.
//!
//! Only the server's: it runs with `libfaketime`, which needs one that was built with the allocator of libc, as the 6.2
//! of the tests is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use session_core::{
    Expired, Feed, Journal as _, Lifetimes, Limits, NewSession, Owner, Position, Rate, SessionKey, SessionName,
    SessionStore as _, SessionStoreExt as _, Subject,
};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::{Flavor, eventually, free_port};

use crate::reader::{Reader, feed, journal, said, say};
use crate::stores::{alice, connect, draft, open, set};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// Server clock stepped, back and forth: nothing is refused, and nothing is applied twice.
#[tokio::test]
#[ignore = "long: needs libfaketime"]
async fn a_clock_that_is_set_disturbs_nobody() {
    let server = Stepped::start().await;
    let (store, other) = (connect(&server.url()).await, connect(&server.url()).await);
    for owner in [alice(), Owner::Anonymous] {
        server.step(0);
        let key = open(&store, owner).await;
        let ends_at = store.peek(&key).await.expect("the server runs").expect("it is live").ends_at;
        let mut version = 1;
        for offset in [10 * MINUTE, -10 * MINUTE, 15, -15, 40 * MINUTE, 0, -3 * HOUR] {
            server.step(offset);
            for store in [&store, &other] {
                let updated = store.update(&key, set("offset", offset)).await.expect("it is live");
                version += 1;
                assert_eq!(updated.version.get(), version, "{offset}");
                let session = store.touch(&key).await.expect("the server runs").expect("it is live");
                assert_eq!((session.version.get(), session.ends_at), (version, ends_at), "{offset}");
                assert_eq!(session.last_used(), session.loaded_at(), "{offset}");
                assert!(store.peek(&key).await.expect("the server runs").is_some(), "{offset}");
                let coming_and_going = open(store, owner).await;
                assert!(store.delete(&coming_and_going).await.expect("the server runs"), "{offset}");
                assert!(other.peek(&coming_and_going).await.expect("the server runs").is_none(), "{offset}");
            }
        }
    }
    server.every_key_has_an_end().await;
}

/// Server clock stepped: lifetimes end by the clock that there is.
#[tokio::test]
#[ignore = "long: needs libfaketime"]
async fn lifetimes_end_by_the_clock_as_it_is_set() {
    let server = Stepped::start().await;
    let store = connect(&server.url()).await;
    let idle = session(&store, Duration::from_secs(300), Duration::from_secs(86_400)).await;
    let absolute = session(&store, Duration::from_secs(7_200), Duration::from_secs(7_200)).await;
    server.step(10 * MINUTE);
    assert!(store.touch(&idle).await.expect("the server runs").is_none());
    assert_eq!(store.why_absent(&idle).await.expect("the server runs"), Some(Expired::Idle));
    let session = store.touch(&absolute).await.expect("the server runs").expect("it is live");
    server.step(3 * HOUR);
    assert!(store.touch(&absolute).await.expect("the server runs").is_none());
    let why = store.why_absent(&absolute).await.expect("the server runs");
    assert_eq!(why, Some(Expired::Absolute(session.ends_at)));
    server.step(0);
    for key in [&idle, &absolute] {
        assert!(store.touch(key).await.expect("the server runs").is_none(), "what has ended stays so");
    }
}

/// Server clock stepped back: who was admitted a moment ago does not wait until that moment comes again.
#[tokio::test]
#[ignore = "long: needs libfaketime"]
async fn a_clock_that_is_set_back_locks_nobody_out() {
    let server = Stepped::start().await;
    let mut config: RedisConfig = server.url().parse().expect("the server's URL is one");
    let rate = Rate { count: 3, per: Duration::from_secs(60) };
    config.limits = Limits { creation_rate: Some(rate), ..Limits::default() };
    let store = RedisStore::connect(config).await.expect("the server is there");
    for _ in 0..3 {
        open(&store, alice()).await;
    }
    assert!(store.create(draft(alice()).0).await.is_err(), "the rate is kept");
    server.step(-HOUR);
    for _ in 0..3 {
        open(&store, alice()).await;
    }
    assert!(store.create(draft(alice()).0).await.is_err(), "the rate is kept again");
}

/// Server clock stepped, back and forth: what is said goes on in its order, and is forgotten when it is.
#[tokio::test]
#[ignore = "long: needs libfaketime"]
async fn what_is_said_stays_in_order_while_the_clock_is_set() {
    let server = Stepped::start().await;
    let (store, other) = (connect(&server.url()).await, connect(&server.url()).await);
    for owner in [alice(), Owner::Anonymous] {
        server.step(0);
        let feed = feed(owner);
        let mut reader = Reader::of(feed, &store).await;
        let mut last = Position::START;
        let mut expected = Vec::new();
        for offset in [15, -15, 40, 0, -10 * MINUTE, -3 * HOUR] {
            server.step(offset);
            for store in [&store, &other] {
                let entry = expected.len().to_string();
                let appended = journal(store).append(&feed, entry.as_bytes()).await.expect("the server runs");
                assert!(appended.at > last && appended.after == last, "{appended:?} comes after {last} at {offset}");
                last = appended.at;
                reader.reads(&entry).await;
                expected.push(entry);
                assert_eq!(said(store, &feed).await, expected, "{offset}");
            }
        }
        let Feed::ToClient(id) = feed else { unreachable!("it is a client's") };
        let end = if owner == Owner::Anonymous { Subject::One(id.locator) } else { Subject::All { sessions: 1 } };
        journal(&store).forget(&owner, &end).await.expect("the server runs");
        assert_eq!(said(&other, &feed).await, [""; 0]);
        say(&store, &feed, "later").await;
        assert_eq!(said(&other, &feed).await, ["later"]);
        server.step(HOUR);
        assert_eq!(said(&other, &feed).await, [""; 0], "its time is over");
    }
    server.every_key_has_an_end().await;
}

async fn session(store: &RedisStore, idle: Duration, absolute: Duration) -> SessionKey {
    let name = SessionName::mint();
    let lifetimes = Lifetimes::new(idle, absolute).expect("both are valid");
    store.create(NewSession::new(alice(), &name, lifetimes)).await.expect("the server runs");
    SessionKey::by_name(alice(), &name)
}

/// A server with a clock of its own. It is killed when dropped.
struct Stepped {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Stepped {
    async fn start() -> Self {
        let flavor = Flavor::redis_6_2();
        let servers = flavor.program().parent().and_then(Path::parent).expect("it is in a folder of its own");
        let library = servers.join("faketime/libfaketime.so.1");
        assert!(library.exists(), "{} is missing; tests/run installs what the tests need", library.display());
        let port = free_port();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stepped-{port}"));
        fs::create_dir_all(&folder).expect("the folder for tests is there");
        fs::write(folder.join("offset"), "+0").expect("the folder is ours");
        let process = Command::new(flavor.program())
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"])
            .arg(&folder)
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", folder.join("offset"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs without the library");
        let server = Self { process, folder, port };
        eventually("answer", async || server.ask::<String>(&["PING"]).await).await;
        server
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sets its clock to so many seconds after the right time.
    fn step(&self, offset: i64) {
        // It is read at every look at the clock, so it must never be there in part.
        fs::write(self.folder.join("next"), format!("{offset:+}")).expect("the folder is ours");
        fs::rename(self.folder.join("next"), self.folder.join("offset")).expect("the folder is ours");
    }

    async fn every_key_has_an_end(&self) {
        for key in self.ask::<Vec<Vec<u8>>>(&["KEYS", "*"]).await.expect("the server runs") {
            let left: Option<i64> = self.ask(&[b"PTTL".as_slice(), &key]).await;
            assert!(left.is_some_and(|left| left != -1), "{} has no end", String::from_utf8_lossy(&key));
        }
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &[impl AsRef<[u8]>]) -> Option<T> {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let mut whole = redis::Cmd::new();
        for part in command {
            whole.arg(part.as_ref());
        }
        whole.query_async(&mut connection).await.ok()
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
