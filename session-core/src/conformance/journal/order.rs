//! The order of entries, and where they belong.

use std::sync::{Arc, Mutex};

use super::{JournalHarness, append, end, feeds, follow, journal, roomy, rung, said, session, two_handles};
use crate::conformance::harness::{BoxFuture, alice, bob};
use crate::journal::{Appended, Entry, Feed, Journal, JournalLimits, Position};
use crate::name::SessionId;
use crate::owner::Owner;

const APPENDERS: usize = 8;
const ENTRIES_EACH: usize = 25;
const ENTRIES: usize = APPENDERS * ENTRIES_EACH;

/// Entries come back byte for byte at the positions that their appenders were told, in an order that everybody sees the
/// same at any time: nothing is lost, nothing is there twice, and nothing appears behind a reader.
pub async fn entries_come_back_in_order(harness: &dyn JournalHarness) {
    let handles = two_handles(harness).await;
    let feed = Feed::ToClient(session(alice()));
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let hostile: [&[u8]; 4] = [b"", b"\0", b"line\r\nline", &every_byte];
    let mut last = Position::START;
    for bytes in hostile {
        let Appended { at, after } = append(&handles[0], &feed, bytes).await;
        assert!(at > last, "positions rise, but {at} came after {last}");
        assert_eq!(after, last, "an appender learns where the entry before is");
        last = at;
    }
    let entries = handles[1].read(&feed, Position::START, 10).await.expect("the journal answers");
    let bytes: Vec<&[u8]> = entries.iter().map(|entry| &*entry.bytes).collect();
    assert_eq!(bytes, hostile, "entries come back byte for byte");

    let told = Told::default();
    let running: Vec<_> = (0..APPENDERS)
        .map(|number| harness.spawn(appender(handles[number % 2].clone(), feed, number, told.clone())))
        .collect();
    let read = read_as_it_comes(harness, &handles[1], &feed, last).await;
    for appender in running {
        appender.await;
    }
    let mut told = std::mem::take(&mut *told.lock().expect("no appender panicked"));
    told.sort_by_key(|(appended, _)| appended.at);
    for (appended, _) in &told {
        assert_eq!(appended.after, last, "an appender learns where the entry before is, whoever appended that");
        assert!(appended.at > last, "no two entries have one position");
        last = appended.at;
    }
    let written: Vec<Entry> =
        told.into_iter().map(|(appended, bytes)| Entry { at: appended.at, bytes: bytes.into() }).collect();
    assert_eq!(read, written, "whoever reads on while others append reads all that they appended, in order");
    let again = handles[0].read(&feed, entries[3].at, usize::MAX).await.expect("the journal answers");
    assert_eq!(again, read, "whoever reads later reads the same");
    for number in 0..APPENDERS {
        let own = read.iter().filter(|entry| entry.bytes.starts_with(format!("{number}-").as_bytes()));
        let expected = (0..ENTRIES_EACH).map(|entry| text(number, entry));
        assert!(own.map(|entry| entry.bytes.to_vec()).eq(expected), "one appender's entries are in their own order");
    }
}

/// What appenders were told of what they said.
type Told = Arc<Mutex<Vec<(Appended, Vec<u8>)>>>;

/// Appends one after the other, and writes down what was told.
fn appender(journal: Arc<dyn Journal>, feed: Feed, number: usize, told: Told) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        for entry in 0..ENTRIES_EACH {
            let text = text(number, entry);
            let appended = append(&journal, &feed, &text).await;
            told.lock().expect("no appender panicked").push((appended, text));
        }
    })
}

fn text(number: usize, entry: usize) -> Vec<u8> {
    format!("{number}-{entry}").into_bytes()
}

/// Follows a feed and reads on, a few entries at a time, until all have come.
async fn read_as_it_comes(
    harness: &dyn JournalHarness,
    journal: &Arc<dyn Journal>,
    feed: &Feed,
    mut after: Position,
) -> Vec<Entry> {
    let mut follower = follow(harness, journal, feed).await;
    let mut all = Vec::new();
    loop {
        let read = journal.read(feed, after, 7).await.expect("the journal answers");
        after = read.last().map_or(after, |last| last.at);
        let waits = read.is_empty();
        all.extend(read);
        if all.len() >= ENTRIES {
            return all;
        }
        if waits {
            rung(harness, &mut follower, "an append rings who follows").await;
        }
    }
}

/// Each feed has its own entries, its own end and its own limits, however many there are: those of two sessions, of two
/// owners of one locator, the two of one session, and that of all.
pub async fn feeds_are_apart(harness: &dyn JournalHarness) {
    let journal = journal(harness, JournalLimits { entries: 2, bytes: 8, ..roomy(harness) }).await;
    let first = session(alice());
    let namesakes = [first, SessionId { owner: bob(), ..first }, SessionId { owner: Owner::Anonymous, ..first }];
    let sessions = namesakes.into_iter().chain((0..7).map(|_| session(alice())));
    let all: Vec<Feed> = sessions.flat_map(feeds).chain([Feed::ToAll]).collect();
    for round in 0..3 {
        for (number, feed) in all.iter().enumerate() {
            append(&journal, feed, format!("{number}-{round}")).await;
        }
    }
    for (number, feed) in all.iter().enumerate() {
        let own = [1, 2].map(|round| format!("{number}-{round}"));
        assert_eq!(said(&journal, feed, Position::START).await, own, "{feed:?} holds its own entries");
        let mut follower = follow(harness, &journal, feed).await;
        let end = end(&journal, feed).await;
        assert_eq!(said(&journal, feed, end).await, [""; 0], "{feed:?} has its own end");
        append(&journal, feed, "new").await;
        rung(harness, &mut follower, "each feed rings who follows it").await;
        assert_eq!(said(&journal, feed, end).await, ["new"]);
    }
}
