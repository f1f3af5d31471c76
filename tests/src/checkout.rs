//! A project to work in.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A git checkout with one commit, in a folder of its own that goes with it.
#[derive(Debug)]
pub struct Checkout {
    folder: TempDir,
    path: String,
}

impl Checkout {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If git is missing.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes files")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("the system has room for a temporary folder");
        let canonical = folder.path().canonicalize().expect("the folder was just made");
        let path = canonical.to_str().expect("temporary folders have plain names").to_owned();
        let checkout = Self { folder, path };
        checkout.git(&["init", "--quiet"]);
        checkout.git(&["commit", "--quiet", "--allow-empty", "--message", "begin"]);
        checkout
    }

    /// Its canonical path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=tests", "-c", "user.email=tests@localhost"]);
        git.args(arguments).current_dir(self.folder.path());
        let status = git.status().expect("git is installed");
        assert!(status.success(), "git {arguments:?} failed; the reason is above");
    }
}
