//! What Redis is told: how much, how often, and nothing that it need not know.

mod support;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use redis::from_redis_value;
use session_core::{
    Change, Feed, Journal as _, JournalLimits, Limits, Load, Mode, Owner, Page, Position, SessionId, SessionKey,
    SessionName, SessionStore, SessionStoreExt as _, StateName, StoreError, Subject, Text,
};
use session_redis::{Durability, RedisConfig, RedisStore};
use session_test_servers::{Command, Monitor, Proxy, Server};
use tokio::time::sleep;

use support::sessions::{ISSUER, alice, bob, config, connect, give, open, session, store_at};

#[tokio::test]
async fn no_key_holds_anything_that_a_client_chose() {
    let server = Server::start().await;
    let store = store_at(&server.url()).await;
    let monitor = Monitor::start(&server).await;
    let mut said = vec![ISSUER.to_owned(), "alice".to_owned(), "{evil}:s:*".to_owned(), "cart".to_owned()];
    let text = Text::new("{evil}:s:*").expect("a text");
    for owner in [Owner::Anonymous, alice()] {
        let (name, key, new) = session(owner);
        let change = || {
            Change::new()
                .working_directory(text.clone())
                .project_id(text.clone())
                .set("cart".parse().expect("a state name"), text.as_str().as_bytes().into())
                .set(StateName::reserved(".reserved"), b"cart".as_slice().into())
        };
        store.create(new.with(change())).await.expect("there is room");
        store.update(&key, change().remove("cart".parse().expect("a state name"))).await.expect("it is live");
        let (guest, guest_key) = give(&store, &key, Mode::ReadOnly).await;
        for key in [key, guest_key, SessionKey::by_locator(owner, key.locator())] {
            store.touch(&key).await.expect("the store answers");
            store.peek(&key).await.expect("the store answers");
            store.why_absent(&key).await.expect("the store answers");
        }
        everything_of(&store, owner).await;
        store.delete(&key).await.expect("the store answers");
        for name in [&name, &guest] {
            said.extend([name.expose(), name.expose()[4..26].to_owned(), name.expose()[26..].to_owned()]);
        }
    }
    store.count(Duration::ZERO).await.expect("the store answers");

    let mut keys = BTreeSet::new();
    for command in monitor.finish().await {
        let secrets = command.arguments.iter().any(|argument| holds(argument, "ses_"));
        assert!(!secrets, "no name leaves the process: {}", shown(&command));
        keys.extend(keys_of(&server, &command).await);
    }
    assert_eq!(keys.len(), 5, "two anonymous sessions, two of a principal and their index: {keys:?}");
    for key in &keys {
        let hashes = masked(key);
        assert!(["mcp:{a…}:s:…", "mcp:{o…}:s:…", "mcp:{o…}:x"].contains(&&*hashes), "{key}");
        let known = said.iter().find(|said| key.contains(said.as_str()));
        assert_eq!(known, None, "{key}");
    }
}

#[tokio::test]
async fn no_feed_is_called_by_anything_that_a_client_chose() {
    let server = Server::start().await;
    let store = store_at(&server.url()).await;
    let monitor = Monitor::start(&server).await;
    let mut said = vec![ISSUER.to_owned(), "alice".to_owned()];
    for owner in [Owner::Anonymous, alice()] {
        let name = SessionName::mint();
        everything_said(&store, owner, &name).await;
        said.extend([name.expose(), name.expose()[4..26].to_owned(), name.expose()[26..].to_owned()]);
    }
    let (mut keys, mut channels) = (BTreeSet::new(), BTreeSet::new());
    for command in monitor.finish().await {
        let secrets = command.arguments.iter().any(|argument| holds(argument, "ses_"));
        assert!(!secrets, "no name leaves the process: {}", shown(&command));
        keys.extend(keys_of(&server, &command).await);
        match command.name().as_str() {
            "PUBLISH" => assert!(command.arguments[2].is_empty(), "a ring says nothing: {}", shown(&command)),
            "SUBSCRIBE" | "UNSUBSCRIBE" => {}
            _ => continue,
        }
        channels.insert(String::from_utf8(command.arguments[1].clone()).expect("a text"));
    }
    for name in keys.iter().chain(&channels) {
        let known = said.iter().find(|said| name.contains(said.as_str()));
        assert_eq!(known, None, "{name}");
    }
    let masks = |names: BTreeSet<String>| -> BTreeSet<String> {
        let kind = |name: &String| name.split_once(":w:").map_or_else(|| masked(name), |(tag, _)| masked(tag) + ":w:…");
        names.iter().map(kind).collect()
    };
    let expected = ["mcp:{a…}", "mcp:{o…}"].map(|tag| ["e:…", "f", "q:…", "w:…"].map(|kind| format!("{tag}:{kind}")));
    let mut expected: BTreeSet<String> = expected.into_iter().flatten().collect();
    expected.extend(["mcp:{all}:f", "mcp:{all}:q", "mcp:{all}:w:…"].map(str::to_owned));
    assert_eq!(masks(keys), expected, "keys");
    let no_channels = |name: &String| name.contains(":w:") || ["mcp:{a…}:f", "mcp:{all}:f"].contains(&name.as_str());
    expected.retain(|name| !no_channels(name));
    assert_eq!(masks(channels), expected, "channels");
}

