//! Files that cannot be used: which, where, which field, and what would be right.

use std::path::Path;

use session_mcp::project::{InvalidConfig, Position, ProjectConfig};

use crate::{json, toml};

/// What is said after the file's path.
fn said(error: &InvalidConfig) -> String {
    let whole = error.to_string();
    let start = format!("the config file {} cannot be used: ", error.path.display());
    whole.strip_prefix(&start).expect("it names the file").to_owned()
}

fn of_json(text: &str) -> String {
    said(&json(text).expect_err("it cannot be used"))
}

fn of_toml(text: &str) -> String {
    said(&toml(text).expect_err("it cannot be used"))
}

#[test]
fn an_error_names_the_file_the_place_and_the_field() {
    let error = json("{\n  \"version\": \"1.0\",\n  \"project\": {\"name\": \"é\", \"id\": \"hunter2\"}\n}")
        .expect_err("no UUID");
    assert_eq!(error.path, Path::new("p/config.json"));
    assert_eq!(error.position, Some(Position { line: 3, column: 34 }));
    assert_eq!(error.field.as_deref(), Some("project.id"));
    insta::assert_snapshot!(error, @"the config file p/config.json cannot be used: line 3, column 34: `project.id` must be a UUID with its hyphens, such as `7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10`");
}

#[test]
fn a_field_that_is_wrong_is_told_what_is_right() {
    let table: String = [
        r#"{"project":{"name":"x"}}"#,
        r#"{"version":null,"project":{"name":"x"}}"#,
        r#"{"version":1.0,"project":{"name":"x"}}"#,
        r#"{"version":"1","project":{"name":"x"}}"#,
        r#"{"version":"01.0","project":{"name":"x"}}"#,
        r#"{"version":"1.00","project":{"name":"x"}}"#,
        r#"{"version":"1.0.0","project":{"name":"x"}}"#,
        r#"{"version":"1.1234567890","project":{"name":"x"}}"#,
        r#"{"version":"2.0","project":{"title":"x"}}"#,
        r#"{"version":"0.9","project":{"name":"x"}}"#,
        r#"{"version":"99999999999999999999.0","project":{"name":"x"}}"#,
        r#"{"version":1e999,"project":{"name":"x"}}"#,
        r#"{"version":"1.0"}"#,
        r#"{"version":"1.0","project":"x"}"#,
        r#"{"version":"1.0","project":{}}"#,
        r#"{"version":"1.0","project":{"name":7}}"#,
        r#"{"version":"1.0","project":{"name":""}}"#,
        r#"{"version":"1.0","project":{"name":" \u2003 "}}"#,
        r#"{"version":"1.0","project":{"name":"a\tb"}}"#,
        r#"{"version":"1.0","project":{"name":"x","id":"7a1e2f861a4f4c8e9d550d1c6f2b7f10"}}"#,
        r#"{"version":"1.0","project":{"name":"x","id":"00000000-0000-0000-0000-000000000000"}}"#,
        r#"{"version":"1.0","project":{"name":"x"},"auto_switch":"yes"}"#,
        r#"{"version":"1.0","project":{"name":"x"},"strict_mode":1}"#,
        r#"{"version":"1.0","project":{"name":"x"},"description":["x"]}"#,
        r#"{"version":"1.0","project":{"name":"x"},"created_at":"2026-02-29T00:00:00Z"}"#,
        r#"{"version":"1.0","project":{"name":"x"},"updated_at":1767225600}"#,
    ]
    .map(|text| format!("{text}\n    {}\n", of_json(text)))
    .concat();
    insta::assert_snapshot!("fields", table);
}

#[test]
fn a_text_that_is_no_json_says_where_it_ends_to_be() {
    let table: String = [
        "[]",
        "null",
        "{",
        "{\"version\":",
        "{\"version\": \"1.0\",}",
        "{\n  // the version\n  \"version\": \"1.0\"\n}",
        "{\"version\": \"1.0\"} hunter2",
        "{\"version\": \"1.0\" hunter2}",
        "{\"é\": hunter2}",
        "{'version': 1}",
        "{\"version\": tru}",
        "{\"version\": 01}",
        "{\"version\": \"1\n.0\"}",
        "{\"version\": \"\\q\"}",
        "{\"version\": \"\\ud800\"}",
        "{\"\\ud800\": \"1.0\"}",
    ]
    .map(|text| format!("{text:?}\n    {}\n", of_json(text)))
    .concat();
    assert!(!table.replace("hunter2\"\n", "").replace("hunter2}\"\n", "").contains("hunter2"), "{table}");
    insta::assert_snapshot!("json", table);
}

