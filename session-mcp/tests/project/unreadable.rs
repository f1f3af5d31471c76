//! What may not be looked at.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use session_mcp::project::{DirectoryError, SkipReason};

use crate::trees::{JSON, TOML, Tree, anywhere, find, invalid, json, name, pairs};

/// Does something as a user whom files do not obey. Who runs the tests may be root, whom every file obeys; then a
/// thread becomes nobody.
pub(crate) fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            #[cfg(target_os = "linux")]
            if rustix::process::geteuid().is_root() {
                let (nobody, nogroup) = (rustix::fs::Uid::from_raw(65534), rustix::fs::Gid::from_raw(65534));
                rustix::thread::set_thread_groups(&[]).expect("root may leave its groups");
                rustix::thread::set_thread_res_gid(nogroup, nogroup, nogroup).expect("root may leave its group");
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("root may become anybody");
            }
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

pub(crate) fn forbid(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// A tree that nobody may look into, as far as it does not forbid that itself.
pub(crate) fn open_tree() -> Tree {
    let tree = Tree::new();
    forbid(tree.root(), 0o755);
    tree
}

#[test]
fn a_folder_that_may_not_be_looked_into_is_passed_over() {
    let tree = open_tree();
    tree.project("", "above");
    let closed = tree.folder("closed");
    tree.project("closed", "closed");
    forbid(&closed, 0o000);

    as_nobody(|| {
        let projects = anywhere();
        assert_eq!(name(&projects, &closed), "above");
        assert_eq!(pairs(&find(&projects, &closed).skipped), [(closed.as_path(), SkipReason::Unreadable)]);
    });
    forbid(&closed, 0o755);
}

#[test]
fn a_configs_folder_that_may_not_be_looked_into_is_passed_over() {
    let tree = open_tree();
    let config = tree.project("", "closed");
    tree.file(TOML, &crate::trees::toml("open"));
    let closed = config.parent().expect("it is in a folder");
    forbid(closed, 0o600);

    as_nobody(|| {
        let projects = anywhere();
        assert_eq!(name(&projects, tree.root()), "open");
        assert_eq!(pairs(&find(&projects, tree.root()).skipped), [(config.as_path(), SkipReason::Unreadable)]);
    });
    forbid(closed, 0o755);
}

#[test]
fn a_directory_beneath_a_closed_folder_is_missing() {
    let tree = open_tree();
    let deep = tree.folder("closed/deep");
    forbid(&tree.at("closed"), 0o600);

    let refused = as_nobody(|| anywhere().find_blocking(&deep)).expect_err("nobody knows what is there");
    forbid(&tree.at("closed"), 0o755);
    assert_eq!(refused, DirectoryError::Missing);
}

#[test]
fn a_config_that_may_not_be_read_is_not_passed_over() {
    let tree = open_tree();
    tree.project("", "above");
    let config = tree.file(Path::new("inner").join(JSON), &json("inner"));
    forbid(&config, 0o200);

    as_nobody(|| {
        let why = invalid(&anywhere(), &tree.at("inner"));
        assert_eq!(why.path, config);
        assert!(why.problem.contains("may not read"), "{why}");
    });
}

#[test]
fn a_config_counts_as_soon_as_it_may_be_read() {
    let tree = open_tree();
    let config = tree.project("", "readable");
    forbid(&config, 0o200);
    as_nobody(|| {
        invalid(&anywhere(), tree.root());
    });
    forbid(&config, 0o644);
    as_nobody(|| assert_eq!(name(&anywhere(), tree.root()), "readable"));
}

#[test]
fn a_directory_that_may_not_be_listed_can_be_worked_in() {
    let tree = open_tree();
    tree.project("", "unlisted");
    forbid(tree.root(), 0o711);
    as_nobody(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (directory, open) = runtime.block_on(anywhere().open(tree.root())).expect("it may be entered");
        assert_eq!(directory, tree.root());
        assert!(open.is_file(JSON));
        assert_eq!(name(&anywhere(), tree.root()), "unlisted");
    });
}