#[tokio::test]
async fn every_operation_on_a_feed_is_one_round_trip() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = store_at(&server.url_at(proxy.addr())).await;
    let journal = store.journal(JournalLimits { entries: 3, bytes: 10, ..JournalLimits::default() });
    // The server learns the scripts.
    everything_said(&store, alice(), &SessionName::mint()).await;
    for owner in [Owner::Anonymous, alice()] {
        let locator = SessionName::mint().locator();
        for feed in [Feed::ToClient(SessionId { owner, locator }), Feed::ToAll] {
            // The last ones make others go: by number, then by bytes, then all.
            for entry in ["1", "2", "3", "4", "five5", "five6", "and eleven"] {
                let (trips, appended) = trips(&proxy, journal.append(&feed, entry.as_bytes())).await;
                assert_eq!((trips, appended.is_ok()), (1, true), "append");
            }
            assert_eq!(trips_of(&proxy, journal.append(&feed, b"and eleven.")).await, 0, "append, refused");
            assert_eq!(trips_of(&proxy, journal.read(&feed, Position::START, usize::MAX)).await, 1, "read");
            assert_eq!(trips_of(&proxy, journal.end(&feed)).await, 1, "end");
        }
        assert_eq!(trips_of(&proxy, journal.forget(&owner, &Subject::One(locator))).await, 1, "forget");
    }
    assert_eq!(trips_of(&proxy, journal.forget(&alice(), &Subject::All { sessions: 1 })).await, 1, "forget all");
}

#[tokio::test]
async fn while_something_is_followed_a_sign_of_life_is_asked_for_once_a_second() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = store_at(&server.url_at(proxy.addr())).await;
    let journal = store.journal(JournalLimits::default());
    let feeds = [Feed::ToAll, Feed::ToServers(SessionId { owner: alice(), locator: SessionName::mint().locator() })];
    let mut followers = feeds.map(|feed| journal.follow(&feed));
    for follower in &mut followers {
        follower.rung().await;
    }
    let monitor = Monitor::start(&server).await;
    sleep(Duration::from_millis(2_500)).await;
    let signs = monitor.finish().await;
    assert!((2..=3).contains(&signs.len()), "{signs:?}");
    assert!(signs.iter().all(|sign| sign.name() == "XTRIM"), "{signs:?}");
    assert_eq!(proxy.traffic().connections(), 2, "over one connection more");

    drop(followers);
    sleep(Duration::from_millis(200)).await;
    let (monitor, sent) = (Monitor::start(&server).await, proxy.traffic().sent());
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(monitor.finish().await, [], "no commands");
    assert_eq!(proxy.traffic().sent(), sent, "not a byte");
}

