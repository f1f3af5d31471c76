//! A project to work in.

use std::fs;
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

    /// Writes a file, and the folders that it needs.
    ///
    /// # Panics
    ///
    /// If a folder's name is taken by a file.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it is in the checkout")).expect("the checkout is ours");
        fs::write(path, text).expect("the checkout is ours");
    }

    /// Commits what was written.
    ///
    /// # Panics
    ///
    /// If nothing was.
    pub fn commit(&self) {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--message", "go on"]);
    }

    /// Makes a worktree of a commit, such as `HEAD` or `HEAD^`, at a path in the checkout, and returns its canonical
    /// path.
    ///
    /// # Panics
    ///
    /// If the path is taken, or there is no such commit.
    #[must_use]
    pub fn worktree(&self, path: &str, commit: &str) -> String {
        self.git(&["worktree", "add", "--quiet", "--detach", path, commit]);
        format!("{}/{path}", self.path)
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=tests", "-c", "user.email=tests@localhost"]);
        git.args(arguments).current_dir(self.folder.path());
        let status = git.status().expect("git is installed");
        assert!(status.success(), "git {arguments:?} failed; the reason is above");
    }
}
