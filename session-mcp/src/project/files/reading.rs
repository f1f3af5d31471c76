//! One reading of a config file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::stamp::Stamp;
use crate::project::config::{InvalidConfig, ProjectConfig};
use crate::project::discovery::FoundConfig;
use crate::project::roots::{NotOpened, Roots};
use crate::project::shown::listed;

/// After how long a file is read again that changes while it is read, or that was changed a moment ago and makes no
/// sense: somebody may be in the midst of writing it.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(2), Duration::from_millis(6), Duration::from_millis(14), Duration::from_millis(28)];

/// One reading of a config file.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) started: Instant,
    /// What the file was, if a change since then would show.
    settled: Option<Stamp>,
    pub(super) content: Content,
}

/// What a reading found.
#[derive(Clone, Debug)]
pub(in crate::project) enum Content {
    Config(Arc<FoundConfig>),
    Invalid(Arc<InvalidConfig>),
    /// There is nothing any more.
    Gone,
    /// There is something else than a file.
    NotAFile,
}

/// A regular file that was opened, to be read if it is not known.
#[derive(Debug)]
pub(in crate::project) struct Opened {
    file: File,
    /// What it was when it was opened.
    pub(super) stamp: Stamp,
    /// Before it was opened.
    pub(super) since: Instant,
}

impl Opened {
    /// The file that `open` opens, if it is a regular one.
    #[cfg(target_os = "linux")]
    pub(in crate::project) fn by(open: impl FnOnce() -> Option<File>) -> Option<Self> {
        let since = Instant::now();
        let file = open()?;
        let found = file.metadata().ok()?;
        found.is_file().then(|| Self { stamp: Stamp::of(&found), file, since })
    }
}

/// What is in a file, as long as nobody writes to it.
struct Bytes {
    bytes: Vec<u8>,
    stamp: Stamp,
}

/// Why there are no bytes.
enum NoBytes {
    /// Somebody writes to the file.
    Changing,
    Not(Content),
}

impl Reading {
    /// Reads a file, the one that was opened first if there is one.
    pub(super) fn of(path: &Path, project: &Path, mut opened: Option<&Opened>, roots: &Roots) -> Self {
        let mut pauses = PAUSES.iter();
        loop {
            let now = SystemTime::now();
            let opened = opened.take();
            let started = opened.map_or_else(Instant::now, |opened| opened.since);
            let read = opened.map_or_else(|| bytes(path, roots), |opened| bytes_of(path, opened));
            let (content, settled) = match read {
                Ok(Bytes { bytes, stamp }) => (parse(path, project, &bytes), stamp.is_settled(now).then_some(stamp)),
                Err(NoBytes::Changing) => (invalid(path, "changes all the time; try again later"), None),
                Err(NoBytes::Not(content)) => return Self { started, settled: None, content },
            };
            if settled.is_none()
                && let Content::Invalid(_) = content
                && let Some(pause) = pauses.next()
            {
                std::thread::sleep(*pause);
                continue;
            }
            return Self { started, settled, content };
        }
    }

    /// Whether this is what would be read of a file with such a stamp.
    pub(super) fn is_of(&self, stamp: &Stamp) -> bool {
        self.settled.as_ref() == Some(stamp)
    }
}

fn parse(path: &Path, project: &Path, bytes: &[u8]) -> Content {
    match ProjectConfig::parse(path, bytes) {
        Ok((config, warnings)) => {
            let (path, root) = (path.to_owned(), project.to_owned());
            Content::Config(Arc::new(FoundConfig { path, root, config, warnings }))
        }
        Err(invalid) => Content::Invalid(Arc::new(invalid)),
    }
}

fn invalid(path: &Path, problem: impl Into<String>) -> Content {
    Content::Invalid(Arc::new(InvalidConfig::whole(path, problem)))
}

fn bytes(path: &Path, roots: &Roots) -> Result<Bytes, NoBytes> {
    let since = Instant::now();
    let file = roots.file(path).map_err(|not| NoBytes::Not(not_opened(path, not, roots)))?;
    let found = file.metadata().map_err(|error| NoBytes::Not(failed(path, &error)))?;
    if !found.is_file() {
        return Err(NoBytes::Not(Content::NotAFile));
    }
    bytes_of(path, &Opened { file, stamp: Stamp::of(&found), since })
}

fn bytes_of(path: &Path, opened: &Opened) -> Result<Bytes, NoBytes> {
    whole(path, &opened.file, opened.stamp).unwrap_or_else(|error| Err(NoBytes::Not(failed(path, &error))))
}

fn whole(path: &Path, mut file: &File, stamp: Stamp) -> io::Result<Result<Bytes, NoBytes>> {
    if stamp.len() > ProjectConfig::MAX_BYTES {
        return Ok(Err(NoBytes::Not(too_long(path))));
    }
    let mut bytes = vec![0; usize::try_from(stamp.len()).unwrap_or_default() + 1];
    let mut read = 0;
    // As many bytes as the file has are all of them, if it has as many afterwards too.
    while read + 1 < bytes.len() {
        match file.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    let is_whole = bytes.len() as u64 == stamp.len() && Stamp::of(&file.metadata()?) == stamp;
    Ok(if is_whole { Ok(Bytes { bytes, stamp }) } else { Err(NoBytes::Changing) })
}

fn too_long(path: &Path) -> Content {
    invalid(
        path,
        format!("is longer than {} bytes; keep only what describes the project in it", ProjectConfig::MAX_BYTES),
    )
}

fn not_opened(path: &Path, not: NotOpened, roots: &Roots) -> Content {
    match not {
        NotOpened::Outside => leads_outside(path, roots),
        NotOpened::Failed(error) => failed(path, &error),
    }
}

/// What a config file says that leads out of the roots: nothing.
pub(in crate::project) fn leads_outside(path: &Path, roots: &Roots) -> Content {
    let roots = listed(&roots.paths());
    invalid(path, format!("leads out of the allowed roots: {roots}; put the file itself here"))
}

fn failed(path: &Path, error: &io::Error) -> Content {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Content::Gone,
        io::ErrorKind::PermissionDenied => invalid(path, "the server's user may not read it; let that user read it"),
        io::ErrorKind::IsADirectory => Content::NotAFile,
        _ => invalid(path, "the file system failed to read it; try again later"),
    }
}
