//! A tracker that is asked seldom, and never for long.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use session_core::BoxError;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{InvalidTracker, ProjectTracker, TrackedProject, TrackerSettings, is_usable};

/// How long an answer is waited for unless a setting says it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer is good for unless a setting says it.
pub(super) const CACHE: Duration = Duration::from_secs(30);

/// How long a tracker that failed is left alone, so that a dead one does not cost its timeout at each call.
const RESPITE: Duration = Duration::from_secs(5);

/// How many directories answers are known for at once.
const MAX_QUESTIONS: usize = 1_000;

/// A tracker with a limit on how long it may take, and a memory of what it said.
///
/// Each question runs in a task of its own, so that whoever asks may go away without a trace: the others get the
/// answer, and so does the memory. Those who ask for one directory at once share one question.
#[derive(Debug)]
pub(in crate::project) struct Tracked {
    tracker: Arc<dyn ProjectTracker>,
    timeout: Duration,
    cache: Duration,
    /// What was asked, for which directory. Held for no longer than it takes to look.
    questions: Mutex<HashMap<Option<PathBuf>, Question>>,
}

/// What the tracker said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::project) enum Answer {
    /// This one.
    Project(TrackedProject),
    /// There is none.
    Nothing,
    /// Nothing that can be used.
    Failed(Failure),
}

/// Why a tracker gave no answer, in words for whoever calls: a clause whose subject is the tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::project) enum Failure {
    /// It took longer than this.
    Late(Duration),
    /// It does not work, or is not there.
    Unasked,
    /// It says something, and not which project.
    NoId,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(timeout) => write!(f, "did not answer within {}", humantime::format_duration(*timeout)),
            Self::Unasked => f.write_str("could not be asked"),
            Self::NoId => f.write_str("answered without a project id"),
        }
    }
}

/// An answer without a project's id. A tracker that returns it is told apart from one that could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoProjectId {
    /// There is nothing to look into.
    #[cfg(feature = "tracker")]
    #[error("the answer is neither structured content nor a text that is JSON")]
    NotJson,
    /// It is not where it was looked for.
    #[cfg(feature = "tracker")]
    #[error("the answer has no id where `id` says, or by default at /id, /project/id, /project_id or /result/id")]
    Elsewhere,
    /// What is there is no id.
    #[error("the id is no text of 1 to 255 characters without control characters")]
    Unusable,
}

/// A question under way, or answered.
#[derive(Debug)]
struct Question {
    /// Set once, by the task.
    known: watch::Receiver<Option<Known>>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone, Debug)]
struct Known {
    answer: Answer,
    until: Instant,
}

impl Tracked {
    /// Asks this one, with a timeout of 2 seconds and answers that are good for 30.
    pub(in crate::project) fn new(tracker: Arc<dyn ProjectTracker>) -> Self {
        Self { tracker, timeout: TIMEOUT, cache: CACHE, questions: Mutex::default() }
    }

    /// Asks the server of these settings, with their times.
    ///
    /// # Errors
    ///
    /// [`InvalidTracker`] names the key to change; [`InvalidTracker::Unsupported`] without the feature `tracker`.
    pub(in crate::project) fn configured(settings: &TrackerSettings) -> Result<Self, InvalidTracker> {
        #[cfg(feature = "tracker")]
        let tracker = Arc::new(super::McpTracker::new(settings)?);
        #[cfg(not(feature = "tracker"))]
        let tracker: Arc<dyn ProjectTracker> = Err(InvalidTracker::Unsupported)?;
        Ok(Self { timeout: settings.timeout, cache: settings.cache, ..Self::new(tracker) })
    }

