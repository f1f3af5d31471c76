//! How a session is written down, so that other versions and other languages can read it.
//!
//! `format/1.txt` is a session of format 1. This version writes the same, and every later one has to read it.

mod support;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::num::NonZeroU32;
use std::time::Duration;

use redis::from_redis_value;
use session_core::{
    Change, Expired, Feed, Journal as _, JournalLimits, Lifetimes, Load, Mode, NewGrant, NewSession, Page, Position,
    SessionKey, SessionName, SessionStore as _, SessionStoreExt as _, StateName, StateValue, StoreError, Subject, Text,
    Timestamp, Version,
};
use session_redis::RedisStore;
use session_test_servers::Server;

use support::sessions::{alice, store_at};

const EXAMPLE: &str = include_str!("format/1.txt");
const README: &str = include_str!("../README.md");
const HANDSHAKE: &str = ".handshake";

#[tokio::test]
async fn a_session_is_written_as_in_the_example() {
    let (server, store) = start().await;
    let example = Example::read();
    let lifetimes = Lifetimes::new(Lifetimes::MAX, Duration::from_secs(70 * 365 * 24 * 60 * 60));
    let new = NewSession::new(alice(), &example.name, lifetimes.expect("as long as in the example"));
    let text = |field: &str| Text::new(&example.fields[field]).expect("a text");
    let initial = Change::new().working_directory(text("dir")).config_path(text("cfg")).project_id(text("prj"));
    store.create(new.with(initial)).await.expect("there is room");
    let label = Text::new("sub-agent: tests").expect("a label");
    let change = Change::new()
        .set("cart".parse().expect("a state name"), example.value("u:cart"))
        .set(StateName::reserved(HANDSHAKE), example.value("u:.handshake"))
        .grant(&example.reader, NewGrant::new(Mode::ReadOnly).with_label(label));
    store.update(&example.key(), change).await.expect("it is live");

    let written = fields(&server, &example).await;
    let masked = |fields: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        fields.iter().map(|(name, value)| (name.clone(), without_times(name, value))).collect()
    };
    assert_eq!(masked(&written), masked(&example.fields));
    let seen = store.peek(&example.key()).await.expect("the store answers").expect("it is live");
    for (field, time) in [("c", seen.created_at), ("d", seen.ends_at), ("l", seen.last_used())] {
        assert_eq!(written[field], time.as_millis().to_string(), "{field}");
    }
    assert_eq!(written["set"], seen.set_at.expect("the directory was set").as_millis().to_string());
    assert!(written["w"].ends_with(&format!(":{};", seen.last_used().as_millis())), "{}", written["w"]);
    let index: Vec<String> = texts(&server, &["ZRANGE", &example.index, "0", "-1", "WITHSCORES"]).await;
    let deadline = index.iter().skip_while(|member| **member != example.name.locator().to_string()).nth(1);
    assert_eq!(deadline, Some(&written["d"]), "the index has its deadline");
}

#[tokio::test]
async fn a_field_for_the_last_use_is_there_only_where_the_end_of_the_key_does_not_tell() {
    let (server, store) = start().await;
    let example = Example::read();
    store.create(NewSession::new(alice(), &example.name, Lifetimes::default())).await.expect("there is room");
    let written = fields(&server, &example).await;
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    let grant = example.fields.keys().find(|name| name.starts_with("g:") && example.fields[*name].starts_with("rw"));
    assert_eq!(names, ["b", "c", "d", "f", grant.expect("the first name's"), "i", "k", "n", "v"]);
}

