//! Over stdio, with the binary of this package as the server.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use session_mcp::project::{McpTracker, ProjectTracker as _, TrackedProject, TrackerSettings};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// A program whose starts leave their process ids in a file.
struct Program {
    pids: PathBuf,
    command: Vec<String>,
    _folder: TempDir,
}

impl Program {
    /// Runs `script`, in which `$SERVER` is a server.
    fn new(script: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let pids = folder.path().join("pids");
        let script = format!("echo $$ >> \"$0\"; SERVER=\"$1\"; {script}");
        let server = env!("CARGO_BIN_EXE_session-mcp");
        let command = ["sh", "-c", &script, pids.to_str().expect("UTF-8"), server].map(str::to_owned).to_vec();
        Self { pids, command, _folder: folder }
    }

    /// A tracker that takes the handle of a new session for a project.
    fn tracker(&self) -> McpTracker {
        let settings = TrackerSettings {
            command: self.command.clone(),
            tool: "open_session".to_owned(),
            id: Some("/session".to_owned()),
            ..TrackerSettings::default()
        };
        McpTracker::new(&settings).expect("the settings are valid")
    }

    fn pids(&self) -> Vec<Pid> {
        let pids = std::fs::read_to_string(&self.pids).unwrap_or_default();
        let pids = pids.lines().map(|pid| pid.parse().ok().and_then(Pid::from_raw));
        pids.map(|pid| pid.expect("a process id")).collect()
    }
}

async fn project(tracker: &McpTracker) -> TrackedProject {
    let project = tracker.current_project(None).await.expect("it is told").expect("there is one");
    assert!(project.id.starts_with("ses_"), "a handle");
    project
}

/// Waits until a process has ended, longer than any takes.
async fn ended(pid: Pid) {
    for _ in 0..600 {
        if test_kill_process(pid).is_err() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("it still runs");
}

#[tokio::test]
async fn a_program_is_started_at_the_first_question_and_ends_with_the_tracker() {
    let program = Program::new("exec \"$SERVER\"");
    let tracker = program.tracker();
    assert!(program.pids().is_empty());
    assert_ne!(project(&tracker).await, project(&tracker).await);
    let pids = program.pids();
    assert_eq!(pids.len(), 1, "it is one program");
    test_kill_process(pids[0]).expect("it runs");
    drop(tracker);
    ended(pids[0]).await;
}

#[tokio::test]
async fn a_program_that_ended_is_started_again() {
    let program = Program::new("exec \"$SERVER\"");
    let tracker = program.tracker();
    project(&tracker).await;
    let first = program.pids()[0];
    kill_process(first, Signal::KILL).expect("it runs");
    project(&tracker).await;
    assert_eq!(program.pids().len(), 2);
    ended(first).await;
}

#[tokio::test]
async fn a_program_that_starts_slower_than_anybody_waits_serves_later_questions() {
    let program = Program::new("until [ -e \"$0.go\" ]; do sleep 0.1; done; exec \"$SERVER\"");
    let tracker = program.tracker();
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(20), tracker.current_project(None)).await.is_err());
    }
    std::fs::write(program.pids.with_extension("go"), "").expect("it can be written");
    project(&tracker).await;
    assert_eq!(program.pids().len(), 1, "no question started it anew");
}

#[tokio::test]
async fn a_program_that_says_nothing_ends_with_the_tracker() {
    let program = Program::new("exec sleep 600");
    let tracker = program.tracker();
    let mut asked = Box::pin(tracker.current_project(None));
    while program.pids().is_empty() {
        assert!(timeout(Duration::from_millis(20), &mut asked).await.is_err());
    }
    drop(asked);
    drop(tracker);
    ended(program.pids()[0]).await;
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_an_error() {
    let program = Program::new("exit 1");
    let refused = program.tracker().current_project(None).await.expect_err("nobody answers");
    assert_eq!(refused.to_string(), "there is no connection");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let command = vec!["/no/such/program".to_owned()];
    let tracker = McpTracker::new(&TrackerSettings { command, ..TrackerSettings::default() }).expect("valid");
    let refused = tracker.current_project(None).await.expect_err("it does not start");
    let cause = refused.source().map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("the program does not start"));
}
