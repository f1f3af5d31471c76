//! One directory, and what is beneath it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

#[cfg(target_os = "linux")]
use crate::project::files::Stamp;

/// A directory that what is opened is beneath.
///
/// Paths are relative to it, canonical, and empty for itself. A link in one is not followed where the system can be
/// told so, and never leads out: see [`is_diverted`].
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    dir: Dir,
}

impl Root {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        Ok(Self { path, dir })
    }

    /// The roots of the file system.
    #[cfg(not(windows))]
    pub(super) fn anywhere() -> io::Result<Vec<Self>> {
        Ok(vec![Self::open(Path::new("/"))?])
    }

    /// The roots of the file system: the drives there are.
    #[cfg(windows)]
    pub(super) fn anywhere() -> io::Result<Vec<Self>> {
        Ok(('A'..='Z').filter_map(|drive| Self::open(Path::new(&format!(r"{drive}:\"))).ok()).collect())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory if that proves, in one system call, that its path is canonical.
    pub(super) fn canonical_directory(&self, relative: &Path) -> Option<Dir> {
        #[cfg(target_os = "linux")]
        return in_one_call::directory(&self.dir, or_itself(relative))?.ok();
        #[cfg(not(target_os = "linux"))]
        return relative.as_os_str().is_empty().then(|| self.dir.try_clone().ok())?;
    }

    /// What is at a path if one system call proves that it is canonical.
    #[cfg(target_os = "linux")]
    pub(super) fn stamp(&self, relative: &Path) -> Option<Stamp> {
        let found = in_one_call::anything(&self.dir, relative)?.ok()?;
        Some(Stamp::of(&found.metadata().ok()?))
    }

    /// Opens a file for reading if that proves, in one system call, that its path is canonical. Never waits.
    #[cfg(target_os = "linux")]
    pub(super) fn canonical_file(&self, relative: &Path) -> Option<File> {
        in_one_call::file(&self.dir, relative)?.ok()
    }

    pub(super) fn directory(&self, relative: &Path) -> io::Result<Dir> {
        let relative = or_itself(relative);
        #[cfg(target_os = "linux")]
        if let Some(answer) = in_one_call::directory(&self.dir, relative) {
            return answer;
        }
        by_steps::directory(&self.dir, relative)
    }

    /// Opens a file for reading. Never waits, whatever is there.
    pub(super) fn file(&self, relative: &Path) -> io::Result<File> {
        let relative = or_itself(relative);
        #[cfg(target_os = "linux")]
        if let Some(answer) = in_one_call::file(&self.dir, relative) {
            return answer;
        }
        by_steps::file(&self.dir, relative)
    }
}

/// Whether a link has come to be on a path that had none when it was made canonical.
pub(super) fn is_diverted(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return true;
    }
    // A library's error and not the system's: the path leads out of the root.
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

fn or_itself(relative: &Path) -> &Path {
    if relative.as_os_str().is_empty() { Path::new(".") } else { relative }
}

/// Linux proves in one system call that a path has no links and stays beneath. `None` where it has no such call, or a
/// sandbox forbids it.
#[cfg(target_os = "linux")]
mod in_one_call {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use cap_std::fs::Dir;
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;

    pub(super) fn directory(root: &Dir, relative: &Path) -> Option<io::Result<Dir>> {
        let opened = open(root, relative, OFlags::PATH | OFlags::DIRECTORY)?;
        Some(opened.map(Dir::from_std_file))
    }

    /// Opens what is there to be looked at, and not to be read.
    pub(super) fn anything(root: &Dir, relative: &Path) -> Option<io::Result<File>> {
        open(root, relative, OFlags::PATH)
    }

    pub(super) fn file(root: &Dir, relative: &Path) -> Option<io::Result<File>> {
        open(root, relative, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    fn open(root: &Dir, relative: &Path, flags: OFlags) -> Option<io::Result<File>> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(root, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(opened) => Some(Ok(File::from(opened))),
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => None,
            Err(errno) => Some(Err(errno.into())),
        }
    }
}

/// Every system: the library follows a path so that it stays beneath.
mod by_steps {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use cap_std::fs::{Dir, OpenOptions};

    pub(super) fn directory(root: &Dir, relative: &Path) -> io::Result<Dir> {
        root.open_dir(relative)
    }

    pub(super) fn file(root: &Dir, relative: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        super::never_wait(&mut options);
        Ok(root.open_with(relative, &options)?.into_std())
    }
}

#[cfg(unix)]
fn never_wait(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt;
    use rustix::fs::OFlags;

    options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
}

#[cfg(not(unix))]
fn never_wait(_: &mut OpenOptions) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::io::{self, Read};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use cap_std::fs::Dir;
    use tempfile::TempDir;

    use super::{Root, by_steps, in_one_call, is_diverted};

    /// A root with a folder and a file in it, and a file beside it that is not beneath it.
    fn root() -> io::Result<(TempDir, Root)> {
        let tree = TempDir::new()?;
        fs::create_dir_all(tree.path().join("root/folder"))?;
        fs::write(tree.path().join("root/folder/file"), "inside")?;
        fs::write(tree.path().join("file"), "outside")?;
        let root = Root::open(&tree.path().join("root"))?;
        Ok((tree, root))
    }

    type Opening = fn(&Dir, &Path) -> io::Result<fs::File>;

    /// The ways to open a file: what this system does, and what others do.
    fn ways() -> [Opening; 2] {
        [|dir, path| in_one_call::file(dir, path).unwrap_or_else(|| by_steps::file(dir, path)), by_steps::file]
    }

    #[test]
    fn what_is_beneath_is_opened_either_way() -> io::Result<()> {
        let (_tree, root) = root()?;
        for open in ways() {
            let mut content = String::new();
            open(&root.dir, Path::new("folder/file"))?.read_to_string(&mut content)?;
            assert_eq!(content, "inside");
        }
        assert!(by_steps::directory(&root.dir, Path::new("folder"))?.is_file("file"));
        assert!(root.directory(Path::new("folder"))?.is_file("file"));
        assert!(root.directory(Path::new(""))?.is_dir("folder"));
        Ok(())
    }

    #[test]
    fn what_has_come_to_lead_outside_is_diverted_either_way() -> io::Result<()> {
        let (tree, root) = root()?;
        symlink(tree.path(), tree.path().join("root/absolute"))?;
        symlink("..", tree.path().join("root/relative"))?;
        for path in ["absolute/file", "relative/file"] {
            for open in ways() {
                assert!(is_diverted(&open(&root.dir, Path::new(path)).expect_err("it leads outside")), "{path}");
            }
        }
        for path in ["absolute", "relative"] {
            assert!(is_diverted(&root.directory(Path::new(path)).expect_err("it leads outside")), "{path}");
            let error = by_steps::directory(&root.dir, Path::new(path)).expect_err("it leads outside");
            assert!(is_diverted(&error), "{path}");
            assert!(root.canonical_directory(Path::new(path)).is_none());
        }
        Ok(())
    }

    #[test]
    fn a_link_that_stays_beneath_does_not_pass_for_a_canonical_path() -> io::Result<()> {
        let (tree, root) = root()?;
        symlink("folder", tree.path().join("root/link"))?;
        assert!(root.canonical_directory(Path::new("folder")).is_some());
        assert!(root.canonical_directory(Path::new("link")).is_none());
        Ok(())
    }

    #[test]
    fn a_pipe_in_a_files_place_is_not_waited_for() -> io::Result<()> {
        let (tree, root) = root()?;
        rustix::fs::mkfifoat(rustix::fs::CWD, tree.path().join("root/pipe"), 0o600.into())?;
        for open in ways() {
            assert!(!open(&root.dir, Path::new("pipe"))?.metadata()?.is_file());
        }
        Ok(())
    }

    #[test]
    fn a_file_that_may_not_be_opened_is_not_diverted() {
        assert!(!is_diverted(&rustix::io::Errno::ACCESS.into()));
        assert!(!is_diverted(&rustix::io::Errno::NOENT.into()));
    }
}
