//! The directories that projects are found for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// What a project says of itself.
const CONFIG: &str = r#"{
  "version": "1.0",
  "project": {
    "name": "codebase",
    "id": "550e8400-e29b-41d4-a716-446655440000"
  },
  "auto_switch": true,
  "strict_mode": false,
  "dry_run": false,
  "description": "A project of the usual kind, with a description of the usual length"
}
"#;

/// Projects, and a directory in each.
pub(crate) struct Tree {
    _folder: TempDir,
    root: PathBuf,
    directories: Vec<PathBuf>,
}

impl Tree {
    /// Projects whose config is found in the last of `depth` directories. Files that are new are not kept, so this
    /// waits until they are not.
    pub(crate) fn new(depth: usize, count: usize) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let root = folder.path().canonicalize().expect("it was made");
        let directories = (0..count).map(|number| project(&root.join(format!("project{number}")), depth)).collect();
        std::thread::sleep(Duration::from_secs(3));
        Self { _folder: folder, root, directories }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }
}

fn project(root: &Path, depth: usize) -> PathBuf {
    fs::create_dir_all(root.join(".codebase-mcp")).expect("a folder can be made");
    fs::write(root.join(".codebase-mcp/config.json"), CONFIG).expect("a file can be written");
    let deep = (1..depth).fold(root.to_owned(), |path, level| path.join(format!("folder{level}")));
    fs::create_dir_all(&deep).expect("a folder can be made");
    deep
}
