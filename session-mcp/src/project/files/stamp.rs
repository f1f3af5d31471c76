//! By what a file is known to be what it was.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// For how long a file may change again without its times telling so. Some file systems count in two seconds.
const CLOCK_TICK: Duration = Duration::from_secs(2);

/// Which file it is, how long it is, and when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::project) struct Stamp {
    identity: Identity,
    len: u64,
    modified: Time,
}

/// Which file it is, and when anything about it changed.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    changed: Time,
}

/// When the file was made: what else there is to tell one from another.
#[cfg(not(unix))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    created: Option<SystemTime>,
}

/// Seconds since 1970 and nanoseconds, as file systems keep them.
#[cfg(unix)]
type Time = (i64, i64);

#[cfg(not(unix))]
type Time = Option<SystemTime>;

impl Stamp {
    pub(in crate::project) fn of(file: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;

            let identity =
                Identity { device: file.dev(), inode: file.ino(), changed: (file.ctime(), file.ctime_nsec()) };
            Self { identity, len: file.len(), modified: (file.mtime(), file.mtime_nsec()) }
        }
        #[cfg(not(unix))]
        {
            let identity = Identity { created: file.created().ok() };
            Self { identity, len: file.len(), modified: file.modified().ok() }
        }
    }

    /// The same of what the system call says.
    #[cfg(target_os = "linux")]
    pub(in crate::project) fn of_statx(file: &rustix::fs::Statx, device: u64) -> Self {
        let changed = (file.stx_ctime.tv_sec, file.stx_ctime.tv_nsec.into());
        let modified = (file.stx_mtime.tv_sec, file.stx_mtime.tv_nsec.into());
        Self { identity: Identity { device, inode: file.stx_ino, changed }, len: file.stx_size, modified }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether any change from `moment` on gives the file another stamp.
    pub(super) fn is_settled(&self, moment: SystemTime) -> bool {
        let settled = |time: Time| moment_of(time).is_some_and(|time| is_over(time, moment));
        #[cfg(unix)]
        return settled(self.modified) && settled(self.identity.changed);
        #[cfg(not(unix))]
        return settled(self.modified);
    }
}

fn is_over(time: SystemTime, moment: SystemTime) -> bool {
    moment.duration_since(time).is_ok_and(|age| age >= CLOCK_TICK)
}

/// Times before 1970 are as good as 1970.
#[cfg(unix)]
fn moment_of((seconds, nanoseconds): Time) -> Option<SystemTime> {
    let nanoseconds = Duration::from_nanos(nanoseconds.try_into().unwrap_or_default());
    let since = Duration::from_secs(seconds.try_into().unwrap_or_default()) + nanoseconds;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(not(unix))]
fn moment_of(time: Time) -> Option<SystemTime> {
    time
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Identity, Stamp};

    fn settled(modified: i64, changed: i64) -> bool {
        let identity = Identity { device: 1, inode: 1, changed: (changed, 0) };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        Stamp { identity, len: 1, modified: (modified, 0) }.is_settled(now)
    }

    #[test]
    fn a_file_is_settled_two_seconds_after_it_was_last_changed() {
        assert!(settled(998, 998));
        assert!(settled(-5, 0));
        for (modified, changed) in [(999, 0), (0, 999), (0, 1_000), (2_000, 0), (0, 2_000)] {
            assert!(!settled(modified, changed), "{modified} {changed}");
        }
    }
}
