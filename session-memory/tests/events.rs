//! What observers are told: by a manager what it did, by a store what it freed.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use session_core::{
    Change, Edit, Event, Expired, Gone, Limits, Locator, Mode, NewGrant, Owner, Reason, SessionKey, SessionManager,
    SessionName, SessionStore as _, SessionStoreExt as _, Subject, Text,
};
use session_memory::{MemoryConfig, MemoryStore};
use tokio::time::{advance, sleep};

use support::events::{Told, locator};
use support::{HOUR, alice, manager, open, principal, ready, roomy, store};

/// A manager that tells what it does, and its store, which does not.
async fn observed(limits: Limits) -> (MemoryStore, SessionManager, Told) {
    let (store, told) = (store(limits, HOUR), Told::default());
    let sessions = manager::manager(&store).with_observer(told.observer());
    sessions.start().await.expect("memory answers");
    (store, sessions, told)
}

/// A store that tells what it frees.
fn observed_store(limits: Limits, sweep_interval: Duration) -> (MemoryStore, Told) {
    let told = Told::default();
    (MemoryStore::observed(MemoryConfig { limits, sweep_interval }, Arc::new(told.observer())), told)
}

fn of(key: &SessionKey, reason: Reason) -> Event {
    Event::new(key.owner(), Subject::One(key.locator()), reason)
}

#[tokio::test]
async fn a_session_is_created_promoted_revoked_and_ended() {
    let (_, sessions, told) = observed(roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let key = manager::open(&sessions, owner).await;
        assert_eq!(told.take(), [of(&key, Reason::Created)]);

        let directory = Change::new().working_directory(Text::new("/srv").expect("a path"));
        let (name, updated) =
            sessions.promote(&key, NewGrant::new(Mode::ReadOnly), directory).await.expect("there is room");
        assert_eq!(told.take(), [of(&key, Reason::Promoted)]);
        let promoted = sessions.load(&SessionKey::by_name(owner, &name)).await.expect("it is granted");
        assert_eq!((promoted.mode(), promoted.version), (Mode::ReadOnly, updated.version));
        assert!(promoted.working_directory.is_some(), "in the same step");

        sessions.update(&key, Change::new().revoke(name.secret_hash())).await.expect("it may");
        assert_eq!(told.take(), [of(&key, Reason::Revoked)]);

        let (one, other) = (SessionName::mint_for(key.locator()), SessionName::mint_for(key.locator()));
        let grant = || NewGrant::new(Mode::ReadWrite);
        let both = Change::new().grant(&one, grant()).grant(&other, grant()).revoke(name.secret_hash());
        sessions.update(&key, both).await.expect("it may");
        assert_eq!(told.take(), [of(&key, Reason::Promoted), of(&key, Reason::Revoked)], "each once");

        assert!(sessions.end(&key).await.expect("memory answers"));
        assert_eq!(told.take(), [of(&key, Reason::Ended)]);
        assert!(!sessions.end(&key).await.expect("memory answers"));
        assert_eq!(told.take(), [], "it ends once");
    }
}

#[tokio::test]
async fn a_change_of_project_is_told_once_with_all_that_it_changed() {
    let (_, sessions, told) = observed(roomy()).await;
    let key = manager::open(&sessions, alice()).await;
    told.take();
    let text = |text| Text::new(text).expect("a text");
    let place = Change::new().working_directory(text("/srv/shop")).config_path(text("/srv/shop/.session-mcp.toml"));
    sessions.update(&key, place.clone()).await.expect("it may");
    assert_eq!(told.take(), [], "a directory is no project");

    sessions.update(&key, place.project_id(text("shop"))).await.expect("it may");
    assert_eq!(told.take(), [of(&key, Reason::Switched)]);

    let without = Change { project_id: Edit::Remove, ..Change::new() };
    sessions.update(&key, without).await.expect("it may");
    assert_eq!(told.take(), [of(&key, Reason::Switched)]);
}

#[tokio::test]
async fn what_is_refused_or_only_used_tells_nothing() {
    let (store, sessions, told) = observed(Limits { grants: 1, ..roomy() }).await;
    let key = manager::open(&sessions, alice()).await;
    told.take();
    sessions.promote(&key, NewGrant::new(Mode::ReadWrite), Change::new()).await.expect_err("one name is the limit");
    let stale =
        Change::new().revoke(SessionName::mint().secret_hash()).if_version(session_core::Version::from_store(9));
    sessions.update(&key, stale).await.expect_err("there was no such version");
    sessions.load(&key).await.expect("it is live");
    sessions.set(&key, "cart", &1).await.expect("it is live");
    sessions.update_with(&key, "cart", |cart: Option<u32>| cart.unwrap_or_default() + 1).await.expect("it is live");
    sessions.end_all(&principal("nobody")).await.expect("a principal has a list");
    store.delete(&key).await.expect("memory answers");
    sessions.end(&key).await.expect("memory answers");
    sessions.stop().await;
    sessions.open(alice(), Change::new()).await.expect_err("it is stopped");
    assert_eq!(told.take(), []);
}

