//! Records that nobody wrote like that.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::join_all;
use session_core::{
    Feed, Journal as _, Lifetimes, NewSession, Owner, Page, Position, SessionKey, SessionName, SessionStore as _,
    SessionStoreExt as _, StoreError, Subject,
};
use session_redis::RedisStore;
use session_test_servers::Server;

use crate::history::{every_key_has_an_end, keys};
use crate::reader::{feed, journal, said, say};
use crate::stores::{alice, connect, lasting, set};

/// What a corrupt record may be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Absent,
    Defective,
    /// It is as good as before.
    Whole,
}

#[tokio::test]
async fn a_session_without_a_deadline_is_absent() {
    let bench = Bench::start().await;
    for owner in [alice(), Owner::Anonymous] {
        let record = bench.record(owner).await;
        bench.server.cli(&[b"HDEL", record.redis.as_slice(), b"d"]).await;
        assert_eq!(bench.judge(&record, "no deadline").await, Taken::Absent);
    }
}

#[tokio::test]
async fn something_else_in_the_place_of_a_session_is_absent() {
    let bench = Bench::start().await;
    for owner in [alice(), Owner::Anonymous] {
        for (kind, command) in [
            ("text", &["SET", "ended - -"][..]),
            ("text", &["SET", "anything"]),
            ("list", &["RPUSH", "a", "b"]),
            ("set", &["SADD", "a", "b"]),
            ("sorted set", &["ZADD", "1", "a"]),
            ("stream", &["XADD", "*", "d", "1"]),
        ] {
            let record = bench.record(owner).await;
            bench.server.cli(&[b"DEL", record.redis.as_slice()]).await;
            let mut all: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
            all.insert(1, &record.redis);
            bench.server.cli(&all).await;
            assert_eq!(bench.judge(&record, kind).await, Taken::Absent, "{kind}");
        }
    }
}

#[tokio::test]
async fn something_else_in_the_place_of_a_feed_is_a_defect_and_can_be_forgotten() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let journal = journal(&store);
    for owner in [alice(), Owner::Anonymous] {
        for command in [&["SET", "anything"][..], &["RPUSH", "a", "b"], &["HSET", "d", "1"], &["XADD", "*", "d", "1"]] {
            let feed = feed(owner);
            say(&store, &feed, "said").await;
            let key = keys(&server).await.into_iter().find(|key| key.windows(3).any(|part| part == b":e:"));
            let key = key.expect("something was said");
            server.cli(&[b"DEL", key.as_slice()]).await;
            let mut all: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
            all.insert(1, &key);
            server.cli(&all).await;
            let read = journal.read(&feed, Position::START, 10).await;
            assert!(matches!(read, Err(StoreError::Defect { .. })), "{command:?}: {read:?}");
            let end = journal.end(&feed).await;
            assert!(matches!(end, Err(StoreError::Defect { .. })), "{command:?}: {end:?}");
            let appended = journal.append(&feed, b"more").await;
            if command[0] == "XADD" {
                appended.expect("what nobody said goes");
                assert_eq!(said(&store, &feed).await, ["more"]);
            } else {
                assert!(matches!(appended, Err(StoreError::Defect { .. })), "{command:?}: {appended:?}");
            }
            let Feed::ToClient(id) = feed else { unreachable!("it is a client's") };
            journal.forget(&owner, &Subject::One(id.locator)).await.expect("it forgets anything");
            say(&store, &feed, "again").await;
            assert_eq!(said(&store, &feed).await, ["again"]);
            journal.forget(&owner, &Subject::One(id.locator)).await.expect("it forgets again");
        }
    }
}

