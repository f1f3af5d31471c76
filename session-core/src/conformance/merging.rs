//! Many writers of one session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::harness::{
    BoxFuture, Fixture, Harness, assert_answer, long, roomy, set, state_name, store, text_of, together,
};
use crate::change::{Change, Edit};
use crate::error::StoreError;
use crate::ext::SessionStoreExt as _;
use crate::grant::{Mode, NewGrant};
use crate::limits::{Limits, Quota};
use crate::name::{SessionKey, SessionName};
use crate::owner::Owner;
use crate::record::Version;
use crate::state::StateValue;
use crate::store::SessionStore;
use crate::text::Text;

const WRITERS: usize = 16;
const WRITES: usize = 200;

/// Thousands of writes of different fields, over two handles: none is lost.
pub async fn concurrent_writers_of_different_fields_all_survive(harness: &dyn Harness) {
    let handles = harness.handles(roomy(), 2).await;
    let fixture = Fixture::create(&handles[0], Owner::Anonymous, long()).await;
    let tasks = (0..WRITERS).map(|writer| {
        let (store, key) = (handles[writer % 2].clone(), fixture.key);
        Box::pin(async move {
            for write in 1..=WRITES {
                store.update(&key, nth_write(writer, write)).await.expect("the session is live");
            }
        }) as BoxFuture<'static, ()>
    });
    together(harness, tasks).await;

    let session = fixture.peek().await.expect("the session is live");
    let last = WRITES.to_string();
    assert_eq!(session.working_directory.as_ref().map(Text::as_str), Some(last.as_str()));
    assert_eq!(session.config_path.as_ref().map(Text::as_str), Some(last.as_str()));
    assert_eq!(session.project_id.as_ref().map(Text::as_str), Some(last.as_str()));
    for writer in 3..WRITERS {
        assert_eq!(text_of(&session, &format!("writer-{writer}")), Some(last.clone()), "writer {writer} wrote last");
    }
    assert_eq!(session.state.len(), WRITERS - 3);
    let written = u64::try_from(WRITERS * WRITES).expect("a small number");
    assert_eq!(session.version.get(), Version::FIRST.get() + written, "every write was applied once");
}

/// The first three writers have a field of the record each, the others a state value.
fn nth_write(writer: usize, write: usize) -> Change {
    let text = Text::new(&write.to_string()).expect("a number is a text");
    match writer {
        0 => Change::new().working_directory(text),
        1 => Change::new().config_path(text),
        2 => Change::new().project_id(text),
        _ => set(&format!("writer-{writer}"), &write.to_string()),
    }
}

/// A change counts the version up by one, even if it sets nothing; a load or a refused change does not.
pub async fn every_change_counts_one_version(harness: &dyn Harness) {
    let store = store(harness, Limits { value_bytes: 8, ..roomy() }).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, long()).await;
    let text = || Text::new("text").expect("a text");
    let mut remove_all = Change::new();
    remove_all.working_directory = Edit::Remove;
    remove_all.config_path = Edit::Remove;
    remove_all.project_id = Edit::Remove;
    let changes = [
        Change::new(),
        set("cart", "tea"),
        set("cart", "tea"),
        Change::new().remove(state_name("cart")).remove(state_name("never-there")),
        Change::new().working_directory(text()).config_path(text()).project_id(text()),
        remove_all,
    ];
    let mut expected = Version::FIRST;
    for change in changes {
        let updated = store.update(&fixture.key, change).await.expect("the session is live");
        expected = expected.next();
        assert_eq!(updated.version, expected);
        let refused = store.update(&fixture.key, set("cart", "far too long")).await;
        assert_answer!(refused, Err(StoreError::Quota(Quota::ValueBytes { max: 8 })), "a value too long is refused");
        assert_answer!(fixture.touch().await, Some(seen) if seen.version == expected, "a load counts nothing");
    }
    let session = fixture.peek().await.expect("the session is live");
    assert!(session.state.is_empty() && session.working_directory.is_none() && session.set_at.is_none());
    assert!(session.config_path.is_none() && session.project_id.is_none(), "what was removed is gone");
}

/// A change of which one part is refused leaves all parts undone.
pub async fn a_refused_change_changes_nothing(harness: &dyn Harness) {
    let store = store(harness, Limits { value_bytes: 8, state_names: 3, session_bytes: 40, ..roomy() }).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, long()).await;
    fixture.set("a", "1").await;
    fixture.set("b", "2").await;
    let before = fixture.peek().await.expect("the session is live").into_record();

    let directory = Text::new("/srv").expect("a path");
    let part = || set("a", "new").remove(state_name("b")).working_directory(directory.clone());
    let too_long = part().set(state_name("z"), StateValue::from([0; 9].as_slice()));
    let too_many = part()
        .set(state_name("x"), StateValue::from([0].as_slice()))
        .set(state_name("y"), StateValue::from([0].as_slice()))
        .set(state_name("z"), StateValue::from([0].as_slice()));
    let too_much = part().project_id(Text::new(&"p".repeat(40)).expect("an id"));
    let stale = part().if_version(Version::FIRST);
    for change in [too_long, too_many, too_much, stale] {
        store.update(&fixture.key, change).await.expect_err("one part of the change is refused");
        let after = fixture.peek().await.expect("the session is live").into_record();
        assert_eq!(after, before, "no part was applied");
        assert_eq!(after.state, before.state);
    }
}

