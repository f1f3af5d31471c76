//! From a directory upward to the config file of its project.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use self::look::Name;
use self::walk::Walk;
use super::config::{InvalidConfig, ProjectConfig};
use super::error::DirectoryError;
use super::files::Files;
use super::roots::Roots;
use super::shown::shown;

#[cfg(target_os = "linux")]
mod at_once;
mod look;
mod sight;
mod walk;

/// What was found for a directory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Discovery {
    /// The directory's canonical path.
    pub directory: PathBuf,
    /// The config file that it belongs to.
    pub sighting: Sighting,
    /// What was passed over on the way, and where the search stopped.
    pub skipped: Vec<Skipped>,
}

/// The config file that a directory belongs to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is one, there is none, or it cannot be used")]
pub enum Sighting {
    /// There is none.
    Nothing,
    /// There is one.
    Config(Arc<FoundConfig>),
    /// There is one that cannot be used. No config file further up takes its place.
    Invalid(Arc<InvalidConfig>),
}

/// A config file and what it says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoundConfig {
    /// Its path, in its canonical directory.
    pub path: PathBuf,
    /// The project's canonical directory.
    pub root: PathBuf,
    /// What it says.
    pub config: ProjectConfig,
    /// What is odd about it, in words.
    pub warnings: Vec<String>,
}

/// Something that was not taken for a config file, or the end of the search.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// What it is.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", shown(&self.path), self.reason)
    }
}

/// Why something was passed over, or the search stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// A folder, or a file in it, may not be looked at.
    Unreadable,
    /// It has the name of a config file and is none: a folder, a pipe, a loop of links.
    NotAFile,
    /// The home folder is nobody's project.
    Home,
    /// The root of the file system is nobody's project.
    FilesystemRoot,
    /// The search stopped: above begins another file system.
    MountBoundary,
    /// The search stopped: a git worktree or a submodule begins here, and what is above is another checkout.
    Checkout,
    /// The search stopped: as many levels were looked at as may be.
    Levels,
    /// The search stopped: above is outside of the allowed roots.
    AllowedRoot,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "passed over, because it may not be looked at",
            Self::NotAFile => "passed over, because it is called like a config file and is none",
            Self::Home => "passed over, because the home folder is nobody's project",
            Self::FilesystemRoot => "passed over, because the root of the file system is nobody's project",
            Self::MountBoundary => "the search ended here, where another file system begins",
            Self::Checkout => "the search ended here, at the root of a git worktree or submodule",
            Self::Levels => "the search ended here, after as many levels as may be looked at",
            Self::AllowedRoot => "the search ended here, at an allowed root",
        })
    }
}

/// How to look for config files.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The files' names relative to a directory, the first that is there counts. Each ends in `.json` or `.toml`.
    pub(super) names: Vec<PathBuf>,
    /// How many directories are looked at, the first included.
    pub(super) levels: usize,
    /// Whether the search goes on where another file system begins.
    pub(super) cross_mounts: bool,
    /// The home folder's canonical path, if there is one.
    pub(super) home: Option<PathBuf>,
}

/// How current an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// That there is nothing may have been found out a moment ago.
    Recent,
    /// Everything is looked at now.
    Now,
}

/// For how long it is remembered that there is nothing.
const MOMENT: Duration = Duration::from_millis(500);

/// How many directories are remembered to have nothing.
const MAX_REMEMBERED: u64 = 1_000;

/// Finds config files. Every method does file work, and belongs off the async threads. Clones share what they keep.
///
/// Every search looks at the directory, through the roots, and at every name on the way up; so nothing that changed is
/// missed. What is kept is what config files say: see [`Files`].
#[derive(Clone, Debug)]
pub(super) struct Finder(Arc<Search>);

#[derive(Debug)]
struct Search {
    roots: Roots,
    rules: Rules,
    names: Vec<Name>,
    files: Files,
    /// Directories that nothing was found for a moment ago.
    nothings: Cache<PathBuf, Arc<Discovery>>,
}

impl Finder {
    pub(super) fn new(roots: Roots, rules: Rules) -> Self {
        Self::with_memory(roots, rules, MOMENT)
    }

