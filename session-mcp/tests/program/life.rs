//! How a connection or a server goes on and ends.

use std::io::{BufRead as _, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::common::{Listening, answers, end, ended, initialize, program, request};

#[test]
fn a_broken_line_does_not_end_the_connection() {
    let mut child = program().spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    writeln!(stdin, "{}\nnonsense\n{}", initialize(), request(1, "ping", &json!({}))).expect("it listens");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(answers(&output).iter().any(|answer| answer["id"] == 1), "{output:?}");
}

#[test]
fn a_signal_ends_the_server_with_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Listening::start(&mut program());
        assert!(server.url.starts_with("http://127.0.0.1:") && server.url.ends_with("/mcp"), "{}", server.url);
        assert_eq!(server.end(signal).0, Some(0));
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

/// Ends a program whose standard input stays open.
fn ends_by_a_signal(child: &mut Child, mut input: impl Write) {
    writeln!(input, "{}", initialize()).expect("it listens");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it answers");
    assert_eq!(end(child, Signal::TERM), Some(0));
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
