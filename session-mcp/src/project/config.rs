//! What a project's config file says.

mod document;
mod fault;
mod fields;
mod json;
mod toml;
mod unknown;

use std::fmt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::shown::shown;

use self::document::{Document, Format};

/// What a project's config file says.
///
/// The file is JSON if its name ends in `.json`, and TOML otherwise. Both say the same:
///
/// ```
/// # use session_mcp::project::ProjectConfig;
/// # use std::path::Path;
/// let (from_json, _) = ProjectConfig::parse(
///     Path::new("config.json"),
///     br#"{
///         "version": "1.0",
///         "project": { "name": "Shop", "id": "7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10" },
///         "strict_mode": true
///     }"#,
/// )?;
/// let (from_toml, warnings) = ProjectConfig::parse(
///     Path::new(".session-mcp.toml"),
///     br#"
///         version = "1.0"
///         strict_mode = true
///
///         [project]
///         name = "Shop"
///         id = "7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10"
///     "#,
/// )?;
/// assert_eq!(from_json, from_toml);
/// assert!(from_json.auto_switch && warnings.is_empty());
/// # Ok::<(), session_mcp::project::InvalidConfig>(())
/// ```
///
/// `version` and `project.name` are required, everything else may be absent or, in JSON, `null`. A key is there once.
/// [`SCHEMA`](Self::SCHEMA) says the same to an editor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProjectConfig {
    /// Which version of the format the file has: a text such as `1.0`.
    pub version: ConfigVersion,
    /// The project's name, `project.name`: 1 to 255 characters, not all of them spaces, no control character.
    pub name: String,
    /// The project's id, `project.id`, if it has one: a UUID with its hyphens, in either case. The UUIDs of nothing but
    /// zeros or ones are refused, since they are what templates hold, and would make one project of several.
    pub id: Option<Uuid>,
    /// Whether a session that comes to work in the project's directory switches to the project by itself; it does
    /// unless the file says otherwise.
    pub auto_switch: bool,
    /// Whether a session that works in the project's directory and in another project is refused.
    pub strict_mode: bool,
    /// Whether a switch to the project is told of and not made.
    pub dry_run: bool,
    /// What the project is, in its own words, at most 4096 characters.
    pub description: Option<String>,
    /// When the file was made: RFC 3339 with its offset. In TOML it may be a date-time as well as a text.
    pub created_at: Option<String>,
    /// When the file was changed: RFC 3339 with its offset. In TOML it may be a date-time as well as a text.
    pub updated_at: Option<String>,
}

impl ProjectConfig {
    /// The longest config file, in bytes.
    pub const MAX_BYTES: u64 = 64 * 1024;

    /// The JSON Schema of config files, draft 2020-12, with which editors complete and check them. It accepts the JSON
    /// documents that [`parse`](Self::parse) accepts and no others, as long as `format` is asserted and no key is there
    /// twice; TOML files are judged by the same schema.
    ///
    /// Of the published crate it is `schema/project-config.schema.json`. A JSON file names it by its path or URL in the
    /// key `$schema`, a TOML file in its first line: `#:schema ./project-config.schema.json`.
    pub const SCHEMA: &'static str = include_str!("../../schema/project-config.schema.json");

    /// Reads what a file holds. Its name says whether that is JSON or TOML. Also returned is what is odd about it, in
    /// words, such as unknown keys.
    ///
    /// An unknown key is accepted, because the files of other tools hold more, and warned of, because it may be a known
    /// one mistyped: `$schema` is not warned of, nor are the keys of a file whose minor version is later than the one
    /// known here. A byte order mark at the beginning is passed over.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] says in which place and which field the first fault is, and what would be right. Neither it
    /// nor a warning holds a value of the file.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<(Self, Vec<String>), InvalidConfig> {
        if u64::try_from(bytes.len()).is_ok_and(|length| length > Self::MAX_BYTES) {
            return Err(InvalidConfig::whole(path, "it is longer than 64 KiB; keep only the project's keys in it"));
        }
        let text = fault::utf8(bytes).map_err(|(text, fault)| fault.within(path, text))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(InvalidConfig::whole(path, "it is empty, and needs at least `version` and `project.name`"));
        }
        Document::parse(Format::of(path), text)
            .and_then(|document| fields::read(&document.root()?, text))
            .map_err(|fault| fault.within(path, text))
    }
}

/// The version of a config file's format: major.minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a version is two numbers")]
pub struct ConfigVersion {
    /// Files of another major version cannot be read.
    pub major: u32,
    /// A later one adds fields.
    pub minor: u32,
}

impl ConfigVersion {
    /// The latest version whose every field is known here.
    pub const KNOWN: Self = Self { major: 1, minor: 0 };
}

/// Why a config file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidConfig {
    /// Which file.
    pub path: PathBuf,
    /// The place in it.
    pub position: Option<Position>,
    /// The field, with the section that it is in: `project.id`.
    pub field: Option<String>,
    /// What is the matter, and what would be right; of the field, if there is one. Quotes nothing.
    pub problem: String,
}

impl InvalidConfig {
    /// A file that cannot be used as a whole.
    pub(super) fn whole(path: &Path, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), position: None, field: None, problem: problem.into() }
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the config file {} cannot be used: ", shown(&self.path))?;
        if let Some(position) = self.position {
            write!(f, "{position}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "`{field}` ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for InvalidConfig {}

/// A place in a file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a place is a line and a column")]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column in it, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
