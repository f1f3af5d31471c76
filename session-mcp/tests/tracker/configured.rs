//! From the settings of a program to what its tool answers.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::board::{Board, Era, Say};

/// What the program answers `get_project` over stdio, with this file of settings.
fn get_project(settings: &str) -> Value {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(settings.as_bytes()).expect("it can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-mcp"));
    let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SESSION_MCP_"));
    for (name, _) in own {
        command.env_remove(name);
    }
    command.arg("--config").arg(file.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let client = json!({ "name": "test", "version": "1" });
    let introduction = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let call = json!({ "name": "get_project", "arguments": {} });
    let mut input = child.stdin.take().expect("it is piped");
    for (id, (method, params)) in [("initialize", introduction), ("tools/call", call)].into_iter().enumerate() {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        writeln!(input, "{request}").expect("it listens");
    }
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let answers = std::str::from_utf8(&output.stdout).expect("UTF-8").lines();
    let answers = answers.map(|line| serde_json::from_str::<Value>(line).expect("the protocol"));
    answers.rev().find(|answer| answer["id"] == 1).expect("an answer")["result"].take()
}

#[tokio::test]
async fn a_tracker_of_the_settings_tells_the_project_of_a_call_that_nothing_else_does() {
    let board = Board::start(Era::Both, Say::Structured(json!({ "at": { "id": "p-1", "name": "One" } }))).await;
    let settings = format!(
        "[projects.tracker]\nurl = \"http://{}/mcp\"\ntool = \"whereabouts\"\narguments = {{ team = \"a\" }}\n\
         id = \"/at/id\"\ntimeout = \"30s\"\n",
        board.address
    );
    let asked = settings.clone();
    let answer = tokio::task::spawn_blocking(move || get_project(&asked)).await.expect("it does not panic");
    let told = &answer["structuredContent"];
    assert_eq!((&told["resolved_by"], &told["project"]), (&json!("tracker"), &json!({ "id": "p-1", "name": "One" })));
    let [question] = &*board.questions() else { panic!("it is asked once") };
    assert_eq!((&*question.tool, &question.arguments["team"]), ("whereabouts", &json!("a")));

    board.end().await;
    let answer = tokio::task::spawn_blocking(move || get_project(&settings)).await.expect("it does not panic");
    let said = answer["content"][0]["text"].as_str().expect("a sentence");
    assert!(answer["isError"] == true && said.contains("tracker: could not be asked"), "{answer}");
}
