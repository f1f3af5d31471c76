//! What the manager adds to a store: typed state, names minted here, and a beginning and an end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use session_core::{
    Change, Created, Error, Expired, Lifetimes, Listing, Load, NewSession, Owner, Page, Placed, Session, SessionKey,
    SessionManager, SessionStore, StateValue, StoreError, Target, Text, Updated,
};
use session_mcp::TokioTimer;
use session_memory::MemoryStore;
use tokio::sync::Notify;

async fn manager() -> SessionManager {
    let manager = SessionManager::new(Arc::new(MemoryStore::default()), Arc::new(TokioTimer));
    manager.start().await.expect("a store in memory is there");
    manager
}

async fn open(manager: &SessionManager) -> SessionKey {
    let opened = manager.open(Owner::Anonymous, Change::new()).await.expect("there is room");
    manager.resolve(Owner::Anonymous, &opened.name.expose()).expect("a name that was given")
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
}

#[tokio::test]
async fn state_is_typed_at_the_edge() {
    let manager = manager().await;
    let key = open(&manager).await;
    assert_eq!(manager.get::<Cart>(&key, "cart").await.expect("the session is live"), None);
    let cart = Cart { items: vec!["tea".to_owned()] };
    manager.set(&key, "cart", &cart).await.expect("the session is live");
    manager.set(&key, "other", &7).await.expect("the session is live");
    assert_eq!(manager.get(&key, "cart").await.expect("the session is live"), Some(cart));
    manager.remove(&key, "cart").await.expect("the session is live");
    assert_eq!(manager.get::<Cart>(&key, "cart").await.expect("the session is live"), None);
    assert_eq!(manager.get(&key, "other").await.expect("the session is live"), Some(7));
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_that_names_it() {
    let manager = manager().await;
    let key = open(&manager).await;
    manager.set(&key, "cart", &"a text, which is private").await.expect("the session is live");
    let error = manager.get::<Cart>(&key, "cart").await.expect_err("a text is no cart");
    assert!(matches!(&error, Error::Decode { name, .. } if name == "cart"), "{error:?}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("cart") && !shown.contains("private"), "the error names the value and quotes none: {shown}");

    let garbage = Change::new().set("cart".parse().expect("a name"), StateValue::from(b"\xff{".as_slice()));
    manager.update(&key, garbage).await.expect("bytes are bytes to a store");
    manager.get::<Cart>(&key, "cart").await.expect_err("garbage is no cart");
    let answer = manager.update_with(&key, "cart", |cart: Option<Cart>| cart.unwrap_or(Cart { items: vec![] })).await;
    assert!(matches!(answer, Err(Error::Decode { .. })), "what cannot be read is not written over: {answer:?}");
}

#[tokio::test]
async fn hostile_names_are_errors_that_ask_no_store() {
    let manager = manager().await;
    let key = open(&manager).await;
    for name in ["", ".reserved", "a b", "{}", "a\r\n", "名前"] {
        let answer = manager.set(&key, name, &1).await;
        assert!(matches!(answer, Err(Error::StateName(_))), "{name:?}: {answer:?}");
        let answer = manager.resolve(Owner::Anonymous, name);
        assert!(matches!(answer, Err(Error::Name(_))), "{name:?}: {answer:?}");
    }
    let answer = manager.set_working_directory(Owner::Anonymous, None, Path::new("")).await;
    assert!(matches!(answer, Err(Error::Text(_))), "{answer:?}");
    assert_eq!(manager.session_count().await.expect("the store answers"), 1, "nothing was opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_of_many_tasks_counts_every_increment() {
    const TASKS: u32 = 32;
    const INCREMENTS: u32 = 20;
    let manager = Arc::new(manager().await);
    let key = open(&manager).await;
    let tasks = (0..TASKS).map(|_| {
        let manager = manager.clone();
        tokio::spawn(async move {
            for _ in 0..INCREMENTS {
                let next = |count: Option<u32>| count.unwrap_or_default() + 1;
                manager.update_with(&key, "counter", next).await.expect("a turn comes");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no task panics");
    }
    assert_eq!(manager.get(&key, "counter").await.expect("the session is live"), Some(TASKS * INCREMENTS));
}

#[tokio::test]
async fn a_change_that_begins_from_what_was_loaded_loses_nothing_that_was_written_since() {
    let manager = manager().await;
    let key = open(&manager).await;
    let one_more = |counter: Option<u32>| counter.unwrap_or(0) + 1;
    let loaded = manager.load(&key).await.expect("the session is live");
    for counted in 1..=2 {
        let target = Target::loaded(&key, loaded.clone());
        assert_eq!(manager.update_with(target, "counter", one_more).await.expect("a turn comes"), counted);
    }
    assert!(manager.end(&key).await.expect("the store is there"));
    let ended = manager.update_with(Target::loaded(&key, loaded), "counter", one_more).await;
    assert!(matches!(ended, Err(Error::Store(StoreError::NotFound))), "{ended:?}");
}

#[tokio::test]
async fn a_working_directory_opens_a_session_only_under_a_name_minted_here() {
    let manager = manager().await;
    let directory = Path::new("/srv/shop");
    let placed = manager.set_working_directory(Owner::Anonymous, None, directory).await.expect("there is room");
    let Placed::Opened(opened) = placed else { panic!("without a key a session is opened, not {placed:?}") };
    let key = SessionKey::by_name(Owner::Anonymous, &opened.name);
    assert_eq!(manager.get_working_directory(&key).await.expect("it is live").as_deref(), Some(directory));

    assert!(manager.end(&key).await.expect("it is live"));
    let late = manager.set_working_directory(Owner::Anonymous, Some(&key), directory).await;
    assert!(matches!(late, Err(Error::Store(StoreError::NotFound))), "an ended name opens nothing: {late:?}");
    assert_eq!(manager.session_count().await.expect("the store answers"), 0);
}

#[tokio::test]
async fn a_working_directory_leaves_the_project_of_the_one_before() {
    let manager = manager().await;
    let key = open(&manager).await;
    let text = |text: &str| Text::new(text).expect("a text");
    let shop = Change::new().working_directory(text("/srv/shop")).config_path(text("/srv/shop/a.json"));
    manager.update(&key, shop.project_id(text("shop"))).await.expect("it is live");
    manager.set_working_directory(Owner::Anonymous, Some(&key), Path::new("/srv/tea")).await.expect("it is live");
    let session = manager.load(&key).await.expect("it is live");
    assert_eq!(
        (&session.working_directory, &session.config_path, &session.project_id),
        (&Some(text("/srv/tea")), &None, &None)
    );
}

#[tokio::test(start_paused = true)]
async fn sessions_live_as_long_as_the_manager_says() {
    let lifetimes = Lifetimes::new(Duration::from_secs(2), Duration::from_secs(5)).expect("valid lifetimes");
    let manager = SessionManager::new(Arc::new(MemoryStore::default()), Arc::new(TokioTimer)).with_lifetimes(lifetimes);
    manager.start().await.expect("a store in memory is there");
    let key = open(&manager).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        manager.load(&key).await.expect("a session in use lives");
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let late = manager.load(&key).await;
    assert!(matches!(late, Err(Error::Store(StoreError::NotFound))), "five seconds are over: {late:?}");
}

#[tokio::test]
async fn a_manager_stopped_while_it_starts_is_stopped() {
    let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let store = SlowToAnswer { asked: asked.clone(), answer: answer.clone() };
    let manager = Arc::new(SessionManager::new(Arc::new(store), Arc::new(TokioTimer)));
    let starting = tokio::spawn({
        let manager = manager.clone();
        async move { manager.start().await }
    });
    asked.notified().await;
    assert!(manager.stop().await, "nothing is in flight");
    answer.notify_one();
    let started = starting.await.expect("no task panics");
    assert!(matches!(started, Err(Error::NotRunning)), "{started:?}");
    assert!(!manager.is_running(), "the stop came last");
}

/// A store that is asked for a sign of life and takes its time.
#[derive(Debug)]
struct SlowToAnswer {
    asked: Arc<Notify>,
    answer: Arc<Notify>,
}

#[async_trait]
impl SessionStore for SlowToAnswer {
    async fn create(&self, _: NewSession) -> Result<Created, StoreError> {
        unreachable!("the manager never started")
    }
    async fn load(&self, _: &SessionKey, _: Load) -> Result<Option<Session>, StoreError> {
        unreachable!("the manager never started")
    }
    async fn update(&self, _: &SessionKey, _: Change) -> Result<Updated, StoreError> {
        unreachable!("the manager never started")
    }
    async fn delete(&self, _: &SessionKey) -> Result<bool, StoreError> {
        unreachable!("the manager never started")
    }
    async fn list(&self, _: &Owner, _: Page) -> Result<Listing, StoreError> {
        unreachable!("the manager never started")
    }
    async fn end_all(&self, _: &Owner) -> Result<u64, StoreError> {
        unreachable!("the manager never started")
    }
    async fn count(&self, _: Duration) -> Result<u64, StoreError> {
        unreachable!("the manager never started")
    }
    async fn why_absent(&self, _: &SessionKey) -> Result<Option<Expired>, StoreError> {
        unreachable!("the manager never started")
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.asked.notify_one();
        self.answer.notified().await;
        Ok(())
    }

    fn is_local(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_its_grace_time_and_no_longer() {
    let manager = Arc::new(manager().await);
    let key = open(&manager).await;
    assert!(manager.stop().await, "nothing is in flight");
    manager.start().await.expect("a stopped manager starts again");

    let busy = manager.clone();
    let task = tokio::spawn(async move {
        // Nobody ever lets this writer win, so it stays in flight for a while.
        let store = busy.store().clone();
        let disturb = |count: Option<u32>| {
            let (store, disturbed) = (store.clone(), key);
            futures_util::FutureExt::now_or_never(async move { store.update(&disturbed, Change::new()).await });
            count.unwrap_or_default() + 1
        };
        busy.update_with(&key, "counter", disturb).await
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let begun = tokio::time::Instant::now();
    let all_left = manager.stop().await;
    assert!(!all_left, "an operation is still in flight");
    assert!(begun.elapsed() >= SessionManager::DEFAULT_GRACE, "the grace time was kept");
    assert!(!manager.is_running());
    let refused = manager.load(&key).await;
    assert!(matches!(refused, Err(Error::NotRunning)), "{refused:?}");
    let answer = task.await.expect("no task panics");
    assert!(matches!(answer, Err(Error::Store(StoreError::Conflict))), "it ends within its attempts: {answer:?}");
    assert!(manager.stop().await, "and then nothing is in flight");
}
