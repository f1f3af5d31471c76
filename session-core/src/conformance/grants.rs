//! Several names for one session.

use super::harness::{
    Fixture, Harness, alice, assert_answer, assert_same, assert_same_time, long, roomy, set, store, ticks,
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

/// A granted name opens the same record; a revoked one opens nothing and prolongs nothing.
pub async fn an_added_grant_opens_and_a_revoked_one_does_not(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let fixture = Fixture::create(&store, owner, long()).await;
        let (second, second_key) = another_name(&fixture, owner);
        assert_answer!(store.peek(&second_key).await, Ok(None), "a name that was not granted opens nothing");

        let label = Text::new("sub-agent").expect("a label");
        let grant = NewGrant::new(Mode::ReadWrite).with_label(label.clone());
        store.update(&fixture.key, Change::new().grant(&second, grant)).await.expect("the session is live");
        let seen = store.touch(&second_key).await.expect("the store answers").expect("the granted name opens");
        assert_eq!((seen.locator, seen.mode()), (fixture.name.locator(), Mode::ReadWrite));
        let kept = seen.grants.get(second.secret_hash()).expect("the record keeps the grant");
        assert_eq!((kept.label.as_ref(), kept.mode, kept.ends_at), (Some(&label), Mode::ReadWrite, seen.ends_at));
        store.update(&second_key, set("cart", "tea")).await.expect("the granted name may write");
        harness.elapse(harness.tick()).await;
        let before = fixture.peek().await.expect("the session is live").last_used();
        let touched = store.touch(&second_key).await.expect("the store answers").expect("the granted name opens");
        assert!(touched.last_used() >= before.after(harness.tick()), "a granted name's use is a use");

        store.update(&fixture.key, Change::new().revoke(second.secret_hash())).await.expect("the session is live");
        let before = fixture.peek().await.expect("the first name still opens").last_used();
        harness.elapse(harness.tick()).await;
        assert_opens_nothing(store.as_ref(), &second_key).await;
        let after = fixture.peek().await.expect("the first name still opens").last_used();
        assert_same_time(harness, after, before, "a revoked name is no use");

        let (third, third_key) = another_name(&fixture, owner);
        let rotate = Change::new().grant(&third, NewGrant::new(Mode::ReadWrite)).revoke(fixture.name.secret_hash());
        store.update(&fixture.key, rotate).await.expect("the session is live");
        assert_answer!(store.peek(&third_key).await, Ok(Some(_)), "a rotated session has its new name");
        assert_opens_nothing(store.as_ref(), &fixture.key).await;
        assert_answer!(store.delete(&third_key).await, Ok(true), "a granted name ends the session");
    }
}

/// A read-only name reads; the store refuses it everything else, and reading with it prolongs nothing.
pub async fn a_read_only_grant_reads_and_nothing_else(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let fixture = Fixture::create(&store, owner, long()).await;
        let (reader, reader_key) = another_name(&fixture, owner);
        let grant = Change::new().grant(&reader, NewGrant::new(Mode::ReadOnly));
        store.update(&fixture.key, grant).await.expect("the session is live");
        let before = fixture.peek().await.expect("the session is live");
        harness.elapse(harness.tick()).await;

        let seen = store.touch(&reader_key).await.expect("the store answers").expect("a reader reads");
        assert_eq!(seen.mode(), Mode::ReadOnly);
        assert_same_time(harness, seen.last_used(), before.last_used(), "a reader prolongs nothing");
        let stale = set("cart", "tea").if_version(Version::FIRST);
        let raise = Change::new().grant(&reader, NewGrant::new(Mode::ReadWrite));
        for change in [Change::new(), set("cart", "tea"), stale, raise] {
            assert_answer!(
                store.update(&reader_key, change).await,
                Err(StoreError::ReadOnly),
                "a reader changes nothing"
            );
        }
        assert_answer!(store.delete(&reader_key).await, Err(StoreError::ReadOnly), "a reader ends nothing");
        assert_same(harness, fixture.peek().await, &before, "a reader leaves no trace");
    }
}

/// A grant ends when it was meant to, and no later than its session or the grant of whoever gave it.
pub async fn a_grant_ends_with_its_session_and_its_giver(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let owner = Owner::Anonymous;
    let fixture = Fixture::create(&store, owner, ticks(harness, 100, 200)).await;
    let (short, short_key) = another_name(&fixture, owner);
    let (greedy, _) = another_name(&fixture, owner);
    let given = Change::new()
        .grant(&short, NewGrant::new(Mode::ReadWrite).with_lifetime(harness.tick() * 3))
        .grant(&greedy, NewGrant::new(Mode::ReadWrite).with_lifetime(harness.tick() * 1000));
    store.update(&fixture.key, given).await.expect("the session is live");

    let (regiven, regiven_key) = another_name(&fixture, owner);
    let change = Change::new().grant(&regiven, NewGrant::new(Mode::ReadOnly));
    store.update(&short_key, change).await.expect("the grant is live");

    let session = fixture.peek().await.expect("the session is live");
    let ends_at = |name: &SessionName| session.grants.get(name.secret_hash()).expect("it was granted").ends_at;
    assert_eq!(ends_at(&greedy), session.ends_at, "no grant outlives its session");
    assert_eq!(ends_at(&regiven), ends_at(&short), "no grant outlives its giver's");
    assert!(ends_at(&short) < session.ends_at);
    let seen = store.peek(&short_key).await.expect("the store answers").expect("a grant opens until it ends");
    assert_eq!(seen.expires_at(), ends_at(&short), "who holds the grant is told when it ends");

    harness.elapse(harness.tick() * 4).await;
    assert_answer!(fixture.touch().await, Some(_), "the session lives on");
    assert_opens_nothing(store.as_ref(), &short_key).await;
    assert_answer!(store.peek(&regiven_key).await, Ok(None), "what an ended grant gave has ended");

    let born_short = SessionName::mint();
    let new = NewSession::new(owner, &born_short, long());
    let session = store.create(new).await.expect("a new name is created").session;
    let first = session.grants.get(born_short.secret_hash()).expect("the name it was created under");
    assert_eq!((first.mode, first.ends_at), (Mode::ReadWrite, session.ends_at));
}

fn another_name(fixture: &Fixture, owner: Owner) -> (SessionName, SessionKey) {
    let name = SessionName::mint_for(fixture.name.locator());
    let key = SessionKey::by_name(owner, &name);
    (name, key)
}

async fn assert_opens_nothing(store: &dyn SessionStore, key: &SessionKey) {
    assert_answer!(store.touch(key).await, Ok(None), "the name opens nothing");
    assert_answer!(store.update(key, set("cart", "tea")).await, Err(StoreError::NotFound), "and changes nothing");
    assert_answer!(store.delete(key).await, Ok(false), "and ends nothing");
}
