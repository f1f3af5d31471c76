//! Followers whose connection is in trouble. They do nothing but wait, and still miss nothing.

use std::time::{Duration, Instant};

use redis::from_redis_value;
use session_core::{Feed, Journal as _, Owner, StoreError, Subject};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::{Proxy, Server, eventually};
use tokio::time::{sleep, timeout};

use crate::reader::{Reader, feed, journal, said, say};
use crate::stores::{alice, connect};

/// As long as a black hole may stay unnoticed: a second until the next sign of life is asked for, half a second in
/// which it does not come, and what a busy machine needs.
const UNNOTICED: Duration = Duration::from_millis(2_500);

/// `kill -9`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_is_rung_within_a_second_of_the_return_of_a_server() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let feed = feed(alice());
    let (mut first, mut second) = (Reader::of(feed, &store).await, Reader::of(Feed::ToAll, &store).await);
    say(&store, &feed, "before").await;
    first.reads("before").await;
    server.kill();
    sleep(Duration::from_millis(1_200)).await;
    server.restart().await;
    let (rung, too, began) = tokio::join!(first.rung(), second.rung(), async {
        let begun = Instant::now();
        say(&store, &feed, "after").await;
        begun.elapsed()
    });
    for took in [rung, too, began] {
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    first.reads("after").await;
    assert_eq!(said(&store, &feed).await, ["after"], "the server kept nothing");
}

/// Black hole: what is open stays one for ever, and nothing is ever sent that would be missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_is_noticed_by_who_only_waits() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let (near, far) = (connect(&server.url()).await, connect(&server.url_at(proxy.addr())).await);
    let feed = feed(Owner::Anonymous);
    let mut reader = Reader::of(feed, &far).await;
    for round in ["first", "second"] {
        proxy.black_hole();
        // A sign of life is lost, if nothing else.
        sleep(Duration::from_millis(1_100)).await;
        let begun = Instant::now();
        say(&near, &feed, round).await;
        proxy.pass();
        reader.reads(round).await;
        assert!(begun.elapsed() < UNNOTICED, "{:?}", begun.elapsed());
    }
}

/// The server is stopped for longer than a connection is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_pauses_is_listened_to_again() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let feed = feed(alice());
    let mut reader = Reader::of(feed, &store).await;
    server.stop();
    sleep(Duration::from_secs(2)).await;
    server.resume();
    say(&store, &feed, "after").await;
    let took = reader.reads("after").await;
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// Connections killed every 50 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_while_connections_are_killed() {
    const ENTRIES: usize = 200;
    let server = Server::start().await;
    let (store, other) = (connect(&server.url()).await, connect(&server.url()).await);
    let feed = feed(alice());
    let mut reader = Reader::of(feed, &store).await;
    let killing = async {
        loop {
            sleep(Duration::from_millis(50)).await;
            server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        }
    };
    let saying = async {
        for entry in 0..ENTRIES {
            say(&other, &feed, entry).await;
            sleep(Duration::from_millis(5)).await;
        }
    };
    let last = (ENTRIES - 1).to_string();
    let said = async { tokio::join!(saying, reader.reads(&last)) };
    tokio::select! { _ = said => {}, () = killing => {} }
    assert!(reader.read.iter().eq(&(0..ENTRIES).map(|entry| entry.to_string()).collect::<Vec<_>>()));
}

/// Replies to appends lost, 20 times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_whose_reply_is_lost_is_there_once() {
    const ENTRIES: usize = 20;
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let (near, far) = (connect(&server.url()).await, connect(&server.url_at(proxy.addr())).await);
    let feed = feed(alice());
    say(&far, &feed, "first").await;
    let mut after = journal(&near).end(&feed).await.expect("the journal answers");
    for entry in 0..ENTRIES {
        proxy.eat_replies_to("EVALSHA", 1);
        let appended = journal(&far).append(&feed, entry.to_string().as_bytes()).await.expect("it is asked for again");
        assert_eq!(proxy.replies_to_eat(), 0, "a reply was lost");
        assert_eq!(appended.after, after, "the answer is that to the first time");
        after = appended.at;
        let others = journal(&near).append(&feed, b"between").await.expect("the server runs");
        assert_eq!(others.after, after);
        after = others.at;
    }
    let all = said(&near, &feed).await;
    let own: Vec<String> = all.into_iter().filter(|entry| entry != "between").collect();
    assert!(own.iter().skip(1).eq(&(0..ENTRIES).map(|entry| entry.to_string()).collect::<Vec<_>>()), "{own:?}");
}

