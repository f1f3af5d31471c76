//! A network that fails.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use session_core::{Page, SessionStore as _, SessionStoreExt as _};
use session_test_servers::{Proxy, Server, eventually};
use tokio::time::sleep;

use crate::history::{History, Plan, keys};
use crate::stores::{alice, connect, open, over_a_connection, set, several, unavailable};

const STORES: usize = 3;

/// Server paused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_pauses_is_waited_for_and_applies_nothing_twice() {
    let server = Server::start().await;
    let stores = several(STORES, &server.url()).await;
    let history = History::of(&stores, Plan::default(), async {
        sleep(Duration::from_millis(300)).await;
        server.stop();
        sleep(Duration::from_millis(1_500)).await;
        server.resume();
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    assert!(history.slowest() >= Duration::from_millis(1_400), "the pause was felt: {:?}", history.slowest());
    history.agrees_with(&server).await;
}

/// The same over connections that the caller made, whichever their own patience is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_pauses_is_waited_for_over_a_connection_of_the_callers() {
    let server = Server::start().await;
    let mut stores = Vec::new();
    for response_timeout in [None, Some(Duration::from_millis(300)), Some(Duration::from_millis(500))] {
        stores.push(over_a_connection(&server.url(), response_timeout).await);
    }
    let history = History::of(&stores, Plan::default(), async {
        sleep(Duration::from_millis(300)).await;
        server.stop();
        sleep(Duration::from_millis(1_500)).await;
        server.resume();
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    assert!(history.slowest() >= Duration::from_millis(1_400), "the pause was felt: {:?}", history.slowest());
    history.agrees_with(&server).await;
}

/// Black hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_is_left_after_a_short_stall() {
    let (server, proxy, stores) = behind_a_proxy().await;
    let history = History::of(&stores, Plan::default(), async {
        for _ in 0..2 {
            sleep(Duration::from_millis(500)).await;
            // What is open stays a black hole for ever, what comes after it does not.
            proxy.black_hole();
            sleep(Duration::from_millis(100)).await;
            proxy.pass();
            sleep(Duration::from_secs(1)).await;
        }
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    let stall = history.slowest();
    assert!((Duration::from_millis(400)..Duration::from_millis(1_500)).contains(&stall), "{stall:?}");
    history.agrees_with(&server).await;
}

/// Replies lost and the connection closed, 20 times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_reply_is_lost_is_applied_exactly_once() {
    let (server, proxy, stores) = behind_a_proxy().await;
    // Loads are scripts too, and theirs may be lost at no risk.
    let update = concat!(include_str!("../../src/scripts/prelude.lua"), include_str!("../../src/scripts/update.lua"));
    let update = redis::Script::new(update);
    let history = History::of(&stores, Plan::default(), async {
        for _ in 0..20 {
            proxy.eat_replies_to(update.get_hash(), 1);
            eventually("reply to lose", async || (proxy.replies_to_eat() == 0).then_some(())).await;
        }
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    assert!(proxy.traffic().connections() >= 20, "each loss cost a connection");
    history.agrees_with(&server).await;
}

/// Connections killed every 100 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_seen_of_connections_that_are_killed() {
    let server = Server::start().await;
    let stores = several(STORES, &server.url()).await;
    let history = History::of(&stores, Plan::default(), async {
        for _ in 0..30 {
            sleep(Duration::from_millis(100)).await;
            server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        }
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    history.agrees_with(&server).await;
}

/// Slow network.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_is_slow_and_nothing_worse() {
    let (server, proxy, stores) = behind_a_proxy().await;
    let history = History::of(&stores, Plan::default(), async {
        proxy.delay(Duration::from_millis(25));
        sleep(Duration::from_millis(1_500)).await;
        proxy.pass();
    });
    let history = history.await;
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    assert!(history.slowest() >= Duration::from_millis(50), "{:?}", history.slowest());
    history.agrees_with(&server).await;
}

/// Slow network, slower than the deadline allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_too_slow_is_unavailable_at_the_deadline_and_not_later() {
    let (server, proxy, stores) = behind_a_proxy().await;
    let history = History::of(&stores, Plan::default(), async {
        proxy.delay(Duration::from_millis(600));
        sleep(Duration::from_millis(2_500)).await;
        proxy.pass();
        sleep(Duration::from_millis(1_500)).await;
    });
    let history = history.await;
    assert!(history.errors().contains_key("unavailable, unknown"), "{:?}", history.errors());
    let expected = ["unavailable", "unavailable, unknown"];
    assert!(history.errors_but_for(&expected).is_empty(), "{:?}", history.errors());
    assert_at_the_deadline(history.slowest());
    history.agrees_with(&server).await;
}

/// Network cut: nothing can connect, and what is connected is silent.
#[tokio::test]
async fn each_operation_on_a_dead_network_ends_at_its_deadline() {
    let (_server, proxy, stores) = behind_a_proxy().await;
    let key = open(&stores[0], alice()).await;
    proxy.black_hole();
    let begun = Instant::now();
    let (touched, updated, deleted) =
        tokio::join!(stores[0].touch(&key), stores[1].update(&key, set("field", 1)), stores[2].delete(&key),);
    assert_at_the_deadline(begun.elapsed());
    assert!(unavailable(&touched).is_some(), "{touched:?}");
    assert_eq!(unavailable(&updated), Some(true), "it was sent: {updated:?}");
    assert_eq!(unavailable(&deleted), Some(true), "it was sent: {deleted:?}");
    proxy.pass();
    assert!(connect(&proxy_url(&proxy)).await.peek(&key).await.expect("the network is back").is_some());
}

/// At the deadline, give or take what a busy machine needs.
fn assert_at_the_deadline(took: Duration) {
    assert!((Duration::from_millis(1_900)..Duration::from_millis(2_100)).contains(&took), "{took:?}");
}

async fn behind_a_proxy() -> (Server, Proxy, Vec<session_redis::RedisStore>) {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let stores = several(STORES, &proxy_url(&proxy)).await;
    (server, proxy, stores)
}

fn proxy_url(proxy: &Proxy) -> String {
    format!("redis://{}", proxy.addr())
}

/// Between two questions of one list, sessions before its place go.
#[tokio::test]
async fn a_list_that_takes_long_skips_nobody_for_those_who_go() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let (near, far) = (connect(&server.url()).await, connect(&server.url_at(proxy.addr())).await);
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(open(&near, alice()).await);
    }
    // All of one millisecond, and therefore in the order of their locators.
    let index = keys(&server).await.into_iter().find(|key| key.ends_with(b":x")).expect("there are sessions");
    for session in &sessions {
        let locator = session.locator().to_string();
        server.cli(&[b"ZADD", index.as_slice(), b"XX", b"4102444800000", locator.as_bytes()]).await;
    }
    sessions.sort_by_key(|session| session.locator().to_string());
    let ten = Page::first(NonZeroU32::new(10).expect("ten"));
    let after = near.list(&alice(), ten).await.expect("the server runs").next;

    proxy.delay(Duration::from_millis(100));
    let (owner, page) = (alice(), Page { after, size: NonZeroU32::MIN });
    let (listing, ()) = tokio::join!(far.list(&owner, page), async {
        sleep(Duration::from_millis(150)).await;
        for session in &sessions[..9] {
            near.delete(session).await.expect("the server runs");
        }
    });
    let listed: Vec<_> = listing.expect("in time").sessions.iter().map(|summary| summary.locator).collect();
    assert_eq!(listed, [sessions[10].locator()]);
}
