//! Where clients meet the server.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use session_test_servers::{Server, eventually};
use session_tests::{address, everything};
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempDir};

/// What a client starts over stdio: the server, whose standard output and exit status are written down on the way, also
/// if the client loses its patience.
const RECORDED: &str = r#"trap '' TERM; { "$@"; echo $? >"$0/$$.status"; } | tee "$0/$$.stdout""#;

/// What clients show to a server that asks who calls.
const TOKEN: &str = "a-token-that-only-the-clients-have";

/// Where sessions are kept.
#[derive(Debug)]
pub(crate) enum Store {
    /// In the server's process.
    Memory,
    /// In a Redis of its own.
    Redis(Server),
}

impl Store {
    pub(crate) async fn redis() -> Self {
        Self::Redis(Server::start().await)
    }

    fn url(&self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::Redis(server) => server.url(),
        }
    }
}

/// Where clients connect to, and the store behind it.
#[derive(Debug)]
pub(crate) struct Site {
    door: Door,
    store: Store,
}

#[derive(Debug)]
enum Door {
    /// One server for all, which serves everybody, or only who is in the file of tokens.
    Http { process: Child, url: String, tokens: Option<NamedTempFile> },
    /// Each client starts its own, which leaves its records in this folder.
    Stdio(TempDir),
}

impl Site {
    /// One server for all clients.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    pub(crate) fn http(store: Store) -> Self {
        Self::listen(store, None)
    }

    /// One server for all clients, which knows them by a token and asks them to mirror a handle into a header.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    pub(crate) fn mirroring(store: Store) -> Self {
        let mut tokens = NamedTempFile::new().expect("the system has room for a temporary file");
        let digits = hex::encode(Sha256::digest(TOKEN));
        writeln!(tokens, "[[token]]\nsha256 = \"{digits}\"\nissuer = \"https://issuer.example\"\nsubject = \"alice\"")
            .expect("the file is ours");
        Self::listen(store, Some(tokens))
    }

    fn listen(store: Store, tokens: Option<NamedTempFile>) -> Self {
        let mut command = Command::new(everything());
        command.env_clear().args(["--http", "127.0.0.1:0", "--store", &store.url()]);
        if let Some(tokens) = &tokens {
            command.arg("--handle-header").arg("--tokens").arg(tokens.path());
        }
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut log = BufReader::new(process.stderr.take().expect("stderr was piped above")).lines();
        let mut lines = log.by_ref().map_while(Result::ok).inspect(|line| echo(line));
        let url = lines.find_map(|line| address(&line)).expect("the server says where it listens");
        thread::spawn(move || log.map_while(Result::ok).for_each(|line| echo(&line)));
        Self { door: Door::Http { process, url, tokens }, store }
    }

    /// A server for each client, which the client starts.
    pub(crate) fn stdio(store: Store) -> Self {
        Self { door: Door::Stdio(tempfile::tempdir().expect("the system has room for a temporary folder")), store }
    }

    /// What a client connects to: a URL, or a command.
    pub(crate) fn target(&self) -> Vec<String> {
        let folder = match &self.door {
            Door::Http { url, .. } => return vec![url.clone()],
            Door::Stdio(folder) => text(folder.path()),
        };
        let everything = everything();
        let server = text(&everything);
        ["/bin/sh", "-c", RECORDED, folder, server, "--store", &self.store.url()].map(str::to_owned).to_vec()
    }

    /// What a client has to show, if the server asks who calls.
    pub(crate) fn token(&self) -> Option<&'static str> {
        matches!(self.door, Door::Http { tokens: Some(_), .. }).then_some(TOKEN)
    }

    /// Ends what serves, after the clients have closed.
    ///
    /// # Panics
    ///
    /// If it does not end well, or printed anything but the protocol.
    pub(crate) async fn end(mut self) {
        match &mut self.door {
            Door::Http { process, .. } => {
                kill_process(Pid::from_child(process), Signal::TERM).expect("the server still runs");
                let status =
                    eventually("end of the server", async || process.try_wait().expect("it was started above"));
                assert!(status.await.success(), "the server ends well");
                let mut printed = String::new();
                process.stdout.take().expect("stdout was piped above").read_to_string(&mut printed).expect("UTF-8");
                assert_eq!(printed, "", "what the server printed");
            }
            Door::Stdio(folder) => {
                let folder = folder.path();
                let servers = files(folder, "stdout");
                let statuses = eventually("end of every server", async || {
                    let statuses: Vec<_> = files(folder, "status").iter().map(|path| read(path)).collect();
                    (statuses.len() == servers.len() && !statuses.contains(&String::new())).then_some(statuses)
                });
                assert_eq!(statuses.await, vec!["0\n"; servers.len()], "every server ends well");
                for line in servers.iter().map(|path| read(path)).collect::<String>().lines() {
                    let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                    assert_eq!(message["jsonrpc"], "2.0", "no message of the protocol: {line}");
                }
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Door::Http { process, .. } = &mut self.door {
            // Without effect after `end`.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The files of a folder that end in a way.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is ours").map(|entry| entry.expect("it is read").path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the server prints UTF-8")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Shows a line of the server's log with the output of the test.
fn echo(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
