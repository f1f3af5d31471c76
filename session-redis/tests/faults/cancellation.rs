//! Callers who go away in the middle.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use session_core::{Owner, SessionKey, SessionStore as _, SessionStoreExt as _};
use session_redis::RedisStore;
use session_test_servers::{Proxy, Server};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use crate::history::every_key_has_an_end;
use crate::stores::{alice, connect, draft, number, open, set};

const CALLERS: u64 = 24;
const ROUNDS: u64 = 150;

/// Tasks cancelled at random points, over a connection that they share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_answer_belongs_to_its_question_whoever_went_away() {
    let server = Server::start().await;
    let store = connect(&server.url()).await;
    run(&server, &store, async {}).await;
}

/// The same while replies are lost and connections are made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_while_replies_are_lost_leaves_all_in_order() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let store = connect(&server.url_at(proxy.addr())).await;
    let trouble = async {
        for _ in 0..10 {
            proxy.eat_replies_to("EVALSHA", 1);
            sleep(Duration::from_millis(100)).await;
        }
        proxy.pass();
    };
    run(&server, &store, trouble).await;
    assert!(proxy.traffic().connections() > 2, "replies were lost");
}

async fn run(server: &Server, store: &RedisStore, trouble: impl Future<Output = ()>) {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let owner = if caller.is_multiple_of(2) { alice() } else { Owner::Anonymous };
        let key = open(store, owner).await;
        store.update(&key, set("whose", caller)).await.expect("the server runs");
        callers.spawn(call(store.clone(), key, caller));
    }
    trouble.await;
    let stayed: u64 = callers.join_all().await.into_iter().sum();
    let share = stayed * 100 / (CALLERS * ROUNDS);
    assert!((5..95).contains(&share), "some stayed for the answer and some did not: {share} of a hundred");
    every_key_has_an_end(server).await;
}

/// Asks and goes away, and looks each time that what is answered next is one's own. Returns how often it stayed.
async fn call(store: RedisStore, key: SessionKey, caller: u64) -> u64 {
    let (mut least, mut stayed) = (0, 0);
    for round in 1..=ROUNDS {
        if for_a_moment(store.update(&key, set("round", round))).await.is_some_and(|answer| answer.is_ok()) {
            least = round;
            stayed += 1;
        }
        for_a_moment(store.touch(&key)).await;
        for_a_moment(store.why_absent(&key)).await;
        let (new, other) = draft(key.owner());
        for_a_moment(store.create(new.with(set("whose", 1_000 + caller)))).await;
        if let Some(session) = store.touch(&other).await.expect("the server runs") {
            assert_eq!(number(&session, "whose"), 1_000 + caller, "a session is created as a whole");
            for_a_moment(store.delete(&other)).await;
            store.delete(&other).await.expect("the server runs");
            assert!(
                store.peek(&other).await.expect("the server runs").is_none(),
                "ended by this end or the one before"
            );
        }
        let session = store.peek(&key).await.expect("the server runs").expect("nobody ends it");
        assert_eq!(number(&session, "whose"), caller, "the answer belongs to the question");
        let seen = number(&session, "round");
        assert!((least..=round).contains(&seen), "round {seen} after {least} was acknowledged, of {round}");
        assert!(session.version.get() <= 2 + round, "each change is applied once");
    }
    stayed
}

/// Waits while others have a random number of turns, and then not any longer.
async fn for_a_moment<T>(operation: impl Future<Output = T>) -> Option<T> {
    let chance = getrandom::u32().expect("the operating system gives random bytes");
    let turns = async {
        for _ in 0..chance % 64 {
            yield_now().await;
        }
    };
    match select(pin!(operation), pin!(turns)).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}
