//! The clients that people use, each run by its own driver.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// Python `mcp` 1.30.
    Mcp1,
    /// Python `mcp` 2.3.
    Mcp2,
    /// TypeScript `@modelcontextprotocol/sdk` 1.32.
    Sdk1,
    /// TypeScript `@modelcontextprotocol/client` 2.4.
    Client2,
}

impl Sdk {
    /// The protocol version it has to agree on with a server that speaks both.
    #[must_use]
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Mcp1 | Self::Sdk1 | Self::Client2 => "2025-11-25",
            Self::Mcp2 => "2026-07-28",
        }
    }

    fn command(self) -> Command {
        // Asked when running: a build directory may be shared by several checkouts.
        let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests"));
        let (driver, needs) = match self {
            Self::Mcp1 => ("mcp_1.py", "mcp_1"),
            Self::Mcp2 => ("mcp_2.py", "mcp_2"),
            Self::Sdk1 => ("sdk_1.mjs", "npm"),
            Self::Client2 => ("client_2.mjs", "npm"),
        };
        let installed = package.join("../target/clients").join(needs);
        assert!(installed.exists(), "{needs} is not installed; `tests/run` installs it");
        let mut command = match needs {
            "npm" => Command::new("node"),
            _ => Command::new(installed.join("bin/python")),
        };
        if needs != "npm" {
            command.arg("-B");
        }
        command.arg(package.join("clients").join(driver));
        command
    }
}

/// A connection of one such client, in a process of its own.
///
/// Everything it says is checked against the protocol version it must have agreed on, and against noise: what came
/// over the connection and was not the protocol.
#[derive(Debug)]
pub struct Client {
    process: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Connects to a URL, or to a command that it starts.
    ///
    /// # Panics
    ///
    /// If the client is not installed, does not connect, or agreed on another protocol version than its own.
    #[must_use]
    pub fn connect(sdk: Sdk, target: &str) -> Self {
        Self::connect_with(sdk, target, &[])
    }

    /// The same, with arguments for the command.
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    #[must_use]
    pub fn connect_with(sdk: Sdk, target: &str, arguments: &[String]) -> Self {
        let mut command = sdk.command();
        command.arg(target).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Neither a proxy nor the settings of whoever runs the tests get between client and server.
        command.env_clear().envs(["HOME", "PATH"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        let mut process = command.spawn().expect("the client's driver starts");
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("stdout was piped above")).lines();
        let mut client = Self { process, commands, answers };
        assert_eq!(client.receive()["protocol"], sdk.protocol(), "the protocol version they agreed on");
        client
    }

    /// The processes that it started: its server, over stdio.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[must_use]
    pub fn children(&self) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("the client still runs");
        let children = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let ids = |line: String| line.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>();
        children.flat_map(ids).collect()
    }

    /// Lists the tools.
    ///
    /// # Panics
    ///
    /// If the server does not list them.
    pub fn tools(&mut self) -> Vec<Value> {
        self.send(&json!({ "tools": null }));
        self.receive()["tools"].as_array().expect("a list of tools").clone()
    }

    /// Calls a tool and waits for the answer.
    ///
    /// # Panics
    ///
    /// If the connection breaks.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        self.begin(tool, arguments);
        self.finish()
    }

    /// Calls a tool without waiting, so that other clients can call meanwhile.
    ///
    /// # Panics
    ///
    /// If the connection broke.
    #[expect(clippy::needless_pass_by_value, reason = "arguments are written where they are passed")]
    pub fn begin(&mut self, tool: &str, arguments: Value) {
        self.send(&json!({ "call": [tool, arguments] }));
    }

    /// Waits for the answer to what was begun.
    ///
    /// # Panics
    ///
    /// If the connection breaks.
    pub fn finish(&mut self) -> Answer {
        let mut answer = self.receive();
        if let Some(error) = answer.get("error") {
            return Answer::ProtocolError(error.clone());
        }
        let mut result = answer["result"].take();
        let text = result["content"][0]["text"].as_str().map(str::to_owned);
        if result["isError"] == true {
            return Answer::Refusal(text.expect("a refusal says why"));
        }
        match result["structuredContent"].take() {
            Value::Null => Answer::Text(text.expect("an answer says something")),
            content => Answer::Content(content),
        }
    }

    /// Calls a tool that has to succeed, and returns what it says.
    ///
    /// # Panics
    ///
    /// If it does not succeed.
    pub fn ask(&mut self, tool: &str, arguments: Value) -> Value {
        self.call(tool, arguments).content()
    }

    /// Opens a session and returns its handle.
    ///
    /// # Panics
    ///
    /// If the server opens none.
    pub fn open(&mut self) -> String {
        let opened = self.ask("open_session", json!({}));
        opened["session"].as_str().expect("a handle").to_owned()
    }

    /// Ends the connection as the protocol says.
    ///
    /// # Panics
    ///
    /// If anything but the protocol came over it, or the client does not end well.
    pub fn close(mut self) {
        self.commands = None;
        assert_eq!(self.receive()["noise"], json!([]), "what came over the connection besides the protocol");
        assert!(self.process.wait().expect("the client was started above").success());
    }

    fn send(&mut self, command: &Value) {
        let commands = self.commands.as_mut().expect("only `close` takes it");
        writeln!(commands, "{command}").expect("the client listens");
    }

    fn receive(&mut self) -> Value {
        let answer = self.answers.next().expect("the client broke off; its reason is above").expect("UTF-8");
        serde_json::from_str(&answer).expect("the client's driver answers in JSON")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Without effect after `close`. A server that the client started sees its stdin end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a call was answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Structured content.
    Content(Value),
    /// A text and nothing else.
    Text(String),
    /// A tool execution error, which the model gets to read.
    Refusal(String),
    /// A JSON-RPC error, which it does not.
    ProtocolError(Value),
}

impl Answer {
    /// The structured content.
    ///
    /// # Panics
    ///
    /// If the call failed.
    #[must_use]
    #[track_caller]
    pub fn content(self) -> Value {
        match self {
            Self::Content(content) => content,
            other => panic!("should have succeeded: {other:?}"),
        }
    }

    /// The text of a successful call that has no structured content.
    ///
    /// # Panics
    ///
    /// If the call failed, or has structured content.
    #[must_use]
    #[track_caller]
    pub fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            other => panic!("should have succeeded with a text: {other:?}"),
        }
    }

    /// The text of the tool execution error.
    ///
    /// # Panics
    ///
    /// If the call succeeded, or failed otherwise.
    #[must_use]
    #[track_caller]
    pub fn refusal(self) -> String {
        match self {
            Self::Refusal(text) => text,
            other => panic!("should have been a tool execution error: {other:?}"),
        }
    }
}
