//! JSON files. Values are kept as the slices of the text that they are, which says where they are; going over one takes
//! no recursion.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{Entry, Source, Table, Value};
use super::fault::Fault;

/// Finds the one value of a text, and where it begins.
pub(super) fn parse(text: &str) -> Result<(usize, &RawValue), Fault> {
    let raw: &RawValue = read(0, text)?;
    Ok((offset(text, raw), raw))
}

/// Reads a value that begins at a byte of the file.
pub(super) fn value(at: usize, raw: &RawValue) -> Result<Value<'_>, Fault> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => Value::Table(table(at, text)?),
        Some(b'"') => Value::Text(read(at, text)?),
        Some(b'n') => Value::Null,
        Some(b't' | b'f') => Value::Flag(text == "true"),
        _ => Value::Other,
    })
}

fn table(at: usize, text: &str) -> Result<Table<'_>, Fault> {
    let Pairs(pairs) = read(at, text)?;
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key_at = at + offset(text, key);
        entries.push(Entry {
            key: read(key_at, key.get())?,
            key_at,
            at: at + offset(text, value),
            source: Source::Json(value),
        });
    }
    Ok(Table { at, entries })
}

/// Reads a part of the file that begins at a byte of it.
fn read<'a, T: Deserialize<'a>>(at: usize, text: &'a str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| {
        let within = place(text, &error);
        Fault::of_text(at + within, problem(&error, &text[within..]))
    })
}

/// Where a part of a text is in it.
fn offset(text: &str, part: &RawValue) -> usize {
    part.get().as_ptr().addr() - text.as_ptr().addr()
}

/// The byte that an error is about.
fn place(text: &str, error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return text.trim_end().len();
    }
    let line: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line + error.column()).saturating_sub(1);
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// What an error says without its place, and what may be the reason. It quotes nothing: no type is asked for by which
/// a value could be the wrong one.
fn problem(error: &serde_json::Error, rest: &str) -> String {
    let message = error.to_string();
    let message = match message.split(" at line ").next().unwrap_or_default() {
        "key must be a string" => "a key must be in double quotes, and no comma follows the last value",
        "expected ident" => "expected `true`, `false` or `null`",
        message => message,
    };
    let is_comment = ["//", "/*", "#"].iter().any(|sign| rest.starts_with(sign));
    let note = if is_comment { "; comments need a TOML file" } else { "" };
    format!("it is not valid JSON: {message}{note}")
}

/// The keys and values of an object in their order, with those that are there twice.
struct Pairs<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = object.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