#[tokio::test]
async fn the_example_is_read_to_the_last_field() {
    let (server, store) = start().await;
    let example = Example::read();
    example.put(&server).await;
    let seen = store.peek(&example.key()).await.expect("the store answers").expect("it lives until 2100");
    let at = |field: &str| Timestamp::from_millis(example.fields[field].parse().expect("a time"));
    assert_eq!((seen.created_at, seen.ends_at, seen.set_at), (at("c"), at("d"), Some(at("set"))));
    assert_eq!((seen.last_used(), seen.idle_timeout), (at("l"), Lifetimes::MAX));
    assert_eq!((seen.version, seen.mode(), seen.owner), (Version::from_store(2), Mode::ReadWrite, alice()));
    let texts = [&seen.working_directory, &seen.config_path, &seen.project_id];
    assert_eq!(
        texts.map(|text| text.as_ref().map(Text::as_str)),
        ["dir", "cfg", "prj"].map(|field| Some(&*example.fields[field]))
    );
    assert_eq!(seen.state.get(&"cart".parse().expect("a state name")), Some(&example.value("u:cart")));
    assert_eq!(seen.state.get(&StateName::reserved(HANDSHAKE)), Some(&example.value("u:.handshake")));
    assert_eq!((seen.state.len(), seen.grants.len()), (2, 2));
    assert_eq!(seen.bytes().to_string(), example.fields["b"]);
    let reader = seen.grants.get(example.reader.secret_hash()).expect("its second name");
    assert_eq!((reader.mode, reader.ends_at), (Mode::ReadOnly, seen.ends_at));
    assert_eq!(reader.label.as_ref().map(Text::as_str), Some("sub-agent: tests"));

    let listed = store.list(&alice(), Page::first(NonZeroU32::MIN)).await.expect("a principal has a list");
    assert_eq!(listed.sessions.iter().map(|one| one.locator).collect::<Vec<_>>(), [example.name.locator()]);
    let updated = store.update(&example.key(), Change::new()).await.expect("it can be changed");
    assert_eq!(updated.version, Version::from_store(3));
    assert!(store.delete(&example.key()).await.expect("it can be ended"));
}

#[tokio::test]
async fn the_readme_leads_to_the_example_and_names_each_of_its_fields() {
    let example = Example::read();
    for fact in [&example.key, &example.index, &example.name.expose()] {
        assert!(README.contains(fact.as_str()), "{fact} is not in the README");
    }
    for field in example.fields.keys() {
        let kind = field.split_once(':').map_or(field.clone(), |(kind, _)| format!("{kind}:"));
        assert!(README.contains(&format!("| `{kind}")), "`{kind}` is not in the README's table");
    }
}

#[tokio::test]
async fn what_is_said_is_written_as_the_readme_states() {
    let (server, store) = start().await;
    let example = Example::read();
    let journal = store.journal(JournalLimits { bytes: 8, ..JournalLimits::default() });
    let feed = Feed::ToClient(*example.key().id());
    let stream = example.key.replace(":s:", ":e:");
    let forgotten = example.index.replace(":x", ":f");
    journal.append(&feed, b"four").await.expect("the server runs");
    let at = journal.append(&feed, b"fives").await.expect("the server runs").at;
    let written: Stream = from_redis_value(server.cli(&["XRANGE", &stream, "-", "+"]).await).expect("entries");
    assert_eq!(written, [entry(at, ["t", "9", "f", "4", "g", "", "d", "fives"])]);

    journal.forget(&alice(), &Subject::All { sessions: 1 }).await.expect("the server runs");
    let [id] = &texts(&server, &["MGET", &forgotten]).await[..] else { panic!("all was forgotten once") };
    let at = journal.append(&feed, b"later").await.expect("the server runs").at;
    let written: Stream = from_redis_value(server.cli(&["XRANGE", &stream, "-", "+"]).await).expect("entries");
    assert_eq!(written, [entry(at, ["t", "5", "f", "0", "g", id, "d", "later"])]);
    for key in [&stream, &forgotten] {
        let left: u64 = from_redis_value(server.cli(&["PTTL", key]).await).expect("it has an end");
        assert!((250_000..=300_000).contains(&left), "{key} is there for {left} ms");
    }
    for (key, kind) in [(&stream, "mcp:{tag}:e:locator"), (&forgotten, "mcp:{tag}:f")] {
        let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).expect("it has a tag").0;
        let masked = key.replace(tag, "tag");
        assert!(masked.starts_with(kind.trim_end_matches("locator")), "{key} is called as {kind}");
        assert!(README.contains(&format!("| `{kind}` |")), "`{kind}` is not in the README's table");
    }
}

type Stream = Vec<(String, Vec<String>)>;

fn entry(at: Position, fields: [&str; 8]) -> (String, Vec<String>) {
    (at.to_string(), fields.map(str::to_owned).into())
}

