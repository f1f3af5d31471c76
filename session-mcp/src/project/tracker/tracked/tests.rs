//! The limit and the memory, by a tracker whose answers and pace are the test's and a clock that the test moves.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::{advance, sleep};

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Answers after `pace` with what the number of the question makes of it.
struct Fake {
    asked: AtomicUsize,
    pace: Duration,
    looks: bool,
    answers: fn(usize, Option<&Path>) -> Result<Option<TrackedProject>, BoxError>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

#[async_trait]
impl ProjectTracker for Fake {
    async fn current_project(&self, directory: Option<&Path>) -> Result<Option<TrackedProject>, BoxError> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        sleep(self.pace).await;
        (self.answers)(number, directory)
    }

    fn looks_at_directory(&self) -> bool {
        self.looks
    }
}

fn project(id: impl Into<String>) -> TrackedProject {
    TrackedProject { id: id.into(), name: None }
}

/// The number of the question is the project, and every directory has its own.
fn numbered(pace: Duration) -> (Arc<Fake>, Tracked) {
    over(pace, |number, directory| {
        let directory = directory.map_or_else(String::new, |directory| directory.display().to_string());
        Ok(Some(project(format!("{number}{directory}"))))
    })
}

fn over(
    pace: Duration,
    answers: fn(usize, Option<&Path>) -> Result<Option<TrackedProject>, BoxError>,
) -> (Arc<Fake>, Tracked) {
    let fake = Arc::new(Fake { asked: AtomicUsize::new(0), pace, looks: true, answers });
    (Arc::clone(&fake), Tracked::new(fake))
}

fn asked(fake: &Fake) -> usize {
    fake.asked.load(Ordering::Relaxed)
}

