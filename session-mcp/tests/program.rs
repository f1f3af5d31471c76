//! The program from outside: its settings, its words when they are wrong, its log, its end.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// The program with nothing of the environment it might read.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-mcp"));
    let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SESSION_MCP_"));
    for (name, _) in own {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("it can be written");
    file
}

/// Says all of `messages`, then nothing more.
fn converse(command: &mut Command, messages: &[Value]) -> Output {
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    for message in messages {
        // A program that refuses its settings does not listen.
        let _ = writeln!(stdin, "{message}");
    }
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn initialize() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn answers(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).expect("UTF-8").lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not the protocol: {line}"))).collect()
}

/// What the description of `open_session` says: it repeats the lifetimes.
fn lifetimes(command: &mut Command) -> String {
    let output = converse(command, &[initialize(), request(1, "tools/list", &json!({}))]);
    let listed = answers(&output).pop().expect("an answer");
    let tools = listed["result"]["tools"].as_array().expect("tools").clone();
    let open = tools.iter().find(|tool| tool["name"] == "open_session").expect("it is there");
    open["description"].as_str().expect("a text").to_owned()
}

fn refused(command: &mut Command) -> (Option<i32>, String) {
    let output = converse(command, &[]);
    assert!(output.stdout.is_empty(), "standard output belongs to the protocol");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let file = file("idle_timeout = \"61m\"\nabsolute_lifetime = \"3days\"\n[limits]\nsessions = 7\n");
    let mut command = program();
    command.arg("--config").arg(file.path());
    let said = lifetimes(&mut command);
    assert!(said.contains("1h 1m") && said.contains("3days"), "{said}");
    command.env("SESSION_MCP_IDLE_TIMEOUT", "62m");
    let said = lifetimes(&mut command);
    assert!(said.contains("1h 2m") && said.contains("3days"), "{said}");
    command.args(["--idle-timeout", "63m"]);
    let said = lifetimes(&mut command);
    assert!(said.contains("1h 3m") && said.contains("3days"), "{said}");
}

#[test]
fn the_file_can_be_named_by_a_variable() {
    let file = file("idle_timeout = \"61m\"");
    let said = lifetimes(program().env("SESSION_MCP_CONFIG", file.path()));
    assert!(said.contains("1h 1m"), "{said}");
}

#[test]
fn a_section_can_be_set_by_variables() {
    let open = request(1, "tools/call", &json!({ "name": "set_state", "arguments": { "name": "a", "value": "long" } }));
    let output = converse(program().env("SESSION_MCP_LIMITS__VALUE_BYTES", "3"), &[initialize(), open]);
    let answer = answers(&output).pop().expect("an answer");
    assert_eq!(answer["result"]["structuredContent"]["error"], "quota", "{answer}");
}

#[test]
fn a_wrong_flag_is_named() {
    for (flags, words) in [
        (&["--idle-timeout", "5"][..], ["`--idle-timeout`", "30m"]),
        (&["--idle-timeout", "0s"], ["idle timeout", "longer than nothing"]),
        (&["--http", "nowhere"], ["`--http`", "127.0.0.1:8787"]),
        (&["--store", "mongodb://h"], ["`--store`", "redis://"]),
        (&["--frob"], ["--frob", "--help"]),
        (&["--http", "127.0.0.1:0", "--allowed-host", ""], ["allowed_hosts", "*"]),
    ] {
        let (code, said) = refused(program().args(flags));
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{flags:?}: {said}");
    }
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value, words) in [
        ("SESSION_MCP_IDEL_TIMEOUT", "1h", ["`SESSION_MCP_IDEL_TIMEOUT`", "`SESSION_MCP_IDLE_TIMEOUT`"]),
        ("SESSION_MCP_LIMITS__SESIONS", "1", ["`SESSION_MCP_LIMITS__SESIONS`", "`SESSION_MCP_LIMITS__SESSIONS`"]),
        ("SESSION_MCP_BODY_LIMIT", "much", ["`SESSION_MCP_BODY_LIMIT`", "must be a whole number"]),
        ("SESSION_MCP_LIMITS", "5", ["`SESSION_MCP_LIMITS`", "must be a section"]),
        ("SESSION_MCP_REDIS__DEDLINE", "1s", ["`SESSION_MCP_REDIS__DEDLINE`", "`SESSION_MCP_REDIS__DEADLINE`"]),
        ("SESSION_MCP_REDIS__DEADLINE", "5", ["`SESSION_MCP_REDIS__DEADLINE`", "500ms"]),
        ("SESSION_MCP_REDIS__DEADLINE", "0s", ["`redis.deadline`", "more"]),
        ("SESSION_MCP_REDIS__KEY_PREFIX", "a{b}", ["`SESSION_MCP_REDIS__KEY_PREFIX`", "letters"]),
        (
            "SESSION_MCP_REDIS__TLS__CERT",
            "/x",
            ["`SESSION_MCP_REDIS__TLS__CERT`", "`SESSION_MCP_REDIS__TLS__CERTIFICATE`"],
        ),
        ("SESSION_MCP_LOG_FORMAT", "xml", ["`SESSION_MCP_LOG_FORMAT`", "text, json"]),
        ("SESSION_MCP_LIMITS__SESSIONS", "0", ["`limits.sessions`", "set it to more"]),
        ("SESSION_MCP_LIMITS__GRANTS", "0", ["`limits.grants`", "set it to more"]),
    ] {
        let (code, said) = refused(program().env("SESSION_MCP_STORE", "memory").env(name, value));
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{name}: {said}");
    }
}

