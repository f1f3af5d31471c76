//! The programs under test.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Finds the built `session-mcp`: the one that `SESSION_TEST_BINARY` names, else the one that cargo builds now.
///
/// # Panics
///
/// If it is not there or does not build.
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| find("SESSION_TEST_BINARY", &["--bin", "session-mcp"])).clone()
}

/// Finds the built example `everything`: the one that `SESSION_TEST_EVERYTHING` names, else the one that cargo builds
/// now.
///
/// # Panics
///
/// If it is not there or does not build.
pub fn everything() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| find("SESSION_TEST_EVERYTHING", &["--example", "everything", "--all-features"])).clone()
}

fn find(variable: &str, target: &[&str]) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| build(target), PathBuf::from)
}

fn build(target: &[&str]) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", "session-mcp", "--message-format", "json"]).args(target);
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(built.status.success(), "{target:?} does not build; the reason is above");
    let messages = String::from_utf8(built.stdout).expect("cargo writes UTF-8");
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo says where it put the executable")
}
