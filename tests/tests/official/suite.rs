//! The suite, run as its users run it, and what it says.

use std::fs;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// What the suite asks of a server that speaks a protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requirements {
    V2025_11_25,
    V2026_07_28,
}

impl Requirements {
    fn version(self) -> &'static str {
        match self {
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// How many scenarios that is, scored and not.
    fn scenarios(self) -> usize {
        match self {
            Self::V2025_11_25 => 33,
            Self::V2026_07_28 => 50,
        }
    }
}

/// The scenario that the suite runs and always skips, as it knows no server that has what it is about.
const SKIPPED: &str = "tasks-status-notifications";

/// One thing that a scenario looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    id: String,
    description: String,
    status: Status,
    error_message: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Success,
    Failure,
    Warning,
    Skipped,
    /// Tells what was seen; nothing was expected.
    Info,
}

/// Lets the suite loose on the server behind a URL, which has to be one of loopback.
///
/// # Panics
///
/// If a check of any scenario fails, warns or is skipped, with what the suite says of it; if a scenario is missing; if
/// the suite is not installed.
#[track_caller]
pub(crate) fn passes_the_official_suite(url: &str, requirements: Requirements) {
    let folder = tempfile::tempdir().expect("the system has room for a temporary folder");
    let (strict, results) = (folder.path().join("strict.yaml"), folder.path().join("results"));
    // To expect no failures is to take warnings for such.
    fs::write(&strict, "server: []\n").expect("the folder is ours");
    let mut suite = suite();
    suite.args(["server", "--url", url, "--requirements", requirements.version()]);
    suite.arg("--expected-failures").arg(strict).arg("-o").arg(&results);
    let run = suite.output().expect("node is installed");
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let scenarios = scenarios(&results);
    let mut complaints = Vec::new();
    for (scenario, checks) in &scenarios {
        for check in checks.iter().filter(|check| !check.is_passed(scenario)) {
            let said = check.error_message.as_ref().unwrap_or(&check.description);
            complaints.push(format!("{scenario}: {}: {:?}: {said}", check.id, check.status));
        }
    }
    assert!(complaints.is_empty(), "the suite says of {url}:\n{}\n\n{said}", complaints.join("\n"));
    assert!(run.status.success(), "the suite ends with {}:\n{said}", run.status);
    assert_eq!(scenarios.len(), requirements.scenarios(), "the scenarios of {requirements:?}:\n{said}");
    let passed = scenarios.iter().flat_map(|(_, checks)| checks).filter(|check| check.status == Status::Success);
    let (scenarios, checks, version) = (scenarios.len(), passed.count(), requirements.version());
    let _ = writeln!(stderr(), "{scenarios} scenarios of {version} passed, with {checks} checks");
}

impl Check {
    fn is_passed(&self, scenario: &str) -> bool {
        match self.status {
            Status::Success | Status::Info => true,
            Status::Skipped => scenario == SKIPPED,
            Status::Failure | Status::Warning => false,
        }
    }
}

/// The suite as a command.
fn suite() -> Command {
    // Asked when running: a build directory may be shared by several checkouts.
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests"));
    let clients = package.join("../target/clients");
    let (node, suite) = (clients.join("node_22/bin/node"), clients.join("official/node_modules").join(PROGRAM));
    assert!(node.exists() && suite.exists(), "the official suite is not installed; `tests/run` installs it");
    let mut command = Command::new(node);
    // Neither a proxy nor the settings of whoever runs the tests get between suite and server.
    command.env_clear().arg(suite);
    command
}

const PROGRAM: &str = "@modelcontextprotocol/conformance/dist/index.js";

/// What the suite found in each scenario.
fn scenarios(results: &Path) -> Vec<(String, Vec<Check>)> {
    let Ok(folders) = fs::read_dir(results) else { return Vec::new() };
    let mut scenarios: Vec<_> = folders
        .map(|folder| {
            let folder = folder.expect("the suite has ended").path();
            let name = folder.file_name().and_then(|name| name.to_str()).expect("the suite writes plain names");
            let scenario = name.strip_prefix("server-").and_then(|name| name.get(..name.len() - TIME.len()));
            let checks = fs::read_to_string(folder.join("checks.json")).expect("the suite writes what it checked");
            let checks = serde_json::from_str(&checks).expect("the suite writes checks");
            (scenario.expect("a folder is named for its scenario").to_owned(), checks)
        })
        .collect();
    scenarios.sort_by(|(one, _), (other, _)| one.cmp(other));
    scenarios
}

/// How the folder of a scenario ends.
const TIME: &str = "-2026-07-28T00-00-00-000Z";
