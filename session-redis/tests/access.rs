//! As whom, and over what, the store speaks to Redis.

mod support;

use std::error::Error as _;
use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use session_core::conformance::{JOURNAL_RULES, RULES};
use session_core::{
    Change, Feed, Follower, Journal as _, JournalLimits, Lifetimes, Limits, Load, Mode, NewGrant, NewSession, Owner,
    Page, Position, SessionId, SessionKey, SessionName, SessionStore as _, SessionStoreExt as _, StoreError, Subject,
};
use session_redis::{ConnectError, Durability, RedisConfig, RedisStore, TlsFiles};
use session_test_servers::{Certificates, Cluster, Flavor, Proxy, Server};
use tokio::time::timeout;

use support::harness::Redis;
use support::sessions::{alice, config, connect, open, session, store_at};

const README: &str = include_str!("../README.md");
const PASSWORD: &str = "geheim";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_holds_with_the_rights_that_the_readme_states() {
    every_rule_holds_on(&Flavor::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_holds_with_these_rights_on_the_oldest_redis() {
    every_rule_holds_on(&Flavor::redis_6_2()).await;
}

async fn every_rule_holds_on(flavor: &Flavor) {
    const BESIDE: usize = 12;
    let server = server_with(flavor, &rights()).await;
    all_that_needs_a_right(&server).await.unwrap_or_else(|error| panic!("{error}"));
    let harness = Redis::at(&url(&server, ""), server);
    let of_the_store = RULES.iter().map(|rule| (rule.name, (rule.run)(&harness)));
    let of_the_journal = JOURNAL_RULES.iter().map(|rule| (rule.name, (rule.run)(&harness)));
    let broken = stream::iter(of_the_store.chain(of_the_journal)).map(async |(name, rule)| {
        let kept = AssertUnwindSafe(rule).catch_unwind().await;
        kept.is_err().then_some(name)
    });
    let broken: Vec<Option<&str>> = broken.buffer_unordered(BESIDE).collect().await;
    let broken: Vec<&str> = broken.into_iter().flatten().collect();
    assert!(broken.is_empty(), "{flavor}: {broken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_right_that_the_readme_states_is_needed() {
    let rights = rights();
    for flavor in [Flavor::redis_6_2(), Flavor::redis()] {
        let of_one_server = rights.iter().filter(|right| right.starts_with(['+', '~', '&']) && !is_of_a_cluster(right));
        let unneeded = join_all(of_one_server.map(async |right| {
            let server = server_with(&flavor, &without(&rights, right)).await;
            all_that_needs_a_right(&server).await.is_ok().then_some(right)
        }));
        let unneeded: Vec<&String> = unneeded.await.into_iter().flatten().collect();
        assert!(unneeded.is_empty(), "{flavor}: all goes on without {unneeded:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_needs_the_rest_of_them() {
    let rights = rights();
    let of_a_cluster: Vec<&String> = rights.iter().filter(|right| is_of_a_cluster(right)).collect();
    assert_eq!(of_a_cluster, ["+asking", "+cluster|slots"]);
    for (rights, enough) in
        [(rights.clone(), true), (without(&rights, "+asking"), false), (without(&rights, "+cluster|slots"), false)]
    {
        let cluster = Cluster::builder().masters(3).replicas(0).config("user", user(&rights)).start().await;
        let url = cluster.url().replace("://", &format!("://sessions:{PASSWORD}@"));
        let all = all_on_a_moving_slot(&cluster, &url).await;
        assert_eq!(all.is_ok(), enough, "{all:?} with {rights:?}");
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_to_the_operator_alone() {
    let server = server_with(&Flavor::usual(), &without(&rights(), "+hgetall")).await;
    let store = store_at(&url(&server, "")).await;
    let (_, key) = open(&store, alice()).await;
    let error = store.touch(&key).await.expect_err("it cannot be read");
    assert!(matches!(error, StoreError::Unavailable { maybe_applied: false, .. }), "{error:?}");
    let said = error.to_string();
    assert!(!said.contains("NOPERM") && !said.contains("hgetall"), "{said}");
    let source = error.source().expect("the cause is there for the log").to_string();
    assert!(source.contains("NOPERM") && source.to_lowercase().contains("hgetall"), "{source}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_missing_right_is_taken_for_a_missing_session() {
    let rights = rights();
    let server = server_with(&Flavor::usual(), &rights).await;
    let limits = Limits { creation_rate: None, ..Limits::default() };
    let whole = connect(RedisConfig { limits, ..config(&url(&server, "")) }).await;
    for right in rights.iter().filter(|right| right.starts_with('+') && !is_of_a_cluster(right)) {
        for owner in [Owner::Anonymous, alice()] {
            let (name, key) = open(&whole, owner).await;
            let mut lesser = vec!["ACL", "SETUSER", "lesser", "reset", "on", ">geheim"];
            let fewer = without(&rights, right);
            lesser.extend(fewer.iter().map(String::as_str));
            server.cli(&lesser).await;
            let url = format!("redis://lesser:{PASSWORD}@{}", server.addr());
            let Ok(store) = RedisStore::connect(config(&url)).await else { continue };

            let again = NewSession::new(owner, &name, Lifetimes::default());
            let created = store.create(again).await.expect_err("a live name is refused");
            assert!(is_refused(&created) || matches!(created, StoreError::AlreadyExists), "{right}: {created:?}");
            for load in [Load::Touch, Load::Peek] {
                let loaded = store.load(&key, load).await;
                assert!(loaded.as_ref().map_or_else(is_refused, Option::is_some), "{right}: {loaded:?}");
            }
            let updated = store.update(&key, Change::new()).await;
            assert!(updated.as_ref().map_or_else(is_refused, |_| true), "{right}: {updated:?}");
            assert!(whole.peek(&key).await.expect("the store answers").is_some(), "{right}: the session lives on");
            let ended = store.delete(&key).await;
            assert!(ended.as_ref().map_or_else(is_refused, |ended| *ended), "{right}: {ended:?}");
            if matches!(ended, Err(StoreError::Unavailable { maybe_applied: false, .. })) {
                assert!(whole.peek(&key).await.expect("the store answers").is_some(), "{right}: nothing was done");
            }
        }
        let (_, key) = open(&whole, alice()).await;
        if let Ok(store) = RedisStore::connect(config(&format!("redis://lesser:{PASSWORD}@{}", server.addr()))).await {
            let ended = store.end_all(&alice()).await;
            let lives = whole.peek(&key).await.expect("the store answers").is_some();
            let listing = whole.list(&alice(), Page::first(NonZeroU32::MAX)).await.expect("the store answers");
            assert!(!lives || !listing.sessions.is_empty(), "{right}: no session lives on unlisted");
            assert!(ended.as_ref().map_or_else(is_refused, |ended| *ended > 0 && !lives), "{right}: {ended:?}");
        }
        whole.end_all(&alice()).await.expect("the store answers");
    }
}

fn is_refused(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. })
}

#[tokio::test]
async fn a_refused_password_is_told_at_once_and_not_repeated() {
    let server = Server::builder().password(PASSWORD).config("user", user(&rights())).start().await;
    for credentials in ["sessions:wrong-one", "nobody:wrong-one", ":wrong-one"] {
        let config = config(&format!("redis://{credentials}@{}", server.addr()));
        let error = RedisStore::connect(config.clone()).await.expect_err("it is wrong");
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error:?}");
        assert!(error.to_string().contains("credentials in the URL"), "{error}");
        let said = format!("{error} {error:?} {:?} {config:?}", error.source());
        assert!(!said.contains("wrong-one"), "{said}");
    }
}

#[tokio::test]
async fn sessions_are_kept_over_tls_with_a_certificate_for_each_side() {
    let certificates = Certificates::new();
    let server =
        Server::builder().tls(&certificates).config("tls-auth-clients", "yes").password(PASSWORD).start().await;
    let files = files(&certificates);
    let store = connect(RedisConfig { tls: files.clone(), ..config(&server.tls_url()) }).await;
    let (_, key) = open(&store, alice()).await;
    server.kill();
    server.restart().await;
    assert!(store.touch(&key).await.expect("it connects again").is_none(), "the server kept nothing");
    let (_, key) = open(&store, alice()).await;
    assert!(store.touch(&key).await.expect("the store answers").is_some());
    everything_said(&store).await.unwrap_or_else(|error| panic!("{error}"));
    let by_name = server.tls_url().replace("127.0.0.1", "localhost");
    connect(RedisConfig { tls: files, ..config(&by_name) }).await;
}

#[tokio::test]
async fn who_is_not_trusted_is_not_talked_to() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server =
        Server::builder().tls(&certificates).config("tls-auth-clients", "yes").config("bind", "127.0.0.1 127.0.0.2");
    let server = server.start().await;
    let (url, ours) = (server.tls_url(), files(&certificates));
    // What its certificate does not name leads to the same server.
    let elsewhere = url.replace("127.0.0.1", "127.0.0.2");
    for (what, url, tls) in [
        ("an authority that signed nothing", &url, TlsFiles { ca: Some(others.authority()), ..ours.clone() }),
        ("the system's authorities", &url, TlsFiles { ca: None, ..ours.clone() }),
        ("another host than the certificate's", &elsewhere, ours.clone()),
        ("no certificate of its own", &url, TlsFiles { certificate: None, key: None, ..ours.clone() }),
        ("a certificate that others signed", &url, TlsFiles { ca: ours.ca.clone(), ..files(&others) }),
    ] {
        let error = RedisStore::connect(RedisConfig { tls, ..config(url) }).await.expect_err(what);
        assert!(matches!(error, ConnectError::Tls { .. }), "{what}: {error:?}");
        assert!(error.to_string().contains("`tls.ca`"), "{what}: {error}");
    }
    let nowhere = TlsFiles { ca: Some("/nonexistent/ca.pem".into()), ..ours };
    let error = RedisStore::connect(RedisConfig { tls: nowhere, ..config(&url) }).await.expect_err("there is no file");
    assert!(matches!(error, ConnectError::TlsFile { key: "ca", .. }), "{error:?}");
    assert!(error.to_string().contains("`tls.ca`"), "{error}");
}

fn files(certificates: &Certificates) -> TlsFiles {
    TlsFiles {
        ca: Some(certificates.authority()),
        certificate: Some(certificates.client()),
        key: Some(certificates.client_key()),
    }
}

/// What the user in the README may do, in the words of `ACL SETUSER`.
fn rights() -> Vec<String> {
    let mut lines = README.lines().filter_map(|line| line.strip_prefix("user sessions on >"));
    let line = lines.next().expect("the README states a user");
    assert_eq!(lines.next(), None, "and one alone");
    let (_password, rights) = line.split_once(' ').expect("a password and rights");
    rights.split(' ').map(str::to_owned).collect()
}

fn without(rights: &[String], right: &str) -> Vec<String> {
    rights.iter().filter(|other| *other != right).cloned().collect()
}

fn is_of_a_cluster(right: &str) -> bool {
    right == "+asking" || right.starts_with("+cluster")
}

/// The line of a server's configuration, for all prefixes that tests use.
fn user(rights: &[String]) -> String {
    let rights = rights.join(" ");
    let rights = rights.replace("~mcp:*", "~mcp:* ~deployment-*").replace("&mcp:*", "&mcp:* &deployment-*");
    format!("sessions on >{PASSWORD} {rights}")
}

async fn server_with(flavor: &Flavor, rights: &[String]) -> Server {
    Server::builder().flavor(flavor).config("user", user(rights)).start().await
}

fn url(server: &Server, path: &str) -> String {
    format!("redis://sessions:{PASSWORD}@{}{path}", server.addr())
}

/// Does what needs one right or another, and says what did not do as it should.
async fn all_that_needs_a_right(server: &Server) -> Result<(), String> {
    let proxy = Proxy::to(server.addr()).await;
    let url = format!("redis://sessions:{PASSWORD}@{}/1", proxy.addr());
    let limits = Limits { sessions_per_principal: 1, evict_after: Duration::ZERO, ..Limits::default() };
    let config = RedisConfig { limits, ..config(&url) };
    let store = RedisStore::connect(config.clone()).await.map_err(|error| format!("{error:?}"))?;
    everything(&store).await.map_err(|error| format!("{error:?}"))?;
    everything_said(&store).await?;

    let (_, key, new) = session(Owner::Anonymous);
    store.create(new).await.map_err(|error| format!("{error:?}"))?;
    proxy.eat_replies_to("EVALSHA", 1);
    match store.delete(&key).await {
        Ok(true) => {}
        other => return Err(format!("an end whose answer was lost: {other:?}")),
    }

    let durability = Durability { replicas: NonZeroU32::MIN, timeout: Duration::from_millis(10) };
    let durable = RedisStore::connect(RedisConfig { durability: Some(durability), ..config }).await;
    let durable = durable.map_err(|error| format!("{error:?}"))?;
    let (_, key, new) = session(Owner::Anonymous);
    durable.create(new).await.map_err(|error| format!("{error:?}"))?;
    let unconfirmed = durable.delete(&key).await.err().and_then(|error| error.source().map(ToString::to_string));
    match unconfirmed {
        Some(source) if source.contains("too few replicas") => Ok(()),
        other => Err(format!("an end that no replica confirms: {other:?}")),
    }
}

/// All operations, under a limit of one session for each principal.
async fn everything(store: &RedisStore) -> Result<(), StoreError> {
    store.ping().await?;
    for owner in [Owner::Anonymous, alice()] {
        let (_, key, new) = session(owner);
        store.create(new).await?;
        let (_, _, again) = session(owner);
        store.create(again).await?;
        store.touch(&key).await?;
    }
    let (_, key, new) = session(alice());
    store.create(new).await?;
    let cart = || "cart".parse().expect("a state name");
    store.update(&key, Change::new().set(cart(), b"tea".as_slice().into())).await?;
    store.update(&key, Change::new().remove(cart())).await?;
    let guest = SessionName::mint_for(key.locator());
    let grant = NewGrant::new(Mode::ReadOnly);
    store.update(&key, Change::new().grant(&guest, grant)).await?;
    store.touch(&SessionKey::by_name(alice(), &guest)).await?;
    store.peek(&key).await?.ok_or(StoreError::NotFound)?;
    store.list(&alice(), Page::first(NonZeroU32::MIN)).await?;
    store.why_absent(&key).await?;
    store.count(Duration::ZERO).await?;
    if !store.delete(&key).await? {
        return Err(StoreError::NotFound);
    }
    let (_, never, _) = session(alice());
    if store.delete(&never).await? {
        return Err(StoreError::NotFound);
    }
    store.create(session(alice()).2).await?;
    if store.end_all(&alice()).await? != 1 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

/// All operations of a journal, and what they ring for.
async fn everything_said(store: &RedisStore) -> Result<(), String> {
    let journal = store.journal(JournalLimits::default());
    let locator = SessionName::mint().locator();
    let feed = Feed::ToClient(SessionId { owner: alice(), locator });
    let (mut follower, mut other) = (journal.follow(&feed), journal.follow(&Feed::ToAll));
    is_rung(&mut follower, "for being there").await?;
    is_rung(&mut other, "for being there").await?;
    let said = async {
        let appended = journal.append(&feed, b"said").await?;
        let read = journal.read(&feed, Position::START, 10).await?;
        Ok::<_, StoreError>(read.len() == 1 && journal.end(&feed).await? == appended.at)
    };
    match said.await {
        Ok(true) => {}
        other => return Err(format!("what is said: {other:?}")),
    }
    is_rung(&mut follower, "for what is said").await?;
    for ended in [Subject::One(locator), Subject::All { sessions: 1 }] {
        journal.forget(&alice(), &ended).await.map_err(|error| format!("{error:?}"))?;
        is_rung(&mut follower, "for the end").await?;
    }
    drop(follower);
    match timeout(Duration::from_millis(200), other.rung()).await {
        Err(_) => Ok(()),
        Ok(()) => Err("who follows on is rung for nothing".to_owned()),
    }
}

async fn is_rung(follower: &mut Box<dyn Follower>, what: &str) -> Result<(), String> {
    timeout(Duration::from_secs(1), follower.rung()).await.map_err(|_| format!("a follower is not rung {what}"))
}

/// The same on a cluster, and then a creation whose slot is on its way to another master.
async fn all_on_a_moving_slot(cluster: &Cluster, url: &str) -> Result<(), String> {
    let store = RedisStore::connect(config(url)).await.map_err(|error| format!("{error:?}"))?;
    let limits = Limits { sessions_per_principal: 1, evict_after: Duration::ZERO, ..Limits::default() };
    let strict =
        RedisStore::connect(RedisConfig { limits, ..config(url) }).await.map_err(|error| format!("{error:?}"))?;
    everything(&strict).await.map_err(|error| format!("{error:?}"))?;
    everything_said(&strict).await?;
    let (_, key) = open(&store, alice()).await;
    let mut index = None;
    for node in cluster.nodes() {
        let keys: Vec<String> = redis::from_redis_value(node.cli(&["KEYS", "mcp:*:x"]).await).expect("texts");
        index = index.or(keys.into_iter().next());
    }
    let slot = cluster.slot_of(index.expect("a principal has an index")).await;
    let from = cluster.master_of(slot).await.port();
    let to = cluster.nodes().iter().find(|node| node.port() != from).expect("there are three");
    let migration = cluster.migrate(slot, to).await;
    migration.move_keys(100).await;
    let seen = store.touch(&key).await.map_err(|error| format!("{error:?}"))?;
    migration.finish().await;
    seen.map(drop).ok_or_else(|| "it is absent while it moves".to_owned())
}
