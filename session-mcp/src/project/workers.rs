//! File work off the async threads, within bounds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::DirectoryError;

/// Threads for file work: so many at once, and none for a directory that others are stuck in.
///
/// A file system that hangs keeps its threads until it answers, which nobody can change. So that it does not get all of
/// them, a directory that some are waiting for already, and have been for a while, is answered without another. Work
/// that has been stuck for a while makes room for others, up to a limit; and while as much is stuck as otherwise runs,
/// whatever directories it is in, only those directories are looked at that have answered before.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    permits: Arc<Semaphore>,
    /// The work in progress, by directory. Held for no longer than it takes to look.
    busy: Arc<Mutex<HashMap<PathBuf, Vec<Work>>>>,
    /// Directories that answered.
    answered: Cache<PathBuf, ()>,
}

/// Work in progress.
#[derive(Debug)]
struct Work {
    since: Instant,
    /// Taken from it once it is stuck, unless too much is.
    permit: Option<OwnedSemaphorePermit>,
}

impl Workers {
    pub(super) fn new() -> Self {
        let answered = Cache::builder().max_capacity(MAX_ANSWERED).eviction_policy(EvictionPolicy::lru()).build();
        Self { permits: Arc::new(Semaphore::new(THREADS)), busy: Arc::default(), answered }
    }

    /// Does work in a directory, and gives up waiting for it after a while.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Slow`], and what the work answers.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        directory: &Path,
        work: impl FnOnce() -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let done = async {
            let turn = Turn::begin(self, directory, self.permit(directory).await?);
            let worker = tokio::task::spawn_blocking(move || {
                let _held = turn;
                work()
            });
            let done = worker.await;
            if done.is_ok() && !self.answered.contains_key(directory) {
                self.answered.insert(directory.to_owned(), ());
            }
            done.unwrap_or_else(|failed| match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and with it whoever asks.
                Err(_) => Err(DirectoryError::Slow),
            })
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap_or(Err(DirectoryError::Slow))
    }

    /// Waits for a permit, as long as it makes sense to look at the directory.
    async fn permit(&self, directory: &Path) -> Result<OwnedSemaphorePermit, DirectoryError> {
        loop {
            if self.is_stuck(directory) {
                return Err(DirectoryError::Slow);
            }
            let permit = Arc::clone(&self.permits).acquire_owned();
            match tokio::time::timeout(STUCK_AFTER, permit).await {
                Ok(Ok(permit)) if !self.is_stuck(directory) => return Ok(permit),
                Ok(_) => return Err(DirectoryError::Slow),
                // What was begun before this has become stuck by now.
                Err(_) => {}
            }
        }
    }

    /// Whether a directory is not to be looked at. Lets work that is stuck make room.
    fn is_stuck(&self, directory: &Path) -> bool {
        let is_stuck = |work: &Work| work.since.elapsed() > STUCK_AFTER;
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stuck = 0;
        for work in busy.values_mut().flatten().filter(|work| is_stuck(work)) {
            stuck += 1;
            if stuck <= MAX_STUCK {
                work.permit = None;
            }
        }
        let here = busy.get(directory).is_some_and(|works| works.len() >= STUCK && works.iter().any(is_stuck));
        here || stuck >= THREADS && !self.answered.contains_key(directory)
    }
}

/// Work in progress, until it is dropped.
struct Turn {
    busy: Arc<Mutex<HashMap<PathBuf, Vec<Work>>>>,
    directory: PathBuf,
    since: Instant,
}

impl Turn {
    fn begin(workers: &Workers, directory: &Path, permit: OwnedSemaphorePermit) -> Self {
        let turn = Self { busy: Arc::clone(&workers.busy), directory: directory.to_owned(), since: Instant::now() };
        let mut busy = turn.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let work = Work { since: turn.since, permit: Some(permit) };
        busy.entry(turn.directory.clone()).or_default().push(work);
        drop(busy);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(works) = busy.get_mut(&self.directory) {
            if let Some(at) = works.iter().position(|work| work.since == self.since) {
                works.swap_remove(at);
            }
            if works.is_empty() {
                busy.remove(&self.directory);
            }
        }
    }
}

/// How many threads look at the file system at once, beside those that are stuck in it.
const THREADS: usize = 32;

/// How many threads can be stuck beside those.
const MAX_STUCK: usize = 96;

/// How many directories are remembered to have answered.
const MAX_ANSWERED: u64 = 1000;

/// How long a call waits for the file system.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many threads a directory that hangs gets.
const STUCK: usize = 2;

/// After which time a directory is taken to hang.
const STUCK_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Work that hangs until it is released.
    fn hang(workers: &Workers, directory: String, hung: &Arc<Mutex<mpsc::Receiver<()>>>) -> Hanging {
        let (workers, hung) = (workers.clone(), Arc::clone(hung));
        tokio::spawn(async move {
            let work = move || {
                let _ = hung.lock().unwrap_or_else(PoisonError::into_inner).recv();
                Ok(())
            };
            workers.run(Path::new(&directory), work).await
        })
    }

    type Hanging = tokio::task::JoinHandle<Result<(), DirectoryError>>;

    #[tokio::test]
    async fn many_directories_that_hang_leave_room_for_those_that_answered_before() {
        const DEAD: usize = 40;
        let workers = Workers::new();
        assert_eq!(workers.run(Path::new("/live"), || Ok(7)).await, Ok(7));
        let (release, hung) = mpsc::channel::<()>();
        let hung = Arc::new(Mutex::new(hung));
        let stuck: Vec<_> = (0..DEAD).map(|number| hang(&workers, format!("/dead/{number}"), &hung)).collect();
        while workers.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(STUCK_AFTER + Duration::from_millis(100)).await;
        for _ in 0..THREADS {
            assert_eq!(workers.run(Path::new("/live"), || Ok(7)).await, Ok(7), "others go on");
        }
        let refused = workers.run(Path::new("/dead/another"), || Ok(())).await;
        assert_eq!(refused, Err(DirectoryError::Slow), "nobody knows whether it answers");
        drop(release);
        let mut answers = 0;
        for stuck in stuck {
            answers += usize::from(stuck.await.expect("it does not panic").is_ok());
        }
        assert_eq!(answers, THREADS, "the rest was not even begun");
        assert_eq!(workers.run(Path::new("/dead/another"), || Ok(7)).await, Ok(7), "they answer again");
        assert_eq!(workers.permits.available_permits(), THREADS);
    }

    #[tokio::test]
    async fn a_directory_that_hangs_takes_no_more_than_its_threads() {
        let workers = Workers::new();
        let (release, hung) = mpsc::channel::<()>();
        let hung = Arc::new(Mutex::new(hung));
        let stuck: Vec<_> = (0..STUCK).map(|_| hang(&workers, "/dead".to_owned(), &hung)).collect();
        while workers.permits.available_permits() > THREADS - STUCK {
            tokio::task::yield_now().await;
        }
        thread::sleep(STUCK_AFTER + Duration::from_millis(10));
        for _ in 0..THREADS {
            let refused = workers.run(Path::new("/dead"), || Ok(())).await;
            assert_eq!(refused, Err(DirectoryError::Slow));
        }
        assert_eq!(workers.run(Path::new("/live"), || Ok(7)).await, Ok(7), "others go on");
        drop(release);
        for stuck in stuck {
            assert_eq!(stuck.await.expect("it does not panic"), Ok(()));
        }
        assert_eq!(workers.run(Path::new("/dead"), || Ok(7)).await, Ok(7), "it answers again");
    }
}
