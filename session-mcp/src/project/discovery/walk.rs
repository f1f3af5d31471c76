//! The way up from a directory.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::look::{Look, Name, look};
use super::sight::{Kind, Sight};
use super::{Discovery, Search, Sighting, SkipReason, Skipped};
use crate::project::files::{Content, leads_outside};

/// How often a file is looked at again that goes between the look and the reading.
const ATTEMPTS: usize = 4;

/// One search, from a directory upward.
pub(super) struct Walk<'a> {
    search: &'a Search,
    start: PathBuf,
    sight: Sight,
    skipped: Vec<Skipped>,
}

impl<'a> Walk<'a> {
    /// From a canonical directory, which is open.
    pub(super) fn new(search: &'a Search, start: PathBuf, open: Dir) -> Self {
        let sight = Sight::new(start.clone(), open);
        Self { search, start, sight, skipped: Vec::new() }
    }

    pub(super) fn go(mut self) -> Discovery {
        let sighting = self.up();
        Discovery { directory: self.start, sighting, skipped: self.skipped }
    }

    fn up(&mut self) -> Sighting {
        let rules = &self.search.rules;
        let mut device = None;
        for level in 1.. {
            if let Some(sighting) = self.look_for_config() {
                return sighting;
            }
            let here = self.sight.here();
            if here.parent().is_none() {
                break;
            }
            if self.search.roots.above(&self.start) == Some(here) {
                self.stop(SkipReason::AllowedRoot);
                break;
            }
            if level >= rules.levels {
                self.stop(SkipReason::Levels);
                break;
            }
            if self.is_checkout() {
                self.stop(SkipReason::Checkout);
                break;
            }
            if !rules.cross_mounts {
                let below = device.or_else(|| self.sight.device());
                device = self.sight.device_above();
                if device.is_none() {
                    self.stop(SkipReason::Unreadable);
                    break;
                }
                if device != below {
                    self.stop(SkipReason::MountBoundary);
                    break;
                }
            }
            self.sight.rise();
        }
        Sighting::Nothing
    }

    /// The first config file that is there decides; what is none is passed over.
    fn look_for_config(&mut self) -> Option<Sighting> {
        for name in &self.search.names {
            match self.look_for(name) {
                Ok(None) => {}
                Ok(sighting) => return sighting,
                Err(SkipReason::Unreadable) if self.is_closed() => {
                    self.stop(SkipReason::Unreadable);
                    break;
                }
                Err(reason) => {
                    self.skipped.push(Skipped { path: self.sight.here().join(name.whole()), reason });
                    if let SkipReason::Home | SkipReason::FilesystemRoot = reason {
                        break;
                    }
                }
            }
        }
        None
    }

    fn look_for(&mut self, name: &Name) -> Result<Option<Sighting>, SkipReason> {
        let Search { roots, rules, files, .. } = self.search;
        for _ in 0..ATTEMPTS {
            let look = look(&mut self.sight, name, roots);
            let here = self.sight.here();
            let content = match look {
                Look::Absent => return Ok(None),
                Look::Passed(reason) => return Err(reason),
                Look::Config(_) | Look::Outside if here.parent().is_none() => return Err(SkipReason::FilesystemRoot),
                Look::Config(_) | Look::Outside if rules.home.as_deref() == Some(here) => return Err(SkipReason::Home),
                Look::Outside => leads_outside(&here.join(name.whole()), roots),
                Look::Config(stamp) => files.content(&here.join(name.whole()), here, &stamp, roots),
            };
            match content {
                Content::Config(found) => return Ok(Some(Sighting::Config(found))),
                Content::Invalid(why) => return Ok(Some(Sighting::Invalid(why))),
                Content::NotAFile => return Err(SkipReason::NotAFile),
                Content::Gone => {}
            }
        }
        Ok(None)
    }

    /// Whether there is the file that git puts into a worktree's and a submodule's root.
    fn is_checkout(&mut self) -> bool {
        self.sight.at(Path::new(".git")).is_ok_and(|found| found.kind == Kind::File)
    }

    /// Whether nothing in the directory may be looked at.
    fn is_closed(&mut self) -> bool {
        self.sight.at(Path::new("./.")).is_err()
    }

    fn stop(&mut self, reason: SkipReason) {
        self.skipped.push(Skipped { path: self.sight.here().to_owned(), reason });
    }
}