#[test]
fn a_text_that_is_no_toml_says_where_it_ends_to_be() {
    let table: String = [
        "version",
        "version =",
        "version = \"1.0",
        "version = '1.0' hunter2",
        "version = hunter2",
        "version = \"\\q\"",
        "version = 99999999999999999999",
        "created_at = 2026-13-01T00:00:00Z",
        "= 'hunter2'",
        "[project\nname = 'x'",
        "hunter2 = 1\nhunter2.b = 2",
        "{\"version\": \"1.0\"}",
        "version = '1.0'\n[[project]]\nname = 'x'",
        "version = '1.0'\nproject.id = 'x'",
        "version = '1.0'\n[project.a]\nb = 1",
        "version = '1.0'\nproject.name = 'x'\n\ncreated_at = 2026-01-31",
        "version = '1.0'\nproject.name = 'x'\n\ncreated_at = 2026-01-31T09:30:00",
        "version = 1.0",
    ]
    .map(|text| format!("{text:?}\n    {}\n", of_toml(text)))
    .concat();
    assert!(table.lines().filter(|line| line.starts_with("    ")).all(|line| !line.contains("hunter2")), "{table}");
    insta::assert_snapshot!("toml", table);
}

#[test]
fn a_key_that_is_there_twice_is_an_error() {
    let table: String = [
        of_json("{\"version\": \"1.0\",\n \"version\": \"1.0\"}"),
        of_json("{\"version\": \"1.0\",\n \"ver\\u0073ion\": \"1.0\"}"),
        of_json("{\"version\": \"1.0\", \"project\": {\"name\": \"x\",\n \"name\": \"y\"}}"),
        of_json("{\"version\": \"1.0\", \"my secret\": 1,\n \"my secret\": 2}"),
        of_toml("version = '1.0'\nversion = '1.0'"),
        of_toml("version = '1.0'\n[project]\nname = 'x'\nname = 'y'"),
        of_toml("version = '1.0'\n[project]\nname = 'x'\n[project]\nid = 'y'"),
        of_toml("project.name = 'x'\nproject.name = 'y'"),
        of_toml("[a.b]\n[a.b]"),
        of_toml("[a]\nb = { c = 1, c = 2 }\nd = 1"),
        of_toml("['my secret']\n['my secret']"),
        of_toml("version = '1.0'\nproject = { name = 'x', name = 'y' }"),
        of_toml("version = '1.0'\n'my secret' = 1\n'my secret' = 2"),
    ]
    .map(|said| said + "\n")
    .concat();
    insta::assert_snapshot!("twice", table);
}

#[test]
fn lengths_are_counted_in_characters() {
    for (length, is_accepted) in [(255, true), (256, false)] {
        let name = "é".repeat(length);
        assert_eq!(json(&format!(r#"{{"version":"1.0","project":{{"name":"{name}"}}}}"#)).is_ok(), is_accepted);
    }
    for (length, is_accepted) in [(4096, true), (4097, false)] {
        let description = "🦀".repeat(length);
        let text = format!(r#"{{"version":"1.0","project":{{"name":"x"}},"description":"{description}"}}"#);
        assert_eq!(json(&text).is_ok(), is_accepted);
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_found() {
    let parse = |name: &str, bytes: &[u8]| said(&ProjectConfig::parse(Path::new(name), bytes).expect_err("no UTF-8"));
    insta::assert_snapshot!(parse("a.json", b"{\n \"\xc3\xa9\": \"\xff\"}"), @"line 2, column 8: byte 11 is not UTF-8; save the file as UTF-8");
    insta::assert_snapshot!(parse("a.toml", b"\xef\xbb\xbfa = '\xe9'"), @"line 1, column 6: byte 9 is not UTF-8; save the file as UTF-8");
    insta::assert_snapshot!(parse("a.json", b"\xff\xfe{\0}\0"), @"line 1, column 1: byte 1 is not UTF-8; save the file as UTF-8");
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    for text in ["", " \n\t", "\u{feff}"] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(of_json(text), @"it is empty, and needs at least `version` and `project.name`");
            insta::assert_snapshot!(of_toml(text), @"it is empty, and needs at least `version` and `project.name`");
        }
    }
}

#[test]
fn a_file_that_is_too_long_is_said_to_be_too_long() {
    let text = " ".repeat(64 * 1024 + 1);
    insta::assert_snapshot!(of_json(&text), @"it is longer than 64 KiB; keep only the project's keys in it");
}

#[test]
fn no_depth_of_values_ends_the_process() {
    let many = 60 * 1024;
    insta::assert_snapshot!(of_json(&"[".repeat(many)), @"line 1, column 61441: it is not valid JSON: EOF while parsing a list");
    insta::assert_snapshot!(of_json(&"{\"a\":".repeat(many / 5)), @"line 1, column 61441: it is not valid JSON: EOF while parsing a value");
    insta::assert_snapshot!(of_toml(&format!("a = {}", "[".repeat(many))), @"line 1, column 84: it is nested too deep");
    insta::assert_snapshot!(of_toml(&format!("a = {}", "{a = ".repeat(many / 5))), @"line 1, column 400: it is nested too deep");
    insta::assert_snapshot!(of_toml(&format!("{}a = 1", "a.".repeat(many / 2))), @"line 1, column 1: it is nested too deep");
    insta::assert_snapshot!(of_toml(&format!("[{}a]", "a.".repeat(many / 2))), @"line 1, column 2: it is nested too deep");
    insta::assert_snapshot!(of_toml(&"[".repeat(many)), @"line 1, column 3: it is not valid TOML: invalid key");
}