#[tokio::test]
async fn garbage_in_a_field_is_absent_or_a_defect() {
    let bench = Bench::start().await;
    let garbage = ["", "x", "-1", "1.5", "nan", "inf", "-inf", "0x10", "1e300", "99999999999999999999", ":;\u{0}"];
    for owner in [alice(), Owner::Anonymous] {
        for field in ["f", "c", "d", "i", "v", "b", "n", "l", "k", "w", "set", "dir", "g:x", "u:", "u:.", "u: "] {
            for value in garbage {
                let record = bench.record(owner).await;
                let corrupt: [&[u8]; 4] = [b"HSET", &record.redis, field.as_bytes(), value.as_bytes()];
                bench.server.cli(&corrupt).await;
                let taken = bench.judge(&record, &format!("{field:?} is {value:?}")).await;
                let never_whole = ["f", "c", "d", "i", "v", "g:x", "u:", "u:.", "u: "].contains(&field);
                // A number that is written in a strange way is still a number to some.
                assert!(!never_whole || taken != Taken::Whole, "{field:?} is {value:?}: {taken:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_record_of_a_newer_format_is_a_defect_and_left_as_it_is() {
    let bench = Bench::start().await;
    let record = bench.record(alice()).await;
    bench.server.cli(&[b"HSET", record.redis.as_slice(), b"f", b"2"]).await;
    let before = bench.server.cli(&[b"HGETALL", record.redis.as_slice()]).await;
    assert_eq!(taken(bench.store.peek(&record.key).await), Taken::Defective);
    assert!(matches!(bench.store.update(&record.key, set("field", 1)).await, Err(StoreError::Defect { .. })));
    assert_eq!(bench.server.cli(&[b"HGETALL", record.redis.as_slice()]).await, before);
}

#[tokio::test]
async fn a_field_that_nobody_knows_yet_survives_a_change() {
    let bench = Bench::start().await;
    let record = bench.record(alice()).await;
    bench.server.cli(&[b"HSET", record.redis.as_slice(), b"future", b"kept"]).await;
    bench.store.update(&record.key, set("field", 1)).await.expect("it is whole");
    assert!(bench.store.touch(&record.key).await.expect("it is whole").is_some());
    let kept = bench.server.cli(&[b"HGET", record.redis.as_slice(), b"future"]).await;
    assert_eq!(kept, redis::Value::BulkString(b"kept".to_vec()));
}

#[tokio::test]
async fn a_session_that_somebody_made_endless_ends_again_with_its_next_use() {
    let bench = Bench::start().await;
    let record = bench.record(alice()).await;
    bench.server.cli(&[b"PERSIST", record.redis.as_slice()]).await;
    assert!(bench.store.touch(&record.key).await.expect("it is whole").is_some());
    every_key_has_an_end(&bench.server).await;
}

/// The deadline can come while a script is at work on it, which a server notices once in some thousands: what is
/// written then would stay for ever.
#[tokio::test]
async fn a_session_of_a_millisecond_leaves_nothing() {
    let bench = Bench::start().await;
    let lifetimes = Lifetimes::new(Duration::from_secs(1), Duration::from_millis(1)).expect("both are valid");
    for _ in 0..100 {
        let together = (0..100).map(|_| async {
            let name = SessionName::mint();
            bench.store.create(NewSession::new(Owner::Anonymous, &name, lifetimes)).await.expect("the server runs");
            let key = SessionKey::by_name(Owner::Anonymous, &name);
            bench.store.touch(&key).await.expect("the server runs");
        });
        join_all(together).await;
    }
    every_key_has_an_end(&bench.server).await;
}

#[tokio::test]
async fn an_index_with_garbage_lists_and_ends_what_is_there() {
    let bench = Bench::start().await;
    let record = bench.record(alice()).await;
    let index = keys(&bench.server).await.into_iter().find(|key| key.ends_with(b":x")).expect("alice has an index");
    for member in ["", "garbage", "AAAAAAAAAAAAAAAAAAAAAA", "rate:", "\u{0}"] {
        bench.server.cli(&[b"ZADD", index.as_slice(), b"99999999999999", member.as_bytes()]).await;
    }
    let page = Page::first(NonZeroU32::MAX);
    let listing = bench.store.list(&alice(), page.clone()).await.expect("garbage is passed over");
    assert_eq!(listing.sessions.len(), 1);
    assert_eq!(bench.store.end_all(&alice()).await.expect("garbage ends as well"), 1);
    assert!(bench.store.peek(&record.key).await.expect("the server runs").is_none());

    let text: [&[u8]; 5] = [b"SET", &index, b"garbage", b"PX", b"100000"];
    bench.server.cli(&text).await;
    assert!(matches!(bench.store.list(&alice(), page).await, Err(StoreError::Defect { .. })));
}

/// Also as the later protocol says it.
#[tokio::test]
async fn an_index_with_garbage_for_deadlines_ends_all_the_same() {
    let bench = Bench::start().await;
    let client = redis::Client::open(format!("{}/?protocol=resp3", bench.server.url())).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await.expect("the server runs");
    let later = RedisStore::from_connection(connection, bench.server.url().parse().expect("a URL"));
    for store in [&bench.store, &later] {
        for score in ["inf", "-inf", "-5", "1.5", "1e300", "4102444800000.5"] {
            let record = bench.record(alice()).await;
            let index = keys(&bench.server).await.into_iter().find(|key| key.ends_with(b":x")).expect("her index");
            for member in [record.key.locator().to_string().as_str(), "garbage"] {
                bench.server.cli(&[b"ZADD", index.as_slice(), score.as_bytes(), member.as_bytes()]).await;
            }
            assert_eq!(store.end_all(&alice()).await.expect("whatever its score"), 1, "{score}");
            assert!(store.peek(&record.key).await.expect("the server runs").is_none(), "{score}");
            assert!(!keys(&bench.server).await.contains(&index), "{score}: nothing is left in it");
        }
    }
}

/// A server, and records on it that are made to be spoilt.
struct Bench {
    server: Server,
    store: RedisStore,
}

struct Record {
    name: SessionName,
    key: SessionKey,
    /// What it is called on the server.
    redis: Vec<u8>,
}

impl Bench {
    async fn start() -> Self {
        let server = Server::start().await;
        let store = connect(&server.url()).await;
        Self { server, store }
    }

    /// A session, alone on the server.
    async fn record(&self, owner: Owner) -> Record {
        self.server.cli(&["FLUSHALL"]).await;
        let name = SessionName::mint();
        self.store.create(NewSession::new(owner, &name, lasting())).await.expect("the server runs");
        let key = SessionKey::by_name(owner, &name);
        self.store.update(&key, set("field", 0)).await.expect("the server runs");
        let redis = keys(&self.server).await.into_iter().find(|key| !key.ends_with(b":x")).expect("it was created");
        Record { name, key, redis }
    }

    /// Asks everything of a record, and then ends it and creates it anew.
    async fn judge(&self, record: &Record, what: &str) -> Taken {
        let (store, key) = (&self.store, &record.key);
        let before = taken(store.peek(key).await);
        taken(store.touch(key).await);
        taken(store.update(key, set("field", 1)).await.map(Some));
        taken(store.why_absent(key).await);
        taken(store.count(Duration::ZERO).await.map(Some));
        let owner = key.owner();
        if owner != Owner::Anonymous {
            taken(store.list(&owner, Page::first(NonZeroU32::MAX)).await.map(Some));
        }
        let ended = taken(store.delete(key).await.map(Some));
        assert_eq!(ended, Taken::Whole, "{what}: it can be ended");
        if owner != Owner::Anonymous {
            let ended = taken(store.end_all(&owner).await.map(Some));
            assert_eq!(ended, Taken::Whole, "{what}: all of an owner can be ended");
        }
        assert_eq!(taken(store.peek(key).await), Taken::Absent, "{what}: and then it is absent");
        let created = store.create(NewSession::new(owner, &record.name, lasting())).await;
        created.unwrap_or_else(|error| panic!("{what}: and its name is as good as new: {error:?}"));
        assert_eq!(taken(store.touch(key).await), Taken::Whole, "{what}: and the new one is whole");
        every_key_has_an_end(&self.server).await;
        before
    }
}

/// What an answer takes the record for. Whatever it is, it is not that the server is away.
fn taken<T: std::fmt::Debug>(answer: Result<Option<T>, StoreError>) -> Taken {
    match answer {
        Ok(Some(_)) => Taken::Whole,
        Ok(None) | Err(StoreError::NotFound) => Taken::Absent,
        Err(StoreError::Defect { .. }) => Taken::Defective,
        Err(error) => panic!("neither absent nor a defect: {error:?}"),
    }
}
