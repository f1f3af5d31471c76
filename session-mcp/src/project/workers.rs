//! File work off the async threads, within bounds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::error::DirectoryError;

/// Threads for file work: so many at once, and none for a directory that others are stuck in.
///
/// A file system that hangs keeps its threads until it answers, which nobody can change. So that it does not get all of
/// them, a directory that some are waiting for already, and have been for a while, is answered without another.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    permits: Arc<Semaphore>,
    /// Since when the work in progress is, by directory. Held for no longer than it takes to look.
    busy: Arc<Mutex<HashMap<PathBuf, Vec<Instant>>>>,
}

impl Workers {
    pub(super) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(THREADS)), busy: Arc::default() }
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
        if self.is_stuck(directory) {
            return Err(DirectoryError::Slow);
        }
        let done = async {
            let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| DirectoryError::Slow)?;
            let turn = Turn::begin(self, directory);
            let worker = tokio::task::spawn_blocking(move || {
                let _held = (permit, turn);
                work()
            });
            worker.await.unwrap_or_else(|failed| match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and with it whoever asks.
                Err(_) => Err(DirectoryError::Slow),
            })
        };
        tokio::time::timeout(PATIENCE, done).await.unwrap_or(Err(DirectoryError::Slow))
    }

    fn is_stuck(&self, directory: &Path) -> bool {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(turns) = busy.get(directory) else { return false };
        turns.len() >= STUCK && turns.iter().any(|since| since.elapsed() > STUCK_AFTER)
    }
}

/// Work in progress, until it is dropped.
struct Turn {
    busy: Arc<Mutex<HashMap<PathBuf, Vec<Instant>>>>,
    directory: PathBuf,
    since: Instant,
}

impl Turn {
    fn begin(workers: &Workers, directory: &Path) -> Self {
        let turn = Self { busy: Arc::clone(&workers.busy), directory: directory.to_owned(), since: Instant::now() };
        let mut busy = turn.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.entry(turn.directory.clone()).or_default().push(turn.since);
        drop(busy);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = busy.get_mut(&self.directory) {
            if let Some(at) = turns.iter().position(|since| *since == self.since) {
                turns.swap_remove(at);
            }
            if turns.is_empty() {
                busy.remove(&self.directory);
            }
        }
    }
}

/// How many threads look at the file system at once.
const THREADS: usize = 32;

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

    #[tokio::test]
    async fn a_directory_that_hangs_takes_no_more_than_its_threads() {
        let workers = Workers::new();
        let (release, hung) = mpsc::channel::<()>();
        let hung = Arc::new(Mutex::new(hung));
        let get_stuck = || {
            let (workers, hung) = (workers.clone(), Arc::clone(&hung));
            tokio::spawn(async move {
                let work = move || {
                    let _ = hung.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    Ok(())
                };
                workers.run(Path::new("/dead"), work).await
            })
        };
        let stuck: Vec<_> = (0..STUCK).map(|_| get_stuck()).collect();
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
