//! What is wrong with a file, and where in its text.

use std::borrow::Cow;
use std::path::Path;

use super::{InvalidConfig, Position};

/// What is wrong with a file, and at which byte of its text.
#[derive(Debug)]
pub(super) struct Fault {
    at: usize,
    field: Option<String>,
    problem: Cow<'static, str>,
}

impl Fault {
    /// A fault of the text itself.
    pub(super) fn of_text(at: usize, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { at, field: None, problem: problem.into() }
    }

    /// A fault of one field.
    pub(super) fn of_field(at: usize, field: String, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { at, field: Some(field), problem: problem.into() }
    }

    /// A key that is there twice; it is named if it can be.
    pub(super) fn again(at: usize, key: Option<String>) -> Self {
        let problem = if key.is_some() { "is there twice; keep one" } else { "a key is there twice; keep one" };
        Self { at, field: key, problem: problem.into() }
    }

    /// What its user is told.
    pub(super) fn within(self, path: &Path, text: &str) -> InvalidConfig {
        InvalidConfig {
            path: path.to_owned(),
            position: Some(Position::of(text, self.at)),
            field: self.field,
            problem: self.problem.into_owned(),
        }
    }
}

/// The bytes as text, or the text before the first byte that is none.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, (&str, Fault)> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let before = bytes.get(..at).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default();
        let text = before.strip_prefix('\u{feff}').unwrap_or(before);
        (text, Fault::of_text(text.len(), format!("byte {} is not UTF-8; save the file as UTF-8", at + 1)))
    })
}

impl Position {
    /// Where in a text a byte is.
    pub(super) fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line..].chars().count() + 1 }
    }
}
