//! Where another file system begins.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use session_mcp::project::{ProjectSettings, Projects, SkipReason};

use crate::trees::{Tree, anywhere, name, nothing, pairs, settings};

/// Where the test that runs in a world of its own finds its tree.
const MOUNTED: &str = "SESSION_MCP_TEST_MOUNTED";

fn across() -> Projects {
    Projects::new(&[], &ProjectSettings { cross_mounts: true, ..settings() }).expect("the settings are good")
}

/// The root of a file system that this machine has mounted somewhere.
fn some_mount() -> PathBuf {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let mounts = ["/dev/shm", "/run", "/sys", "/proc", "/dev"].map(PathBuf::from);
    let found = mounts.into_iter().find(|mount| {
        let is_canonical = mount.canonicalize().is_ok_and(|canonical| canonical == *mount);
        is_canonical && device(mount) != mount.parent().and_then(device)
    });
    found.expect("Linux has something mounted at one of these")
}

#[test]
fn the_search_stops_where_another_file_system_begins() {
    let mount = some_mount();
    let skipped = nothing(&anywhere(), &mount);
    assert_eq!(pairs(&skipped), [(mount.as_path(), SkipReason::MountBoundary)]);
    assert!(nothing(&across(), &mount).iter().all(|skipped| skipped.reason != SkipReason::MountBoundary));
}

#[test]
fn a_project_around_a_mounted_file_system_is_not_taken() {
    let tree = Tree::new();
    tree.project("", "around");
    let mount = tree.folder("mounted");
    let this = std::env::current_exe().expect("this runs");
    let script = r#"mount -t tmpfs tmpfs "$1" && exec "$2" --exact mounts::in_a_world_of_its_own --ignored"#;
    let run = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .args([&mount, &this])
        .env(MOUNTED, &mount)
        .output();
    match run {
        Ok(done) if String::from_utf8_lossy(&done.stdout).contains("running 1 test") => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        }
        // Where nothing may be mounted, what is mounted already has to do.
        _ => the_search_stops_where_another_file_system_begins(),
    }
}

#[test]
#[ignore = "it is run by another test, which mounts a file system for it"]
fn in_a_world_of_its_own() {
    let Some(mount) = std::env::var_os(MOUNTED).map(PathBuf::from) else { return };
    let deep = mount.join("a/b");
    fs::create_dir_all(&deep).expect("it can be written");

    for directory in [&mount, &deep] {
        assert_eq!(pairs(&nothing(&anywhere(), directory)), [(mount.as_path(), SkipReason::MountBoundary)]);
        assert_eq!(name(&across(), directory), "around");
    }
    fs::write(mount.join(crate::trees::TOML), crate::trees::toml("mounted")).expect("it can be written");
    assert_eq!(name(&anywhere(), &deep), "mounted");
}