#[test]
fn a_wrong_file_is_named_with_its_key() {
    for (text, words) in [
        ("idle_timout = \"1h\"", ["`idle_timout`", "did you mean `idle_timeout`"]),
        ("[limits]\nsesions = 1", ["`limits.sesions`", "did you mean `limits.sessions`"]),
        ("frobnicate = 1", ["`frobnicate`", "the keys are http"]),
        ("idle_timeout = 5", ["`idle_timeout`", "30m"]),
        ("store = \"elsewhere\"", ["`store`", "redis://"]),
        ("store = \"memory\"\n[redis]\nkey_prefx = \"a\"", ["`redis.key_prefx`", "did you mean `redis.key_prefix`"]),
        ("store = \"memory\"\n[redis]\nurl = \"a\"", ["`redis.url`", "`store`"]),
        ("store = \"memory\"\n[redis.durability]\nreplicas = 0", ["`redis.durability.replicas`", "above 0"]),
        ("store = \"memory\"\n[redis.durability]\nreplicas = 1", ["`redis.durability`", "timeout"]),
        ("idle_timeout = \"1h", ["line 1", "column"]),
    ] {
        let file = file(text);
        let (code, said) = refused(program().arg("--config").arg(file.path()));
        assert_eq!(code, Some(2), "{text}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{text}: {said}");
        assert!(said.contains(file.path().to_str().expect("UTF-8")), "{text}: {said}");
    }
    let (code, said) = refused(program().args(["--config", "/no/such/file"]));
    assert!(code == Some(2) && said.contains("/no/such/file") && said.contains("--config"), "{said}");
}

#[test]
fn a_store_that_is_away_is_said_before_anything_is_served_and_without_its_password() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let forms = [
        ("redis", "/0"),
        ("rediss", ""),
        ("redis+cluster", ""),
        ("rediss+cluster", ""),
        ("redis+sentinel", "/m"),
        ("rediss+sentinel", "/m/1"),
    ];
    for (form, path) in forms {
        let url = format!("{form}://user:hunter2@{free}{path}");
        let file = file(&format!("store = \"{url}\""));
        for command in [
            program().args(["--store", &url]),
            program().env("SESSION_MCP_STORE", &url),
            program().arg("--config").arg(file.path()),
            program().args(["--http", "127.0.0.1:0", "--store", &url]),
        ] {
            let begun = Instant::now();
            let (code, said) = refused(command.env("SESSION_MCP_REDIS__DEADLINE", "200ms"));
            assert!(begun.elapsed() < Duration::from_secs(2), "{form} took {:?}", begun.elapsed());
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(&format!("the store `{form}`")) && said.contains("`deadline`"), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("user:") && !said.contains("listening"), "{said}");
        }
    }
}