    /// Which project is being worked on in `directory`, as far as the tracker knows. Within its timeout, it answers.
    pub(in crate::project) async fn ask(&self, directory: Option<&Path>) -> Answer {
        let directory = directory.filter(|_| self.tracker.looks_at_directory());
        let Some(mut known) = self.question(directory) else {
            tracing::warn!("the project tracker is asked for too many directories at once");
            return Answer::Failed(Failure::Unasked);
        };
        match known.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(known)) => known.answer.clone(),
            // The task ended with the runtime that it ran on.
            _ => Answer::Failed(Failure::Unasked),
        }
    }

    /// The question of this directory: one that is under way or whose answer is good, or else a new one. `None` if
    /// there is no room for it.
    fn question(&self, directory: Option<&Path>) -> Option<watch::Receiver<Option<Known>>> {
        let now = Instant::now();
        let directory = directory.map(Path::to_path_buf);
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = questions.get(&directory).filter(|question| question.stands(now)) {
            return Some(question.known.clone());
        }
        if questions.len() >= MAX_QUESTIONS && !questions.contains_key(&directory) {
            make_room(&mut questions, now);
            if questions.len() >= MAX_QUESTIONS {
                return None;
            }
        }
        let question = self.begin(directory.clone());
        let known = question.known.clone();
        questions.insert(directory, question);
        Some(known)
    }

    fn begin(&self, directory: Option<PathBuf>) -> Question {
        let (tracker, limit, cache) = (Arc::clone(&self.tracker), self.timeout, self.cache);
        let (tell, known) = watch::channel(None);
        let task = tokio::spawn(async move {
            let asked = AssertUnwindSafe(async { tracker.current_project(directory.as_deref()).await }).catch_unwind();
            let answer = match timeout(limit, asked).await {
                Ok(Ok(Ok(project))) => project.map_or(Answer::Nothing, usable),
                Ok(Ok(Err(error))) => Answer::Failed(failure(&error)),
                Ok(Err(_panic)) => {
                    tracing::error!("the project tracker panicked");
                    Answer::Failed(Failure::Unasked)
                }
                Err(_elapsed) => {
                    tracing::warn!(?limit, "the project tracker did not answer in time");
                    Answer::Failed(Failure::Late(limit))
                }
            };
            let keep = if matches!(answer, Answer::Failed(_)) { RESPITE } else { cache };
            let now = Instant::now();
            let until = now.checked_add(keep).unwrap_or_else(|| now + CACHE);
            tell.send_replace(Some(Known { answer, until }));
        });
        Question { known, _task: AbortOnDropHandle::new(task) }
    }
}

impl Question {
    /// Whether its answer is worth waiting for, or still good.
    fn stands(&self, now: Instant) -> bool {
        let until = self.known.borrow().as_ref().map(|known| known.until);
        until.map_or_else(|| self.known.has_changed().is_ok(), |until| now < until)
    }

    /// When its answer is over; `None` while there is none.
    fn until(&self) -> Option<Instant> {
        self.known.borrow().as_ref().map(|known| known.until)
    }
}

/// Lets go of all answers that are over, or else of the one that is over first. A question under way stays.
fn make_room(questions: &mut HashMap<Option<PathBuf>, Question>, now: Instant) {
    questions.retain(|_, question| question.stands(now));
    if questions.len() >= MAX_QUESTIONS {
        let answered = questions.iter().filter_map(|(directory, question)| Some((question.until()?, directory)));
        if let Some((_, first)) = answered.min() {
            let first = first.clone();
            questions.remove(&first);
        }
    }
}

fn usable(project: TrackedProject) -> Answer {
    if is_usable(&project.id) {
        let name = project.name.filter(|name| is_usable(name));
        return Answer::Project(TrackedProject { name, ..project });
    }
    Answer::Failed(failure(&NoProjectId::Unusable.into()))
}

/// Why a tracker could not tell, for whoever asked; the operator gets all of it.
fn failure(error: &BoxError) -> Failure {
    let cause = causes(&**error);
    if error.is::<NoProjectId>() {
        tracing::warn!(cause, "the project tracker answers without a project id");
        Failure::NoId
    } else {
        tracing::warn!(cause, "the project tracker could not be asked");
        Failure::Unasked
    }
}

/// An error and what is behind it, in one line that no control character breaks.
fn causes(error: &dyn Error) -> String {
    const LONGEST: usize = 500;
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        // Many an error ends with what its source says.
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        next = source.source();
    }
    line.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests;
