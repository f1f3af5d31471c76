//! Files that can be used.

use std::path::Path;

use session_mcp::project::{ConfigVersion, ProjectConfig};

use crate::{json, toml};

const JSON: &str = r#"{
    "$schema": "../session-mcp/schema/project-config.schema.json",
    "version": "1.0",
    "project": { "name": "Café 🦀", "id": "7A1E2F86-1a4f-4c8e-9d55-0d1c6f2b7f10" },
    "auto_switch": false,
    "strict_mode": true,
    "dry_run": true,
    "description": "Two\nlines",
    "created_at": "2026-01-31t09:30:00.5+02:00",
    "updated_at": "2026-02-01T00:00:00Z"
}"#;

const TOML: &str = r#"#:schema ../session-mcp/schema/project-config.schema.json
version = "1.0" # of the format
auto_switch = false
strict_mode = true
dry_run = true
description = """
Two
lines"""
created_at = "2026-01-31t09:30:00.5+02:00"
updated_at = 2026-02-01T00:00:00Z

[project]
name = "Caf\u00e9 🦀"
id = '7a1e2f86-1A4F-4c8e-9d55-0d1c6f2b7f10'
"#;

#[test]
fn every_field_is_read_and_both_formats_say_the_same() {
    let (config, warnings) = json(JSON).expect("valid");
    assert_eq!(config.version, ConfigVersion { major: 1, minor: 0 });
    assert_eq!(config.name, "Café 🦀");
    assert_eq!(config.id.map(|id| id.to_string()).as_deref(), Some("7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10"));
    assert!(!config.auto_switch && config.strict_mode && config.dry_run);
    assert_eq!(config.description.as_deref(), Some("Two\nlines"));
    assert_eq!(config.created_at.as_deref(), Some("2026-01-31t09:30:00.5+02:00"));
    assert_eq!(config.updated_at.as_deref(), Some("2026-02-01T00:00:00Z"));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(toml(TOML), Ok((config, warnings)));
}

#[test]
fn what_is_absent_has_its_default() {
    let (config, _) = json(r#"{"version":"1.0","project":{"name":"x"}}"#).expect("valid");
    assert!(config.auto_switch && !config.strict_mode && !config.dry_run);
    assert_eq!((config.id, config.description), (None, None));
    assert_eq!((config.created_at, config.updated_at), (None, None));
}

#[test]
fn null_counts_as_absent() {
    let bare = json(r#"{"version":"1.0","project":{"name":"x"}}"#);
    let nulls = r#"{"version":"1.0","project":{"name":"x","id":null},"auto_switch":null,"strict_mode":null,
        "dry_run":null,"description":null,"created_at":null,"updated_at":null,"$schema":null}"#;
    assert_eq!(json(nulls), bare);
}

#[test]
fn a_table_may_be_written_in_every_way_that_toml_has() {
    let expected = json(r#"{"version":"1.0","project":{"name":"x","id":"7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10"}}"#);
    let ways = [
        "version = '1.0'\n[project]\nname = 'x'\nid = '7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10'",
        "version = '1.0'\nproject = { name = 'x', id = '7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10' }",
        "version = '1.0'\nproject.name = 'x'\nproject.id = '7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10'",
    ];
    for way in ways {
        assert_eq!(toml(way), expected, "{way}");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(json(&format!("\u{feff}{JSON}")), json(JSON));
    assert_eq!(toml(&format!("\u{feff}{TOML}")), toml(TOML));
}

#[test]
fn lines_may_end_as_on_windows() {
    assert_eq!(toml(&TOML.replace('\n', "\r\n")).expect("valid").0.name, "Café 🦀");
    assert_eq!(json(&JSON.replace('\n', "\r\n")), json(JSON));
}

#[test]
fn the_name_says_the_format_and_every_other_is_toml() {
    for name in ["config.json", "CONFIG.JSON", ".a.b.json"] {
        assert!(ProjectConfig::parse(Path::new(name), JSON.as_bytes()).is_ok(), "{name}");
    }
    for name in [".session-mcp.toml", "config", ".json"] {
        assert!(ProjectConfig::parse(Path::new(name), TOML.as_bytes()).is_ok(), "{name}");
    }
}

#[test]
fn a_file_may_have_64_kib() {
    let most = usize::try_from(ProjectConfig::MAX_BYTES).expect("it is small");
    let padded = |length: usize| format!("{JSON}{}", " ".repeat(length - JSON.len()));
    assert!(json(&padded(most)).is_ok());
    assert!(json(&padded(most + 1)).is_err());
}

#[test]
fn a_date_time_of_toml_is_as_good_as_a_text() {
    let read = |written: &str| toml(&format!("version = '1.0'\nproject.name = 'x'\ncreated_at = {written}"));
    let ways = [
        ("2026-01-31 09:30:00.25-08:00", "2026-01-31T09:30:00.25-08:00"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00Z"),
        ("1998-12-31T23:59:60Z", "1998-12-31T23:59:60Z"),
    ];
    for (date_time, text) in ways {
        let (config, _) = read(date_time).expect("an instant");
        assert_eq!(config.created_at.as_deref(), Some(text));
        assert_eq!(read(&format!("'{text}'")), Ok((config, Vec::new())));
    }
    for date_time in ["2026-01-31", "09:30:00", "2026-01-31T09:30:00", "1998-12-31T23:58:60Z"] {
        assert_eq!(read(date_time).expect_err("no instant").field.as_deref(), Some("created_at"), "{date_time}");
    }
}

#[test]
fn what_is_in_an_unknown_key_may_be_as_deep_as_it_likes_in_json() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert!(json(&format!(r#"{{"version":"1.0","project":{{"name":"x"}},"other":{deep}}}"#)).is_ok());
}
