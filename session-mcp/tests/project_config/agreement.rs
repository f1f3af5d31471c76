//! The schema and both formats judge alike, whatever the document.

use std::cell::Cell;
use std::fmt::Write;

use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde_json::{Map, Value, json};

use crate::schema::validator;

#[test]
fn the_schema_and_both_formats_judge_every_document_alike() {
    let validator = validator();
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let config = Config { cases: 3_000, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&document(), |document| {
        let from_json = crate::json(&document.to_string());
        let from_toml = crate::toml(&toml(&document));
        let is_valid = validator.is_valid(&document);
        let count = if is_valid { &accepted } else { &refused };
        count.set(count.get() + 1);
        let alike = match (&from_json, &from_toml) {
            (Ok((json, _)), Ok((toml, _))) => json == toml,
            (Err(json), Err(toml)) => (&json.field, &json.problem) == (&toml.field, &toml.problem),
            _ => false,
        };
        if from_json.is_ok() == is_valid && alike {
            return Ok(());
        }
        Err(TestCaseError::fail(format!("the schema accepts: {is_valid}\nJSON: {from_json:?}\nTOML: {from_toml:?}")))
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, document)) => panic!("{reason}\nfor {document:#}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    assert!(accepted.get() > 200 && refused.get() > 200, "{} and {}", accepted.get(), refused.get());
}

/// The same document in TOML, which has no null. With a comment at least, since an empty file is told of as such.
fn toml(document: &Value) -> String {
    let mut text = "# A config file\n".to_owned();
    for (key, value) in
        document.as_object().expect("a document is an object").iter().filter(|(_, value)| !value.is_null())
    {
        writeln!(text, "{} = {}", quoted(key), inline(value)).expect("text takes everything");
    }
    text
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let present = object.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<_> = present.map(|(key, value)| format!("{} = {}", quoted(key), inline(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// A text in JSON is one in TOML, except that the latter wants one more character escaped.
fn quoted(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007f")
}

fn document() -> impl Strategy<Value = Value> {
    let flags = || field(any::<bool>().prop_map(Value::from).boxed());
    let root = (
        field(version().boxed()),
        field(project().boxed()),
        (flags(), flags(), flags()),
        field(description().boxed()),
        (field(time().boxed()), field(time().boxed())),
        field(junk().boxed()),
    );
    let required = |value: Option<Value>, otherwise: &Value, is_kept: bool| {
        if is_kept { Some(value.unwrap_or_else(|| otherwise.clone())) } else { value }
    };
    (root, rarely_not()).prop_map(move |((version, project, flags, description, times, other), is_kept)| {
        object([
            ("version", required(version, &json!("1.0"), is_kept)),
            ("project", required(project, &json!({ "name": "x" }), is_kept)),
            ("auto_switch", flags.0),
            ("strict_mode", flags.1),
            ("dry_run", flags.2),
            ("description", description),
            ("created_at", times.0),
            ("updated_at", times.1),
            ("other", other),
        ])
    })
}

fn project() -> impl Strategy<Value = Value> {
    let parts = (name(), rarely_not(), field(id().boxed()), field(junk().boxed()));
    parts.prop_map(|(name, has_name, id, other)| {
        object([("name", has_name.then_some(name)), ("id", id), ("other", other)])
    })
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let present = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}

/// A field's values, null, now and then something else altogether, or nothing.
fn field(values: proptest::strategy::BoxedStrategy<Value>) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        12 => values.prop_map(Some),
        6 => Just(None),
        2 => Just(Some(Value::Null)),
        1 => junk().prop_map(Some),
    ]
}

fn rarely_not() -> impl Strategy<Value = bool> {
    prop_oneof![19 => Just(true), 1 => Just(false)]
}

fn junk() -> impl Strategy<Value = Value> {
    select(vec![
        json!(true),
        json!(0),
        json!(-1.5),
        json!(""),
        json!("x"),
        json!("1.0"),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "name": "x" }),
        json!({ "a": { "b": [1] } }),
    ])
}

fn version() -> impl Strategy<Value = Value> {
    prop_oneof![
        30 => Just("1.0".to_owned()),
        4 => "1\\.[0-9]{1,11}",
        1 => "[0-9]{0,2}\\.[0-9]{0,2}",
        1 => "[0-9. +v\n]{0,5}",
    ]
    .prop_map(Value::from)
}

fn name() -> impl Strategy<Value = Value> {
    prop_oneof![
        20 => "\\PC{1,12}",
        3 => (250..260_usize, select(vec!['a', 'é', '🦀', ' '])).prop_map(|(length, character)| character.to_string().repeat(length)),
        2 => "[\\s\u{85}\u{200b}\u{feff}\u{180e}]{0,3}",
        2 => any::<char>().prop_map(String::from),
        1 => any::<String>(),
    ]
    .prop_map(Value::from)
}

fn description() -> impl Strategy<Value = Value> {
    let long = (4_090..4_100_usize, select(vec!['a', 'é', '🦀', '\n']))
        .prop_map(|(length, character)| character.to_string().repeat(length));
    prop_oneof![10 => any::<String>(), 1 => long].prop_map(Value::from)
}

fn id() -> impl Strategy<Value = Value> {
    prop_oneof![
        20 => "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        1 => "[0-9a-g]{8}(-?[0-9a-f]{3,5}){3}-[0-9a-f]{11,13}",
        1 => "0{8}(-0{4}){3}-0{11}[01]",
        1 => "[fF]{8}(-[fF]{4}){3}-[fF]{11}[eF]",
        1 => "(urn:uuid:|\\{)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\}?",
        1 => "[0-9a-f-]{36}",
    ]
    .prop_map(Value::from)
}

/// Times, mostly right, and those at an edge: of a month, of a day, of a leap second.
fn time() -> impl Strategy<Value = Value> {
    let date = prop_oneof![
        8 => "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
        2 => "[0-9]{4}-(02-(28|29|30)|04-3[01]|12-3[0-2])",
        1 => "[0-9]{3,5}-[01]?[0-9]-[0-3]?[0-9]",
    ];
    let clock = prop_oneof![
        8 => "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,12})?",
        3 => "(23|22|00|0[1-9]|1[0-9]):(59|29|14|00):60(\\.5)?",
        1 => "[0-2]?[0-9]:[0-6][0-9](:[0-6][0-9])?\\.?",
    ];
    let offset = prop_oneof![
        4 => "Z|z",
        4 => "[+-](0[0-9]|1[0-9]|2[0-3]):(00|15|30|45|59)",
        1 => "[+-]?[0-2]?[0-9]:?[0-6]?[0-9]?",
    ];
    let separator = prop_oneof![12 => "T|t", 1 => "[ _x]?"];
    (date, separator, clock, offset)
        .prop_map(|(date, separator, clock, offset)| json!(format!("{date}{separator}{clock}{offset}")))
}