#[tokio::test]
async fn every_operation_on_one_session_is_one_round_trip() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = store_at(&server.url_at(proxy.addr())).await;
    warm_up(&store).await;
    for owner in [Owner::Anonymous, alice()] {
        let (_, key, new) = session(owner);
        let (_, unknown, _) = session(owner);
        let larger = cart().project_id(Text::new("shop").expect("a text"));
        let (trips, created) = trips(&proxy, store.create(new.clone().with(larger))).await;
        assert!(created.is_ok());
        assert_eq!(trips, 1, "create");
        assert_eq!(trips_of(&proxy, store.create(new)).await, 1, "create, refused");
        let (_, reader) = give(&store, &key, Mode::ReadOnly).await;
        for key in [key, reader, unknown] {
            assert_eq!(trips_of(&proxy, store.touch(&key)).await, 1, "touch");
            assert_eq!(trips_of(&proxy, store.peek(&key)).await, 1, "peek");
            assert_eq!(trips_of(&proxy, store.update(&key, cart())).await, 1, "update");
            let whose = u64::from(owner != Owner::Anonymous);
            assert_eq!(trips_of(&proxy, store.why_absent(&key)).await, whose, "why_absent");
        }
        assert_eq!(trips_of(&proxy, store.delete(&reader)).await, 1, "delete, refused");
        let (trips, ended) = self::trips(&proxy, store.delete(&key)).await;
        assert!(ended.is_ok_and(|ended| ended));
        assert_eq!(trips, 1, "delete");
    }
    assert_eq!(trips_of(&proxy, store.ping()).await, 1, "ping");
    assert_eq!(trips_of(&proxy, store.count(Duration::ZERO)).await, 1, "count, of few keys");
}

#[tokio::test]
async fn what_concerns_several_sessions_takes_the_round_trips_that_the_readme_states() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let limits = Limits { sessions_per_principal: 3, evict_after: Duration::ZERO, ..Limits::default() };
    let store = connect(RedisConfig { limits, ..config(&server.url_at(proxy.addr())) }).await;
    warm_up(&store).await;
    for _ in 0..3 {
        open(&store, alice()).await;
    }
    let (at_the_cap, created) = trips(&proxy, store.create(session(alice()).2)).await;
    assert_eq!(created.expect("one's own idle session makes room").gone.len(), 1);
    assert_eq!(at_the_cap, 4, "refused, the index and the sessions, admitted");
    let page = Page::first(500.try_into().expect("more than nothing"));
    assert_eq!(trips_of(&proxy, store.list(&alice(), page)).await, 2, "list: the index and the sessions");
    let ending = trips_of(&proxy, store.end_all(&alice())).await;
    assert_eq!(ending, 4, "end_all: how far, the index, their end, the index again");
}

#[tokio::test]
async fn an_end_that_waits_for_replicas_takes_one_round_trip_more() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let durability = Some(Durability { replicas: NonZeroU32::MIN, timeout: Duration::from_millis(10) });
    let store = connect(RedisConfig { durability, ..config(&server.url_at(proxy.addr())) }).await;
    for expected in [None, Some(2)] {
        let (_, key) = open(&store, Owner::Anonymous).await;
        let (trips, ended) = trips(&proxy, store.delete(&key)).await;
        assert!(matches!(ended, Err(StoreError::Unavailable { maybe_applied: true, .. })), "there is no replica");
        // The first needs a connection, and a script.
        assert!(expected.is_none_or(|expected| trips == expected), "{trips}");
    }
    let (_, key) = open(&store, Owner::Anonymous).await;
    let (_, reader) = give(&store, &key, Mode::ReadOnly).await;
    let (trips, refused) = trips(&proxy, store.delete(&reader)).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "nothing ended: {refused:?}");
    assert_eq!(trips, 1, "and nothing is waited for");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_costs_one_round_trip_more() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = store_at(&server.url_at(proxy.addr())).await;
    warm_up(&store).await;
    let (_, key) = open(&store, alice()).await;
    server.cli(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(trips_of(&proxy, store.touch(&key)).await, 2);
    assert_eq!(trips_of(&proxy, store.touch(&key)).await, 1);
}