#[tokio::test]
async fn all_that_follow_through_one_store_share_a_connection_that_ends_with_the_last() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    assert_eq!(listening(&server).await, 0, "nobody follows");
    for _ in 0..2 {
        let shared = feed(alice());
        let feeds = [shared, shared, feed(alice()), feed(Owner::Anonymous), Feed::ToAll];
        let mut followers = Vec::new();
        for feed in &feeds {
            followers.push(Reader::of(*feed, &store).await);
        }
        assert_eq!((listening(&server).await, connections(&server).await), (1, 2));
        // The feeds, each once, and what is told of all that alice has.
        channels(&server, 5).await;
        drop(followers.remove(0));
        say(&store, &feeds[1], "on").await;
        followers[0].reads("on").await;
        channels(&server, 5).await;
        drop(followers.remove(0));
        channels(&server, 4).await;
        drop(followers.remove(0));
        channels(&server, 2).await;
        drop(followers);
        eventually("end of the connection", async || (connections(&server).await == 1).then_some(())).await;
    }
}

/// How many connections listen to something.
async fn listening(server: &Server) -> usize {
    let list: String = from_redis_value(server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).await).expect("a text");
    list.lines().count()
}

/// How many connections there are, but for those of the test itself.
async fn connections(server: &Server) -> usize {
    let list: String = from_redis_value(server.cli(&["CLIENT", "LIST"]).await).expect("a text");
    list.lines().filter(|client| client.contains(" addr=127.0.0.1:")).count()
}

/// Waits until so many channels are listened to.
async fn channels(server: &Server, count: usize) {
    eventually(&format!("{count} channels"), async || {
        let channels: Vec<String> = from_redis_value(server.cli(&["PUBSUB", "CHANNELS"]).await).expect("texts");
        (channels.len() == count).then_some(())
    })
    .await;
}

/// The runtime ends while something is followed, and the next one follows it again.
#[test]
fn a_store_is_followed_through_in_the_next_runtime_too() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the machine has threads");
    let servers = runtime();
    let server = servers.block_on(Server::start());
    let feed = feed(alice());
    let first = runtime();
    let (store, old) = first.block_on(async {
        let store = connect(&server.url()).await;
        let old = Reader::of(feed, &store).await;
        (store, old)
    });
    drop(first);
    runtime().block_on(async {
        let mut new = Reader::of(feed, &store).await;
        say(&store, &feed, "on").await;
        new.reads("on").await;
        let mut old = old;
        old.reads("on").await;
    });
}

/// There is no room for what nobody asked for on a connection of the caller's.
#[tokio::test]
async fn who_follows_over_a_connection_of_the_callers_is_rung_once_a_second() {
    let server = Server::start().await;
    let client = redis::Client::open(server.url()).expect("a URL of the library's");
    let connection = client.get_multiplexed_async_connection().await.expect("the server runs");
    let config: RedisConfig = server.url().parse().expect("a URL of ours");
    let store = RedisStore::from_connection(connection, config);
    let feed = feed(alice());
    let mut reader = Reader::of(feed, &store).await;
    let begun = Instant::now();
    say(&connect(&server.url()).await, &feed, "said elsewhere").await;
    reader.reads("said elsewhere").await;
    reader.rung().await;
    assert!(begun.elapsed() > Duration::from_millis(1_500), "twice a second at most: {:?}", begun.elapsed());
    assert_eq!(listening(&server).await, 0);
}

/// The end of sessions rings those who wait beside a server that has no memory left.
#[tokio::test]
async fn a_server_without_memory_refuses_to_keep_more_and_forgets() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    let (one, all) = (feed(Owner::Anonymous), feed(alice()));
    for feed in [&one, &all] {
        say(&store, feed, "before").await;
    }
    let (mut first, mut second) = (Reader::of(one, &store).await, Reader::of(all, &store).await);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for feed in [&one, &all, &Feed::ToAll] {
        let refused = journal(&store).append(feed, b"more").await;
        assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    }
    for feed in [&one, &all] {
        assert_eq!(said(&store, feed).await, ["before"], "it reads, and nothing was changed");
    }
    let Feed::ToClient(id) = one else { unreachable!("it is a client's") };
    journal(&store).forget(&Owner::Anonymous, &Subject::One(id.locator)).await.expect("it forgets");
    journal(&store).forget(&alice(), &Subject::All { sessions: 1 }).await.expect("it forgets");
    for (feed, reader) in [(&one, &mut first), (&all, &mut second)] {
        reader.rung().await;
        assert_eq!(said(&store, feed).await, [""; 0]);
    }
}

/// Nobody has the right to listen. Whoever waits is not told that they do so in vain, and is rung once they may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_listen_yet_is_rung_once_they_may() {
    let user = "on >geheim ~* -@all +@all resetchannels";
    let server = Server::builder().user("deaf", user).start().await;
    let store = connect(&server.url().replace("://", "://deaf:geheim@")).await;
    let mut follower = journal(&store).follow(&Feed::ToAll);
    timeout(Duration::from_millis(500), follower.rung()).await.expect_err("it may not listen");
    server.cli(&["ACL", "SETUSER", "deaf", "&*"]).await;
    timeout(Duration::from_secs(2), follower.rung()).await.expect("it may now");
}
