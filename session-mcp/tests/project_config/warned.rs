//! What is odd about files that can be used.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use session_mcp::project::ProjectConfig;

use crate::toml;

fn warnings(keys: &str) -> Vec<String> {
    crate::json(&format!("{{\"version\":\"1.0\",\n\"project\":{{\"name\":\"x\"}},\n{keys}}}")).expect("valid").1
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_key_that_may_be_meant() {
    let cases = [
        (
            r#""autoSwitch": false"#,
            "`autoSwitch` in line 3 is not known here and has no effect; did you mean `auto_switch`?",
        ),
        (r#""name": "x""#, "`name` in line 3 is not known here and has no effect; did you mean `project.name`?"),
        (r#""tools": [1, 2]"#, "`tools` in line 3 is not known here and has no effect"),
    ];
    for (key, expected) in cases {
        assert_eq!(warnings(key), [expected]);
    }
}

#[test]
fn a_setting_that_slipped_into_the_project_is_found() {
    let (config, warnings) = toml("version = '1.0'\n[project]\nname = 'x'\nstrict_mode = true").expect("valid");
    assert!(!config.strict_mode);
    assert_eq!(
        warnings,
        ["`project.strict_mode` in line 4 is not known here and has no effect; did you mean `strict_mode`?"]
    );
}

#[test]
fn a_key_that_does_not_look_like_one_is_not_shown() {
    for key in ["sk live 12345", "naïve", "", "project.name", &"a".repeat(65)] {
        assert_eq!(warnings(&format!("\"{key}\": 1"))[0].split(" in line 3 ").next(), Some("a key"), "{key}");
    }
    assert!(warnings(&format!("\"{}\": 1", "a".repeat(64)))[0].starts_with("`aaa"));
}

#[test]
fn however_many_keys_are_unknown_the_warnings_are_few() {
    let keys = (0..500).fold(String::new(), |mut keys, key| {
        let separator = if key == 0 { "" } else { "," };
        write!(keys, "{separator}\"key{key}\":{key}").expect("text takes everything");
        keys
    });
    let warnings = warnings(&keys);
    assert_eq!(warnings.len(), 9);
    assert_eq!(warnings[8], "more keys are not known here and have no effect: 492");
}

#[test]
fn the_keys_of_a_later_minor_version_are_expected() {
    let (config, warnings) =
        crate::json(r#"{"version":"1.7","project":{"name":"x","colour":"red"},"autoswitch":1}"#).expect("valid");
    assert_eq!((config.version.major, config.version.minor), (1, 7));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn the_keys_of_the_schema_are_known() {
    let schema: Value = serde_json::from_str(ProjectConfig::SCHEMA).expect("JSON");
    let root = schema["properties"].as_object().expect("properties");
    let project = root["project"]["properties"].as_object().expect("properties");
    let nulls = |keys: &Map<String, Value>| keys.keys().map(|key| (key.clone(), Value::Null)).collect::<Map<_, _>>();
    let (mut every, mut inner) = (nulls(root), nulls(project));
    inner.insert("name".to_owned(), json!("x"));
    every.insert("project".to_owned(), Value::Object(inner));
    every.insert("version".to_owned(), json!("1.0"));
    assert_eq!((root.len(), project.len()), (9, 2));
    assert_eq!(crate::json(&Value::Object(every).to_string()).expect("valid").1, Vec::<String>::new());
}