#[tokio::test]
async fn a_session_of_a_later_format_is_a_clear_error_until_it_is_ended() {
    let (server, store) = start().await;
    let example = Example::read();
    example.put(&server).await;
    server.cli(&["HSET", &example.key, "f", "2"]).await;
    let before = fields(&server, &example).await;
    let key = example.key();
    let errors = [
        store.touch(&key).await.expect_err("it cannot be read"),
        store.peek(&key).await.expect_err("it cannot be read"),
        store.update(&key, Change::new()).await.expect_err("it cannot be changed"),
        store.why_absent(&key).await.expect_err("it is not absent"),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Defect { .. }), "{error:?}");
        let source = error.source().expect("the operator learns why").to_string();
        assert!(source.contains("upgrade"), "{source}");
    }
    let listing = store.list(&alice(), Page::first(NonZeroU32::MIN)).await.expect("the others can be listed");
    assert!(listing.sessions.is_empty(), "it is left out: {listing:?}");
    assert_eq!(fields(&server, &example).await, before, "it is left as it was");
    let again = NewSession::new(alice(), &example.name, Lifetimes::default());
    assert!(matches!(store.create(again).await, Err(StoreError::AlreadyExists)));
    assert!(store.delete(&key).await.expect("it can be ended"));
    assert!(store.peek(&key).await.expect("the store answers").is_none());
}

