//! Very many who write to one session at once.

use std::time::Duration;

use session_core::{Session, SessionKey, SessionStore as _, SessionStoreExt as _, StoreError};
use session_redis::RedisStore;
use session_test_servers::Server;
use tokio::task::JoinSet;

use crate::history::every_key_has_an_end;
use crate::stores::{alice, connect_within, number, open, set};

const TASKS: usize = 1_000;

/// 1,000 tasks on one session, each with a value of its own, and some who compete for a counter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_on_one_session_lose_nothing() {
    const ADDING: usize = 20;
    let session = crowd(TASKS, |store, key, task| async move {
        if task < ADDING {
            add(&store, &key).await;
        }
        let field = format!("task-{task}");
        store.update(&key, set(&field, task)).await.expect("the server runs");
        if task.is_multiple_of(25) {
            let session = store.touch(&key).await.expect("the server runs").expect("it is live");
            assert_eq!(number(&session, &field), task as u64);
        }
    });
    let session = session.await;
    for task in 0..TASKS {
        assert_eq!(number(&session, &format!("task-{task}")), task as u64);
    }
    assert_eq!(number(&session, "counter"), ADDING as u64);
    assert_eq!(session.version.get(), 1 + (TASKS + ADDING) as u64);
}

/// Many tasks who all compete for one counter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: two hundred tasks compete for each version"]
async fn two_hundred_tasks_who_compete_for_one_counter_lose_nothing() {
    const ADDING: usize = 200;
    let session = crowd(ADDING, |store, key, _| async move { add(&store, &key).await }).await;
    assert_eq!(number(&session, "counter"), ADDING as u64);
    assert_eq!(session.version.get(), 1 + ADDING as u64);
}

/// Lets tasks do something to one session, all at once, and returns what it is then.
async fn crowd<F>(tasks: usize, act: impl Fn(RedisStore, SessionKey, usize) -> F) -> Session
where
    F: Future<Output = ()> + Send + 'static,
{
    let server = Server::start().await;
    // The last of a crowd may wait longer than the usual deadline on a machine that does other things beside.
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(connect_within(Duration::from_secs(60), &server.url()).await);
    }
    let key = open(&stores[0], alice()).await;
    let crowd: JoinSet<()> = (0..tasks).map(|task| act(stores[task % stores.len()].clone(), key, task)).collect();
    crowd.join_all().await;
    every_key_has_an_end(&server).await;
    stores[0].peek(&key).await.expect("the server runs").expect("nobody ended it")
}

/// Adds one, however often another is faster.
async fn add(store: &RedisStore, key: &SessionKey) {
    loop {
        let added =
            store.update_with(key, |session| Ok::<_, StoreError>((set("counter", number(session, "counter") + 1), ())));
        match added.await {
            Err(StoreError::Conflict) => {}
            added => {
                added.expect("the server runs");
                return;
            }
        }
    }
}
