//! Trees of folders to find projects in.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_mcp::project::{
    Discovery, FoundConfig, InvalidConfig, ProjectSettings, Projects, Sighting, SkipReason, Skipped,
};
use tempfile::TempDir;

/// The first name of a config file.
pub(crate) const JSON: &str = ".codebase-mcp/config.json";

/// The second.
pub(crate) const TOML: &str = ".session-mcp.toml";

/// A folder that goes with its value. Paths are relative to it.
pub(crate) struct Tree {
    _folder: TempDir,
    path: PathBuf,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().canonicalize().expect("it was made");
        Self { _folder: folder, path }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.path
    }

    pub(crate) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        if path.as_os_str().is_empty() { self.path.clone() } else { self.path.join(path) }
    }

    /// Makes a folder and those above it.
    pub(crate) fn folder(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(&path).expect("a folder can be made");
        path
    }

    /// Writes a file and the folders above it.
    pub(crate) fn file(&self, path: impl AsRef<Path>, content: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("it is beneath a folder")).expect("a folder can be made");
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// Makes a folder a project, and says where its config file is.
    pub(crate) fn project(&self, path: impl AsRef<Path>, name: &str) -> PathBuf {
        self.file(path.as_ref().join(JSON), &json(name))
    }

    /// Links a path of the tree to anything.
    pub(crate) fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("it is beneath a folder")).expect("a folder can be made");
        symlink(target, &path).expect("a link can be made");
        path
    }
}

/// A config file that names a project.
pub(crate) fn json(name: &str) -> String {
    format!(r#"{{ "version": "1.0", "project": {{ "name": "{name}" }} }}"#)
}

/// The same in the other format.
pub(crate) fn toml(name: &str) -> String {
    format!("version = \"1.0\"\n[project]\nname = \"{name}\"\n")
}

/// Settings that do not depend on who runs the tests.
pub(crate) fn settings() -> ProjectSettings {
    ProjectSettings { home: Some("/there-is-no-such-home".into()), ..ProjectSettings::default() }
}

/// Finds projects anywhere.
pub(crate) fn anywhere() -> Projects {
    Projects::new(&[], &settings()).expect("the file system has a root")
}

/// Finds projects beneath these.
pub(crate) fn beneath(roots: &[&Path]) -> Projects {
    let roots: Vec<PathBuf> = roots.iter().map(|root| root.to_path_buf()).collect();
    Projects::new(&roots, &settings()).expect("the roots can be opened")
}

pub(crate) fn find(projects: &Projects, directory: &Path) -> Discovery {
    projects.find_blocking(directory).unwrap_or_else(|refused| panic!("{}: {refused}", directory.display()))
}

/// The config that a directory belongs to.
pub(crate) fn config(projects: &Projects, directory: &Path) -> Arc<FoundConfig> {
    match find(projects, directory).sighting {
        Sighting::Config(found) => found,
        other => panic!("{}: {other:?}", directory.display()),
    }
}

/// The name of the project that a directory belongs to.
pub(crate) fn name(projects: &Projects, directory: &Path) -> String {
    config(projects, directory).config.name.clone()
}

/// Why the config that a directory belongs to cannot be used.
pub(crate) fn invalid(projects: &Projects, directory: &Path) -> Arc<InvalidConfig> {
    match find(projects, directory).sighting {
        Sighting::Invalid(why) => why,
        other => panic!("{}: {other:?}", directory.display()),
    }
}

/// What was passed over, of a directory that belongs to no project.
pub(crate) fn nothing(projects: &Projects, directory: &Path) -> Vec<Skipped> {
    let discovery = find(projects, directory);
    assert!(matches!(discovery.sighting, Sighting::Nothing), "{}: {discovery:?}", directory.display());
    discovery.skipped
}

/// What was passed over, as pairs that can be compared.
pub(crate) fn pairs(skipped: &[Skipped]) -> Vec<(&Path, SkipReason)> {
    skipped.iter().map(|skipped| (skipped.path.as_path(), skipped.reason)).collect()
}

/// Waits until what a directory's config file says is kept: while it is new it is read every time.
pub(crate) fn kept(projects: &Projects, directory: &Path) -> Arc<FoundConfig> {
    let begun = Instant::now();
    loop {
        let found = config(projects, directory);
        if Arc::ptr_eq(&found, &config(projects, directory)) {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never kept");
        std::thread::sleep(Duration::from_millis(50));
    }
}
