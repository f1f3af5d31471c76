//! Checkouts made by git.

use std::path::Path;
use std::process::Command;

use session_mcp::project::SkipReason;

use crate::trees::{Tree, anywhere, find, json, name, nothing, pairs};

/// Runs git as nobody in particular, without anybody's settings.
fn git(directory: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "protocol.file.allow=always"];
    let done = Command::new("git")
        .args(who)
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap_or(directory))
        .output()
        .expect("git can be run");
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A checkout with one commit, and with a config file that is not part of it.
fn checkout(tree: &Tree, path: &str) {
    let directory = tree.folder(path);
    git(&directory, &["init", "--quiet", "--initial-branch", "main"]);
    tree.file(Path::new(path).join("src/lib.rs"), "");
    git(&directory, &["add", "."]);
    git(&directory, &["commit", "--quiet", "--message", "first"]);
}

#[test]
fn a_checkout_is_searched_from_its_folders_up_to_its_root_and_above() {
    let tree = Tree::new();
    checkout(&tree, "group/main");
    let projects = anywhere();
    tree.project("group", "group");
    assert_eq!(name(&projects, &tree.at("group/main/src")), "group");
    tree.project("group/main", "main");
    assert_eq!(name(&projects, &tree.at("group/main/src")), "main");
}

#[test]
fn a_worktree_within_the_main_checkout_does_not_take_its_project() {
    let tree = Tree::new();
    checkout(&tree, "main");
    tree.project("main", "main");
    git(&tree.at("main"), &["worktree", "add", "--quiet", "worktrees/feature"]);
    let worktree = tree.at("main/worktrees/feature");
    let projects = anywhere();

    for directory in [&worktree, &worktree.join("src")] {
        assert_eq!(pairs(&nothing(&projects, directory)), [(worktree.as_path(), SkipReason::Checkout)]);
    }
    assert_eq!(name(&projects, &tree.at("main/worktrees")), "main");
}

#[test]
fn a_worktrees_own_root_counts() {
    let tree = Tree::new();
    checkout(&tree, "main");
    tree.project("main", "main");
    git(&tree.at("main"), &["worktree", "add", "--quiet", "worktrees/feature"]);
    tree.file("main/worktrees/feature/.codebase-mcp/config.json", &json("feature"));
    let projects = anywhere();

    assert_eq!(name(&projects, &tree.at("main/worktrees/feature/src")), "feature");
    assert_eq!(name(&projects, &tree.at("main/src")), "main");
}

#[test]
fn a_committed_config_makes_each_worktree_a_place_of_the_same_project() {
    let tree = Tree::new();
    checkout(&tree, "main");
    tree.project("main", "main");
    git(&tree.at("main"), &["add", "."]);
    git(&tree.at("main"), &["commit", "--quiet", "--message", "a project"]);
    git(&tree.at("main"), &["worktree", "add", "--quiet", "../beside"]);
    let discovery = find(&anywhere(), &tree.at("beside/src"));

    assert_eq!(name(&anywhere(), &tree.at("beside/src")), "main");
    assert_eq!(discovery.skipped, []);
    assert_eq!(crate::trees::config(&anywhere(), &tree.at("beside/src")).root, tree.at("beside"));
}

#[test]
fn a_submodule_does_not_take_the_project_around_it() {
    let tree = Tree::new();
    checkout(&tree, "library");
    checkout(&tree, "main");
    tree.project("main", "main");
    let library = tree.at("library");
    git(&tree.at("main"), &["submodule", "--quiet", "add", library.to_str().expect("it is text"), "vendor/library"]);
    let submodule = tree.at("main/vendor/library");
    let projects = anywhere();

    assert_eq!(pairs(&nothing(&projects, &submodule.join("src"))), [(submodule.as_path(), SkipReason::Checkout)]);
    tree.project("main/vendor/library", "library");
    assert_eq!(name(&projects, &submodule.join("src")), "library");
}