#[test]
fn a_store_url_that_cannot_be_is_refused_without_its_password() {
    for (url, why) in [
        ("redis://user:hunter2@", "host"),
        ("redis://user:hunter2@db:port", "port"),
        ("redis://user:hunter2@db/first", "database"),
        ("redis://user:hunter2%ff@db", "percent"),
        ("redis+cluster://user:hunter2@a,b/1", "one database"),
        ("rediss+sentinel://user:hunter2@a,b", "master"),
        ("postgres://user:hunter2@db", "redis://"),
    ] {
        let (code, said) = refused(program().args(["--store", url]));
        assert_eq!(code, Some(2), "{url}: {said}");
        assert!(said.contains(why) && !said.contains("hunter2"), "{url}: {said}");
    }
}

#[test]
fn a_store_that_no_server_could_serve_is_a_misuse() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    for (form, key, value, why) in [
        ("rediss", "TLS__CA", "/no/such/file", "`tls.ca`"),
        ("rediss", "TLS__KEY", "/no/such/file", "`tls.certificate`"),
        ("redis", "TLS__CA", "/no/such/file", "rediss://"),
        ("redis", "DEADLINE", "2h", "`deadline`"),
    ] {
        let mut command = program();
        let command = command.args(["--store", &format!("{form}://user:hunter2@{free}")]);
        let (code, said) = refused(command.env(format!("SESSION_MCP_REDIS__{key}"), value));
        assert_eq!(code, Some(2), "{key}: {said}");
        assert!(said.contains(why) && !said.contains("hunter2"), "{key}: {said}");
    }
}

#[test]
fn settings_of_redis_without_a_store_are_refused_and_with_memory_ignored_aloud() {
    let settings = file("[redis]\nkey_prefix = \"shop\"");
    let (code, said) = refused(program().arg("--config").arg(settings.path()));
    assert!(code == Some(2) && said.contains("`redis`") && said.contains("set `store`"), "{said}");
    let mut command = program();
    let output = converse(command.arg("--config").arg(settings.path()).args(["--store", "memory"]), &[initialize()]);
    assert_eq!(answers(&output).len(), 1);
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(log.contains("`redis` have no effect"), "{log}");
}

#[test]
fn a_variable_that_is_a_text_is_taken_as_it_is() {
    // As the values of a file, `007` is a number and `[x` a list that does not end.
    let own = [("KEY_PREFIX", "007"), ("SENTINEL_CREDENTIALS__PASSWORD", "[x"), ("SENTINEL_CREDENTIALS__USER", "true")];
    let mut command = program();
    command.args(["--store", "memory"]).envs(own.map(|(key, value)| (format!("SESSION_MCP_REDIS__{key}"), value)));
    let output = converse(&mut command, &[initialize()]);
    assert_eq!(answers(&output).len(), 1, "{output:?}");
}

