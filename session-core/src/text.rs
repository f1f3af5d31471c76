//! A short text from outside that a record keeps: a path, an id, a label.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A short text that a record keeps: 1 to 4,096 bytes of UTF-8 without NUL.
///
/// Paths are texts too: they come from and go to JSON, which knows no other bytes. What is not a text is refused
/// before any store sees it, and what is one comes back byte for byte. Cloning shares the bytes. `Debug` shows the
/// length alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// The longest text in bytes: the longest path of Linux.
    pub const MAX_BYTES: usize = 4096;

    /// Takes a text from outside.
    ///
    /// # Errors
    ///
    /// [`InvalidText`] if it is empty, longer than [`MAX_BYTES`](Self::MAX_BYTES) or holds a NUL.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        if text.is_empty() || text.len() > Self::MAX_BYTES || text.contains('\0') {
            return Err(InvalidText);
        }
        Ok(Self(text.into()))
    }

    /// Takes a path.
    ///
    /// # Errors
    ///
    /// [`InvalidText`] as for [`new`](Self::new), and if the path is not UTF-8.
    pub fn from_path(path: &Path) -> Result<Self, InvalidText> {
        Self::new(path.to_str().ok_or(InvalidText)?)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(self.as_str())
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl TryFrom<&str> for Text {
    type Error = InvalidText;

    fn try_from(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// A text that no record keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path, project id or label must be 1 to 4096 bytes of UTF-8 without NUL")]
pub struct InvalidText;
