//! Where directories may be.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use self::root::Root;
use super::error::DirectoryError;
#[cfg(target_os = "linux")]
use super::files::Stamp;

mod root;
mod way;

/// How often a path is followed again that changes while it is followed.
const ATTEMPTS: usize = 4;

/// Where directories may be: beneath one of these, or anywhere.
///
/// What is opened is opened beneath a root by the operating system, and no path is trusted for how it is spelled. The
/// roots are the directories that they were when they were opened, also if others have taken their places since.
///
/// Where directories may be anywhere, the root is the file system's. On Windows that is each drive there is.
#[derive(Debug)]
pub(super) struct Roots {
    /// The shortest path first, so that of nested roots the outermost is chosen.
    roots: Vec<Root>,
    /// Whether there are roots to keep to at all.
    is_confined: bool,
}

/// Why a file was not opened.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// It leads out of the roots.
    Outside,
    /// The operating system says so.
    Failed(io::Error),
}

impl Roots {
    /// Opens these; with none, directories may be anywhere.
    ///
    /// # Errors
    ///
    /// Which of them cannot be opened as a directory, and why.
    pub(super) fn open(allowed: &[PathBuf]) -> Result<Self, (PathBuf, io::Error)> {
        let mut roots = Vec::with_capacity(allowed.len());
        for path in allowed {
            roots.push(Root::open(path).map_err(|error| (path.clone(), error))?);
        }
        let is_confined = !roots.is_empty();
        if !is_confined {
            roots = Root::anywhere().map_err(|error| (PathBuf::from("/"), error))?;
        }
        roots.sort_by(|one, other| {
            (one.path().as_os_str().len(), one.path()).cmp(&(other.path().as_os_str().len(), other.path()))
        });
        roots.dedup_by(|one, other| one.path() == other.path());
        Ok(Self { roots, is_confined })
    }

    /// No roots, and nothing beneath them.
    pub(super) fn nowhere() -> Self {
        Self { roots: Vec::new(), is_confined: true }
    }

    /// Whether directories are confined.
    pub(super) fn is_confined(&self) -> bool {
        self.is_confined
    }

    /// The canonical paths of the allowed roots; none if directories may be anywhere.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        if self.is_confined { self.roots.iter().map(|root| root.path().to_owned()).collect() } else { Vec::new() }
    }

    /// The outermost root that a canonical path is beneath.
    pub(super) fn above(&self, canonical: &Path) -> Option<&Path> {
        self.root_of(canonical).map(|(root, _)| root.path())
    }

    /// Opens a directory, and says what its canonical path is.
    ///
    /// Where directories are confined, a path that leads out of the roots is [`DirectoryError::Outside`] whether or not
    /// there is anything.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if it is none that a session can work in.
    pub(super) fn directory(&self, path: &Path) -> Result<(PathBuf, Dir), DirectoryError> {
        way::check_text(path)?;
        if !path.is_absolute() {
            return Err(DirectoryError::Relative);
        }
        // A path that is beneath a root as it stands and has no link in it needs one system call.
        if way::is_tidy(path)
            && let Some((root, relative)) = self.root_of(path)
            && let Some(dir) = root.canonical_directory(relative)
        {
            return Ok((path.to_owned(), dir));
        }
        for _ in 0..ATTEMPTS {
            let canonical = path.canonicalize().map_err(|error| self.refuse(path, &error))?;
            way::check_text(&canonical)?;
            let Some((root, relative)) = self.root_of(&canonical) else {
                return Err(DirectoryError::Outside { roots: self.paths() });
            };
            match root.directory(relative) {
                Ok(dir) => return Ok((canonical, dir)),
                Err(error) if root::is_diverted(&error) => {}
                Err(error) => return Err(self.refuse(path, &error)),
            }
        }
        Err(DirectoryError::Missing)
    }

    /// Opens a regular file for reading, without waiting for whoever may have put a pipe in its place.
    ///
    /// # Errors
    ///
    /// [`NotOpened`].
    pub(super) fn file(&self, path: &Path) -> Result<File, NotOpened> {
        if let Some((root, relative)) = self.root_of(path) {
            match root.file(relative) {
                Err(error) if root::is_diverted(&error) => {}
                answer => return answer.map_err(NotOpened::Failed),
            }
        }
        for _ in 0..ATTEMPTS {
            let canonical = match path.canonicalize() {
                Ok(canonical) => canonical,
                Err(_) if self.leads_outside(path) => return Err(NotOpened::Outside),
                Err(error) => return Err(NotOpened::Failed(error)),
            };
            let (root, relative) = self.root_of(&canonical).ok_or(NotOpened::Outside)?;
            match root.file(relative) {
                Err(error) if root::is_diverted(&error) => {}
                answer => return answer.map_err(NotOpened::Failed),
            }
        }
        Err(NotOpened::Failed(io::ErrorKind::NotFound.into()))
    }

    /// Whether a directory's path is spelled like a canonical one that is beneath a root.
    #[cfg(target_os = "linux")]
    pub(super) fn may_be_canonical(&self, directory: &Path) -> bool {
        way::check_text(directory).is_ok() && way::is_tidy(directory) && self.root_of(directory).is_some()
    }

    /// What is at a path, if looking at it proves that the path is canonical and beneath a root.
    #[cfg(target_os = "linux")]
    pub(super) fn stamp(&self, path: &Path) -> Option<Stamp> {
        let (root, relative) = self.root_of(path)?;
        root.stamp(relative)
    }

    /// Opens a file for reading, if that proves that its path is canonical and beneath a root. Never waits.
    #[cfg(target_os = "linux")]
    pub(super) fn canonical_file(&self, path: &Path) -> Option<File> {
        let (root, relative) = self.root_of(path)?;
        root.canonical_file(relative)
    }

    /// Whether a path leads out of the roots, as far as it leads.
    pub(super) fn leads_outside(&self, path: &Path) -> bool {
        self.is_confined && self.root_of(&way::end(path)).is_none()
    }

    fn refuse(&self, path: &Path, error: &io::Error) -> DirectoryError {
        if self.leads_outside(path) {
            DirectoryError::Outside { roots: self.paths() }
        } else if error.kind() == io::ErrorKind::NotADirectory {
            DirectoryError::NotADirectory
        } else {
            DirectoryError::Missing
        }
    }

    fn root_of<'path>(&self, path: &'path Path) -> Option<(&Root, &'path Path)> {
        self.roots.iter().find_map(|root| Some((root, path.strip_prefix(root.path()).ok()?)))
    }
}
