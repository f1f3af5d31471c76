//! Whose a session is.

use super::harness::{
    Fixture, Harness, alice, assert_answer, assert_same, bob, long, page_size, roomy, set, store, text_of,
};
use crate::error::StoreError;
use crate::ext::SessionStoreExt as _;
use crate::name::{SessionKey, SessionName};
use crate::owner::Owner;
use crate::page::Page;
use crate::session::NewSession;
use crate::store::SessionStore;

/// Another owner with the right name gets what an unknown name gets, and leaves no trace; the same locator under
/// another owner is another session.
pub async fn a_foreign_session_is_an_unknown_one(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for (owner, strangers) in [
        (alice(), [bob(), Owner::Anonymous]),
        (Owner::Anonymous, [alice(), bob()]),
        (bob(), [alice(), Owner::Anonymous]),
    ] {
        let fixture = Fixture::create(&store, owner, long()).await;
        let before = fixture.peek().await.expect("the session is live");
        harness.elapse(harness.tick()).await;
        for stranger in strangers {
            assert_unknown(store.as_ref(), &SessionKey::by_name(stranger, &fixture.name)).await;
        }
        assert_same(harness, fixture.peek().await, &before, "a stranger leaves no trace");
        for stranger in strangers {
            let other = NewSession::new(stranger, &fixture.name, long()).with(set("whose", "another's"));
            store.create(other).await.expect("an owner's names are their own");
        }
        fixture.set("whose", "mine").await;
        let seen = fixture.peek().await.expect("the session is live");
        assert_eq!(text_of(&seen, "whose").as_deref(), Some("mine"));
        for stranger in strangers {
            let theirs = SessionKey::by_name(stranger, &fixture.name);
            let seen = store.peek(&theirs).await.expect("the store answers").expect("their session is live");
            assert_eq!((seen.owner, text_of(&seen, "whose").as_deref()), (stranger, Some("another's")));
            assert_answer!(store.delete(&theirs).await, Ok(true), "they end their own");
        }
        assert_answer!(fixture.peek().await, Some(_), "and only their own");
    }
}

/// A right locator with a wrong secret is nothing.
pub async fn an_unknown_secret_is_an_unknown_session(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let fixture = Fixture::create(&store, owner, long()).await;
        let before = fixture.peek().await.expect("the session is live");
        harness.elapse(harness.tick()).await;
        let guess = SessionName::mint_for(fixture.name.locator());
        assert_unknown(store.as_ref(), &SessionKey::by_name(owner, &guess)).await;
        assert_same(harness, fixture.peek().await, &before, "a guess leaves no trace");
    }
}

/// Without a secret a locator opens a session for its authenticated owner and for nobody else.
pub async fn a_locator_serves_only_its_authenticated_owner(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let fixture = Fixture::create(&store, alice(), long()).await;
    let nobodys = Fixture::create(&store, Owner::Anonymous, long()).await;
    let locator = fixture.name.locator();
    for stranger in [bob(), Owner::Anonymous] {
        assert_unknown(store.as_ref(), &SessionKey::by_locator(stranger, locator)).await;
    }
    for owner in [Owner::Anonymous, alice()] {
        assert_unknown(store.as_ref(), &SessionKey::by_locator(owner, nobodys.name.locator())).await;
    }
    let mine = SessionKey::by_locator(alice(), locator);
    assert_answer!(store.touch(&mine).await, Ok(Some(_)), "its owner opens it");
    store.update(&mine, set("cart", "tea")).await.expect("its owner changes it");
    assert_answer!(store.delete(&mine).await, Ok(true), "its owner ends it");
    assert_answer!(nobodys.peek().await, Some(_), "the other session is untouched");
}

/// What speaks of "all of mine" is refused for the anonymous owner.
pub async fn the_anonymous_owner_has_no_list(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, long()).await;
    let listed = store.list(&Owner::Anonymous, Page::first(page_size(10))).await;
    assert_answer!(listed, Err(StoreError::OwnerRequired), "there is no anonymous list");
    let ended = store.end_all(&Owner::Anonymous).await;
    assert_answer!(ended, Err(StoreError::OwnerRequired), "there is no end of all anonymous sessions");
    assert_answer!(fixture.peek().await, Some(_), "the session is untouched");
}

async fn assert_unknown(store: &dyn SessionStore, key: &SessionKey) {
    assert_answer!(store.touch(key).await, Ok(None), "it looks unknown");
    assert_answer!(store.peek(key).await, Ok(None), "it looks unknown");
    assert_answer!(store.update(key, set("whose", "stolen")).await, Err(StoreError::NotFound), "it looks unknown");
    assert_answer!(store.delete(key).await, Ok(false), "it looks unknown");
    assert_answer!(store.why_absent(key).await, Ok(None), "it looks unknown");
}
