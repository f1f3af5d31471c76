//! A client in a process of its own.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::library::Library;
use crate::site::Site;

/// A connection of one client. What its library makes of an answer is what a test sees.
#[derive(Debug)]
pub(crate) struct Client {
    library: Library,
    process: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Connects a client of each of `libraries`, all at once.
    ///
    /// # Panics
    ///
    /// If one is not installed, does not connect, or agrees on another protocol version than its own.
    pub(crate) fn connect(libraries: impl IntoIterator<Item = Library>, site: &Site) -> Vec<Self> {
        let mut clients: Vec<_> = libraries.into_iter().map(|library| Self::start(library, site)).collect();
        for client in &mut clients {
            let agreed = client.receive()["protocol"].take();
            assert_eq!(agreed, client.library.protocol(), "the protocol version of {:?}", client.library);
        }
        clients
    }

    fn start(library: Library, site: &Site) -> Self {
        let mut driver = library.driver();
        driver.args(site.target()).envs(site.token().map(|token| ("BEARER", token)));
        driver.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = driver.spawn().expect("the client's driver starts");
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("stdout was piped above")).lines();
        Self { library, process, commands, answers }
    }

    pub(crate) fn library(&self) -> Library {
        self.library
    }

    /// Lists the tools. From now on the library validates what they answer.
    pub(crate) fn tools(&mut self) -> Vec<Value> {
        self.send(&json!({ "tools": null }));
        self.receive()["tools"].as_array().expect("a list of tools").clone()
    }

    /// Calls a tool without waiting, so that other clients can call meanwhile.
    #[expect(clippy::needless_pass_by_value, reason = "arguments are written where they are passed")]
    pub(crate) fn begin(&mut self, tool: &str, arguments: Value) {
        self.send(&json!({ "call": [tool, arguments] }));
    }

    /// Waits for what the library makes of the answer to what was begun first: `{"result": …}` or `{"error": …}`.
    pub(crate) fn answer(&mut self) -> Value {
        self.receive()
    }

    /// Waits for the result of what was begun first.
    ///
    /// # Panics
    ///
    /// If there is none but a JSON-RPC error, or what its library made of an answer it did not accept.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> Value {
        let mut answer = self.answer();
        assert!(answer["result"].is_object(), "{:?} got no result: {answer}", self.library);
        answer["result"].take()
    }

    /// Calls a tool that has to succeed, and returns what it says.
    #[track_caller]
    pub(crate) fn ask(&mut self, tool: &str, arguments: Value) -> Value {
        self.begin(tool, arguments);
        let mut result = self.finish();
        assert_ne!(result["isError"], true, "{tool} should have succeeded for {:?}: {result}", self.library);
        result["structuredContent"].take()
    }

    /// Calls a tool that has to refuse, and returns what it tells the model.
    #[track_caller]
    pub(crate) fn refusal(&mut self, tool: &str, arguments: Value) -> String {
        self.begin(tool, arguments);
        let result = self.finish();
        assert_eq!(result["isError"], true, "{tool} should have refused {:?}: {result}", self.library);
        result["content"][0]["text"].as_str().expect("a refusal says why").to_owned()
    }

    /// Opens a session and returns its handle.
    #[track_caller]
    pub(crate) fn open(&mut self) -> String {
        self.ask("open_session", json!({}))["session"].as_str().expect("a handle").to_owned()
    }

    /// Counts in the session of a handle, or in that of the connection.
    #[track_caller]
    pub(crate) fn count(&mut self, session: Option<&str>) -> u64 {
        self.begin_count(session);
        self.finish_count()
    }

    /// Counts without waiting.
    pub(crate) fn begin_count(&mut self, session: Option<&str>) {
        self.begin("counter", session.map_or_else(|| json!({}), |session| json!({ "session": session })));
    }

    /// Waits for the count that was begun first.
    #[track_caller]
    pub(crate) fn finish_count(&mut self) -> u64 {
        let result = self.finish();
        let count = result["structuredContent"]["count"].as_u64();
        let count = count.unwrap_or_else(|| panic!("no count for {:?}: {result}", self.library));
        assert_eq!(result["content"][0]["text"], count.to_string(), "what a model without the other reads");
        count
    }

    /// Ends the connection as the protocol says.
    ///
    /// # Panics
    ///
    /// If anything but the protocol came over it, or the client does not end well.
    pub(crate) fn close(mut self) {
        self.commands = None;
        assert_eq!(self.receive()["noise"], json!([]), "what {:?} got besides the protocol", self.library);
        assert!(self.process.wait().expect("the client was started above").success(), "{:?} broke", self.library);
    }

    fn send(&mut self, command: &Value) {
        let commands = self.commands.as_mut().expect("only `close` takes it");
        writeln!(commands, "{command}").expect("the client listens");
    }

    fn receive(&mut self) -> Value {
        let answer = self.answers.next();
        let answer = answer.unwrap_or_else(|| panic!("{:?} broke off; its reason is above", self.library));
        serde_json::from_str(&answer.expect("UTF-8")).expect("the client's driver answers in JSON")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Without effect after `close`. A server that the client started sees its stdin end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
