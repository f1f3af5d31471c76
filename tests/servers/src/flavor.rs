//! The programs that the tests run against.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt};

/// A server program of one version.
///
/// `tests/run` installs those that the tests need. The ones that are not on the path are in `target/servers` of the
/// workspace, or in the folder that the variable `SESSION_TEST_SERVERS` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavor {
    name: &'static str,
    program: PathBuf,
    version: Version,
}

impl Flavor {
    /// The one that tests use unless they ask for another: the program that the variable `SESSION_TEST_SERVER` names,
    /// else `redis-server` from the path.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn usual() -> Self {
        match env::var_os("SESSION_TEST_SERVER") {
            Some(program) => Self::probe("the server that SESSION_TEST_SERVER names", program.as_ref()),
            None => Self::redis(),
        }
    }

    /// The `redis-server` of the path, 7.0 on Debian 12.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn redis() -> Self {
        Self::probe("redis", "redis-server".as_ref())
    }

    /// The oldest Redis that is supported, 6.2.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn redis_6_2() -> Self {
        Self::probe("redis-6.2", &installed("redis-6.2/redis-server"))
    }

    /// Valkey; `None` where the machine cannot have it as a package, which is said aloud.
    ///
    /// # Panics
    ///
    /// If it does not run, or is missing and nobody found that there is no package.
    #[must_use]
    pub fn valkey() -> Option<Self> {
        Self::valkey_unless(&installed("no-valkey"), &installed("valkey/valkey-server"))
    }

    #[expect(clippy::print_stderr, reason = "what was not tested is not passed over in silence")]
    fn valkey_unless(none: &Path, program: &Path) -> Option<Self> {
        if none.exists() {
            eprintln!("this machine has no package of Valkey: nothing is tested with it");
            return None;
        }
        Some(Self::probe("valkey", program))
    }

    /// All that this machine has.
    ///
    /// # Panics
    ///
    /// If one of the Redis servers is missing, without which no machine tests, or Valkey is without a reason.
    #[must_use]
    pub fn all() -> Vec<Self> {
        [Self::redis_6_2(), Self::redis()].into_iter().chain(Self::valkey()).collect()
    }

    /// How the tests call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it says its version is: major, minor and patch.
    #[must_use]
    pub fn version(&self) -> (u32, u32, u32) {
        self.version
    }

    /// Where it is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    fn probe(name: &'static str, program: &Path) -> Self {
        let version = version(program).unwrap_or_else(|| {
            panic!("{name} does not run as {}; tests/run installs the servers that tests need", program.display())
        });
        Self { name, program: program.to_owned(), version }
    }
}

impl Default for Flavor {
    /// [`Flavor::usual`].
    fn default() -> Self {
        Self::usual()
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        write!(f, "{} {major}.{minor}.{patch}", self.name)
    }
}

type Version = (u32, u32, u32);

fn installed(program: &str) -> PathBuf {
    let workspace = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers");
    env::var_os("SESSION_TEST_SERVERS").map_or_else(workspace, PathBuf::from).join(program)
}

fn version(program: &Path) -> Option<Version> {
    let output = Command::new(program).arg("--version").output().ok()?;
    // `Redis server v=7.0.15 sha=00000000:0 …`, and from Valkey 8 on `Valkey server v=8.0.1 …`.
    let text = String::from_utf8(output.stdout).ok()?;
    let (_, from) = text.split_once(" v=")?;
    let mut numbers = from.split_whitespace().next()?.splitn(3, '.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

impl AsRef<OsStr> for Flavor {
    fn as_ref(&self) -> &OsStr {
        self.program.as_os_str()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn valkey_is_missing_only_where_there_is_no_package() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = folder.path().join("no-valkey");
        fs::write(&none, "").expect("the folder is ours");
        assert_eq!(Flavor::valkey_unless(&none, &folder.path().join("valkey-server")), None);
    }

    #[test]
    #[should_panic(expected = "valkey does not run")]
    fn valkey_that_nobody_looked_for_is_a_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let _ = Flavor::valkey_unless(&folder.path().join("no-valkey"), &folder.path().join("valkey-server"));
    }
}