#[tokio::test]
async fn fields_that_a_later_version_added_are_left_alone() {
    let (server, store) = start().await;
    let example = Example::read();
    example.put(&server).await;
    let added = [("z", "1"), ("zz:a", ""), ("later", "\u{1}"), ("gx", "rw:1:")];
    for (name, value) in added {
        server.cli(&["HSET", &example.key, name, value]).await;
    }
    let key = example.key();
    let seen = store.touch(&key).await.expect("the store answers").expect("it is live");
    assert_eq!((seen.state.len(), seen.grants.len()), (2, 2), "nothing is taken for what it is not");
    let rotate = Change::new()
        .grant(&SessionName::mint_for(key.locator()), NewGrant::new(Mode::ReadWrite))
        .revoke(example.reader.secret_hash())
        .remove("cart".parse().expect("a state name"));
    store.update(&key, rotate).await.expect("it can be changed");
    store.peek(&key).await.expect("the store answers").expect("it is live");
    let written = fields(&server, &example).await;
    for (name, value) in added {
        assert_eq!(written.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(store.delete(&key).await.expect("it can be ended"));
}

#[tokio::test]
async fn what_is_no_session_is_absent_and_makes_way() {
    let (server, store) = start().await;
    let example = Example::read();
    let key = &*example.key;
    let rubbish: [&[&str]; 7] = [
        &["SET", key, "ended 0123456789abcdef:1 -"],
        &["SET", key, "rubbish"],
        &["RPUSH", key, "rubbish"],
        &["SADD", key, "rubbish"],
        &["ZADD", key, "1", "rubbish"],
        &["HSET", key, "f", "1", "v", "1", "i", "1000"],
        &["HSET", key, "d", "1", "f", "1", "v", "1", "i", "1000", "c", "1"],
    ];
    for put in rubbish {
        for by in [example.key(), SessionKey::by_locator(alice(), example.name.locator())] {
            server.cli(put).await;
            assert!(store.touch(&by).await.expect("the store answers").is_none(), "{put:?}");
            assert!(store.peek(&by).await.expect("the store answers").is_none(), "{put:?}");
            assert!(matches!(store.update(&by, Change::new()).await, Err(StoreError::NotFound)), "{put:?}");
            let why = store.why_absent(&by).await.expect("the store answers");
            assert!(matches!(why, None | Some(Expired::Absolute(_))), "{put:?}: {why:?}");
            assert!(!store.delete(&by).await.expect("the store answers"), "{put:?}");
            server.cli(&["DEL", key]).await;
        }
        server.cli(put).await;
        store.create(NewSession::new(alice(), &example.name, Lifetimes::default())).await.expect("it makes way");
        assert!(store.touch(&example.key()).await.expect("the store answers").is_some(), "{put:?}");
        assert!(store.delete(&example.key()).await.expect("the store answers"), "{put:?}");
        server.cli(&["DEL", key]).await;
    }
}

#[tokio::test]
async fn garbage_in_any_field_is_a_defect_that_its_owner_can_end() {
    const GARBAGE: [&[u8]; 9] =
        [b"", b"x", b"-1", b"1e3", b"0x10", b"inf", b"nan", b"99999999999999999999999999", b"\xff\x00"];
    let (server, store) = start().await;
    let example = Example::read();
    let fields = example.fields.keys().map(String::as_str).chain(["g:short", "u:", "u:a b", "g:"]);
    for field in fields {
        for garbage in GARBAGE {
            example.put(&server).await;
            server.cli(&[b"HSET", example.key.as_bytes(), field.as_bytes(), garbage]).await;
            let what = format!("{field} of {}", garbage.escape_ascii());
            let mine = SessionKey::by_locator(alice(), example.name.locator());
            for key in [example.key(), mine] {
                for load in [Load::Touch, Load::Peek] {
                    or_a_defect(store.load(&key, load).await, &what);
                }
                or_a_defect(store.why_absent(&key).await, &what);
                or_a_defect(store.list(&alice(), Page::first(NonZeroU32::MIN)).await, &what);
                match store.update(&key, Change::new().revoke(example.reader.secret_hash())).await {
                    Err(StoreError::NotFound | StoreError::ReadOnly) => {}
                    answer => or_a_defect(answer, &what),
                }
            }
            assert!(store.count(Duration::ZERO).await.is_ok(), "{what}");
            store.delete(&mine).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert!(store.touch(&mine).await.unwrap_or_else(|error| panic!("{what}: {error:?}")).is_none());
            let kind: String = from_redis_value(server.cli(&["TYPE", &example.key]).await).expect("a text");
            assert_ne!(kind, "hash", "{what}: it is gone");
        }
    }
}

/// Either it is an answer, or it says that the store holds what it should not.
#[track_caller]
fn or_a_defect<T>(answer: Result<T, StoreError>, what: &str) {
    match answer {
        Ok(_) | Err(StoreError::Defect { .. }) => {}
        Err(error) => panic!("{what}: {error:?}"),
    }
}

async fn start() -> (Server, RedisStore) {
    let server = Server::start().await;
    let store = store_at(&server.url()).await;
    (server, store)
}

/// The session of `format/1.txt`.
struct Example {
    name: SessionName,
    reader: SessionName,
    key: String,
    index: String,
    fields: BTreeMap<String, String>,
}

impl Example {
    fn read() -> Self {
        let lines = EXAMPLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let pairs = lines.map(|line| line.split_once(' ').expect("a name and a value"));
        let mut fields: BTreeMap<String, String> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut take = |name: &str| fields.remove(name).expect("the example says where it is");
        let [name, reader] = ["name", "reader"].map(|name| take(name).parse().expect("a session's name"));
        let (key, index) = (take("key"), take("index"));
        Self { name, reader, key, index, fields }
    }

    fn key(&self) -> SessionKey {
        SessionKey::by_name(alice(), &self.name)
    }

    fn value(&self, field: &str) -> StateValue {
        StateValue::from(self.fields[field].as_bytes())
    }

    /// Puts it into a server in place of what is there.
    async fn put(&self, server: &Server) {
        server.cli(&["DEL", &self.key, &self.index]).await;
        let fields = self.fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        server.cli(&["HSET", &self.key].into_iter().chain(fields).collect::<Vec<_>>()).await;
        server.cli(&["PEXPIREAT", &self.key, &self.fields["d"]]).await;
        server.cli(&["ZADD", &self.index, &self.fields["d"], &self.name.locator().to_string()]).await;
    }
}

async fn fields(server: &Server, example: &Example) -> BTreeMap<String, String> {
    let fields: BTreeMap<Vec<u8>, Vec<u8>> =
        from_redis_value(server.cli(&["HGETALL", &example.key]).await).expect("a hash");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the tests write texts");
    fields.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

async fn texts(server: &Server, command: &[&str]) -> Vec<String> {
    from_redis_value(server.cli(command).await).expect("texts")
}

/// A field's value without what differs from one session to the next: times, and who wrote.
fn without_times(name: &str, value: &str) -> String {
    let parts = |separator: char| value.split(separator).collect::<Vec<_>>();
    match name {
        "c" | "d" | "l" | "set" => format!("{} digits", value.len()),
        "k" | "w" => {
            let [writer, number, rest @ ..] = &parts(':')[..] else { panic!("`{name}` is {value}") };
            assert!(writer.len() == 16 && writer.bytes().all(|byte| byte.is_ascii_hexdigit()), "{value}");
            let rest: Vec<usize> = rest.iter().map(|part| part.len()).collect();
            format!("writer:{number}:{rest:?}")
        }
        _ if name.starts_with("g:") => {
            let [mode, time, label @ ..] = &parts(':')[..] else { panic!("`{name}` is {value}") };
            format!("{mode}:{} digits:{}", time.len(), label.join(":"))
        }
        _ => value.to_owned(),
    }
}
