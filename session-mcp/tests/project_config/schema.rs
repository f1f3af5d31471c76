//! The published schema judges as the parser does: documents chosen for it.

use jsonschema::Validator;
use serde_json::{Value, json};
use session_mcp::project::ProjectConfig;

/// The schema as an editor reads it, with `format` asserted.
pub(crate) fn validator() -> Validator {
    let schema = serde_json::from_str(ProjectConfig::SCHEMA).expect("the schema is JSON");
    jsonschema::meta::validate(&schema).expect("the schema is a schema");
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).expect("the schema can be used")
}

fn with(key: &str, value: Value) -> Value {
    let mut document = json!({ "version": "1.0", "project": { "name": "x" } });
    match key.strip_prefix("project.") {
        Some(key) => document["project"][key] = value,
        None => document[key] = value,
    }
    document
}

fn judge(cases: &[(&str, Value)], is_accepted: bool) {
    let validator = validator();
    for (key, value) in cases {
        let document = with(key, value.clone());
        assert_eq!(validator.is_valid(&document), is_accepted, "the schema, {key}: {value}");
        assert_eq!(crate::json(&document.to_string()).is_ok(), is_accepted, "the parser, {key}: {value}");
    }
}

#[test]
fn both_accept_what_is_right() {
    judge(
        &[
            ("version", json!("1.0")),
            ("version", json!("1.999999999")),
            ("project.name", json!("x".repeat(255))),
            ("project.name", json!(" x ")),
            ("project.name", json!("\u{200b}")),
            ("project.name", json!("\u{feff}")),
            ("project.colour", json!("red")),
            ("project.id", json!(null)),
            ("project.id", json!("7A1E2F86-1a4f-4c8e-9d55-0d1c6f2b7f10")),
            ("project.id", json!("00000000-0000-0000-0000-000000000001")),
            ("auto_switch", json!(null)),
            ("strict_mode", json!(true)),
            ("dry_run", json!(false)),
            ("description", json!("")),
            ("description", json!("🦀".repeat(4096))),
            ("created_at", json!("2024-02-29T23:59:59.123456789012Z")),
            ("created_at", json!("0000-01-01t00:00:00z")),
            ("created_at", json!("1998-12-31T15:59:60-08:00")),
            ("updated_at", json!("2026-01-31T09:30:00+23:59")),
            ("$schema", json!(7)),
            ("other", json!([{ "a": null }])),
        ],
        true,
    );
}

#[test]
fn both_refuse_what_is_wrong() {
    judge(
        &[
            ("version", json!(null)),
            ("version", json!(1.0)),
            ("version", json!("1")),
            ("version", json!("1.")),
            ("version", json!("1.01")),
            ("version", json!("1.0 ")),
            ("version", json!("1.0\n")),
            ("version", json!("2.0")),
            ("version", json!("11.0")),
            ("version", json!("1.1000000000")),
            ("version", json!("1.٣")),
            ("project", json!(null)),
            ("project", json!([])),
            ("project", json!({})),
            ("project.name", json!(null)),
            ("project.name", json!("")),
            ("project.name", json!("x".repeat(256))),
            ("project.name", json!("\u{3000} \u{2028}")),
            ("project.name", json!("a\nb")),
            ("project.name", json!("a\u{85}")),
            ("project.id", json!("")),
            ("project.id", json!("7a1e2f861a4f4c8e9d550d1c6f2b7f10")),
            ("project.id", json!("{7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10}")),
            ("project.id", json!("urn:uuid:7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10")),
            ("project.id", json!("00000000-0000-0000-0000-000000000000")),
            ("project.id", json!("ffffffff-FFFF-ffff-ffff-ffffffffffff")),
            ("project.id", json!(5)),
            ("auto_switch", json!("true")),
            ("strict_mode", json!(1)),
            ("dry_run", json!({})),
            ("description", json!("x".repeat(4097))),
            ("description", json!(false)),
            ("created_at", json!("")),
            ("created_at", json!("2023-02-29T00:00:00Z")),
            ("created_at", json!("1900-02-29T00:00:00Z")),
            ("created_at", json!("2026-01-31 09:30:00Z")),
            ("created_at", json!("2026-01-31T09:30:00")),
            ("created_at", json!("2026-01-31T09:30Z")),
            ("created_at", json!("2026-01-31T09:30:00.Z")),
            ("created_at", json!("2026-01-31T24:00:00Z")),
            ("created_at", json!("2026-01-31T22:59:60Z")),
            ("created_at", json!("2026-01-31T23:59:61Z")),
            ("created_at", json!("2026-01-31T09:30:00+24:00")),
            ("created_at", json!("2026-01-31T09:30:00+0200")),
            ("created_at", json!("2026-01-31")),
            ("updated_at", json!(1_767_225_600)),
        ],
        false,
    );
}

#[test]
fn both_ask_for_a_version_and_a_project_in_an_object() {
    let validator = validator();
    for document in
        [json!({ "version": "1.0" }), json!({ "project": { "name": "x" } }), json!({}), json!([]), json!("x")]
    {
        assert!(!validator.is_valid(&document), "{document}");
        assert!(crate::json(&document.to_string()).is_err(), "{document}");
    }
}

#[test]
fn the_examples_and_defaults_of_the_schema_are_right() {
    let validator = validator();
    let schema: Value = serde_json::from_str(ProjectConfig::SCHEMA).expect("JSON");
    for example in schema["examples"].as_array().expect("examples") {
        assert!(validator.is_valid(example) && crate::json(&example.to_string()).is_ok(), "{example}");
    }
    let (bare, _) = crate::json(&with("other", json!(1)).to_string()).expect("valid");
    for (key, default) in
        [("auto_switch", bare.auto_switch), ("strict_mode", bare.strict_mode), ("dry_run", bare.dry_run)]
    {
        assert_eq!(schema["properties"][key]["default"], json!(default), "{key}");
    }
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema: Value = serde_json::from_str(ProjectConfig::SCHEMA).expect("JSON");
    for properties in [&schema["properties"], &schema["properties"]["project"]["properties"]] {
        for (key, rules) in properties.as_object().expect("properties") {
            assert!(rules["description"].as_str().is_some_and(|text| text.len() > 20), "{key}");
        }
    }
}