    /// One that remembers for so long that there is nothing.
    fn with_memory(roots: Roots, rules: Rules, moment: Duration) -> Self {
        let nothings = Cache::builder()
            .max_capacity(MAX_REMEMBERED)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(moment)
            .build();
        let names = rules.names.iter().map(|name| Name::new(name)).collect();
        Self(Arc::new(Search { roots, rules, names, files: Files::new(), nothings }))
    }

    /// What config files are called.
    pub(super) fn names(&self) -> &[PathBuf] {
        &self.0.rules.names
    }

    /// The roots that directories have to be beneath.
    pub(super) fn roots(&self) -> &Roots {
        &self.0.roots
    }

    /// Finds the config file that a directory belongs to.
    ///
    /// Directories are never listed, so that it does not matter how much is in them.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if the directory is none that a session can work in.
    pub(super) fn find(&self, directory: &Path, freshness: Freshness) -> Result<Discovery, DirectoryError> {
        let search = &*self.0;
        #[cfg(target_os = "linux")]
        if let Some(discovery) = at_once::at_once(search, directory, freshness) {
            search.forget_nothing(&discovery.directory, freshness);
            return Ok(discovery);
        }
        let (directory, open) = search.roots.directory(directory)?;
        if freshness == Freshness::Recent
            && let Some(nothing) = search.nothings.get(&directory)
        {
            return Ok(Discovery::clone(&nothing));
        }
        let discovery = Walk::new(search, directory, open).go();
        if let Sighting::Nothing = discovery.sighting {
            search.nothings.insert(discovery.directory.clone(), Arc::new(discovery.clone()));
        } else {
            search.forget_nothing(&discovery.directory, freshness);
        }
        Ok(discovery)
    }
}

impl Search {
    /// What was found now counts for those who ask a moment later.
    fn forget_nothing(&self, directory: &Path, freshness: Freshness) {
        if freshness == Freshness::Now && self.nothings.contains_key(directory) {
            self.nothings.invalidate(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use tempfile::TempDir;

    use super::{Finder, Freshness, Rules, Sighting};
    use crate::project::roots::Roots;

    const NAME: &str = ".session-mcp.toml";
    const HOUR: Duration = Duration::from_secs(3600);

    fn finder(tree: &TempDir, moment: Duration) -> (Finder, PathBuf) {
        let directory = tree.path().join("project");
        fs::create_dir(&directory).expect("the tree is new");
        let rules = Rules { names: vec![NAME.into()], levels: 20, cross_mounts: false, home: None };
        (Finder::with_memory(Roots::open(&[]).expect("there is `/`"), rules, moment), directory)
    }

    fn configure(directory: &Path) {
        fs::write(directory.join(NAME), "version = \"1.0\"\n[project]\nname = \"shop\"\n").expect("it can be written");
    }

    fn is_found(finder: &Finder, directory: &Path, freshness: Freshness) -> bool {
        let discovery = finder.find(directory, freshness).expect("the directory is there");
        matches!(discovery.sighting, Sighting::Config(_))
    }

    #[test]
    fn that_there_is_nothing_is_remembered_until_somebody_asks_anew() {
        let tree = TempDir::new().expect("a folder");
        let (finder, directory) = finder(&tree, HOUR);

        assert!(!is_found(&finder, &directory, Freshness::Recent));
        configure(&directory);
        assert!(!is_found(&finder, &directory, Freshness::Recent), "it was looked for a moment ago");
        assert!(is_found(&finder, &directory, Freshness::Now));
        assert!(is_found(&finder, &directory, Freshness::Recent), "what was found since then counts");
    }

    #[test]
    fn that_there_is_nothing_is_remembered_for_a_moment_only() {
        let tree = TempDir::new().expect("a folder");
        let (finder, directory) = finder(&tree, Duration::from_millis(20));

        assert!(!is_found(&finder, &directory, Freshness::Recent));
        configure(&directory);
        let begun = Instant::now();
        while !is_found(&finder, &directory, Freshness::Recent) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is remembered for good");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_directory_that_went_is_refused_though_nothing_is_remembered_of_it() {
        let tree = TempDir::new().expect("a folder");
        let (finder, directory) = finder(&tree, HOUR);

        assert!(!is_found(&finder, &directory, Freshness::Recent));
        fs::remove_dir(&directory).expect("it is empty");
        assert!(finder.find(&directory, Freshness::Recent).is_err());
    }
}
