//! A server that is there and refuses to work: each answer that says so, on the usual server and on the oldest.
//!
//! Nothing that was refused was applied, so nobody is told that it may have been. What ends within the deadline of an
//! operation is not seen at all.

use std::error::Error;
use std::fmt::Debug;
use std::fs;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use redis::Value;
use session_core::{Owner, Page, SessionKey, SessionStore as _, SessionStoreExt as _, StoreError};
use session_redis::RedisStore;
use session_test_servers::{Flavor, Server, ServerBuilder, eventually};
use tokio::time::sleep;

use crate::stores::{alice, connect_within, draft, open, set, unavailable};

const DEADLINE: Duration = Duration::from_secs(1);

/// `NOREPLICAS`: too few replicas to write.
#[tokio::test]
async fn too_few_replicas_are_waited_for() {
    refused(Server::builder(), no_replicas, async |server| {
        server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    })
    .await;
}

async fn no_replicas(server: &Server) {
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
}

/// `MISCONF`: the last snapshot could not be written.
#[tokio::test]
async fn a_snapshot_that_could_not_be_written_is_waited_for() {
    refused(Server::builder(), no_snapshot, async |server| {
        fs::remove_dir(server.folder().join("dump.rdb")).expect("it was made just now");
        server.cli(&["BGSAVE"]).await;
        snapshot_is(server, "ok").await;
    })
    .await;
}

async fn no_snapshot(server: &Server) {
    server.cli(&["CONFIG", "SET", "save", "3600 1000000"]).await;
    fs::create_dir(server.folder().join("dump.rdb")).expect("nothing was saved");
    server.cli(&["BGSAVE"]).await;
    snapshot_is(server, "err").await;
}

async fn snapshot_is(server: &Server, status: &str) {
    let line = ("rdb_last_bgsave_status".to_owned(), status.to_owned());
    eventually(status, async || server.info("persistence").await.contains(&line).then_some(())).await;
}

/// `MASTERDOWN`: a replica that has lost its master and serves nothing old.
#[tokio::test]
async fn a_replica_without_a_master_is_waited_for() {
    refused(Server::builder().config("replica-serve-stale-data", "no"), no_master, async |server| {
        server.cli(&["REPLICAOF", "NO", "ONE"]).await;
    })
    .await;
}

async fn no_master(server: &Server) {
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
}

/// `LOADING`: the server has been started and reads its data.
#[tokio::test]
async fn a_server_that_loads_its_data_is_waited_for() {
    // A moment for each key of a megabyte, and a look at the connections after two of them.
    let slow = Server::builder().config("key-load-delay", "30000").config("rdbcompression", "no");
    refused(slow, load, async |server| {
        let config = server.folder().join("server.conf");
        let hurried = fs::read_to_string(&config).expect("it has one").replace("key-load-delay 30000", "");
        fs::write(&config, hurried).expect("the folder is ours");
        server.restart().await;
    })
    .await;
}

async fn load(server: &Server) {
    let fill = "for key = 1, 70 do redis.call('SET', key, string.rep('x', 1000000), 'PX', 3600000) end";
    server.cli(&["EVAL", fill, "0"]).await;
    server.cli(&["SAVE"]).await;
    server.launch();
    answers_with(server, "LOADING").await;
}

/// `BUSY`: a script that somebody else runs takes long.
#[tokio::test]
async fn a_long_script_of_another_is_waited_for() {
    refused(Server::builder().config("lua-time-limit", "20"), busy, async |server| {
        server.cli(&["SCRIPT", "KILL"]).await;
    })
    .await;
}

async fn busy(server: &Server) {
    let forever = "while true do end";
    let url = server.url();
    tokio::spawn(async move {
        let client = redis::Client::open(url).expect("the server's URL is one");
        let mut connection = client.get_multiplexed_async_connection().await.expect("the server runs");
        // It is killed in the end.
        let _ = redis::cmd("EVAL").arg(forever).arg(0).query_async::<Value>(&mut connection).await;
    });
    answers_with(server, "BUSY").await;
}

