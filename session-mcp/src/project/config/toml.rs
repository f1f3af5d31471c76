//! TOML files.

use toml_edit::{ImDocument, Item, Key, TableLike};

use super::document::{Entry, Source, Table, Value};
use super::fault::Fault;
use super::unknown;

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<ImDocument<&str>, Fault> {
    ImDocument::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        fault(at, error.message(), text.get(at..).unwrap_or_default())
    })
}

/// The keys of a table that begins at a byte of the file.
pub(super) fn table(at: usize, table: &dyn TableLike) -> Table<'_> {
    let entries = table.iter().map(|(name, item)| {
        let key = table.key(name).and_then(Key::span);
        // A table that is there only because of a dotted key or of a table within it has no place of its own.
        let key_at = key.or_else(|| item.span()).map_or(at, |span| span.start);
        Entry {
            key: name.to_owned(),
            key_at,
            at: item.span().map_or(key_at, |span| span.start),
            source: Source::Toml(item),
        }
    });
    Table { at, entries: entries.collect() }
}

/// Reads a value that begins at a byte of the file.
pub(super) fn value(at: usize, item: &Item) -> Value<'_> {
    if let Some(text) = item.as_str() {
        Value::Text(text.to_owned())
    } else if let Some(flag) = item.as_bool() {
        Value::Flag(flag)
    } else if let Some(moment) = item.as_datetime() {
        Value::Moment(*moment)
    } else if let Some(inner) = item.as_table_like() {
        Value::Table(table(at, inner))
    } else {
        Value::Other
    }
}

/// What an error says, unless that would quote a key that nobody should see.
fn fault(at: usize, message: &str, rest: &str) -> Fault {
    if message.contains("duplicate key `") {
        Fault::again(at, again(message, rest))
    } else if message.contains("dotted key `") {
        Fault::of_text(at, "a key with dots adds to something that is no table, or to a table that has ended")
    } else if message.contains("recursion limit") {
        Fault::of_text(at, "it is nested too deep")
    } else if at == 0 && rest.starts_with('{') {
        Fault::of_text(at, "it is not valid TOML; if it is JSON, its name must end in `.json`")
    } else if message.is_empty() {
        Fault::of_text(at, "it is not valid TOML")
    } else {
        Fault::of_text(at, format!("it is not valid TOML: {}", message.replace('\n', ", ")))
    }
}

/// The key that is there again, as it is written where the error is.
fn again(message: &str, rest: &str) -> Option<String> {
    let section = match rest.strip_prefix('[') {
        Some(_) => "",
        None if message.ends_with(" in document root") => "",
        None if message.ends_with(" in table `project`") => "project",
        None => return None,
    };
    let keys: Vec<_> = rest.trim_start_matches('[').split(['=', ']']).next()?.split('.').map(str::trim).collect();
    let shown = keys.iter().all(|key| unknown::shown("", key).is_some());
    shown.then(|| unknown::path(section, &keys.join(".")))
}
