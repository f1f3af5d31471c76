//! What each field must be.

use std::collections::HashSet;
use std::str::FromStr;

use toml_edit::{Datetime, Offset};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::document::{Table, Value};
use super::fault::Fault;
use super::{ConfigVersion, ProjectConfig, unknown};

/// Reads a file's fields, and what is odd about it.
pub(super) fn read(root: &Table<'_>, text: &str) -> Result<(ProjectConfig, Vec<String>), Fault> {
    let root = Section::new("", root)?;
    // First, because in another version everything else may be different.
    let version = root.required("version", version)?;
    let project = root.required("project", table)?;
    let project = Section::new("project", &project)?;
    let config = ProjectConfig {
        version,
        name: project.required("name", name)?,
        id: project.optional("id", id)?,
        auto_switch: root.optional("auto_switch", flag)?.unwrap_or(true),
        strict_mode: root.optional("strict_mode", flag)?.unwrap_or(false),
        dry_run: root.optional("dry_run", flag)?.unwrap_or(false),
        description: root.optional("description", description)?,
        created_at: root.optional("created_at", moment)?,
        updated_at: root.optional("updated_at", moment)?,
    };
    let may_be_known = version.minor > ConfigVersion::KNOWN.minor;
    let warnings = if may_be_known { Vec::new() } else { unknown::warnings(&[root, project], text) };
    Ok((config, warnings))
}

/// A table of which no key is there twice, and its name; the file itself has none.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) name: &'static str,
    pub(super) table: &'a Table<'a>,
}

/// What a field holds, or what it must be instead.
type Checked<T> = Result<T, &'static str>;

impl<'a> Section<'a> {
    fn new(name: &'static str, table: &'a Table<'a>) -> Result<Self, Fault> {
        let section = Self { name, table };
        let mut seen = HashSet::new();
        match table.entries.iter().find(|entry| !seen.insert(&entry.key)) {
            None => Ok(section),
            Some(again) => Err(Fault::again(again.key_at, unknown::shown(name, &again.key))),
        }
    }

    fn required<T>(&self, key: &str, check: fn(Value<'a>) -> Checked<T>) -> Result<T, Fault> {
        self.optional(key, check)?.ok_or_else(|| {
            let problem = "is missing, and every config file needs it";
            Fault::of_field(self.table.at, unknown::path(self.name, key), problem)
        })
    }

    fn optional<T>(&self, key: &str, check: fn(Value<'a>) -> Checked<T>) -> Result<Option<T>, Fault> {
        let Some(entry) = self.table.entries.iter().find(|entry| entry.key == key) else { return Ok(None) };
        match entry.value()? {
            Value::Null => Ok(None),
            value => check(value).map(Some).map_err(|problem| {
                let path = unknown::path(self.name, key);
                Fault::of_field(entry.at, path, problem)
            }),
        }
    }
}

fn version(value: Value<'_>) -> Checked<ConfigVersion> {
    let problem = "must be a text of a major and a minor version, such as \"1.0\"";
    let Value::Text(text) = value else { return Err(problem) };
    let (major, minor) = text.split_once('.').ok_or(problem)?;
    if !is_number(major) || !is_number(minor) {
        return Err(problem);
    }
    if major != "1" {
        return Err(
            "must be of major version 1, such as \"1.0\"; a file of a later one needs a later release of this server",
        );
    }
    if minor.len() > 9 {
        return Err("must have a minor version of at most 9 digits, such as \"1.0\"");
    }
    Ok(ConfigVersion { major: 1, minor: minor.parse().map_err(|_| problem)? })
}

/// Whether it is a number as one writes it, without zeros in front.
fn is_number(text: &str) -> bool {
    text == "0" || (!text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn table(value: Value<'_>) -> Checked<Table<'_>> {
    let Value::Table(table) = value else { return Err("must be an object or a table with at least a `name`") };
    Ok(table)
}

fn name(value: Value<'_>) -> Checked<String> {
    let Value::Text(name) = value else { return Err("must be a text of 1 to 255 characters") };
    if !(1..=255).contains(&name.chars().count()) {
        Err("must have 1 to 255 characters")
    } else if name.chars().all(char::is_whitespace) {
        Err("must not be of spaces only")
    } else if name.chars().any(char::is_control) {
        Err("must not have control characters, such as tabs and line ends")
    } else {
        Ok(name)
    }
}

fn id(value: Value<'_>) -> Checked<Uuid> {
    let problem = "must be a UUID with its hyphens, such as `7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10`";
    let Value::Text(text) = value else { return Err(problem) };
    let id = Hyphenated::from_str(&text).map_err(|_| problem)?.into_uuid();
    if id.is_nil() || id.is_max() { Err("must be a UUID of its own, not one of zeros or ones only") } else { Ok(id) }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a check as the others are")]
fn flag(value: Value<'_>) -> Checked<bool> {
    let Value::Flag(flag) = value else { return Err("must be true or false, without quotes") };
    Ok(flag)
}

fn description(value: Value<'_>) -> Checked<String> {
    let problem = "must be a text of at most 4096 characters";
    let Value::Text(text) = value else { return Err(problem) };
    if text.chars().count() > 4096 { Err(problem) } else { Ok(text) }
}

/// RFC 3339, which is a TOML date-time with an offset. A text keeps its form.
fn moment(value: Value<'_>) -> Checked<String> {
    let problem = "must be a time as in RFC 3339, with its offset, such as `2026-01-31T09:30:00Z`";
    let (text, moment) = match value {
        Value::Moment(moment) => (moment.to_string(), moment),
        // TOML knows a space instead of the `T`; RFC 3339 leaves that to agreement, and the schema's format has none.
        Value::Text(text) if !text.contains(' ') => {
            let moment = text.parse().map_err(|_| problem)?;
            (text, moment)
        }
        _ => return Err(problem),
    };
    if is_instant(&moment) { Ok(text) } else { Err(problem) }
}

/// Whether it has a date, a time and an offset, and is a leap second only in the last minute of a day of UTC.
fn is_instant(moment: &Datetime) -> bool {
    let Datetime { date: Some(_), time: Some(time), offset: Some(offset) } = *moment else { return false };
    let offset = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i32::from(minutes),
    };
    let minute = i32::from(time.hour) * 60 + i32::from(time.minute) - offset;
    time.second < 60 || minute.rem_euclid(24 * 60) == 24 * 60 - 1
}
