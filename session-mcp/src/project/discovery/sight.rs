//! What is in a directory and in those above it.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::project::files::Stamp;

/// What is at a path, links not followed.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) kind: Kind,
    pub(super) stamp: Stamp,
    /// Which file system it is on, where paths do not say so.
    pub(super) device: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// The look from a directory upward.
///
/// On Linux it goes from the open directory by `..`: a path from there is shorter than one from the root of the file
/// system, and the more so the deeper the directory is.
pub(super) struct Sight {
    here: PathBuf,
    #[cfg(target_os = "linux")]
    from: Option<upward::Upward>,
    /// Kept to be written anew without another allocation.
    path: PathBuf,
}

impl Sight {
    /// From a canonical directory.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "paths are looked at from the root"))]
    pub(super) fn new(here: PathBuf, dir: Dir) -> Self {
        Self {
            here,
            #[cfg(target_os = "linux")]
            from: Some(upward::Upward::new(dir)),
            path: PathBuf::new(),
        }
    }

    /// The directory that is looked at.
    pub(super) fn here(&self) -> &Path {
        &self.here
    }

    /// Goes on to the directory above, if there is one.
    pub(super) fn rise(&mut self) {
        self.here.pop();
        #[cfg(target_os = "linux")]
        if let Some(from) = &mut self.from {
            from.rise();
        }
    }

    /// Which file system the directory is on. `None` if it cannot be looked at.
    pub(super) fn device(&mut self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        if let Some(from) = &self.from {
            return Some(from.at(Path::new("."), &mut self.path).ok()?.device);
        }
        Some(Seen::of(&self.here.symlink_metadata().ok()?).device)
    }

    /// The same of the directory above.
    pub(super) fn device_above(&mut self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        if let Some(from) = &self.from {
            return Some(from.at(Path::new(".."), &mut self.path).ok()?.device);
        }
        Some(Seen::of(&self.here.parent()?.symlink_metadata().ok()?).device)
    }

    /// Looks at a path in the directory.
    pub(super) fn at(&mut self, path: &Path) -> io::Result<Seen> {
        #[cfg(target_os = "linux")]
        if let Some(from) = &self.from {
            match from.at(path, &mut self.path) {
                // A directory that may not be looked into does not show what is above it either.
                Err(error) if error.kind() != io::ErrorKind::NotFound && !from.is_open() => self.from = None,
                answer => return answer,
            }
        }
        self.path.clone_from(&self.here);
        self.path.push(path);
        self.path.symlink_metadata().map(|found| Seen::of(&found))
    }
}

impl Seen {
    /// What a path was found to be.
    pub(super) fn of(found: &Metadata) -> Self {
        let kind = match found.file_type() {
            kind if kind.is_file() => Kind::File,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Link,
            _ => Kind::Other,
        };
        Self { kind, stamp: Stamp::of(found), device: device(found) }
    }
}

#[cfg(unix)]
fn device(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(found)
}

#[cfg(not(unix))]
fn device(_: &Metadata) -> u64 {
    0
}

#[cfg(target_os = "linux")]
mod upward {
    use std::io;
    use std::path::{Path, PathBuf};

    use cap_std::fs::Dir;
    use rustix::fs::{AtFlags, FileType, StatxFlags, makedev, statx};

    use super::{Kind, Seen};
    use crate::project::files::Stamp;

    /// An open directory, and how far above it the look is.
    pub(super) struct Upward {
        dir: Dir,
        up: PathBuf,
    }

    impl Upward {
        pub(super) fn new(dir: Dir) -> Self {
            Self { dir, up: PathBuf::new() }
        }

        pub(super) fn rise(&mut self) {
            self.up.push("..");
        }

        /// Whether one may look from here at all.
        pub(super) fn is_open(&self) -> bool {
            stat(&self.dir, Path::new("./.")).is_ok()
        }

        pub(super) fn at(&self, path: &Path, whole: &mut PathBuf) -> io::Result<Seen> {
            whole.clone_from(&self.up);
            whole.push(path);
            stat(&self.dir, whole)
        }
    }

    fn stat(dir: &Dir, path: &Path) -> io::Result<Seen> {
        let found = statx(dir, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
        let kind = match FileType::from_raw_mode(found.stx_mode.into()) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        let device = makedev(found.stx_dev_major, found.stx_dev_minor);
        Ok(Seen { kind, stamp: Stamp::of_statx(&found, device), device })
    }
}
