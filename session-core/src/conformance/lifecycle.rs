//! From create to delete, and what absence looks like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::harness::{
    BoxFuture, Fixture, Harness, alice, assert_answer, assert_same, assert_same_time, bob, long, roomy, set, store,
    text_of, ticks, together,
};
use crate::change::Change;
use crate::error::StoreError;
use crate::ext::SessionStoreExt as _;
use crate::grant::{Mode, NewGrant};
use crate::name::{SessionKey, SessionName};
use crate::owner::Owner;
use crate::record::Version;
use crate::session::NewSession;
use crate::store::SessionStore;
use crate::text::Text;

/// A session begins with what it was given, serves, and ends once.
pub async fn a_session_lives_from_create_to_delete(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let name = SessionName::mint();
        let directory = Text::new("/srv/shop").expect("a path is a text");
        let initial = set("cart", "tea").working_directory(directory.clone());
        let new = NewSession::new(owner, &name, long()).with(initial);
        let session = store.create(new).await.expect("a new name is created").session;

        assert_eq!((session.owner, session.locator), (owner, name.locator()));
        assert_eq!((session.version, session.mode()), (Version::FIRST, Mode::ReadWrite));
        assert_eq!(session.expires_in(), long().idle(), "a session knows how long it has");
        assert_eq!(session.last_used(), session.created_at, "a session is used when it is created");
        assert_eq!(session.ends_at, session.created_at.after(long().absolute()));
        assert_eq!(session.idle_timeout, long().idle());
        assert_eq!(session.working_directory.as_ref(), Some(&directory));
        assert_eq!(session.set_at, Some(session.created_at), "setting the working directory stamps it");
        assert_eq!((session.config_path.as_ref(), session.project_id.as_ref()), (None, None));
        assert_eq!(session.grants.len(), 1, "the name it was created under");

        let key = SessionKey::by_name(owner, &name);
        let loaded = store.touch(&key).await.expect("the store answers").expect("the session is live");
        assert_eq!(loaded.clone().into_record(), session.into_record(), "what was created is what is loaded");
        assert_eq!(text_of(&loaded, "cart").as_deref(), Some("tea"));

        let project = Text::new("shop").expect("an id is a text");
        harness.elapse(harness.tick()).await;
        let change = Change::new().project_id(project.clone()).working_directory(directory.clone());
        let updated = store.update(&key, change).await.expect("it is changed");
        let loaded = store.peek(&key).await.expect("the store answers").expect("the session is live");
        assert_eq!(loaded.project_id, Some(project));
        assert_eq!(loaded.version, updated.version);
        assert_eq!(loaded.set_at, Some(updated.at), "setting the working directory stamps it anew");
        assert_eq!(loaded.created_at, loaded.ends_at.before(long().absolute()), "and nothing else");
        assert_same_time(harness, loaded.expires_at(), updated.expires_at, "an update says when the session ends");

        let ended = Arc::new(AtomicUsize::new(0));
        let enders = (0..8).map(|_| {
            let (store, ended) = (store.clone(), ended.clone());
            Box::pin(async move {
                if store.delete(&key).await.expect("the store answers") {
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            }) as BoxFuture<'static, ()>
        });
        together(harness, enders).await;
        assert_eq!(ended.load(Ordering::SeqCst), 1, "the one caller who ended the session is told so");
        assert_answer!(store.peek(&key).await, Ok(None), "an ended session is absent");
        assert_answer!(store.delete(&key).await, Ok(false), "a session ends once");
    }
}

/// A live session is never overwritten, whichever secret the second creation comes with, and of many creations under
/// one name one succeeds.
pub async fn create_refuses_a_live_name(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let first = Fixture::create(&store, owner, long()).await;
        first.set("cart", "tea").await;
        let before = first.peek().await.expect("the session is live");
        for name in [first.name.clone(), SessionName::mint_for(first.name.locator())] {
            let second = NewSession::new(owner, &name, long()).with(set("cart", "coffee"));
            assert_answer!(store.create(second).await, Err(StoreError::AlreadyExists), "a live name is refused");
        }
        assert_same(harness, first.peek().await, &before, "a refused creation leaves the session as it was");

        let new = NewSession::new(owner, &SessionName::mint(), long());
        let created = Arc::new(AtomicUsize::new(0));
        let creators = (0..8).map(|_| {
            let (store, new, created) = (store.clone(), new.clone(), created.clone());
            Box::pin(async move {
                match store.create(new).await {
                    Ok(_) => drop(created.fetch_add(1, Ordering::SeqCst)),
                    Err(StoreError::AlreadyExists) => {}
                    Err(other) => panic!("a creator is first or is refused, not {other:?}"),
                }
            }) as BoxFuture<'static, ()>
        });
        together(harness, creators).await;
        assert_eq!(created.load(Ordering::SeqCst), 1, "one of the creators is first");
    }
}