/// Of several reasons to refuse a change the first of this order is named: there is no such session, the name may only
/// read, the version is another, a limit is met.
pub async fn the_first_reason_to_refuse_is_named(harness: &dyn Harness) {
    let store = store(harness, Limits { value_bytes: 8, ..roomy() }).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, long()).await;
    let reader = SessionName::mint_for(fixture.name.locator());
    let grant = Change::new().grant(&reader, NewGrant::new(Mode::ReadOnly));
    let before = store.update(&fixture.key, grant).await.expect("the session is live").version;
    fixture.set("a", "1").await;
    let by_reader = SessionKey::by_name(Owner::Anonymous, &reader);
    let by_nobody = SessionKey::by_name(Owner::Anonymous, &SessionName::mint());
    let too_long = || set("a", "far too long");
    let stale = || too_long().if_version(before);

    for change in [too_long(), stale()] {
        let answer = store.update(&by_nobody, change.clone()).await;
        assert_answer!(answer, Err(StoreError::NotFound), "no session is the first reason");
        assert_answer!(store.update(&by_reader, change).await, Err(StoreError::ReadOnly), "reading is the second");
    }
    assert_answer!(store.update(&fixture.key, stale()).await, Err(StoreError::Conflict), "the version is the third");
    assert_answer!(store.update(&fixture.key, too_long()).await, Err(StoreError::Quota(_)), "a limit is the last");
}

/// With an expected version a change is applied to that version or not at all.
pub async fn a_stale_version_is_a_conflict(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, long()).await;
    let first = fixture.session.version;
    let second = store.update(&fixture.key, set("cart", "tea").if_version(first)).await;
    let second = second.expect("the version is the current one").version;
    for stale in [first, second.next()] {
        let answer = store.update(&fixture.key, set("cart", "coffee").if_version(stale)).await;
        assert_answer!(answer, Err(StoreError::Conflict), "another version is a conflict");
    }
    let session = fixture.peek().await.expect("the session is live");
    assert_eq!((session.version, text_of(&session, "cart").as_deref()), (second, Some("tea")));
}

/// Of many compare-and-sets on one version one wins; a counter kept by `update_with` counts every increment.
pub async fn racing_compare_and_sets_lose_nothing(harness: &dyn Harness) {
    const TASKS: usize = 8;
    const INCREMENTS: usize = 25;
    let handles = harness.handles(roomy(), 2).await;
    let fixture = Fixture::create(&handles[0], Owner::Anonymous, long()).await;

    let won = Arc::new(AtomicUsize::new(0));
    let racers = (0..TASKS).map(|racer| {
        let (store, key, version, won) =
            (handles[racer % 2].clone(), fixture.key, fixture.session.version, won.clone());
        Box::pin(async move {
            match store.update(&key, set("winner", &racer.to_string()).if_version(version)).await {
                Ok(_) => drop(won.fetch_add(1, Ordering::SeqCst)),
                Err(StoreError::Conflict) => {}
                Err(other) => panic!("a racer wins or meets a conflict, not {other:?}"),
            }
        }) as BoxFuture<'static, ()>
    });
    together(harness, racers).await;
    assert_eq!(won.load(Ordering::SeqCst), 1, "one of the racers wins");

    let counters = (0..TASKS).map(|task| {
        let (store, key) = (handles[task % 2].clone(), fixture.key);
        Box::pin(async move {
            for _ in 0..INCREMENTS {
                increment(&store, &key).await;
            }
        }) as BoxFuture<'static, ()>
    });
    together(harness, counters).await;
    let session = fixture.peek().await.expect("the session is live");
    assert_eq!(text_of(&session, "counter"), Some((TASKS * INCREMENTS).to_string()), "no increment is lost");
}

async fn increment(store: &Arc<dyn SessionStore>, key: &SessionKey) {
    let incremented: Result<_, StoreError> = store
        .update_with(key, |session| {
            let count = text_of(session, "counter").map_or(0, |count| count.parse().expect("a number was written"));
            Ok((set("counter", &(count + 1_usize).to_string()), ()))
        })
        .await;
    incremented.expect("a turn comes before the attempts are over");
}

/// A snapshot belongs to its reader: no later change reaches it.
pub async fn a_snapshot_stays_what_it_was(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, long()).await;
    fixture.set("cart", "tea").await;
    let snapshot = fixture.touch().await.expect("the session is live");
    let copy = (*snapshot).clone();
    fixture.set("cart", "coffee").await;
    assert!(fixture.end().await);
    assert_eq!(*snapshot, copy);
    assert_eq!(text_of(&snapshot, "cart").as_deref(), Some("tea"));
}
