//! The keys and values of a file, whichever format it has.

use std::path::Path;

use serde_json::value::RawValue;
use toml_edit::{Datetime, ImDocument, Item};

use super::fault::Fault;
use super::{json, toml};

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Json,
    Toml,
}

impl Format {
    pub(super) fn of(path: &Path) -> Self {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json { Self::Json } else { Self::Toml }
    }
}

/// A well-formed file.
#[derive(Debug)]
pub(super) enum Document<'a> {
    Json { at: usize, raw: &'a RawValue },
    Toml(ImDocument<&'a str>),
}

impl<'a> Document<'a> {
    pub(super) fn parse(format: Format, text: &'a str) -> Result<Self, Fault> {
        match format {
            Format::Json => json::parse(text).map(|(at, raw)| Self::Json { at, raw }),
            Format::Toml => toml::parse(text).map(Self::Toml),
        }
    }

    /// The keys of the file itself.
    pub(super) fn root(&self) -> Result<Table<'_>, Fault> {
        match self {
            Self::Json { at, raw } => match json::value(*at, raw)? {
                Value::Table(table) => Ok(table),
                _ => Err(Fault::of_text(*at, "it must be an object with at least `version` and `project`")),
            },
            Self::Toml(document) => Ok(toml::table(0, document.as_table())),
        }
    }
}

/// A JSON object or a TOML table. In the former, a key can be there twice.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// Where it begins.
    pub(super) at: usize,
    pub(super) entries: Vec<Entry<'a>>,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: String,
    /// Where the key is.
    pub(super) key_at: usize,
    /// Where the value is.
    pub(super) at: usize,
    pub(super) source: Source<'a>,
}

/// A value that nobody has looked at yet. Unknown keys have theirs looked at by nobody, however deep they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Json(&'a RawValue),
    Toml(&'a Item),
}

impl<'a> Entry<'a> {
    pub(super) fn value(&self) -> Result<Value<'a>, Fault> {
        match self.source {
            Source::Json(raw) => json::value(self.at, raw),
            Source::Toml(item) => Ok(toml::value(self.at, item)),
        }
    }
}

/// What a value is, as far as a field could be it.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Null,
    Flag(bool),
    Text(String),
    /// A date, a time or both, as only TOML has it.
    Moment(Datetime),
    Table(Table<'a>),
    /// A number or a list.
    Other,
}