async fn answers_with(server: &Server, code: &str) {
    let answered = async || {
        let error = server.try_cli(&["GET", "key"]).await.err()?;
        (error.code() == Some(code)).then_some(())
    };
    eventually(code, answered).await;
}

/// Sees what is answered while a server refuses to work, for longer and for less long than the deadline.
async fn refused(builder: ServerBuilder, begin: impl AsyncFn(&Server), end: impl AsyncFn(&Server)) {
    for flavor in [Flavor::usual(), Flavor::redis_6_2()] {
        let server = builder.clone().flavor(&flavor).start().await;
        let all = All::on(&server).await;

        begin(&server).await;
        let asked = Instant::now();
        let answers = all.at_once().await;
        for (operation, answer) in &answers {
            let told = unavailable(answer).unwrap_or_else(|| panic!("{flavor}: {operation}: {answer:?}"));
            // Whose last attempt the deadline cut short cannot know what it would have been answered.
            assert!(!told || !was_refused(answer), "{flavor}: {operation}: {answer:?}");
        }
        assert!(answers.iter().any(|(_, answer)| unavailable(answer) == Some(false)), "{flavor}: {answers:?}");
        let took = asked.elapsed();
        assert!(took < DEADLINE + Duration::from_millis(100), "{flavor}: {took:?}");

        let ((), answers) = tokio::join!(
            async {
                sleep(DEADLINE / 4).await;
                end(&server).await;
            },
            all.at_once()
        );
        for (operation, answer) in answers {
            answer.unwrap_or_else(|error| panic!("{flavor}: {operation}: {error:?}"));
        }
    }
}

/// Whether the last that was heard is an answer of the server.
fn was_refused(answer: &Result<(), StoreError>) -> bool {
    let cause = answer.as_ref().err().and_then(Error::source);
    cause.is_some_and(|cause| cause.to_string().starts_with("the server answered"))
}

/// A session for each operation.
struct All {
    store: RedisStore,
    touched: SessionKey,
    peeked: SessionKey,
    updated: SessionKey,
    deleted: SessionKey,
}

impl All {
    async fn on(server: &Server) -> Self {
        let store = connect_within(DEADLINE, &server.url()).await;
        let touched = open(&store, alice()).await;
        let peeked = open(&store, Owner::Anonymous).await;
        let updated = open(&store, alice()).await;
        let deleted = open(&store, Owner::Anonymous).await;
        Self { store, touched, peeked, updated, deleted }
    }

    /// Every operation, and whether what it answered is right if it answered.
    async fn at_once(&self) -> [(&'static str, Result<(), StoreError>); 8] {
        let bob = Owner::principal("https://issuer.example", "bob");
        let alice = alice();
        let (create, touch, peek, update, delete, list, end_all, why_absent) = tokio::join!(
            self.store.create(draft(alice).0),
            self.store.touch(&self.touched),
            self.store.peek(&self.peeked),
            self.store.update(&self.updated, set("field", 1)),
            self.store.delete(&self.deleted),
            self.store.list(&alice, Page::first(NonZeroU32::MAX)),
            self.store.end_all(&bob),
            self.store.why_absent(&self.touched),
        );
        [
            ("create", create.map(drop)),
            ("touch", right(touch, Option::is_some)),
            ("peek", right(peek, Option::is_some)),
            ("update", right(update, |updated| updated.version.get() == 2)),
            ("delete", right(delete, |deleted| *deleted)),
            ("list", right(list, |listing| listing.sessions.len() >= 2)),
            ("end_all", right(end_all, |ended| *ended == 0)),
            ("why_absent", right(why_absent, Option::is_none)),
        ]
    }
}

fn right<T: Debug>(answer: Result<T, StoreError>, expected: impl FnOnce(&T) -> bool) -> Result<(), StoreError> {
    answer.map(|answer| {
        let shown = format!("{answer:?}");
        assert!(expected(&answer), "{shown}");
    })
}