#[tokio::test]
async fn the_end_of_all_sessions_is_told_once_with_their_number() {
    let (_, sessions, told) = observed(roomy()).await;
    for _ in 0..3 {
        manager::open(&sessions, alice()).await;
    }
    told.take();
    assert_eq!(sessions.end_all(&alice()).await.expect("a principal has a list"), 3);
    assert_eq!(told.take(), [Event::new(alice(), Subject::All { sessions: 3 }, Reason::Ended)]);
}

#[tokio::test(start_paused = true)]
async fn what_makes_room_is_told_before_what_comes() {
    let limits = Limits { sessions_per_principal: 1, evict_after: Duration::ZERO, ..roomy() };
    let (store, sessions, told) = observed(limits).await;
    let first = manager::open(&sessions, alice()).await;
    let second = manager::open(&sessions, alice()).await;
    assert_eq!(told.take(), [of(&first, Reason::Created), of(&first, Reason::Evicted), of(&second, Reason::Created)]);
    store.delete(&second).await.expect("memory answers");

    let third = open(&store, alice(), HOUR / 2).await;
    sleep(HOUR / 2).await;
    let fourth = manager::open(&sessions, alice()).await;
    assert_eq!(told.take(), [of(&third, Reason::Expired(Expired::Idle)), of(&fourth, Reason::Created)]);
}

