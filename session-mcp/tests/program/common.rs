//! The program, and how to speak with it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// The program with nothing of the environment it might read.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-mcp"));
    let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SESSION_MCP_"));
    for (name, _) in own {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

/// Says all of `messages`, then nothing more.
pub(crate) fn converse(command: &mut Command, messages: &[Value]) -> Output {
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    for message in messages {
        // A program that refuses its settings does not listen.
        let _ = writeln!(stdin, "{message}");
    }
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

pub(crate) fn initialize() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

pub(crate) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub(crate) fn answers(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).expect("UTF-8").lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not the protocol: {line}"))).collect()
}

pub(crate) fn refused(command: &mut Command) -> (Option<i32>, String) {
    let output = converse(command, &[]);
    assert!(output.stdout.is_empty(), "standard output belongs to the protocol");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

/// A server over HTTP.
pub(crate) struct Listening {
    child: Child,
    pub(crate) url: String,
    /// Collects what it logs.
    log: JoinHandle<String>,
}

impl Listening {
    /// Starts one with these settings and reads its address from the log.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.args(["--http", "127.0.0.1:0"]).spawn().expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut log = String::new();
        let url = loop {
            let begin = log.len();
            assert_ne!(stderr.read_line(&mut log).expect("UTF-8"), 0, "it does not listen: {log}");
            if let Some((_, address)) = log[begin..].split_once("listening on ") {
                break address.split_once("/mcp").map(|(address, _)| format!("{address}/mcp")).expect("an address");
            }
        };
        let log = std::thread::spawn(move || {
            stderr.read_to_string(&mut log).expect("UTF-8");
            log
        });
        Self { child, url, log }
    }

    /// Asks it to end, and says how it ended and what it logged.
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        (end(&mut self.child, signal), self.log.join().expect("it collects"))
    }
}

pub(crate) fn end(child: &mut Child, signal: Signal) -> Option<i32> {
    kill_process(Pid::from_child(child), signal).expect("it runs");
    ended(child)
}

/// Waits for the end of a program, which has to come soon.
pub(crate) fn ended(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(8) {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    panic!("it did not end");
}