/// The name of a session that ended or expired can be given to a new one, which inherits nothing.
pub async fn an_absent_name_is_as_good_as_new(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let ended = Fixture::create(&store, owner, long()).await;
        let idle = Fixture::create(&store, owner, ticks(harness, 2, 50)).await;
        let old = Fixture::create(&store, owner, ticks(harness, 50, 2)).await;
        for fixture in [&ended, &idle, &old] {
            let guest = SessionName::mint_for(fixture.name.locator());
            let change = set("cart", "tea").grant(&guest, NewGrant::new(Mode::ReadOnly));
            store.update(&fixture.key, change).await.expect("the session is live");
        }
        assert!(ended.end().await);
        harness.elapse(harness.tick() * 3).await;
        for fixture in [&ended, &idle, &old] {
            let new = NewSession::new(owner, &fixture.name, long()).with(set("other", "coffee"));
            let session = store.create(new).await.expect("an absent name is not taken").session;
            assert!(session.created_at > fixture.session.created_at && session.ends_at > fixture.session.ends_at);
            assert_eq!((session.version, session.grants.len()), (Version::FIRST, 1));
            let seen = fixture.peek().await.expect("the new session is live");
            assert_eq!((text_of(&seen, "cart"), text_of(&seen, "other").as_deref()), (None, Some("coffee")));
            assert_answer!(store.why_absent(&fixture.key).await, Ok(None), "what is there is not absent");
        }
    }
}

/// No method tells a session that never was from one that expired or was ended.
pub async fn absent_expired_and_ended_are_one_case(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let never = SessionKey::by_name(owner, &SessionName::mint());
        let ended = Fixture::create(&store, owner, long()).await;
        assert_answer!(store.delete(&ended.key).await, Ok(true), "the session is ended");
        let idle = Fixture::create(&store, owner, ticks(harness, 2, 50)).await;
        let old = Fixture::create(&store, owner, ticks(harness, 50, 2)).await;
        harness.elapse(harness.tick() * 3).await;

        for (case, key) in [("never", never), ("ended", ended.key), ("idle", idle.key), ("old", old.key)] {
            assert_answer!(store.touch(&key).await, Ok(None), "{case}: a touch finds nothing");
            assert_answer!(store.peek(&key).await, Ok(None), "{case}: a peek finds nothing");
            let changes = [Change::new(), set("cart", "tea"), set("cart", "tea").if_version(Version::FIRST)];
            for change in changes {
                assert_answer!(
                    store.update(&key, change).await,
                    Err(StoreError::NotFound),
                    "{case}: there is nothing to change"
                );
            }
            assert_answer!(store.delete(&key).await, Ok(false), "{case}: there is nothing to end");
            assert_answer!(store.peek(&key).await, Ok(None), "{case}: and asking changed nothing");
        }
    }
}

/// Neither a late update, a late touch, a retry nor a sweep brings a session back, and no writer who races with the
/// end does.
pub async fn nothing_late_brings_a_session_back(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        for _ in 0..10 {
            let fixture = Arc::new(Fixture::create(&store, owner, long()).await);
            let ended = Arc::new(AtomicBool::new(false));
            let writers = (0..4).map(|writer| race_with_the_end(fixture.clone(), ended.clone(), writer));
            let end = end_and_say_so(fixture.clone(), ended.clone());
            together(harness, writers.chain([end])).await;
            assert_eq!(fixture.peek().await, None, "an ended session stays ended");
        }
        let expired = Fixture::create(&store, owner, ticks(harness, 1, 50)).await;
        let seen = expired.peek().await.expect("the session is live").version;
        harness.elapse(harness.tick() * 2).await;
        for _ in 0..2 {
            let retry = set("cart", "tea").if_version(seen);
            assert_answer!(store.update(&expired.key, retry).await, Err(StoreError::NotFound), "a retry is too late");
            assert_eq!(expired.touch().await, None, "a touch is too late");
            harness.elapse(harness.tick() * 10).await;
        }
    }
    assert_answer!(store.count(Duration::ZERO).await, Ok(0), "nothing came back");
}

