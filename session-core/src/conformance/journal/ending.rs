//! The end of sessions.

use super::{JournalHarness, append, end, feeds, follow, quiet, rung, said, session, two_handles};
use crate::conformance::harness::{alice, assert_answer, bob};
use crate::error::StoreError;
use crate::journal::{Feed, JournalLimits, Position};
use crate::name::SessionId;
use crate::observer::Subject;
use crate::owner::Owner;

/// With a session go both of its feeds, and whoever follows one of them is rung, also where nothing was said. Nobody
/// else's feed is touched, and what is said afterwards is kept behind all that was.
pub async fn an_ended_session_leaves_no_entries(harness: &dyn JournalHarness) {
    let limits = JournalLimits { bytes: 10, ..super::roomy(harness) };
    let handles = harness.handles(limits, 2).await;
    for owner in [Owner::Anonymous, alice()] {
        let ended = session(owner);
        let silent = session(owner);
        let others = [session(owner), SessionId { owner: bob(), ..ended }];
        let untouched: Vec<Feed> = others.into_iter().flat_map(feeds).chain([Feed::ToAll]).collect();
        let mut last = Position::START;
        for feed in feeds(ended).iter().chain(&untouched) {
            append(&handles[0], feed, "four").await;
            last = last.max(append(&handles[0], feed, "fives").await.at);
        }
        let mut followers = Vec::new();
        for feed in feeds(ended).into_iter().chain(feeds(silent)) {
            let mut follower = follow(harness, &handles[1], &feed).await;
            quiet(harness, &mut follower).await;
            followers.push(follower);
        }

        for session in [ended, silent] {
            let forgotten = handles[0].forget(&owner, &Subject::One(session.locator)).await;
            assert_answer!(forgotten, Ok(()), "a session is forgotten, whether or not something was said in it");
        }
        for follower in &mut followers {
            rung(harness, follower, "the end of a session rings who follows it").await;
        }
        for feed in feeds(ended) {
            assert_eq!(said(&handles[1], &feed, Position::START).await, [""; 0], "an ended session has no entries");
            assert_eq!(end(&handles[1], &feed).await, Position::START, "an ended session has no entries");
        }
        for feed in &untouched {
            let held = said(&handles[1], feed, Position::START).await;
            assert_eq!(held, ["four", "fives"], "{feed:?} is another's feed");
        }

        for (feed, follower) in feeds(ended).iter().zip(&mut followers) {
            quiet(harness, follower).await;
            assert_eq!(append(&handles[0], feed, "later").await.after, Position::START, "nothing is before it");
            append(&handles[0], feed, "still").await;
            rung(harness, follower, "who follows goes on following").await;
            assert_eq!(
                said(&handles[1], feed, last).await,
                ["later", "still"],
                "what comes late is kept like any other"
            );
        }
        handles[0].forget(&owner, &Subject::One(ended.locator)).await.expect("a session is forgotten again");
        assert_eq!(said(&handles[1], &feeds(ended)[0], Position::START).await, [""; 0], "what came late goes too");
        handles[0].forget(&bob(), &Subject::One(ended.locator)).await.expect("the journal answers");
        handles[0].forget(&owner, &Subject::One(others[0].locator)).await.expect("the journal answers");
    }
}

/// With all sessions of a principal go all their feeds, and all who follow one of them are rung, also where nothing was
/// said. No other owner's feed is touched. The anonymous owner has no "all".
pub async fn the_end_of_all_rings_all(harness: &dyn JournalHarness) {
    const ALL: Subject = Subject::All { sessions: 3 };
    let handles = two_handles(harness).await;
    let [silent, heard, unheard] = [(); 3].map(|()| session(alice()));
    let others = [session(bob()), session(Owner::Anonymous), SessionId { owner: bob(), ..heard }];
    let untouched: Vec<Feed> = others.into_iter().flat_map(feeds).chain([Feed::ToAll]).collect();
    for round in 0..2 {
        let mut followers = Vec::new();
        for feed in [silent, heard].into_iter().flat_map(feeds) {
            let mut follower = follow(harness, &handles[1], &feed).await;
            quiet(harness, &mut follower).await;
            followers.push(follower);
        }
        for feed in [heard, unheard].into_iter().flat_map(feeds) {
            append(&handles[0], &feed, "gone").await;
        }
        for follower in &mut followers {
            quiet(harness, follower).await;
        }
        for feed in &untouched {
            append(&handles[0], feed, "stays").await;
        }

        handles[0].forget(&alice(), &ALL).await.expect("all sessions of a principal are forgotten");
        for follower in &mut followers {
            rung(harness, follower, "the end of all sessions rings who follows any of them").await;
        }
        for feed in [silent, heard, unheard].into_iter().flat_map(feeds) {
            assert_eq!(said(&handles[1], &feed, Position::START).await, [""; 0], "ended sessions have no entries");
        }
        for feed in &untouched {
            let held = said(&handles[1], feed, Position::START).await;
            assert_eq!(held, vec!["stays"; round + 1], "{feed:?} is another's feed");
        }
    }
    let nobodys = handles[0].forget(&Owner::Anonymous, &ALL).await;
    assert_answer!(nobodys, Err(StoreError::OwnerRequired), "there is no end of all anonymous sessions");
    let anonymous = Feed::ToClient(others[1]);
    assert_eq!(said(&handles[1], &anonymous, Position::START).await.len(), 2, "and it touches none");
}
