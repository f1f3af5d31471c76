//! Files that are damaged anywhere.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_assert;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use session_mcp::project::ProjectConfig;

const SECRET: &str = "hunter 2!";

const JSON: &str = r#"{
    "version": "1.0",
    "project": { "name": "hunter 2!", "id": "7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10" },
    "auto_switch": true,
    "description": "é hunter 2!",
    "created_at": "2026-01-31T09:30:00Z",
    "hunter 2!": ["hunter 2!", { "a": 1.5e3, "b": null }]
}"#;

const TOML: &str = r#"
version = "1.0"
auto_switch = true
description = """é hunter 2!"""
created_at = 2026-01-31T09:30:00Z
"hunter 2!" = ['hunter 2!', { a = 1.5e3, "hunter 2!" = 0x1f }]

[project]
name = "hunter 2!"
id = "7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10"

[project."hunter 2!"]
"#;

#[test]
fn a_damaged_file_is_read_or_refused_with_a_place_in_it_and_nothing_of_it_is_told() {
    for (name, text) in [("a.json", JSON), ("a.toml", TOML)] {
        assert!(ProjectConfig::parse(Path::new(name), text.as_bytes()).is_ok(), "{name}");
        let config = Config { cases: 4_000, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&damaged(text.as_bytes()), |bytes| {
            match ProjectConfig::parse(Path::new(name), &bytes) {
                Ok((_, warnings)) => prop_assert!(!warnings.concat().contains(SECRET), "{warnings:?}"),
                Err(error) => {
                    prop_assert!(!error.to_string().contains(SECRET), "{error}");
                    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
                    if let Some(place) = error.position {
                        let line = lines.get(place.line - 1);
                        prop_assert!(line.is_some_and(|line| (1..=line.len() + 1).contains(&place.column)), "{error}");
                    }
                }
            }
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// One to four places at which bytes were taken out, and others put in.
fn damaged(bytes: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let signs = select(b"{}[]\"'\\,:=.#/\n\r\t e10\0\xc3\xff".to_vec());
    let edit = (any::<Index>(), 0..12_usize, vec(signs, 0..3));
    vec(edit, 1..=4).prop_map(move |edits| {
        let mut bytes = bytes.to_vec();
        for (place, length, new) in edits {
            let start = place.index(bytes.len() + 1);
            let end = bytes.len().min(start + length);
            bytes.splice(start..end, new);
        }
        bytes
    })
}
