//! Who calls: tokens over HTTP, a principal over stdio.

use reqwest::{Client, RequestBuilder, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::common::{Listening, answers, converse, file, initialize, program, refused, request};

const ALICES: &str = "a-token-of-alice-8b1f6f0c";
const BOBS: &str = "a-token-of-bob-52d8e0aa";
const WRONG: &str = "a-token-of-nobody-7f3a91d4";

/// The entry of a token in a file of tokens.
fn entry(token: &str, subject: &str) -> String {
    let hash = hex::encode(Sha256::digest(token));
    format!("[[token]]\nsha256 = \"{hash}\"\nissuer = \"https://issuer.example\"\nsubject = \"{subject}\"\n")
}

fn tokens() -> NamedTempFile {
    file(&(entry(ALICES, "alice") + &entry(BOBS, "bob")))
}

/// A request as the clients of 2025-11-25 send their first.
fn first(url: &str) -> RequestBuilder {
    let request = Client::new().post(url).header("accept", "application/json, text/event-stream");
    request.header("content-type", "application/json").body(initialize().to_string())
}

/// The result of a request as the clients of 2026-07-28 send it.
async fn ask(url: &str, token: &str, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let message = request(1, method, &params);
    let mut request = first(url).body(message.to_string()).bearer_auth(token);
    request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
    if let Some(name) = params["name"].as_str() {
        request = request.header("mcp-name", name);
    }
    request.send().await.expect("it answers").json::<Value>().await.expect("an answer")["result"].take()
}

async fn call(url: &str, token: &str, tool: &str) -> Value {
    ask(url, token, "tools/call", json!({ "name": tool, "arguments": {} })).await
}

#[tokio::test]
async fn only_who_has_a_token_is_served() {
    let tokens = tokens();
    let server = Listening::start(program().arg("--tokens").arg(tokens.path()));
    for (authorization, challenge) in [
        (None, Some(r#"Bearer realm="mcp""#)),
        (Some("Basic YWxpY2U6eA==".to_owned()), Some(r#"Bearer realm="mcp""#)),
        (Some(format!("Bearer {WRONG}")), Some(r#"Bearer realm="mcp", error="invalid_token""#)),
        (Some(format!("Bearer {ALICES}")), None),
        (Some(format!("bearer {BOBS}")), None),
    ] {
        let request = authorization.iter().fold(first(&server.url), |request, is| request.header("authorization", is));
        let response = request.send().await.expect("it answers");
        let expected = if challenge.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(response.status(), expected, "{authorization:?}");
        let said = response.headers().get("www-authenticate").map(|said| said.to_str().expect("visible ASCII"));
        assert_eq!(said, challenge, "{authorization:?}");
    }
    let health = Client::new().get(server.url.replace("/mcp", "/healthz")).send().await.expect("it answers");
    assert_eq!(health.status(), StatusCode::OK, "a probe has no token");
    server.end(Signal::TERM);
}

#[tokio::test]
async fn who_has_a_token_sees_the_sessions_of_its_principal() {
    let file = file(&(entry(ALICES, "alice") + &entry(WRONG, "alice") + &entry(BOBS, "bob")));
    let server = Listening::start(program().env("SESSION_MCP_TOKENS", file.path()));
    call(&server.url, ALICES, "open_session").await;
    for (token, count) in [(ALICES, 1), (WRONG, 1), (BOBS, 0)] {
        let listed = call(&server.url, token, "list_sessions").await;
        assert_eq!(listed["structuredContent"]["sessions"].as_array().map(Vec::len), Some(count), "{listed}");
    }
    server.end(Signal::TERM);
}

#[tokio::test]
async fn a_balancer_can_be_given_the_handle_in_a_header() {
    let tokens = tokens();
    for (flag, header) in [(None, Value::Null), (Some("--handle-header"), json!("Session"))] {
        let server = Listening::start(program().arg("--tokens").arg(tokens.path()).args(flag));
        let listed = ask(&server.url, ALICES, "tools/list", json!({})).await;
        let tools = listed["tools"].as_array().expect("a list");
        let tool = tools.iter().find(|tool| tool["name"] == "get_state").expect("it is there");
        assert_eq!(tool["inputSchema"]["properties"]["session"]["x-mcp-header"], header, "{tool}");
        server.end(Signal::TERM);
    }
}

#[tokio::test]
async fn no_token_is_ever_logged() {
    for format in ["text", "json"] {
        let file = tokens();
        let mut command = program();
        command.env("RUST_LOG", "trace").args(["--log-format", format, "--tokens"]).arg(file.path());
        let server = Listening::start(&mut command);
        for token in [ALICES, WRONG] {
            first(&server.url).bearer_auth(token).send().await.expect("it answers");
            first(&format!("{}?access_token={token}", server.url)).send().await.expect("it answers");
            first(&server.url).header("authorization", token).send().await.expect("it answers");
            first(&server.url).header("authorization", format!("Bearer {token} ")).send().await.expect("it answers");
        }
        let (code, log) = server.end(Signal::TERM);
        assert_eq!(code, Some(0));
        for secret in [ALICES, WRONG, &hex::encode(Sha256::digest(ALICES)), "issuer.example", "alice"] {
            assert!(!log.contains(secret), "`{secret}` is in the log: {log}");
        }
    }
}

#[test]
fn unusable_tokens_are_named_by_file_and_line_and_not_quoted() {
    let (alice, bob) = (entry(ALICES, "alice"), entry(BOBS, "bob"));
    for (text, words) in [
        (alice.replace("sha256", "sha265"), ["line 2", "`sha256`"]),
        (format!("{bob}{}", alice.replace("subject", "subjct")), ["line 8", "`subject`"]),
        (format!("{bob}[[token]]\nsha256 = \"{ALICES}\"\nissuer = \"a\"\nsubject = \"b\""), ["line 6", "sha256sum"]),
        (format!("[[token]]\nsha256 = {ALICES}"), ["line 2", "in quotes"]),
        (format!("token = \"{ALICES}\""), ["line 1", "[[token]]"]),
        (format!("\"{ALICES}\" = \"alice\""), ["line 1", "[[token]]"]),
        (format!("{alice}{ALICES} = 1"), ["line 5", "nothing else"]),
        (format!("{alice}{bob}{alice}"), ["line 10", "remove one"]),
        (alice.replace("alice", ""), ["line 2", "`subject`"]),
        (entry("", "alice"), ["line 2", "hash of no token"]),
        (entry("\n", "alice"), ["line 2", "hash of no token"]),
        (String::new(), ["line 1", "[[token]]"]),
        ("# none yet\n".to_owned(), ["line 1", "[[token]]"]),
    ] {
        let file = file(&text);
        let arguments = ["--http", "127.0.0.1:0", "--allowed-root", "/", "--tokens"];
        let (code, said) = refused(program().args(arguments).arg(file.path()));
        assert_eq!(code, Some(2), "{text}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{text}: {said}");
        assert!(said.contains(file.path().to_str().expect("UTF-8")) && said.lines().count() == 1, "{text}: {said}");
        let quoted = [ALICES, &hex::encode(Sha256::digest(ALICES)), "issuer.example"];
        assert!(!quoted.iter().any(|quoted| said.contains(quoted)), "{text}: {said}");
    }
}

#[test]
fn a_file_of_tokens_that_is_not_there_is_a_misuse() {
    let (code, said) = refused(program().args(["--http", "127.0.0.1:0", "--tokens", "/no/such/file"]));
    assert!(code == Some(2) && said.contains("/no/such/file") && said.contains("tokens"), "{said}");
}

#[test]
fn what_protects_nobody_is_refused() {
    let tokens = tokens();
    let path = tokens.path().to_str().expect("UTF-8");
    for (flags, settings, words) in [
        (&["--tokens", path][..], "", ["`http`", "`local_principal`"]),
        (&["--http", "127.0.0.1:0"], "require_principal = true", ["`require_principal`", "`tokens`"]),
        (&["--http", "127.0.0.1:0", "--handle-header"], "", ["`handle_header`", "`tokens`"]),
        (&["--http", "127.0.0.1:0"], "handle_header = true", ["`handle_header`", "`tokens`"]),
    ] {
        let settings = file(settings);
        let (code, said) = refused(program().args(flags).arg("--config").arg(settings.path()));
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{flags:?}: {said}");
    }
}

#[test]
fn a_principal_that_is_incomplete_is_named_with_its_key() {
    for (variables, words) in [
        (&[("ISSUER", "a")][..], ["`SESSION_MCP_LOCAL_PRINCIPAL`", "`SESSION_MCP_LOCAL_PRINCIPAL__SUBJECT`"]),
        (&[("ISSUER", "a"), ("SUBJECT", "")], ["`SESSION_MCP_LOCAL_PRINCIPAL", "`subject` must not be empty"]),
        (&[("ISSUER", "a"), ("SUBJCT", "b")], ["`SESSION_MCP_LOCAL_PRINCIPAL__SUBJCT`", "LOCAL_PRINCIPAL__SUBJECT`"]),
    ] {
        let variables = variables.iter().map(|(key, value)| (format!("SESSION_MCP_LOCAL_PRINCIPAL__{key}"), value));
        let (code, said) = refused(program().envs(variables));
        assert!(code == Some(2) && words.iter().all(|word| said.contains(word)), "{said}");
    }
    for (text, words) in [
        ("issuer = \"hunter2\"", ["`local_principal` needs `subject`", "`local_principal.subject`"]),
        ("issuer = \"\"\nsubject = \"hunter2\"", ["`local_principal`", "`issuer` must not be empty"]),
        ("issuer = 5\nsubject = \"hunter2\"", ["`local_principal.issuer`", "must be a string"]),
        ("isuer = \"hunter2\"", ["`local_principal.isuer`", "did you mean `local_principal.issuer`"]),
    ] {
        let file = file(&format!("[local_principal]\n{text}"));
        let (code, said) = refused(program().arg("--config").arg(file.path()));
        assert!(code == Some(2) && words.iter().all(|word| said.contains(word)), "{text}: {said}");
        assert!(said.contains(file.path().to_str().expect("UTF-8")) && !said.contains("hunter2"), "{text}: {said}");
    }
}

#[test]
fn who_calls_over_stdio_can_be_set() {
    let list = [initialize(), request(1, "tools/call", &json!({ "name": "list_sessions", "arguments": {} }))];
    let listed = |output| answers(&output).pop().expect("an answer")["result"].take();
    let anonymous = listed(converse(&mut program(), &list));
    assert_eq!(anonymous["isError"], true, "{anonymous}");
    // As the values of a file, these would be a number and a truth.
    let principal = [("SESSION_MCP_LOCAL_PRINCIPAL__ISSUER", "007"), ("SESSION_MCP_LOCAL_PRINCIPAL__SUBJECT", "true")];
    let known = listed(converse(program().envs(principal), &list));
    assert_eq!(known["structuredContent"]["sessions"].as_array().map(Vec::len), Some(1), "{known}");
}

#[test]
fn a_principal_over_http_is_said_to_have_no_effect() {
    let settings = file("[local_principal]\nissuer = \"https://issuer.example\"\nsubject = \"alice\"");
    let server = Listening::start(program().arg("--config").arg(settings.path()));
    let (code, log) = server.end(Signal::TERM);
    assert_eq!(code, Some(0));
    assert!(log.contains("`local_principal` has no effect over HTTP"), "{log}");
    assert!(!log.contains("alice") && !log.contains("issuer.example"), "{log}");
}