fn says(id: &str) -> Answer {
    Answer::Project(project(id))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_good_for_its_time_and_not_longer() {
    let (fake, tracked) = numbered(MS);
    assert_eq!(tracked.ask(None).await, says("0"));
    advance(CACHE.saturating_sub(MS)).await;
    assert_eq!(tracked.ask(None).await, says("0"));
    advance(MS).await;
    assert_eq!(tracked.ask(None).await, says("1"));
    assert_eq!(asked(&fake), 2);
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_project_is_an_answer() {
    let (fake, tracked) = over(MS, |_, _| Ok(None));
    let tracked = Tracked { cache: 60 * MS, ..tracked };
    assert_eq!(tracked.ask(None).await, Answer::Nothing);
    advance(59 * MS).await;
    assert_eq!(tracked.ask(None).await, Answer::Nothing);
    assert_eq!(asked(&fake), 1);
    advance(MS).await;
    tracked.ask(None).await;
    assert_eq!(asked(&fake), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_only_those_who_ask_at_once_share_an_answer() {
    let (fake, tracked) = numbered(MS);
    let tracked = Tracked { cache: Duration::ZERO, ..tracked };
    let answers = join_all((0..4).map(|_| tracked.ask(None))).await;
    assert_eq!(answers, vec![says("0"); 4]);
    assert_eq!(tracked.ask(None).await, says("1"));
    assert_eq!(asked(&fake), 2);
}

#[tokio::test(start_paused = true)]
async fn a_tracker_that_hangs_is_given_up_and_left_alone_for_a_while() {
    let (fake, tracked) = numbered(Duration::from_secs(3600));
    let begun = Instant::now();
    let late = Answer::Failed(Failure::Late(TIMEOUT));
    assert_eq!(tracked.ask(None).await, late);
    assert_eq!(begun.elapsed(), TIMEOUT);
    assert_eq!(tracked.ask(None).await, late);
    assert_eq!(begun.elapsed(), TIMEOUT, "the second time costs nothing");
    advance(RESPITE).await;
    assert_eq!(tracked.ask(None).await, late);
    assert_eq!(asked(&fake), 2, "and then it is asked again");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_what_it_is_set_to() {
    let (_, tracked) = numbered(10 * MS);
    let tracked = Tracked { timeout: 9 * MS, ..tracked };
    assert_eq!(tracked.ask(None).await, Answer::Failed(Failure::Late(9 * MS)));
    assert_eq!(Failure::Late(TIMEOUT).to_string(), "did not answer within 2s");
}

#[tokio::test(start_paused = true)]
async fn a_tracker_that_fails_is_asked_again_after_a_while() {
    let (fake, tracked) = over(MS, |number, _| match number {
        0 => Err("no".into()),
        1 => panic!("no"),
        2 => Err(NoProjectId::Unusable.into()),
        3 => Ok(Some(project("a\nb"))),
        4 => Ok(Some(project(""))),
        _ => Ok(Some(TrackedProject { id: "p".to_owned(), name: Some("\u{7}".to_owned()) })),
    });
    for failure in [Failure::Unasked, Failure::Unasked, Failure::NoId, Failure::NoId, Failure::NoId] {
        assert_eq!(tracked.ask(None).await, Answer::Failed(failure));
        assert_eq!(tracked.ask(None).await, Answer::Failed(failure), "remembered");
        advance(RESPITE).await;
    }
    assert_eq!(tracked.ask(None).await, says("p"), "and a name that cannot be used is none");
    assert_eq!(asked(&fake), 6);
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_once_share_one_question() {
    let (fake, tracked) = numbered(MS);
    let answers = join_all((0..64).map(|_| tracked.ask(Some(Path::new("/a"))))).await;
    assert_eq!(answers, vec![says("0/a"); 64]);
    assert_eq!(asked(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn each_directory_has_its_own_answer() {
    let (fake, tracked) = numbered(MS);
    assert_eq!(tracked.ask(Some(Path::new("/a"))).await, says("0/a"));
    assert_eq!(tracked.ask(Some(Path::new("/b"))).await, says("1/b"));
    assert_eq!(tracked.ask(None).await, says("2"));
    assert_eq!(tracked.ask(Some(Path::new("/a"))).await, says("0/a"));
    assert_eq!(asked(&fake), 3);
}

#[tokio::test(start_paused = true)]
async fn a_tracker_that_looks_at_no_directory_is_asked_once_for_all() {
    let answers = |number: usize, directory: Option<&Path>| {
        assert_eq!(directory, None);
        Ok(Some(project(number.to_string())))
    };
    let fake = Arc::new(Fake { asked: AtomicUsize::new(0), pace: MS, looks: false, answers });
    let tracked = Tracked::new(fake);
    assert_eq!(tracked.ask(Some(Path::new("/a"))).await, says("0"));
    assert_eq!(tracked.ask(Some(Path::new("/b"))).await, says("0"));
    assert_eq!(tracked.ask(None).await, says("0"));
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_takes_nothing_from_the_others() {
    let (fake, tracked) = numbered(10 * MS);
    assert!(timeout(MS, tracked.ask(None)).await.is_err(), "the first one leaves");
    assert_eq!(tracked.ask(None).await, says("0"), "the second gets its answer");
    assert!(timeout(MS, tracked.ask(Some(Path::new("/a")))).await.is_err());
    sleep(20 * MS).await;
    assert_eq!(tracked.ask(Some(Path::new("/a"))).await, says("1/a"), "known though nobody waited");
    assert_eq!(asked(&fake), 2);
}

#[test]
fn a_question_that_ended_with_its_runtime_is_asked_anew() {
    let (fake, tracked) = numbered(10 * MS);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime().block_on(async {
        assert!(timeout(MS, tracked.ask(None)).await.is_err());
    });
    assert_eq!(runtime().block_on(tracked.ask(None)), says("1"));
    assert_eq!(asked(&fake), 2);
}

#[tokio::test(start_paused = true)]
async fn of_more_directories_than_there_is_room_for_those_asked_last_are_known() {
    let (fake, tracked) = numbered(MS);
    let directory = |number: usize| PathBuf::from(format!("/{number}"));
    for number in 0..=MAX_QUESTIONS {
        tracked.ask(Some(&directory(number))).await;
    }
    assert_eq!(asked(&fake), MAX_QUESTIONS + 1);
    assert_eq!(tracked.questions.lock().expect("no panic").len(), MAX_QUESTIONS);
    tracked.ask(Some(&directory(1))).await;
    tracked.ask(Some(&directory(MAX_QUESTIONS))).await;
    assert_eq!(asked(&fake), MAX_QUESTIONS + 1, "these are known");
    tracked.ask(Some(&directory(0))).await;
    assert_eq!(asked(&fake), MAX_QUESTIONS + 2, "the first one was let go");
}

#[tokio::test(start_paused = true)]
async fn a_question_under_way_is_never_let_go_for_another() {
    let (fake, tracked) = numbered(MS);
    let directories: Vec<_> = (0..=MAX_QUESTIONS).map(|number| PathBuf::from(format!("/{number}"))).collect();
    let answers = join_all(directories.iter().map(|directory| tracked.ask(Some(directory)))).await;
    let refused = answers.iter().filter(|answer| **answer == Answer::Failed(Failure::Unasked)).count();
    assert_eq!((refused, asked(&fake)), (1, MAX_QUESTIONS));
    assert_eq!(tracked.ask(Some(&directories[MAX_QUESTIONS])).await, says("1000/1000"), "and not remembered");
}

#[tokio::test(start_paused = true)]
async fn a_question_ends_with_who_asked_it() {
    let (fake, tracked) = numbered(Duration::from_secs(1));
    assert!(timeout(MS, tracked.ask(None)).await.is_err());
    drop(tracked);
    sleep(MS).await;
    assert_eq!(Arc::strong_count(&fake), 1, "no task holds the tracker any more");
}

#[test]
fn a_cause_is_one_line_for_the_log() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    let error = Outer(std::io::Error::other("in\nner\u{1b}[31m"));
    assert_eq!(causes(&error), "outer: in ner [31m");
}