#[test]
fn a_password_in_a_broken_file_is_not_repeated() {
    for text in ["store = \"redis://user:hunter2@db", "\"redis://user:hunter2@db\" = 1", "[\"hunter2:\"]\na = 1"] {
        let file = file(text);
        let (code, said) = refused(program().arg("--config").arg(file.path()));
        assert!(code == Some(2) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_log_filter_that_is_not_understood_is_said_once() {
    let output = converse(program().env("RUST_LOG", "nonsense=foo"), &[]);
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(log.matches("RUST_LOG is not understood").count(), 1, "{log}");
}

#[test]
fn an_address_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let (code, said) = refused(program().args(["--http", &address]));
    assert_eq!(code, Some(1));
    assert!(said.contains(&address) && said.contains("another program listens there"), "{said}");
}

#[test]
fn help_has_an_example_for_each_use() {
    let output = program().arg("--help").output().expect("it runs");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    for example in
        ["      session-mcp\n", "--http 127.0.0.1:8787", "STORE=rediss://", "--config sessions.toml", "[limits]"]
    {
        assert!(help.contains(example), "{example}");
    }
    let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn standard_output_is_the_protocol_and_no_log_holds_a_name() {
    let call = |id, tool, arguments: Value| request(id, "tools/call", &json!({ "name": tool, "arguments": arguments }));
    let messages = [
        initialize(),
        call(1, "open_session", json!({})),
        call(2, "set_state", json!({ "name": "a", "value": "a private value" })),
        call(3, "get_state", json!({ "name": "a", "session": "ses_of_somebody" })),
        json!({ "jsonrpc": "2.0", "id": "4\nERROR forged ses_of_somebody", "method": "no/such/ses_of_somebody" }),
        json!({ "jsonrpc": "2.0", "id": "5\nERROR forged", "method": "tools/call", "params": { "name": "ses_of_somebody" } }),
    ];
    for format in ["text", "json"] {
        let mut command = program();
        let output = converse(command.env("RUST_LOG", "trace").args(["--log-format", format]), &messages);
        assert!(output.status.success());
        let answers = answers(&output);
        assert_eq!(answers.len(), 6, "each request was answered once");
        let handle = answers.iter().find_map(|answer| answer["result"]["structuredContent"]["session"].as_str());
        assert!(handle.is_some_and(|handle| handle.starts_with("ses_")));
        let log = String::from_utf8(output.stderr).expect("UTF-8");
        for unsaid in ["ses_", "a private value", "forged"] {
            assert!(!log.contains(unsaid), "a client wrote `{unsaid}` into the log: {log}");
        }
    }
}

#[test]
fn a_broken_line_does_not_end_the_connection() {
    let mut child = program().spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    writeln!(stdin, "{}\nnonsense\n{}", initialize(), request(1, "ping", &json!({}))).expect("it listens");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(answers(&output).iter().any(|answer| answer["id"] == 1), "{output:?}");
}

/// Starts a server over HTTP and reads its address from the log.
fn listening() -> (Child, String, BufReader<std::process::ChildStderr>) {
    let mut child = program().args(["--http", "127.0.0.1:0", "--log-format", "json"]).spawn().expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    log.read_line(&mut line).expect("it logs");
    let said: Value = serde_json::from_str(&line).expect("a JSON object a line");
    let url = said["message"].as_str().and_then(|said| said.strip_prefix("listening on ")).expect("the address");
    let url = url.to_owned();
    (child, url, log)
}

fn end(child: &mut Child, signal: Signal) -> Option<i32> {
    kill_process(Pid::from_child(child), signal).expect("it runs");
    ended(child)
}

/// Waits for the end of a program, which has to come soon.
fn ended(child: &mut Child) -> Option<i32> {
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

#[test]
fn a_signal_ends_the_server_with_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut child, url, _log) = listening();
        assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"), "{url}");
        assert_eq!(end(&mut child, signal), Some(0));
    }
}

#[test]
fn a_signal_ends_a_connection_with_status_0() {
    let mut child = program().spawn().expect("it starts");
    let input = child.stdin.take().expect("it is piped");
    ends_by_a_signal(&mut child, input);
}

#[test]
fn a_signal_ends_a_connection_whose_input_blocks_its_reader() {
    // Unlike a pipe's, a socket's reads are handed to a thread that nothing can interrupt.
    let (input, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut child = program().stdin(OwnedFd::from(theirs)).spawn().expect("it starts");
    ends_by_a_signal(&mut child, input);
}

/// Starts a program whose answers nobody reads, and writes until both directions have come to a halt.
fn unread() -> (Child, std::process::ChildStdin, std::process::ChildStdout) {
    let mut child = program().args(["--drain-timeout", "100ms"]).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("it is piped");
    let output = child.stdout.take().expect("it is piped");
    writeln!(input, "{}", initialize()).expect("it listens");
    for id in 1..60 {
        writeln!(input, "{}", request(id, "tools/list", &json!({}))).expect("it listens");
    }
    std::thread::sleep(Duration::from_millis(300));
    (child, input, output)
}

#[test]
fn a_signal_ends_a_connection_whose_client_no_longer_reads() {
    let (mut child, _input, _unread) = unread();
    assert_eq!(end(&mut child, Signal::TERM), Some(0));
}

#[test]
fn the_end_of_the_input_ends_a_connection_whose_client_no_longer_reads() {
    let (mut child, input, _unread) = unread();
    drop(input);
    assert_eq!(ended(&mut child), Some(0));
}

#[test]
fn a_client_that_has_gone_is_no_failure() {
    let mut child = program().spawn().expect("it starts");
    drop(child.stdout.take());
    let mut input = child.stdin.take().expect("it is piped");
    writeln!(input, "{}", initialize()).expect("it listens");
    drop(input);
    assert_eq!(ended(&mut child), Some(0));
}

/// Ends a program whose standard input stays open.
fn ends_by_a_signal(child: &mut Child, mut input: impl Write) {
    writeln!(input, "{}", initialize()).expect("it listens");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it answers");
    assert_eq!(end(child, Signal::TERM), Some(0));
}
