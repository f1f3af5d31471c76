//! What the first session manager, in Python, was validated for, in nine groups, and that nothing mixes under load.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep, timeout};

use session_core::{
    Change, Error, Mode, Opened, Owner, Placed, SessionKey, SessionManager, SessionStoreExt as _, StoreError, Updated,
    Version,
};
use session_mcp::TokioTimer;
use session_memory::{MemoryConfig, MemoryStore};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test]
async fn the_first_working_directory_creates_a_session_with_all_fields() -> Result<(), Error> {
    let sessions = running().await;
    let Placed::Opened(Opened { name, session, gone, .. }) =
        sessions.set_working_directory(Owner::Anonymous, None, Path::new("/srv/shop")).await?
    else {
        panic!("there was no session to keep it in");
    };
    assert_eq!(session.working_directory.as_ref().map(AsRef::as_ref), Some("/srv/shop"));
    assert_eq!((session.locator, session.owner), (name.locator(), Owner::Anonymous));
    assert_eq!((&session.config_path, &session.project_id), (&None, &None));
    assert!(session.state.is_empty() && gone.is_empty());
    assert_eq!((session.version, session.mode()), (Version::FIRST, Mode::ReadWrite));
    assert_eq!((session.set_at, session.last_used()), (Some(session.created_at), session.created_at));
    assert_eq!(session.expires_at(), session.created_at.after(24 * HOUR));
    assert_eq!(session.ends_at, session.created_at.after(7 * 24 * HOUR));
    Ok(())
}

#[tokio::test]
async fn a_working_directory_is_read_back_and_an_absent_session_has_none() -> Result<(), Error> {
    let sessions = running().await;
    let key = open(&sessions).await?;
    assert_eq!(sessions.get_working_directory(&key).await?, None, "before it is set");
    place(&sessions, &key, "/srv/shop").await?;
    assert_eq!(sessions.get_working_directory(&key).await?, Some(PathBuf::from("/srv/shop")));

    assert!(sessions.end(&key).await?);
    assert!(matches!(sessions.get_working_directory(&key).await, Err(Error::Store(StoreError::NotFound))));
    let late = place(&sessions, &key, "/srv/shop").await;
    assert!(matches!(late, Err(Error::Store(StoreError::NotFound))), "a name from outside creates nothing");
    assert_eq!(sessions.store().peek(&key).await?, None);
    Ok(())
}

