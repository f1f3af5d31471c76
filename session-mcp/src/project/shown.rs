//! Paths in sentences.

use std::path::{Path, PathBuf};

/// A path for a sentence: what would break the line, or worse, is escaped.
pub(super) fn shown(path: &Path) -> String {
    let mut shown = String::new();
    for character in path.display().to_string().chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Several paths for a sentence.
pub(super) fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", ")
}
