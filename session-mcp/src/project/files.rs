//! Config files as they were read, as long as they are what they were.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

#[cfg(target_os = "linux")]
pub(super) use self::reading::Opened;
use self::reading::Reading;
pub(super) use self::reading::{Content, leads_outside};
pub(super) use self::stamp::Stamp;
use super::roots::Roots;

mod reading;
mod stamp;

/// How many config files are kept.
const CAPACITY: u64 = 1_000;

/// What config files say, read once and kept while their stamps stay the same.
///
/// Whoever asks looks at the file first, and says what its stamp is. A file that was changed a moment ago is not kept:
/// another change in the same tick of the file system's clock could not be told from this one. Those who ask for one
/// file at the same time wait for one reading, and for nobody else's.
#[derive(Debug)]
pub(super) struct Files {
    readings: Cache<PathBuf, Arc<Reading>>,
}

impl Files {
    pub(super) fn new() -> Self {
        Self { readings: Cache::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).build() }
    }

    /// What a config file says if it is one that was read and may have changed since. `look` says what its stamp is.
    pub(super) fn kept(&self, path: &Path, look: impl FnOnce() -> Option<Stamp>) -> Option<Content> {
        let reading = self.readings.get(path)?;
        reading.is_of(&look()?).then(|| reading.content.clone())
    }

    /// What the config file of a project says that was just seen with a stamp.
    pub(super) fn content(&self, path: &Path, project: &Path, seen: &Stamp, roots: &Roots) -> Content {
        let read = || Reading::of(path, project, None, roots);
        let kept = self.kept(path, || Some(*seen));
        match kept.unwrap_or_else(|| self.read(path, seen, Instant::now(), read)) {
            // It is the config file of two directories, by two names, and was kept as the other's.
            Content::Config(found) if found.root != project => read().content,
            content => content,
        }
    }

    /// The same of one that was just opened.
    #[cfg(target_os = "linux")]
    pub(super) fn content_of(&self, path: &Path, project: &Path, opened: &Opened, roots: &Roots) -> Content {
        self.kept(path, || Some(opened.stamp)).unwrap_or_else(|| {
            self.read(path, &opened.stamp, opened.since, || Reading::of(path, project, Some(opened), roots))
        })
    }

    fn read(&self, path: &Path, seen: &Stamp, since: Instant, read: impl Fn() -> Reading) -> Content {
        let answers = |reading: &Reading| reading.started >= since || reading.is_of(seen);
        loop {
            let read = || Arc::new(read());
            let entry = self.readings.entry_by_ref(path).or_insert_with_if(read, |reading| !answers(reading));
            // A reading that was waited for may have begun before this question was asked, and is then too old.
            if answers(entry.value()) {
                return entry.value().content.clone();
            }
        }
    }
}
