//! What a journal in memory does beyond its contract: it frees what is over its time, and shows nothing.

use std::time::Duration;

use session_core::{Feed, Journal as _, JournalLimits, Owner, SessionId, SessionName};
use session_memory::MemoryJournal;
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep};

const KEEP: Duration = Duration::from_secs(80);

fn journal(keep: Duration) -> MemoryJournal {
    MemoryJournal::new(JournalLimits { keep, ..JournalLimits::default() })
}

fn feed() -> Feed {
    let owner = Owner::principal("https://issuer.example", "alice");
    Feed::ToClient(SessionId { owner, locator: SessionName::mint().locator() })
}

async fn say(journal: &MemoryJournal, feed: &Feed) {
    journal.append(feed, b"secret").await.expect("a small entry");
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_nobody_reads_or_writes_is_freed_soon_after_its_time() {
    let journal = journal(KEEP);
    for _ in 0..1_000 {
        say(&journal, &feed()).await;
    }
    let late = feed();
    sleep(KEEP / 2).await;
    say(&journal, &late).await;
    assert_eq!(journal.held(), 1_001);
    sleep(KEEP / 2 + KEEP / 7).await;
    assert_eq!(journal.held(), 1, "an eighth of the time after it, a round was made");
    sleep(KEEP / 2).await;
    assert_eq!(journal.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_followed_is_held_until_it_is_not() {
    let journal = journal(KEEP);
    let feed = feed();
    let mut follower = journal.follow(&feed);
    say(&journal, &feed).await;
    sleep(KEEP * 2).await;
    assert_eq!(journal.held(), 1, "somebody waits for more");
    follower.rung().await;
    say(&journal, &feed).await;
    follower.rung().await;
    sleep(KEEP * 2).await;
    drop(follower);
    assert_eq!(journal.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_at_once_with_the_last_handle_and_the_last_follower() {
    let journal = journal(KEEP);
    let follower = journal.follow(&feed());
    assert_eq!(tasks(), 0, "a journal in which nothing was said needs no task");
    for _ in 0..3 {
        say(&journal, &feed()).await;
        assert_eq!(tasks(), 1, "one is enough");
    }
    let before = Instant::now();
    drop(journal);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 1, "a follower is left");
    drop(follower);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
    assert_eq!(before.elapsed(), Duration::ZERO, "it did not wait for its next round");
}

#[test]
fn the_task_is_spawned_again_when_its_runtime_has_gone() {
    let journal = journal(Duration::from_millis(40));
    for _ in 0..2 {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime is built");
        runtime.block_on(async {
            say(&journal, &feed()).await;
            while journal.held() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_journal_s_positions_come_after_an_earlier_one_s() {
    let feed = feed();
    let earlier = journal(KEEP);
    for _ in 0..9 {
        say(&earlier, &feed).await;
    }
    let seen = earlier.end(&feed).await.expect("memory answers");
    drop(earlier);
    std::thread::sleep(Duration::from_millis(2));
    let later = journal(KEEP);
    say(&later, &feed).await;
    assert_eq!(later.read(&feed, seen, 9).await.expect("memory answers").len(), 1, "who read before reads what is new");
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_session_and_nothing_that_was_said() {
    let journal = journal(KEEP);
    let feed = feed();
    say(&journal, &feed).await;
    assert_eq!(format!("{journal:?}"), "MemoryJournal { held: 1, .. }");
    let entries = journal.read(&feed, session_core::Position::START, 1).await.expect("memory answers");
    assert!(format!("{entries:?}").ends_with(", 6 bytes)]"), "{entries:?}");
}