#[tokio::test]
async fn sessions_are_isolated_from_one_another() -> Result<(), Error> {
    let sessions = running().await;
    let keys = [open(&sessions).await?, open(&sessions).await?, open(&sessions).await?];
    for (number, key) in keys.iter().enumerate() {
        place(&sessions, key, &format!("/srv/{number}")).await?;
        sessions.set(key, "number", &number).await?;
    }
    sessions.end(&keys[0]).await?;
    sessions.remove(&keys[1], "number").await?;
    assert_eq!(sessions.get::<usize>(&keys[1], "number").await?, None);
    assert_eq!(sessions.get_working_directory(&keys[1]).await?, Some(PathBuf::from("/srv/1")));
    assert_eq!(sessions.get::<usize>(&keys[2], "number").await?, Some(2));
    assert_eq!(sessions.get_working_directory(&keys[2]).await?, Some(PathBuf::from("/srv/2")));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_when_the_session_was_created_and_moves_the_rest() -> Result<(), Error> {
    let sessions = running().await;
    let key = open(&sessions).await?;
    place(&sessions, &key, "/srv/shop").await?;
    let before = sessions.load(&key).await?;

    advance(HOUR).await;
    place(&sessions, &key, "/srv/mill").await?;
    let after = sessions.load(&key).await?;
    assert_eq!((after.created_at, after.ends_at), (before.created_at, before.ends_at));
    assert_eq!(after.set_at, before.set_at.map(|set_at| set_at.after(HOUR)));
    assert_eq!(after.last_used(), before.last_used().after(HOUR));
    assert_eq!(after.version, before.version.next());
    assert_eq!(after.working_directory.as_ref().map(AsRef::as_ref), Some("/srv/mill"));

    advance(HOUR).await;
    let read = sessions.load(&key).await?;
    assert_eq!((read.set_at, read.version), (after.set_at, after.version), "reading sets nothing");
    assert_eq!(read.last_used(), after.last_used().after(HOUR), "and is a use");
    Ok(())
}

#[tokio::test]
async fn sessions_are_counted() -> Result<(), Error> {
    let sessions = running().await;
    assert_eq!(sessions.session_count().await?, 0);
    let mut keys = Vec::new();
    for number in 1..=25 {
        keys.push(open(&sessions).await?);
        assert_eq!(sessions.session_count().await?, number);
    }
    place(&sessions, &keys[0], "/srv/shop").await?;
    assert_eq!(sessions.session_count().await?, 25, "an update is no new session");
    for key in &keys[..10] {
        assert!(sessions.end(key).await?);
        assert!(!sessions.end(key).await?, "once");
    }
    assert_eq!(sessions.session_count().await?, 15);
    Ok(())
}

#[tokio::test]
async fn starting_and_stopping_may_be_repeated() -> Result<(), Error> {
    let sessions = manager();
    assert!(sessions.stop().await, "before the first start");
    assert!(matches!(sessions.session_count().await, Err(Error::NotRunning)));
    sessions.start().await?;
    sessions.start().await?;
    let key = open(&sessions).await?;
    assert!(sessions.stop().await && sessions.stop().await);
    assert!(!sessions.is_running());

    assert!(matches!(sessions.open(Owner::Anonymous, Change::new()).await, Err(Error::NotRunning)));
    assert!(matches!(sessions.load(&key).await, Err(Error::NotRunning)));
    assert!(matches!(place(&sessions, &key, "/srv/shop").await, Err(Error::NotRunning)));
    assert!(matches!(sessions.end(&key).await, Err(Error::NotRunning)));

    sessions.start().await?;
    assert_eq!(sessions.load(&key).await?.version, Version::FIRST, "stopping ends no session");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopping_waits_for_what_is_in_flight() -> Result<(), Error> {
    let sessions = running().await;
    let key = open(&sessions).await?;
    let Held { update, release } = hold(&sessions, key);

    let stopping = tokio::spawn({
        let sessions = Arc::clone(&sessions);
        async move { sessions.stop().await }
    });
    timeout(Duration::from_secs(5), refused(&sessions)).await.expect("what comes from now on is refused");
    sleep(Duration::from_millis(100)).await;
    assert!(!stopping.is_finished(), "an update is still in flight");

    release.send(()).expect("the update waits for it");
    assert!(stopping.await.expect("stop does not panic"), "everything in flight ended within the grace time");
    update.await.expect("the update does not panic")?;
    sessions.start().await?;
    assert_eq!(sessions.get::<u32>(&key, "held").await?, Some(1), "what was in flight was done");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopping_waits_no_longer_than_its_grace_time() -> Result<(), Error> {
    let sessions = Arc::new(manager().with_grace(Duration::from_millis(50)));
    sessions.start().await?;
    let key = open(&sessions).await?;
    let Held { update, release } = hold(&sessions, key);
    assert!(!sessions.stop().await, "an update is still in flight");
    release.send(()).expect("the update waits for it");
    update.await.expect("the update does not panic")
}

#[tokio::test(start_paused = true)]
async fn an_hourly_sweep_frees_what_was_idle_for_a_day_and_nothing_younger() -> Result<(), Error> {
    let store = MemoryStore::new(MemoryConfig::default());
    let sessions = over(store.clone());
    sessions.start().await?;
    let idle = open(&sessions).await?;
    sleep(HOUR / 2).await;
    let (younger, used) = (open(&sessions).await?, open(&sessions).await?);
    for _ in 0..23 {
        sleep(HOUR).await;
        sessions.load(&used).await?;
    }
    sleep((HOUR / 2).saturating_sub(Duration::from_millis(1))).await;
    assert!(store.peek(&idle).await?.is_some(), "a millisecond before the day is over");
    sleep(Duration::from_millis(1)).await;
    assert!(store.peek(&idle).await?.is_none(), "expiry is decided when reading, swept or not");

    sleep(Duration::from_millis(1)).await;
    assert_eq!((store.held(), sessions.session_count().await?), (2, 2), "the sweep at the day's end freed it");
    sleep(HOUR / 2).await;
    assert!(store.peek(&younger).await?.is_none());
    assert_eq!(store.held(), 2, "expired since the last sweep");
    sleep(HOUR / 2).await;
    assert_eq!(store.held(), 1, "an hour later it was freed too");
    assert_eq!(sessions.load(&used).await?.locator, used.locator(), "what is used lives on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_share_a_session_and_lose_nothing() -> Result<(), Error> {
    let sessions = running().await;
    let key = open(&sessions).await?;
    let mut tasks = JoinSet::new();
    for task in 0..50_u32 {
        let sessions = Arc::clone(&sessions);
        tasks.spawn(async move {
            for round in 0..20_u32 {
                sessions.set(&key, &format!("task-{task}"), &round).await?;
                sessions.update_with(&key, "total", |total: Option<u32>| total.unwrap_or(0) + 1).await?;
            }
            Ok::<_, Error>(())
        });
    }
    for finished in tasks.join_all().await {
        finished?;
    }
    assert_eq!(sessions.get::<u32>(&key, "total").await?, Some(50 * 20));
    for task in 0..50 {
        assert_eq!(sessions.get::<u32>(&key, &format!("task-{task}")).await?, Some(19), "task {task}");
    }
    assert_eq!(sessions.load(&key).await?.version.get(), 1 + 2 * 50 * 20, "each write counted once");
    Ok(())
}

#[tokio::test]
async fn a_process_has_one_manager_that_is_made_once() -> Result<(), Error> {
    assert!(SessionManager::global().is_none(), "nobody installed one");
    let first = Arc::new(manager());
    assert!(Arc::clone(&first).install().is_ok());
    let second = Arc::new(manager());
    let refused = Arc::clone(&second).install().expect_err("the process has one");
    assert!(Arc::ptr_eq(&refused, &second), "and the other is given back");

    let global = SessionManager::global().expect("it was installed above");
    assert!(Arc::ptr_eq(global, &first));
    global.start().await?;
    let key = open(global).await?;
    let elsewhere = tokio::spawn(async move { SessionManager::global().expect("one for all").load(&key).await });
    assert_eq!(elsewhere.await.expect("loading does not panic")?.locator, key.locator());
    Ok(())
}

/// Ten operations begin at once on each of a thousand sessions. Whatever is read carries its session's number.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn ten_thousand_concurrent_operations_over_a_thousand_sessions_never_mix() -> Result<(), Error> {
    const SESSIONS: usize = 1_000;
    const OPERATIONS: usize = 10;

    let sessions = running().await;
    let mut keys = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        keys.push(open(&sessions).await?);
    }
    assert_eq!(keys.iter().map(SessionKey::locator).collect::<HashSet<_>>().len(), SESSIONS);

    let together = Arc::new(Barrier::new(SESSIONS * OPERATIONS));
    let mut tasks = JoinSet::new();
    for operation in 0..OPERATIONS {
        for (number, &key) in keys.iter().enumerate() {
            let (sessions, together) = (Arc::clone(&sessions), Arc::clone(&together));
            tasks.spawn(async move {
                together.wait().await;
                match operation {
                    0..4 => drop(sessions.set(&key, &format!("value-{operation}"), &(number, operation)).await?),
                    4..6 => {
                        let next = |total: Option<usize>| total.unwrap_or(number * 10) + 1;
                        let total = sessions.update_with(&key, "total", next).await?;
                        assert_eq!(total / 10, number, "a total of another session");
                    }
                    6 => drop(place(&sessions, &key, &format!("/srv/{number}")).await?),
                    _ => belongs(&sessions, &key, number).await?,
                }
                Ok::<_, Error>(())
            });
        }
    }
    let finished = tasks.join_all().await;
    assert_eq!(finished.len(), SESSIONS * OPERATIONS);
    finished.into_iter().collect::<Result<(), _>>()?;

    for (number, key) in keys.iter().enumerate() {
        for operation in 0..4_usize {
            let value = sessions.get::<(usize, usize)>(key, &format!("value-{operation}")).await?;
            assert_eq!(value, Some((number, operation)));
        }
        assert_eq!(sessions.get::<usize>(key, "total").await?, Some(number * 10 + 2));
        assert_eq!(sessions.get_working_directory(key).await?, Some(PathBuf::from(format!("/srv/{number}"))));
        assert_eq!(sessions.load(key).await?.version.get(), 1 + 7, "seven writes each");
    }
    assert_eq!(sessions.session_count().await?, SESSIONS as u64);
    Ok(())
}

/// Looks at everything a session holds by now.
async fn belongs(sessions: &SessionManager, key: &SessionKey, number: usize) -> Result<(), Error> {
    let session = sessions.load(key).await?;
    assert_eq!(session.locator, key.locator());
    if let Some(directory) = &session.working_directory {
        assert_eq!(directory.as_str(), format!("/srv/{number}"));
    }
    for (name, value) in session.state.iter() {
        let value: serde_json::Value = serde_json::from_slice(value.as_bytes()).expect("written as JSON");
        let whose = if name.as_str() == "total" { value.as_u64().map(|total| total / 10) } else { value[0].as_u64() };
        assert_eq!(whose, Some(number as u64), "{name:?}");
    }
    Ok(())
}

fn over(store: MemoryStore) -> SessionManager {
    SessionManager::new(Arc::new(store), Arc::new(TokioTimer))
}

fn manager() -> SessionManager {
    over(MemoryStore::new(MemoryConfig::default()))
}

async fn running() -> Arc<SessionManager> {
    let sessions = manager();
    sessions.start().await.expect("a memory store answers");
    Arc::new(sessions)
}

async fn open(sessions: &SessionManager) -> Result<SessionKey, Error> {
    let opened = sessions.open(Owner::Anonymous, Change::new()).await?;
    sessions.resolve(Owner::Anonymous, &opened.name.expose())
}

async fn place(sessions: &SessionManager, key: &SessionKey, directory: &str) -> Result<Updated, Error> {
    match sessions.set_working_directory(key.owner(), Some(key), Path::new(directory)).await? {
        Placed::Updated(updated) => Ok(updated),
        Placed::Opened(_) => panic!("there was a key"),
    }
}

/// An update that is in flight until it is released.
struct Held {
    update: tokio::task::JoinHandle<Result<(), Error>>,
    release: Sender<()>,
}

/// Begins one, and returns when it is in flight.
fn hold(sessions: &Arc<SessionManager>, key: SessionKey) -> Held {
    let (entered, inside): (Sender<()>, Receiver<()>) = channel();
    let (release, permit): (Sender<()>, Receiver<()>) = channel();
    let sessions = Arc::clone(sessions);
    let update = tokio::spawn(async move {
        let next = move |held: Option<u32>| {
            entered.send(()).expect("the test waits for it");
            permit.recv().expect("the test releases it");
            held.unwrap_or(0) + 1
        };
        sessions.update_with(&key, "held", next).await.map(drop)
    });
    inside.recv().expect("the update begins");
    Held { update, release }
}

/// Returns once the manager refuses.
async fn refused(sessions: &SessionManager) {
    while !matches!(sessions.session_count().await, Err(Error::NotRunning)) {
        sleep(Duration::from_millis(1)).await;
    }
}
