//! All of one principal's sessions.

use std::collections::BTreeSet;
use std::time::Duration;

use super::harness::{
    Fixture, Harness, alice, assert_answer, assert_same_time, bob, long, page_size, roomy, store, ticks,
};
use crate::change::Change;
use crate::name::Locator;
use crate::owner::Owner;
use crate::page::Page;
use crate::session::Summary;
use crate::text::Text;

/// While sessions come and go, those that stay are listed once each, and nothing twice; listing is no use.
pub async fn paging_neither_loses_nor_repeats(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let empty = store.list(&alice(), Page::first(page_size(5))).await.expect("the store answers");
    assert!(empty.sessions.is_empty() && empty.next.is_none(), "nothing is listed at first");

    let mut staying = Vec::new();
    let mut leaving = Vec::new();
    let mut bobs = Vec::new();
    for _ in 0..15 {
        staying.push(Fixture::create(&store, alice(), long()).await);
        leaving.push(Fixture::create(&store, alice(), long()).await);
        bobs.push(Fixture::create(&store, bob(), long()).await);
        Fixture::create(&store, alice(), ticks(harness, 2, 50)).await;
        Fixture::create(&store, alice(), ticks(harness, 50, 2)).await;
    }
    Fixture::create(&store, Owner::Anonymous, long()).await;
    harness.elapse(harness.tick() * 3).await;

    let mut listed: Vec<Locator> = Vec::new();
    let mut page = Page::first(page_size(4));
    loop {
        let listing = store.list(&alice(), page).await.expect("the store answers");
        assert!(listing.sessions.len() <= 4, "a page is no longer than was asked");
        for session in &listing.sessions {
            assert_eq!(session.ends_at, session.created_at.after(long().absolute()), "no expired session is listed");
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
        assert_same_time(harness, seen.last_used(), fixture.session.last_used(), "being listed is no use");
    }
    for fixture in &bobs {
        assert!(!distinct.contains(&fixture.name.locator()), "only one's own sessions are listed");
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

/// A summary says of a session what loading it says.
pub async fn a_summary_agrees_with_its_session(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    let fixture = Fixture::create(&store, alice(), ticks(harness, 20, 100)).await;
    let text = |text| Text::new(text).expect("a text");
    let change = Change::new().working_directory(text("/srv")).config_path(text("/srv/c")).project_id(text("p"));
    store.update(&fixture.key, change).await.expect("the session is live");
    harness.elapse(harness.tick()).await;
    let session = fixture.touch().await.expect("the session is live");
    let listing = store.list(&alice(), Page::first(page_size(10))).await.expect("the store answers");
    let [summary] = &listing.sessions[..] else { panic!("one session is listed, not {listing:?}") };
    assert_same_time(harness, summary.last_used, session.last_used(), "the summary knows the last use");
    assert_same_time(harness, summary.expires_at, session.expires_at(), "the summary knows the end");
    let expected = Summary { expires_at: summary.expires_at, ..Summary::new(&session, summary.last_used) };
    assert_eq!(*summary, expected);
}

/// However many sessions a principal has, a page is bounded, the pages make the whole, and the end is the end of all.
pub async fn hundreds_of_sessions_are_listed_and_ended(harness: &dyn Harness) {
    const SESSIONS: usize = 520;
    let store = store(harness, roomy()).await;
    for _ in 0..SESSIONS {
        Fixture::create(&store, alice(), long()).await;
    }
    let mut listed = BTreeSet::new();
    let mut page = Page::first(page_size(u32::MAX));
    loop {
        let listing = store.list(&alice(), page).await.expect("the store answers");
        assert!(listing.sessions.len() <= Page::MAX_SIZE as usize, "a page is bounded, whatever was asked");
        listed.extend(listing.sessions.iter().map(|session| session.locator));
        let Some(next) = listing.next else { break };
        page = Page { after: Some(next), size: page_size(u32::MAX) };
    }
    assert_eq!(listed.len(), SESSIONS);
    assert_answer!(store.end_all(&alice()).await, Ok(ended) if ended == SESSIONS as u64, "all of them end");
    assert_answer!(store.count(Duration::ZERO).await, Ok(0), "and nothing is left");
}
