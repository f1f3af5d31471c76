//! Reading on.

use super::{JournalHarness, append, end, journal, roomy, said, session};
use crate::conformance::harness::bob;
use crate::journal::{Feed, JournalLimits, Position};

/// A reader gets the first entries behind where they were, as many as they take at once. What has gone meanwhile is
/// passed over, and any position is one to read from, also one where no entry is or was.
pub async fn reading_goes_on_where_it_was(harness: &dyn JournalHarness) {
    let journal = journal(harness, JournalLimits { entries: 5, ..roomy(harness) }).await;
    let feed = Feed::ToServers(session(bob()));
    let nothing = journal.read(&feed, Position::START, 10).await.expect("the journal answers");
    assert_eq!(nothing, [], "there is nothing to read where nothing was said");

    let mut at = Vec::new();
    for entry in 0..5 {
        at.push(append(&journal, &feed, entry.to_string()).await.at);
    }
    for max in [0, 1, 2, 4, 5, 6, usize::MAX] {
        for from in 0..=5 {
            let after = if from == 0 { Position::START } else { at[from - 1] };
            let read = journal.read(&feed, after, max).await.expect("the journal answers");
            let positions: Vec<Position> = read.iter().map(|entry| entry.at).collect();
            let expected = &at[from..from.saturating_add(max).min(5)];
            assert_eq!(positions, expected, "at most {max} entries are read, the first ones behind {from}");
        }
    }
    for entry in 5..8 {
        at.push(append(&journal, &feed, entry.to_string()).await.at);
    }
    for gone in [Position::START, at[0], at[1], at[2]] {
        assert_eq!(said(&journal, &feed, gone).await, ["3", "4", "5", "6", "7"], "what has gone is passed over");
        let read = journal.read(&feed, gone, 2).await.expect("the journal answers");
        assert_eq!(read.iter().map(|entry| entry.at).collect::<Vec<_>>(), at[3..5], "and not counted");
    }
    assert_eq!(said(&journal, &feed, at[5]).await, ["6", "7"]);

    let (high, low) = at[7].parts();
    let behind = [Position::new(high, low + 1), Position::new(high + 1, 0), Position::new(u64::MAX, u64::MAX)];
    for position in behind {
        assert_eq!(said(&journal, &feed, position).await, [""; 0], "there is nothing behind {position}");
    }
    let before = Position::new(0, 1);
    assert_eq!(said(&journal, &feed, before).await.len(), 5, "where no entry ever was is a position too");
}

/// The end is where the last entry is, or the start; whoever reads from there on reads what is new and nothing else.
pub async fn reading_from_the_end_reads_what_is_new(harness: &dyn JournalHarness) {
    let journal = journal(harness, roomy(harness)).await;
    for feed in [Feed::ToClient(session(bob())), Feed::ToAll] {
        assert_eq!(end(&journal, &feed).await, Position::START, "nothing was said");
        let mut seen = Position::START;
        for entry in ["a", "b", "c"] {
            let appended = append(&journal, &feed, entry).await;
            assert_eq!(said(&journal, &feed, seen).await, [entry], "what is new is behind the end");
            seen = end(&journal, &feed).await;
            assert_eq!(seen, appended.at, "the end is the last entry");
            assert_eq!(said(&journal, &feed, seen).await, [""; 0], "nothing is behind the end");
        }
    }
}
