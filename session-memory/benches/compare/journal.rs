//! What it costs to say something in a session.

use std::time::Instant;

use session_core::{Feed, Journal as _, JournalLimits, Owner, Position, SessionId, SessionName};
use session_memory::MemoryJournal;
use tokio::runtime::{Builder, Runtime};

use crate::figures::{median, time};

const APPENDS: usize = 100_000;
const ROUNDS: usize = 11;

/// Prints what an append of 200 bytes costs, and a reader's question for what is new.
pub(crate) fn cost() {
    println!("\njournal: 200 bytes are said, and a reader asks for what is new");
    println!("{:14}{:>16}{:>16}{:>16}", "feeds", "append", "if followed", "read on");
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime");
    for count in [1, 1_000, 100_000] {
        let owner = Owner::principal("https://issuer.example", "alice");
        let session = |_| SessionId { owner, locator: SessionName::mint().locator() };
        let feeds: Vec<Feed> = (0..count).map(session).map(Feed::ToClient).collect();
        let journal = MemoryJournal::new(JournalLimits { entries: 20, ..JournalLimits::default() });
        let alone = appends(&runtime, &journal, &feeds);
        let _followers: Vec<_> = feeds.iter().map(|feed| journal.follow(feed)).collect();
        let followed = appends(&runtime, &journal, &feeds);
        let read = reads(&runtime, &journal, &feeds);
        println!("{count:<14}{:>16}{:>16}{:>16}", time(alone), time(followed), time(read));
    }
}

/// What one append takes, in the median of all rounds.
fn appends(runtime: &Runtime, journal: &MemoryJournal, feeds: &[Feed]) -> f64 {
    let rounds = (0..ROUNDS).map(|round| {
        let begin = Instant::now();
        runtime.block_on(async {
            for number in 0..APPENDS {
                let feed = &feeds[place(feeds.len(), number, round)];
                journal.append(feed, &[b'x'; 200]).await.expect("a small entry");
            }
        });
        begin.elapsed().as_nanos() as f64 / APPENDS as f64
    });
    median(&rounds.collect::<Vec<_>>())
}

/// What reading the last entry takes, in the median of all rounds.
fn reads(runtime: &Runtime, journal: &MemoryJournal, feeds: &[Feed]) -> f64 {
    let ends = runtime.block_on(async {
        let mut ends = Vec::new();
        for feed in feeds {
            let all = journal.read(feed, Position::START, usize::MAX).await.expect("memory answers");
            ends.push(all.iter().rev().nth(1).map_or(Position::START, |entry| entry.at));
        }
        ends
    });
    let rounds = (0..ROUNDS).map(|round| {
        let begin = Instant::now();
        runtime.block_on(async {
            for number in 0..APPENDS {
                let at = place(feeds.len(), number, round);
                let read = journal.read(&feeds[at], ends[at], 100).await.expect("memory answers");
                assert!(read.len() <= 1, "the last one, unless its time is over");
            }
        });
        begin.elapsed().as_nanos() as f64 / APPENDS as f64
    });
    median(&rounds.collect::<Vec<_>>())
}

/// Somewhere else each time.
fn place(count: usize, number: usize, round: usize) -> usize {
    (number * 7_919 + round * 31) % count
}