#[tokio::test]
async fn a_foreign_session_is_asked_for_like_one_that_never_was() {
    let server = Server::start().await;
    let store = store_at(&server.url()).await;
    warm_up(&store).await;
    let (alices, alices_key) = open(&store, alice()).await;
    give(&store, &alices_key, Mode::ReadOnly).await;
    let (nobodys, _) = open(&store, Owner::Anonymous).await;
    let never = SessionName::mint();
    for (stranger, foreign) in [(bob(), &alices), (bob(), &nobodys), (Owner::Anonymous, &alices)] {
        let mut asked = Vec::new();
        for name in [foreign, &never] {
            let monitor = Monitor::start(&server).await;
            for key in [SessionKey::by_name(stranger, name), SessionKey::by_locator(stranger, name.locator())] {
                assert!(store.touch(&key).await.expect("the store answers").is_none());
                assert!(store.peek(&key).await.expect("the store answers").is_none());
                assert!(matches!(store.update(&key, cart()).await, Err(StoreError::NotFound)));
                assert!(!store.delete(&key).await.expect("the store answers"));
                assert!(store.why_absent(&key).await.expect("the store answers").is_none());
            }
            asked.push(monitor.finish().await.iter().map(shape).collect::<Vec<_>>());
        }
        assert!(asked[0].len() > 10, "{:#?}", asked[0]);
        assert_eq!(asked[0], asked[1], "{stranger:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_while_nothing_is_asked() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = store_at(&server.url_at(proxy.addr())).await;
    let (_, key) = open(&store, alice()).await;
    let (monitor, sent) = (Monitor::start(&server).await, proxy.traffic().sent());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(monitor.finish().await, [], "no commands");
    assert_eq!(proxy.traffic().sent(), sent, "not a byte");
    assert!(store.peek(&key).await.expect("the store answers").is_some());
    assert_eq!(proxy.traffic().connections(), 1, "and over the same connection");
}

#[tokio::test]
async fn no_command_looks_at_all_keys_at_once_or_asks_for_notifications() {
    let server = Server::start().await;
    let monitor = Monitor::start(&server).await;
    let store = store_at(&server.url()).await;
    warm_up(&store).await;
    for owner in [Owner::Anonymous, alice()] {
        everything_of(&store, owner).await;
    }
    let names: BTreeSet<String> = monitor.finish().await.iter().map(Command::name).collect();
    for never in ["KEYS", "FLUSHDB", "FLUSHALL", "CONFIG", "SUBSCRIBE", "PSUBSCRIBE", "CLIENT", "SCRIPT", "FUNCTION"] {
        assert!(!names.contains(never), "{never} is among {names:?}");
    }
    assert!(names.contains("SCAN") && names.contains("EVALSHA"), "{names:?}");
    let events: Vec<String> =
        from_redis_value(server.cli(&["CONFIG", "GET", "notify-keyspace-events"]).await).expect("texts");
    assert_eq!(events[1], "", "nobody turned notifications on");
}

#[tokio::test]
async fn who_may_not_prolong_a_session_leaves_its_time_alone() {
    let server = Server::start().await;
    let store = store_at(&server.url()).await;
    for owner in [Owner::Anonymous, alice()] {
        let (name, key) = open(&store, owner).await;
        let (_, reader) = give(&store, &key, Mode::ReadOnly).await;
        let (revoked, revoked_key) = give(&store, &key, Mode::ReadWrite).await;
        store.update(&key, Change::new().revoke(revoked.secret_hash())).await.expect("it is live");
        let guess = SessionKey::by_name(owner, &SessionName::mint_for(name.locator()));
        let unauthenticated = SessionKey::by_locator(Owner::Anonymous, name.locator());
        // Long beside what a command takes, so that a timeout that began anew is seen.
        sleep(Duration::from_millis(200)).await;
        let mut last = left(&server, owner).await;
        for other in [reader, revoked_key, guess, unauthenticated] {
            for load in [Load::Touch, Load::Peek] {
                let mode = store.load(&other, load).await.expect("the store answers").map(|seen| seen.mode());
                assert!(mode.is_none_or(|mode| mode == Mode::ReadOnly));
                store.update(&other, cart()).await.expect_err("it may not");
                let now = left(&server, owner).await;
                assert!(now < last, "{now} ms are left, and {last} were");
                last = now;
                sleep(Duration::from_millis(5)).await;
            }
        }
        store.touch(&key).await.expect("the store answers");
        assert!(left(&server, owner).await > last, "who may prolong it does");
    }
}

/// How many milliseconds are left of the only session of an owner, by its key.
async fn left(server: &Server, owner: Owner) -> i64 {
    let tag = if owner == Owner::Anonymous { "mcp:{a*" } else { "mcp:{o*:s:*" };
    let keys: Vec<String> = from_redis_value(server.cli(&["KEYS", tag]).await).expect("texts");
    let [key] = &keys[..] else { panic!("one session: {keys:?}") };
    from_redis_value(server.cli(&["PTTL", key]).await).expect("a number")
}

fn cart() -> Change {
    Change::new().set("cart".parse().expect("a state name"), b"tea".as_slice().into())
}

/// Does everything once, so that the server knows the scripts, and ends what was done.
async fn warm_up(store: &RedisStore) {
    let (_, key) = open(store, alice()).await;
    store.touch(&key).await.expect("it is live").expect("it is live");
    store.update(&key, cart()).await.expect("it is live");
    store.delete(&key).await.expect("it is live");
    open(store, alice()).await;
    store.end_all(&alice()).await.expect("a principal has a list");
}

/// Creates, lists, counts and ends sessions of an owner.
async fn everything_of(store: &RedisStore, owner: Owner) {
    let (_, key) = open(store, owner).await;
    store.peek(&key).await.expect("the store answers");
    store.why_absent(&key).await.expect("the store answers");
    store.count(Duration::ZERO).await.expect("the store answers");
    store.ping().await.expect("the store answers");
    let page = Page::first(1.try_into().expect("more than nothing"));
    for refused in [store.list(&owner, page).await.err(), store.end_all(&owner).await.err()].into_iter().flatten() {
        assert!(matches!(refused, StoreError::OwnerRequired), "{refused:?}");
    }
    store.delete(&key).await.expect("the store answers");
}

/// Says, reads and forgets something in each feed of a session and in that of all, and follows them.
async fn everything_said(store: &RedisStore, owner: Owner, name: &SessionName) {
    let journal = store.journal(JournalLimits::default());
    let id = SessionId { owner, locator: name.locator() };
    for feed in [Feed::ToClient(id), Feed::ToServers(id), Feed::ToAll] {
        journal.follow(&feed).rung().await;
        journal.append(&feed, b"said").await.expect("the server runs");
        journal.read(&feed, Position::START, 10).await.expect("the server runs");
        journal.end(&feed).await.expect("the server runs");
    }
    journal.forget(&owner, &Subject::One(id.locator)).await.expect("the server runs");
    if owner != Owner::Anonymous {
        journal.forget(&owner, &Subject::All { sessions: 1 }).await.expect("the server runs");
    }
}

async fn trips<T>(proxy: &Proxy, operation: impl Future<Output = T>) -> (u64, T) {
    let before = proxy.traffic().round_trips();
    let answer = operation.await;
    (proxy.traffic().round_trips() - before, answer)
}

async fn trips_of<T>(proxy: &Proxy, operation: impl Future<Output = T>) -> u64 {
    trips(proxy, operation).await.0
}

/// The keys in a command, as the server understands it.
async fn keys_of(server: &Server, command: &Command) -> Vec<String> {
    if command.arguments.len() == 1 {
        return Vec::new();
    }
    let question = [b"COMMAND".to_vec(), b"GETKEYS".to_vec()];
    let question: Vec<Vec<u8>> = question.into_iter().chain(command.arguments.iter().cloned()).collect();
    match server.try_cli(&question).await {
        Ok(keys) => from_redis_value(keys).expect("texts"),
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("no key arguments"), "{said}: {}", shown(command));
            Vec::new()
        }
    }
}

/// A command with everything masked that differs from one session to the next.
fn shape(command: &Command) -> Vec<String> {
    command.arguments.iter().map(|argument| masked(&String::from_utf8_lossy(argument))).collect()
}

/// A text with `…` in place of hashes and locators, `#` in place of numbers.
fn masked(text: &str) -> String {
    let mut shape = String::new();
    let is_word = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    for word in text.split_inclusive(|character| !is_word(character)) {
        let (word, end) = word.split_at(word.trim_end_matches(|character| !is_word(character)).len());
        shape += match word.len() {
            22 => "…",
            23 if word.starts_with('a') => "a…",
            23 if word.starts_with('o') => "o…",
            _ if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) => "#",
            _ => word,
        };
        shape += end;
    }
    shape
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn shown(command: &Command) -> String {
    shape(command).join(" ")
}
