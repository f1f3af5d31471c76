//! What the log says, and never says.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::common::{Listening, answers, converse, initialize, program, request};

#[test]
fn a_log_filter_that_is_not_understood_is_said_once() {
    let output = converse(program().env("RUST_LOG", "nonsense=foo"), &[]);
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(log.matches("RUST_LOG is not understood").count(), 1, "{log}");
}

#[test]
fn sessions_that_can_work_anywhere_are_warned_of_once_over_http_and_only_there() {
    let log = |command: &mut std::process::Command| Listening::start(command).end(Signal::TERM).1;
    let anywhere = log(&mut program());
    assert_eq!(anywhere.matches("`allowed_roots`").count(), 1, "{anywhere}");
    assert!(anywhere.contains("--allowed-root"), "it says how to set them: {anywhere}");
    let confined = log(program().args(["--allowed-root", "/"]));
    assert!(!confined.contains("allowed_roots"), "{confined}");
    let stdio = String::from_utf8(converse(&mut program(), &[]).stderr).expect("UTF-8");
    assert!(!stdio.contains("allowed_roots"), "{stdio}");
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
