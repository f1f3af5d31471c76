//! How paths are spelled, and where they lead.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::project::error::DirectoryError;

/// The longest path that a record can keep, in bytes.
const MAX_BYTES: usize = 4096;

/// How many links are followed on the way, as Linux does.
const MAX_LINKS: usize = 40;

/// Whether a record can keep a path.
pub(super) fn check_text(path: &Path) -> Result<(), DirectoryError> {
    match path.to_str() {
        Some(text) if (1..=MAX_BYTES).contains(&text.len()) && !text.contains('\0') => Ok(()),
        _ => Err(DirectoryError::NotText),
    }
}

/// Whether an absolute path is spelled in the one way that its canonical path would be, links aside.
pub(super) fn is_tidy(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    let Some((b'/', beneath)) = bytes.split_first() else { return false };
    beneath.is_empty() || !beneath.split(|byte| *byte == b'/').any(|name| matches!(name, b"" | b"." | b".."))
}

/// Where a path leads, links followed, as far as there is anything.
///
/// The last name may be of nothing: it is where the way was lost, with everything before it canonical. So the answer
/// is beneath a root only if no link on the way led out of it.
pub(super) fn end(path: &Path) -> PathBuf {
    let mut end = PathBuf::new();
    let mut links = 0;
    let mut ahead: Vec<OsString> = Vec::new();
    push_names(&mut ahead, path);
    while let Some(name) = ahead.pop() {
        if name == ".." {
            end.pop();
            continue;
        }
        end.push(&name);
        match end.symlink_metadata() {
            Ok(found) if found.is_symlink() && links < MAX_LINKS => {
                links += 1;
                let Ok(target) = end.read_link() else { return end };
                end.pop();
                push_names(&mut ahead, &target);
            }
            Ok(found) if found.is_dir() => {}
            _ => return end,
        }
    }
    end
}

fn push_names(ahead: &mut Vec<OsString>, path: &Path) {
    let names = path.components().rev().filter(|name| *name != Component::CurDir);
    ahead.extend(names.map(|name| name.as_os_str().to_owned()));
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{check_text, end, is_tidy};

    #[test]
    fn a_path_is_tidy_if_it_is_spelled_in_the_one_way() {
        for tidy in ["/", "/a", "/a/b", "/...", "/a/.git"] {
            assert!(is_tidy(Path::new(tidy)), "{tidy}");
        }
        for untidy in ["", "a", "//", "/a/", "//a", "/a//b", "/./a", "/a/.", "/a/../b", "/.."] {
            assert!(!is_tidy(Path::new(untidy)), "{untidy}");
        }
    }

    #[test]
    fn a_record_keeps_paths_of_up_to_4096_bytes_without_nul() {
        for text in [String::new(), "/a\0b".to_owned(), format!("/{}", "a".repeat(4096))] {
            assert!(check_text(Path::new(&text)).is_err(), "{} bytes", text.len());
        }
        assert!(check_text(&PathBuf::from(format!("/{}", "a".repeat(4095)))).is_ok());
    }

    #[test]
    fn what_is_not_there_ends_where_the_way_was_lost() {
        assert_eq!(end(Path::new("/there-is-no-such-thing/at/all")), Path::new("/there-is-no-such-thing"));
        assert_eq!(end(Path::new("/../..")), Path::new("/"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_where_they_lead() -> std::io::Result<()> {
        let home = tempfile::tempdir()?;
        let home = home.path().canonicalize()?;
        std::fs::create_dir(home.join("folder"))?;
        std::os::unix::fs::symlink("/there-is-no-such-thing/x", home.join("out"))?;
        std::os::unix::fs::symlink("loop", home.join("loop"))?;
        std::os::unix::fs::symlink("../folder/./gone", home.join("folder/dangling"))?;

        assert_eq!(end(&home.join("folder/../out/deep")), Path::new("/there-is-no-such-thing"));
        assert_eq!(end(&home.join("loop")), home.join("loop"));
        assert_eq!(end(&home.join("folder/dangling")), home.join("folder/gone"));
        assert_eq!(end(&home.join("folder")), home.join("folder"));
        Ok(())
    }
}
