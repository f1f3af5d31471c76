//! How much is kept, and for how long.

use super::{JournalHarness, append, end, journal, roomy, said, session};
use crate::conformance::harness::{alice, assert_answer};
use crate::error::StoreError;
use crate::journal::{Feed, JournalLimits, Position};
use crate::limits::Quota;
use crate::owner::Owner;

/// A feed holds as many of the newest entries as its limits allow, and no more. The newest is always among them.
pub async fn a_feed_is_bounded_in_entries_and_bytes(harness: &dyn JournalHarness) {
    let sizes = [3, 4, 3, 1, 10, 2, 8, 0, 0, 1, 9, 5, 5, 0, 0, 0, 0, 0, 6, 2, 2, 10, 10, 1];
    let bounds = [(4, 1024), (1, 1024), (1_000, 10), (3, 10), (1, 10)];
    for (entries, bytes) in bounds {
        let limits = JournalLimits { entries, bytes, ..roomy(harness) };
        let journal = journal(harness, limits).await;
        let feed = Feed::ToClient(session(Owner::Anonymous));
        let mut expected = Vec::new();
        for (number, size) in sizes.into_iter().enumerate() {
            let letter = char::from(b'a' + u8::try_from(number).expect("there are fewer than letters"));
            let entry = String::from(letter).repeat(size);
            append(&journal, &feed, &entry).await;
            expected.push(entry);
            while expected.len() > entries || expected.iter().map(String::len).sum::<usize>() > bytes {
                expected.remove(0);
            }
            let held = said(&journal, &feed, Position::START).await;
            assert_eq!(held, expected, "{entries} entries and {bytes} bytes are kept, the newest ones");
        }
    }
}

/// An entry of more bytes than a whole feed may hold is refused, and takes nobody's place.
pub async fn an_entry_larger_than_a_feed_is_refused(harness: &dyn JournalHarness) {
    let journal = journal(harness, JournalLimits { bytes: 16, ..roomy(harness) }).await;
    let feed = Feed::ToAll;
    append(&journal, &feed, "before").await;
    for size in [17, 1_000] {
        let refused = journal.append(&feed, &vec![b'x'; size]).await;
        assert_answer!(
            refused,
            Err(StoreError::Quota(Quota::EntryBytes { max: 16 })),
            "{size} bytes are more than a feed holds"
        );
    }
    assert_eq!(said(&journal, &feed, Position::START).await, ["before"], "a refused entry takes nobody's place");
    let largest = "x".repeat(16);
    append(&journal, &feed, &largest).await;
    assert_eq!(said(&journal, &feed, Position::START).await, [largest], "the largest entry has a feed for itself");
}

/// Each entry goes when its own time is over, whatever else is said or read, and takes no room from then on. Positions
/// rise on.
pub async fn entries_go_after_their_time(harness: &dyn JournalHarness) {
    let limits = JournalLimits { bytes: 10, keep: harness.tick() * 4, ..roomy(harness) };
    let journal = journal(harness, limits).await;
    let feed = Feed::ToClient(session(alice()));
    let first = append(&journal, &feed, "first").await.at;
    harness.elapse(harness.tick() * 2).await;
    let second = append(&journal, &feed, "2").await.at;
    assert_eq!(said(&journal, &feed, Position::START).await, ["first", "2"], "both are within their time");

    harness.elapse(harness.tick() * 3).await;
    assert_eq!(said(&journal, &feed, Position::START).await, ["2"], "the first one's time is over");
    assert_eq!(end(&journal, &feed).await, second);
    append(&journal, &feed, "nine more").await;
    assert_eq!(said(&journal, &feed, first).await, ["2", "nine more"], "what has gone takes no room");

    harness.elapse(harness.tick() * 2).await;
    assert_eq!(said(&journal, &feed, first).await, ["nine more"], "neither reading nor saying more gives more time");
    harness.elapse(harness.tick() * 3).await;
    assert_eq!(said(&journal, &feed, Position::START).await, [""; 0], "all have gone");
    assert_eq!(end(&journal, &feed).await, Position::START, "and the feed is as if nothing had been said");

    let last = append(&journal, &feed, "five.").await;
    append(&journal, &feed, "five!").await;
    assert!(last.at > second, "positions rise on, but {} came after {second}", last.at);
    assert_eq!(said(&journal, &feed, second).await, ["five.", "five!"], "who has read before reads what is new");
}