#[tokio::test(start_paused = true)]
async fn the_sweep_tells_of_each_expired_session_once() {
    let (store, told) = observed_store(roomy(), HOUR);
    let mut expected = BTreeMap::new();
    // More than a slice, so that several tell.
    for number in 0..1_000 {
        let owner = if number % 2 == 0 { Owner::Anonymous } else { principal(&(number % 10).to_string()) };
        let key = open(&store, owner, HOUR / 2).await;
        expected.insert(key.locator(), of(&key, Reason::Expired(Expired::Idle)));
    }
    let lives = open(&store, alice(), HOUR * 24).await;
    let ended = open(&store, alice(), HOUR / 2).await;
    store.delete(&ended).await.expect("memory answers");
    sleep(HOUR / 2).await;
    assert!(store.peek(&lives).await.expect("memory answers").is_some());
    assert_eq!(told.take(), [], "nobody has looked");
    sleep(HOUR * 3).await;
    assert_eq!(by_locator(told.take()), expected);
    assert_eq!(store.held(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_absolute_lifetime_is_told_with_its_point_in_time() {
    let (store, told) = observed_store(roomy(), HOUR);
    let key = open(&store, alice(), HOUR).await;
    let ends_at = store.peek(&key).await.expect("memory answers").expect("it is live").ends_at;
    while store.touch(&key).await.expect("memory answers").is_some() {
        sleep(HOUR / 2).await;
    }
    sleep(HOUR * 2).await;
    assert_eq!(told.take(), [of(&key, Reason::Expired(Expired::Absolute(ends_at)))]);
}

#[tokio::test(start_paused = true)]
async fn a_count_tells_of_what_it_frees_and_so_does_an_end_of_all() {
    let (store, told) = observed_store(roomy(), HOUR * 100);
    let (counted, ended) = (open(&store, Owner::Anonymous, HOUR).await, open(&store, alice(), HOUR * 2).await);
    let lives = open(&store, alice(), HOUR * 3).await;
    advance(HOUR).await;
    assert_eq!(store.count(Duration::ZERO).await.expect("memory answers"), 2);
    assert_eq!(told.take(), [of(&counted, Reason::Expired(Expired::Idle))]);
    advance(HOUR).await;
    assert!(store.peek(&lives).await.expect("memory answers").is_some());
    assert_eq!(store.end_all(&alice()).await.expect("a principal has a list"), 1);
    assert_eq!(told.take(), [of(&ended, Reason::Expired(Expired::Idle))]);
    sleep(HOUR * 200).await;
    assert_eq!(told.take(), []);
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_the_store_full_tells_of_the_expired_sessions_of_others() {
    let (store, told) = observed_store(Limits { sessions: 2, ..roomy() }, HOUR * 100);
    let expired = [open(&store, Owner::Anonymous, HOUR).await, open(&store, principal("bob"), HOUR).await];
    advance(HOUR).await;
    open(&store, alice(), HOUR).await;
    let expected = expired.map(|key| (key.locator(), of(&key, Reason::Expired(Expired::Idle))));
    assert_eq!(by_locator(told.take()), BTreeMap::from(expected));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_used_again_tells_that_its_session_had_expired() {
    let (store, told) = observed_store(roomy(), HOUR * 100);
    let (nobodys, new) = support::session(Owner::Anonymous, HOUR);
    store.create(new.clone()).await.expect("there is room");
    advance(HOUR).await;
    let gone = store.create(new).await.expect("it is as good as new").gone;
    assert_eq!((gone, told.take()), (vec![], vec![of(&nobodys, Reason::Expired(Expired::Idle))]));

    let (hers, new) = support::session(alice(), HOUR);
    store.create(new.clone()).await.expect("there is room");
    advance(HOUR).await;
    let gone = store.create(new).await.expect("it is as good as new").gone;
    assert_eq!(gone, [Gone::new(hers.locator(), Some(Expired::Idle))]);
    assert_eq!(told.take(), [], "the manager tells, who has the answer");
}

#[test]
fn a_session_expires_once_whether_a_create_or_a_sweep_comes_first() {
    // Each principal has room for one session. The next one finds it expired, or a sweep on another thread did.
    let (store, told) = observed_store(Limits { sessions_per_principal: 1, ..roomy() }, HOUR);
    let mut created = Vec::new();
    let mut by_create = Vec::new();
    let counting = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while counting.load(Ordering::Acquire) {
                count(&store);
            }
        });
        // Until both have come first.
        while created.len() < 300 || by_create.is_empty() || by_create.len() + 1 >= created.len() {
            let (key, new) = support::session(alice(), Duration::from_millis(1));
            created.push(key.locator());
            let gone = ready(store.create(new)).expect("what was there has expired").gone;
            by_create.extend(gone.iter().map(|gone| gone.locator));
            let last = Instant::now();
            while ready(store.peek(&key)).expect("memory answers").is_some() {
                assert!(last.elapsed() < Duration::from_secs(60), "it expires");
            }
        }
        counting.store(false, Ordering::Release);
    });
    count(&store);
    let by_sweep: Vec<Locator> = told.take().iter().map(locator).collect();
    let mut expired = [by_create, by_sweep].concat();
    expired.sort_unstable();
    created.sort_unstable();
    assert_eq!(expired, created);
}

#[tokio::test(start_paused = true)]
async fn an_observer_may_ask_the_store() {
    let shared: Arc<OnceLock<MemoryStore>> = Arc::default();
    let told = Told::default();
    let observer = {
        let (shared, tell) = (shared.clone(), told.observer());
        move |event: &Event| {
            let store = shared.get().expect("it was set before anything expired");
            let key = SessionKey::by_locator(event.owner, locator(event));
            assert!(ready(store.peek(&key)).expect("memory answers").is_none());
            assert_eq!(ready(store.why_absent(&key)).expect("memory answers"), Some(Expired::Idle));
            assert!(!ready(store.delete(&key)).expect("memory answers"));
            tell(event);
        }
    };
    let config = MemoryConfig { limits: roomy(), sweep_interval: HOUR };
    let store = MemoryStore::observed(config, Arc::new(observer));
    assert!(shared.set(store.clone()).is_ok());
    let key = open(&store, alice(), HOUR / 2).await;
    sleep(HOUR * 2).await;
    assert_eq!(told.take(), [of(&key, Reason::Expired(Expired::Idle))]);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_observer_neither_fails_an_operation_nor_ends_the_sweep() {
    let calls = Arc::new(AtomicUsize::new(0));
    let broken = {
        let calls = calls.clone();
        move |_: &Event| {
            calls.fetch_add(1, Ordering::Relaxed);
            panic!("the observer is broken");
        }
    };
    let config = MemoryConfig { limits: roomy(), sweep_interval: HOUR };
    let store = MemoryStore::observed(config, Arc::new(broken.clone()));
    let sessions = manager::manager(&store).with_observer(broken);
    sessions.start().await.expect("memory answers");

    let key = manager::open(&sessions, alice()).await;
    sessions.promote(&key, NewGrant::new(Mode::ReadWrite), Change::new()).await.expect("there is room");
    sessions.resume(&alice(), key.locator(), Change::new()).await.expect("it is hers");
    assert!(sessions.end(&key).await.expect("memory answers"));
    assert_eq!(calls.swap(0, Ordering::Relaxed), 4);

    for _ in 0..2 {
        for _ in 0..300 {
            open(&store, Owner::Anonymous, HOUR / 2).await;
        }
        sleep(HOUR * 2).await;
        assert_eq!(store.held(), 0);
        assert_eq!(calls.swap(0, Ordering::Relaxed), 300, "each was told");
    }
    assert!(sessions.stop().await, "nothing is left in flight");
}

#[test]
fn a_reason_has_a_label_and_an_event_shows_nothing_secret() {
    let key = SessionKey::by_name(alice(), &SessionName::mint());
    let expired = Reason::Expired(Expired::Idle);
    let all = [Reason::Created, Reason::Restored, Reason::Promoted, expired, Reason::Evicted, Reason::Ended];
    let labels = ["created", "restored", "promoted", "expired", "evicted", "ended"];
    assert_eq!(all.map(Reason::as_str), labels);
    assert_eq!(Reason::Revoked.as_str(), "revoked");
    assert_eq!(Reason::Switched.as_str(), "switched");
    let shown = format!("{:?}", of(&key, Reason::Created));
    assert!(!shown.contains(&key.locator().to_string()) && !shown.contains("alice"), "{shown}");
}

fn count(store: &MemoryStore) {
    ready(store.count(Duration::ZERO)).expect("memory answers");
}

fn by_locator(events: Vec<Event>) -> BTreeMap<Locator, Event> {
    let all = events.len();
    let by_locator: BTreeMap<_, _> = events.into_iter().map(|event| (locator(&event), event)).collect();
    assert_eq!(by_locator.len(), all, "each once");
    by_locator
}
