//! What is set by flags, variables and a file, and what is said where it is wrong.

use std::net::TcpListener;
use std::process::Command;

use serde_json::json;

use crate::common::{answers, converse, file, initialize, program, refused, request};

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
    assert_eq!(answer["result"]["_meta"]["session-mcp/refusal"]["error"], "quota", "{answer}");
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
        ("SESSION_MCP_HANDLE_HEADER", "maybe", ["`SESSION_MCP_HANDLE_HEADER`", "true or false"]),
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
        ("SESSION_MCP_LIMITS__SESSIONS_PER_PRINCIPAL", "0", ["`limits.sessions_per_principal`", "set it to more"]),
        ("SESSION_MCP_LIMITS__GRANTS", "0", ["`limits.grants`", "set it to more"]),
        ("SESSION_MCP_LIMITS__STATE_NAMES", "0", ["`limits.state_names`", "set it to more"]),
        ("SESSION_MCP_LIMITS__VALUE_BYTES", "0", ["`limits.value_bytes`", "set it to more"]),
        ("SESSION_MCP_LIMITS__SESSION_BYTES", "0", ["`limits.session_bytes`", "set it to more"]),
        ("SESSION_MCP_LIMITS__EVICT_AFTER", "29s", ["`limits.evict_after`", "set it to 30s or more"]),
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
fn roots_are_set_by_flags_a_variable_or_the_file_and_one_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let root = folder.path().to_str().expect("UTF-8");
    let file = file(&format!("allowed_roots = [\"{root}\"]\n[projects]\nmax_levels = 3\n"));
    let mut commands = [program(), program(), program()];
    commands[0].args(["--allowed-root", root]);
    commands[1].env("SESSION_MCP_ALLOWED_ROOTS", root);
    commands[2].arg("--config").arg(file.path());
    for command in &mut commands {
        let place =
            request(1, "tools/call", &json!({ "name": "set_working_directory", "arguments": { "directory": "/" } }));
        let output = converse(command, &[initialize(), place]);
        let refused = answers(&output).pop().expect("an answer");
        let said = refused["result"]["content"][0]["text"].as_str().expect("a sentence");
        let root = folder.path().canonicalize().expect("it was made");
        assert!(said.contains("allowed roots") && said.contains(root.to_str().expect("UTF-8")), "{said}");
    }
    let (code, said) = refused(program().args(["--allowed-root", "/no/such/root"]));
    assert!(code == Some(2) && said.contains("/no/such/root"), "{said}");
    let (code, said) = refused(program().env("SESSION_MCP_PROJECTS__MAX_LEVELS", "0"));
    assert!(code == Some(2) && said.contains("`projects.max_levels`"), "{said}");
    let unknown = self::file("[projects]\nallowed_roots = []\n");
    let (code, said) = refused(program().arg("--config").arg(unknown.path()));
    assert!(code == Some(2) && said.contains("projects.allowed_roots"), "{said}");
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
    for example in [
        "      session-mcp\n",
        "--http 127.0.0.1:8787",
        "token=$(openssl rand -base64 32)",
        "printf %s \"$token\" | sha256sum",
        "--tokens tokens.toml",
        "--allowed-root /srv/checkouts",
        "STORE=rediss://",
        "--config sessions.toml",
        "[limits]",
        "LOCAL_PRINCIPAL__SUBJECT",
    ] {
        assert!(help.contains(example), "{example}");
    }
    let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:?}");
}

/// What the description of `open_session` says: it repeats the lifetimes.
fn lifetimes(command: &mut Command) -> String {
    let output = converse(command, &[initialize(), request(1, "tools/list", &json!({}))]);
    let listed = answers(&output).pop().expect("an answer");
    let tools = listed["result"]["tools"].as_array().expect("tools").clone();
    let open = tools.iter().find(|tool| tool["name"] == "open_session").expect("it is there");
    open["description"].as_str().expect("a text").to_owned()
}

#[test]
fn a_setting_for_http_is_said_to_have_no_effect_over_stdio() {
    let output = converse(program().args(["--body-limit", "1000"]), &[]);
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success() && log.contains("`body_limit` has no effect over stdio"), "{log}");
    let output = converse(&mut program(), &[]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
