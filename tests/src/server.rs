//! The server under test, started and ended as an operator would.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _, stderr};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary::binary;

const PATIENCE: Duration = Duration::from_secs(20);

/// The server over Streamable HTTP, at a port of its own. It is killed when dropped.
#[derive(Debug)]
pub struct HttpServer {
    command: Command,
    process: Child,
    url: String,
}

impl HttpServer {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    #[must_use]
    pub fn start() -> Self {
        Self::start_of(&binary())
    }

    /// Starts another server that takes the arguments that `session-mcp` takes.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    #[must_use]
    pub fn start_of(binary: &Path) -> Self {
        Self::begin(command(binary))
    }

    /// Starts one with arguments besides those that say where it listens.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    #[must_use]
    pub fn start_with(arguments: &[String]) -> Self {
        Self::start_of_with(&binary(), arguments)
    }

    /// Starts another server with arguments besides those that say where it listens.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    #[must_use]
    pub fn start_of_with(binary: &Path, arguments: &[String]) -> Self {
        let mut command = command(binary);
        command.args(arguments);
        Self::begin(command)
    }

    /// Starts one with settings, each a key as in the variables, such as `LIMITS__SESSIONS`, and a value.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    #[must_use]
    pub fn configured(settings: &[(&str, &str)]) -> Self {
        let mut command = command(&binary());
        command.envs(settings.iter().map(|(key, value)| (format!("SESSION_MCP_{key}"), value)));
        Self::begin(command)
    }

    fn begin(command: Command) -> Self {
        let (process, url) = listen(&command, "127.0.0.1:0");
        Self { command, process, url }
    }

    /// Starts it once more after its end, where it was.
    ///
    /// # Panics
    ///
    /// If it ends before it listens.
    pub fn start_again(&mut self) {
        let (process, url) = listen(&self.command, self.address());
        assert_eq!(url, self.url, "it is where it was");
        self.process = process;
    }

    /// Where it serves the protocol.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/mcp")
    }

    /// How many files it has open, connections among them.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[must_use]
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("the server still runs").count()
    }

    /// Sends a request and returns the answer, head and body, as it came.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn request(&self, head: &str, body: &str) -> String {
        SlowPost::begin(self, head, body).answer()
    }

    /// Asks it to end, with SIGTERM.
    ///
    /// # Panics
    ///
    /// If it has ended already.
    pub fn terminate(&self) {
        terminate(&self.process);
    }

    /// Ends it in the middle of whatever it does, with SIGKILL.
    ///
    /// # Panics
    ///
    /// If it has ended already.
    pub fn kill(&mut self) {
        assert_eq!(self.process.try_wait().expect("the server was started above"), None, "the server still runs");
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it was just killed");
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.process)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request whose last byte is kept back, so that it is in flight for as long as a test wants.
#[derive(Debug)]
pub struct SlowPost {
    stream: TcpStream,
    rest: String,
}

impl SlowPost {
    /// Sends a head (a request line, and headers besides those that follow from server and body) and all but the
    /// last byte of the body.
    ///
    /// # Panics
    ///
    /// If the server is not there.
    #[must_use]
    pub fn begin(server: &HttpServer, head: &str, body: &str) -> Self {
        let host = server.address();
        let mut stream = TcpStream::connect(host).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let (first, rest) = body.split_at(body.len().saturating_sub(1));
        let length = body.len();
        let head = head.trim_end().replace('\n', "\r\n");
        write!(stream, "{head}\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{first}")
            .expect("the server reads");
        Self { stream, rest: rest.to_owned() }
    }

    /// Sends the last byte.
    ///
    /// # Panics
    ///
    /// If the server reads no more.
    #[must_use]
    pub fn last_byte(mut self) -> Self {
        let rest = std::mem::take(&mut self.rest);
        self.stream.write_all(rest.as_bytes()).expect("the server still reads");
        self
    }

    /// Sends the last byte, unless it was sent, and returns the answer, head and body, as it came.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn answer(self) -> String {
        let mut sent = self.last_byte();
        let mut answer = String::new();
        sent.stream.read_to_string(&mut answer).expect("the server answers");
        answer
    }
}

/// The server over stdio, spoken to line by line. What it says waits in the pipe until a test listens.
#[derive(Debug)]
pub struct StdioServer {
    process: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl StdioServer {
    /// Starts one, with `RUST_LOG` set to `log`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(log: &str) -> Self {
        Self::start_of(&binary(), log)
    }

    /// Starts another server that serves stdio without arguments.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start_of(binary: &Path, log: &str) -> Self {
        let mut command = command(binary);
        command.env("RUST_LOG", log).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().expect("stdout was piped above"));
        let (sender, lines) = sync_channel(0);
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, stdin, lines }
    }

    /// Sends a message.
    ///
    /// # Panics
    ///
    /// If the server does not read it.
    pub fn say(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().expect("only `hang_up` takes it");
        writeln!(stdin, "{message}").expect("the server reads");
    }

    /// Waits for the next line.
    ///
    /// # Panics
    ///
    /// If none comes.
    #[must_use]
    pub fn hear(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the server says something")
    }

    /// Ends its stdin.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Asks it to end, with SIGTERM.
    ///
    /// # Panics
    ///
    /// If it has ended already.
    pub fn terminate(&self) {
        terminate(&self.process);
    }

    /// Listens until it has ended, and returns what else it said.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[must_use]
    pub fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return (wait(&mut self.process), rest),
                Err(RecvTimeoutError::Timeout) => panic!("the server does not end"),
            }
        }
    }
}

impl Drop for StdioServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    // The settings of whoever runs the tests are not those of the server under test.
    command.env_clear().envs(["HOME", "PATH"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

/// Starts a server that is to listen at an address, waits until it does, and returns where.
fn listen(command: &Command, address: &str) -> (Child, String) {
    let mut again = self::command(Path::new(command.get_program()));
    again.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut process = again.args(["--http", address]).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut log = BufReader::new(process.stderr.take().expect("stderr was piped above")).lines();
    let url = log
        .by_ref()
        .map_while(Result::ok)
        .inspect(|line| echo(line))
        .find_map(|line| self::address(&line))
        .expect("the server says where it listens");
    thread::spawn(move || log.map_while(Result::ok).for_each(|line| echo(&line)));
    (process, url)
}

/// Shows a line of the server's log with the output of the test.
fn echo(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

/// Where a server says that it listens, if this is the line of its log that says so.
#[must_use]
pub fn address(line: &str) -> Option<String> {
    let (_, from) = line.split_once("http://")?;
    let (host, _) = from.split_once("/mcp")?;
    Some(format!("http://{host}/mcp"))
}

fn terminate(process: &Child) {
    kill_process(Pid::from_child(process), Signal::TERM).expect("the server still runs");
}

fn wait(process: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait().expect("the server was started above") {
            return status;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the server does not end");
}