fn end_and_say_so(fixture: Arc<Fixture>, ended: Arc<AtomicBool>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        assert!(fixture.end().await, "one caller ends it");
        ended.store(true, Ordering::SeqCst);
    })
}

fn race_with_the_end(fixture: Arc<Fixture>, ended: Arc<AtomicBool>, writer: usize) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        for round in 0..20 {
            let too_late = ended.load(Ordering::SeqCst);
            let change = set(&format!("writer-{writer}"), &round.to_string());
            let answer = fixture.store.update(&fixture.key, change).await;
            match answer {
                Ok(_) if !too_late => {}
                Err(StoreError::NotFound) => {}
                other => panic!("a writer after the end is told that there is no session, not {other:?}"),
            }
            let too_late = ended.load(Ordering::SeqCst);
            let seen = fixture.touch().await;
            assert!(!(too_late && seen.is_some()), "nothing is visible after an acknowledged end");
        }
    })
}

/// What one handle does, the other sees at once.
pub async fn two_handles_are_one_store(harness: &dyn Harness) {
    let handles = harness.handles(roomy(), 2).await;
    let [here, there]: [Arc<dyn SessionStore>; 2] = handles.try_into().expect("two handles were asked for");
    for owner in [Owner::Anonymous, alice()] {
        let fixture = Fixture::create(&here, owner, ticks(harness, 4, 100)).await;
        let again = NewSession::new(owner, &fixture.name, long());
        assert_answer!(there.create(again).await, Err(StoreError::AlreadyExists), "one store has one such name");
        for round in 1..=20 {
            let (writer, reader) = if round % 2 == 0 { (&here, &there) } else { (&there, &here) };
            writer.update(&fixture.key, set("round", &round.to_string())).await.expect("the session is live");
            let seen = reader.peek(&fixture.key).await.expect("the store answers").expect("the session is live");
            assert_eq!(text_of(&seen, "round"), Some(round.to_string()), "a write is seen through the other handle");
        }
        harness.elapse(harness.tick() * 3).await;
        assert_answer!(there.touch(&fixture.key).await, Ok(Some(_)), "the session is live");
        harness.elapse(harness.tick() * 3).await;
        assert_answer!(here.peek(&fixture.key).await, Ok(Some(_)), "a touch through the other handle counts");
        assert_answer!(there.delete(&fixture.key).await, Ok(true), "either handle ends it");
        assert_answer!(here.peek(&fixture.key).await, Ok(None), "an end is seen through the other handle");
        assert_answer!(
            here.update(&fixture.key, set("late", "yes")).await,
            Err(StoreError::NotFound),
            "an end through the other handle is final"
        );
    }
}

/// The living of all owners are counted, the ended and the expired are not.
pub async fn count_counts_the_living(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    assert_answer!(store.count(Duration::ZERO).await, Ok(0), "a new store is empty");
    let mut living = Vec::new();
    for owner in [Owner::Anonymous, alice(), bob(), Owner::Anonymous, alice()] {
        living.push(Fixture::create(&store, owner, long()).await);
        Fixture::create(&store, owner, ticks(harness, 2, 50)).await;
        // A store may count it until its idle timeout is over, too.
        Fixture::create(&store, owner, ticks(harness, 2, 2)).await;
    }
    assert_answer!(store.count(Duration::ZERO).await, Ok(15), "all are live");
    harness.elapse(harness.tick() * 3).await;
    assert_answer!(store.count(Duration::ZERO).await, Ok(5), "the expired do not count");
    assert!(living.pop().expect("five were created").end().await);
    assert!(living.remove(0).end().await);
    assert_answer!(store.count(Duration::ZERO).await, Ok(3), "the ended do not count");
}

/// A store that can serve says so.
pub async fn a_healthy_store_answers_a_ping(harness: &dyn Harness) {
    assert_answer!(store(harness, roomy()).await.ping().await, Ok(()), "a healthy store answers");
}
