//! All of one principal's sessions.

use std::collections::BTreeSet;

use super::harness::{Fixture, Harness, alice, assert_answer, bob, long, page_size, roomy, store, ticks};
use crate::name::Locator;
use crate::owner::Owner;
use crate::store::Page;

/// While sessions come and go, those that stay are listed once each, and nothing twice; listing is no use.
pub async fn paging_neither_loses_nor_repeats(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let empty = store.list(&alice(), Page::first(page_size(5))).await.expect("the store answers");
    assert!(empty.sessions.is_empty() && empty.next.is_none(), "nothing is listed at first");

    let mut staying = Vec::new();
    let mut leaving = Vec::new();
    for _ in 0..15 {
        staying.push(Fixture::create(&store, alice(), long()).await);
        leaving.push(Fixture::create(&store, alice(), long()).await);
        Fixture::create(&store, bob(), long()).await;
        Fixture::create(&store, alice(), ticks(harness, 2, 50)).await;
    }
    Fixture::create(&store, Owner::Anonymous, long()).await;
    harness.elapse(harness.tick() * 3).await;

    let mut listed: Vec<Locator> = Vec::new();
    let mut page = Page::first(page_size(4));
    loop {
        let listing = store.list(&alice(), page).await.expect("the store answers");
        assert!(listing.sessions.len() <= 4, "a page is no longer than was asked");
        for session in &listing.sessions {
            assert_eq!(session.owner, alice(), "only one's own sessions are listed");
            assert!(session.idle_timeout == long().idle(), "no expired session is listed");
            listed.push(session.locator);
        }
        let Some(next) = listing.next else { break };
        let sent = next.as_str().parse().expect("a cursor travels as a text");
        page = Page { after: Some(sent), size: page_size(4) };
        if let Some(leaver) = leaving.pop() {
            leaver.end().await;
            Fixture::create(&store, alice(), long()).await;
            Fixture::create(&store, alice(), long()).await;
        }
        assert!(listed.len() < 200, "a list comes to its end");
    }
    let distinct: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(distinct.len(), listed.len(), "nothing is listed twice");
    for fixture in &staying {
        assert!(distinct.contains(&fixture.name.locator()), "what stays is listed");
        let seen = fixture.peek().await.expect("the session is live");
        assert_eq!(seen.last_used(), fixture.session.last_used(), "being listed is no use");
    }
}

/// All sessions of one principal end, and nobody else's.
pub async fn end_all_ends_one_owners_sessions(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let mut mine = Vec::new();
    for _ in 0..5 {
        mine.push(Fixture::create(&store, alice(), long()).await);
    }
    let expired = Fixture::create(&store, alice(), ticks(harness, 2, 50)).await;
    let others =
        [Fixture::create(&store, bob(), long()).await, Fixture::create(&store, Owner::Anonymous, long()).await];
    harness.elapse(harness.tick() * 3).await;
    assert!(mine.pop().expect("five were created").end().await);

    assert_answer!(store.end_all(&alice()).await, Ok(4), "the answer counts the sessions that were ended");
    for fixture in mine.iter().chain([&expired]) {
        assert_answer!(fixture.peek().await, None, "all of them have ended");
    }
    let listing = store.list(&alice(), Page::first(page_size(10))).await.expect("the store answers");
    assert!(listing.sessions.is_empty(), "none is listed");
    for fixture in &others {
        assert_answer!(fixture.peek().await, Some(_), "another's session stays");
    }
    assert_answer!(store.end_all(&alice()).await, Ok(0), "there is nothing left to end");
    let again = Fixture::create(&store, alice(), long()).await;
    assert_answer!(again.peek().await, Some(_), "a new session can be opened afterwards");
}
