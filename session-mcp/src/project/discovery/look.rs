//! A look for one config file.

use std::io;
use std::path::{Path, PathBuf};

use super::SkipReason;
use super::sight::{Kind, Seen, Sight};
use crate::project::files::Stamp;
use crate::project::roots::Roots;

/// What is where a config file may be.
pub(super) enum Look {
    /// A file, or a link to one.
    Config(Stamp),
    /// A link that leads out of the roots, to whatever.
    Outside,
    /// Nothing.
    Absent,
    /// Something else.
    Passed(SkipReason),
}

/// What a config file is called, relative to a directory.
#[derive(Debug)]
pub(super) struct Name {
    /// The folders of the name, the outermost first.
    folders: Vec<PathBuf>,
    whole: PathBuf,
}

impl Name {
    pub(super) fn new(whole: &Path) -> Self {
        let mut folders: Vec<PathBuf> = whole.ancestors().skip(1).map(Path::to_owned).collect();
        folders.retain(|folder| !folder.as_os_str().is_empty());
        folders.reverse();
        Self { folders, whole: whole.to_owned() }
    }

    pub(super) fn whole(&self) -> &Path {
        &self.whole
    }
}

/// Looks for a config file in the directory that is looked at. That is one system call for each folder of its name and
/// one for the file, as far as they are there, and a few more for links.
pub(super) fn look(sight: &mut Sight, name: &Name, roots: &Roots) -> Look {
    for folder in &name.folders {
        match see(sight, folder, roots) {
            Ok(Seen { kind: Kind::Folder, .. }) => {}
            Ok(_) => return Look::Absent,
            Err(look) => return look,
        }
    }
    match see(sight, &name.whole, roots) {
        Ok(Seen { kind: Kind::File, stamp, .. }) => Look::Config(stamp),
        Ok(_) => Look::Passed(SkipReason::NotAFile),
        Err(look) => look,
    }
}

/// What is at a path, links followed. Of a link that leads out of the roots it is not told whether it leads to
/// anything.
fn see(sight: &mut Sight, name: &Path, roots: &Roots) -> Result<Seen, Look> {
    match sight.at(name) {
        Ok(Seen { kind: Kind::Link, .. }) => follow(&sight.here().join(name), roots),
        Ok(seen) => Ok(seen),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Absent,
            _ => Look::Passed(SkipReason::Unreadable),
        }),
    }
}

fn follow(link: &Path, roots: &Roots) -> Result<Seen, Look> {
    if roots.leads_outside(link) {
        return Err(Look::Outside);
    }
    match link.metadata() {
        Ok(found) => Ok(Seen::of(&found)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Look::Passed(SkipReason::Unreadable)),
        Err(_) => Err(Look::Passed(SkipReason::NotAFile)),
    }
}
