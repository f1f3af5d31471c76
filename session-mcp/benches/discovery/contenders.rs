//! Ours, and what it is compared to.

use std::fs::{self, Metadata};
use std::hint::black_box;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use session_mcp::project::{ProjectConfig, ProjectSettings, Projects, Sighting};

/// What the file of a project is called.
const NAMES: [&str; 2] = [".codebase-mcp/config.json", ".session-mcp.toml"];

/// Something that looks up the project of a directory.
pub(crate) trait Contender: Sync {
    fn look(&self, directory: &Path);
}

/// Ours.
pub(crate) struct Found(Projects);

impl Found {
    pub(crate) fn new(roots: &[PathBuf]) -> Self {
        Self(Projects::new(roots, &ProjectSettings::default()).expect("the roots can be opened"))
    }
}

impl Contender for Found {
    fn look(&self, directory: &Path) {
        let found = self.0.find_blocking(directory).expect("the directory is there");
        assert!(matches!(black_box(found).sighting, Sighting::Config(_)));
    }
}

/// The `stat` calls that tell whether a config that was found is still the one that counts, and no more.
pub(crate) struct RawCheck;

impl Contender for RawCheck {
    fn look(&self, directory: &Path) {
        let (_, found) = walk(directory).expect("there is a config");
        black_box(found);
    }
}

/// The same after the directory's links are resolved, without which the `stat` calls may be those of another path than
/// the one that counts.
pub(crate) struct CanonicalCheck;

impl Contender for CanonicalCheck {
    fn look(&self, directory: &Path) {
        RawCheck.look(&directory.canonicalize().expect("it is there"));
    }
}

/// The `stat` calls, and the file read and parsed.
pub(crate) struct Raw;

impl Contender for Raw {
    fn look(&self, directory: &Path) {
        let (path, _) = walk(directory).expect("there is a config");
        let bytes = fs::read(&path).expect("it can be read");
        black_box(ProjectConfig::parse(&path, &bytes).expect("it is well-formed"));
    }
}

/// One `stat` call: of the directory.
pub(crate) struct Stat;

impl Contender for Stat {
    fn look(&self, directory: &Path) {
        black_box(directory.symlink_metadata().expect("it is there"));
    }
}

fn walk(directory: &Path) -> Option<(PathBuf, Metadata)> {
    let mut path = directory.to_owned();
    let mut device = None;
    loop {
        for name in NAMES {
            path.push(name);
            match path.symlink_metadata() {
                Ok(found) if found.is_file() => return Some((path, found)),
                _ => (0..name.split('/').count()).for_each(|_| assert!(path.pop())),
            }
        }
        path.push(".git");
        let is_checkout = path.symlink_metadata().is_ok_and(|found| found.is_file());
        path.pop();
        let below = device.map_or_else(|| Some(path.metadata().ok()?.dev()), Some)?;
        if is_checkout || !path.pop() {
            return None;
        }
        let above = path.metadata().ok()?.dev();
        if above != below {
            return None;
        }
        device = Some(above);
    }
}
