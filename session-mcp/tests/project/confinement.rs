//! Beneath the allowed roots, and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use session_mcp::project::{DirectoryError, InvalidProjects, Projects, Sighting, SkipReason};

use crate::trees::{
    JSON, TOML, Tree, anywhere, beneath, find, invalid, json, kept, name, nothing, pairs, settings, toml,
};

/// A folder that is allowed, and one beside it that is not.
fn inside_and_outside() -> (Tree, PathBuf, PathBuf) {
    let tree = Tree::new();
    let (inside, outside) = (tree.folder("inside"), tree.folder("outside"));
    (tree, inside, outside)
}

fn assert_outside(projects: &Projects, path: &Path, roots: &[&Path]) {
    match projects.find_blocking(path) {
        Err(refused @ DirectoryError::Outside { .. }) => {
            let words = refused.to_string();
            assert!(roots.iter().all(|root| words.contains(&root.display().to_string())), "{words}");
        }
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn directories_beneath_an_allowed_root_are_accepted_and_so_is_the_root() {
    let (tree, inside, _) = inside_and_outside();
    tree.project("inside/a", "a");
    let deep = tree.folder("inside/a/b");
    let projects = beneath(&[&inside]);
    assert!(projects.is_confined());
    assert_eq!(name(&projects, &deep), "a");
    assert_eq!(find(&projects, &inside).directory, inside);
    assert!(!anywhere().is_confined());
}

#[test]
fn a_path_outside_is_refused_with_the_roots_listed() {
    let (tree, inside, outside) = inside_and_outside();
    let other = tree.folder("other");
    let projects = beneath(&[&inside, &other]);
    let roots = [inside.as_path(), other.as_path()];
    // One that only begins like a root is not beneath it.
    for path in [outside, tree.root().to_owned(), "/".into(), tree.folder("inside-not")] {
        assert_outside(&projects, &path, &roots);
    }
}

#[test]
fn a_directory_outside_is_refused_though_its_config_is_beneath_a_root() {
    let tree = Tree::new();
    tree.project("", "around");
    let root = tree.at(".codebase-mcp");
    assert_outside(&beneath(&[&root]), tree.root(), &[&root]);
}

#[test]
fn a_path_that_leads_outside_is_refused_by_dots_and_by_links() {
    let (tree, inside, outside) = inside_and_outside();
    tree.folder("outside/deep");
    tree.folder("inside/a");
    let projects = beneath(&[&inside]);
    let to_folder = tree.link("inside/absolute", &outside);
    let to_root = tree.link("inside/root", "/");
    let relative = tree.link("inside/a/relative", "../../outside");
    let twice = tree.link("inside/twice", "a/relative/deep");
    let dots = [inside.join("../outside"), inside.join("a/../../outside"), inside.join("..")];
    for path in dots.into_iter().chain([to_folder.clone(), to_folder.join("deep"), to_root, relative, twice]) {
        assert_outside(&projects, &path, &[&inside]);
    }
}

#[test]
fn links_and_dots_that_stay_inside_are_followed() {
    let (tree, inside, outside) = inside_and_outside();
    tree.project("inside/a", "a");
    let links = [
        tree.link("inside/link", "a"),
        tree.link("inside/absolute", inside.join("a")),
        tree.link("outside/in", inside.join("a")),
        outside.join("../inside/a"),
        inside.join("../inside/./a/"),
    ];
    for path in links {
        assert_eq!(find(&beneath(&[&inside]), &path).directory, inside.join("a"), "{}", path.display());
    }
}

#[test]
fn what_is_outside_is_refused_in_the_same_words_whether_or_not_it_is_there() {
    let (tree, inside, outside) = inside_and_outside();
    tree.file("outside/file", "");
    tree.link("outside/loop", "loop");
    let out = tree.link("inside/out", &outside);
    let projects = beneath(&[&inside]);
    let there = projects.find_blocking(&outside).expect_err("it is outside");

    let paths = ["missing", "missing/deeper", "file", "file/deeper", "loop", "."];
    for base in [&outside, &out, &inside.join("../outside")] {
        for path in paths.map(|path| base.join(path)) {
            assert_eq!(projects.find_blocking(&path).expect_err("it is outside"), there, "{}", path.display());
        }
    }
    for target in ["../outside/missing", "../outside/file", "/there-is-no-such-thing"] {
        let link = tree.link("inside/link", target);
        assert_eq!(projects.find_blocking(&link).expect_err("it leads outside"), there, "{target}");
        fs::remove_file(link).expect("it is a link");
    }
}

#[test]
fn what_is_missing_inside_is_missing() {
    let (tree, inside, _) = inside_and_outside();
    let projects = beneath(&[&inside]);
    let dangling = tree.link("inside/dangling", "nowhere");
    for path in [inside.join("missing"), inside.join("missing/deeper"), dangling] {
        assert_eq!(projects.find_blocking(&path).expect_err("it is not there"), DirectoryError::Missing);
    }
    tree.file("inside/file", "");
    let refused = projects.find_blocking(&inside.join("file")).expect_err("it is a file");
    assert_eq!(refused, DirectoryError::NotADirectory);
}

#[test]
fn the_search_does_not_look_above_the_allowed_root() {
    let (tree, inside, _) = inside_and_outside();
    tree.project("", "above");
    let deep = tree.folder("inside/a/b");
    assert_eq!(name(&anywhere(), &deep), "above");
    assert_eq!(pairs(&nothing(&beneath(&[&inside]), &deep)), [(inside.as_path(), SkipReason::AllowedRoot)]);

    tree.project("inside", "root");
    assert_eq!(name(&beneath(&[&inside]), &deep), "root");
}

#[test]
fn of_nested_allowed_roots_the_outermost_ends_the_search() {
    let (tree, inside, _) = inside_and_outside();
    tree.project("", "above");
    tree.project("inside", "outer");
    let inner = tree.folder("inside/inner");
    for roots in [[inside.as_path(), inner.as_path()], [inner.as_path(), inside.as_path()]] {
        assert_eq!(name(&beneath(&roots), &inner), "outer");
    }
}

#[test]
fn an_allowed_root_may_be_named_by_a_link() {
    let (tree, inside, outside) = inside_and_outside();
    tree.project("inside/a", "a");
    let link = tree.link("link", &inside);
    let projects = beneath(&[&link]);
    assert_eq!(name(&projects, &link.join("a")), "a");
    assert_eq!(name(&projects, &inside.join("a")), "a");
    assert_outside(&projects, &outside, &[&inside]);
}

#[test]
fn an_allowed_root_that_cannot_be_opened_is_refused_by_its_name() {
    let tree = Tree::new();
    for path in [tree.at("missing"), tree.file("file", "")] {
        match Projects::new(&[tree.root().to_owned(), path.clone()], &settings()) {
            Err(InvalidProjects::Root { path: refused, .. }) => assert_eq!(refused, path),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_directory_that_becomes_a_link_outside_is_refused_at_its_next_use() {
    let (tree, inside, outside) = inside_and_outside();
    tree.project("inside/a", "a");
    tree.project("outside/a", "outside");
    let projects = beneath(&[&inside]);
    let directory = inside.join("a");
    assert_eq!(kept(&projects, &directory).config.name, "a");

    fs::rename(&directory, inside.join("moved")).expect("it can be moved");
    tree.link("inside/a", outside.join("a"));
    assert_outside(&projects, &directory, &[&inside]);
}

#[test]
fn a_folder_above_that_becomes_a_link_outside_is_noticed() {
    let (tree, inside, _) = inside_and_outside();
    tree.project("inside/a", "a");
    let deep = tree.folder("inside/a/b/c");
    tree.project("outside/a", "outside");
    tree.folder("outside/a/b/c");
    let projects = beneath(&[&inside]);
    assert_eq!(name(&projects, &deep), "a");

    fs::rename(inside.join("a"), inside.join("moved")).expect("it can be moved");
    tree.link("inside/a", "../outside/a");
    assert_outside(&projects, &deep, &[&inside]);
}

#[test]
fn a_config_that_leads_outside_is_not_read_and_not_passed_over() {
    let (tree, inside, outside) = inside_and_outside();
    tree.project("inside", "above");
    tree.file("outside/config.json", &json("secret"));
    tree.link(Path::new("inside/file").join(JSON), outside.join("config.json"));
    tree.link("inside/folder/.codebase-mcp", "../../outside");
    tree.link(Path::new("inside/second").join(TOML), outside.join("config.json"));
    let projects = beneath(&[&inside]);
    for folder in ["file", "folder", "second"] {
        let why = invalid(&projects, &inside.join(folder));
        assert!(why.path.starts_with(inside.join(folder)), "{why}");
        assert!(why.problem.contains(&format!("leads out of the allowed roots: {}", inside.display())), "{why}");
    }
}

#[test]
fn what_a_config_leads_to_outside_is_not_told() {
    let (tree, inside, outside) = inside_and_outside();
    tree.file("outside/file", "{");
    tree.folder("outside/folder");
    tree.link("outside/loop", "loop");
    let projects = beneath(&[&inside]);
    let link = inside.join(TOML);
    let told = ["file", "folder", "loop", "missing", "file/deeper"].map(|target| {
        std::os::unix::fs::symlink(outside.join(target), &link).expect("a link can be made");
        let why = invalid(&projects, &inside);
        fs::remove_file(&link).expect("it is a link");
        why
    });
    assert!(told.iter().all(|why| *why == told[0]), "{told:?}");
}

#[test]
fn what_a_configs_folder_leads_to_outside_is_not_told() {
    let (tree, inside, outside) = inside_and_outside();
    tree.project("outside/with", "secret");
    tree.folder("outside/without/.codebase-mcp");
    tree.file("outside/file/.codebase-mcp", "");
    tree.folder("outside/missing");
    let projects = beneath(&[&inside]);
    let link = inside.join(".codebase-mcp");
    let told = ["with", "without", "file", "missing"].map(|target| {
        std::os::unix::fs::symlink(outside.join(target).join(".codebase-mcp"), &link).expect("a link can be made");
        let why = invalid(&projects, &inside);
        fs::remove_file(&link).expect("it is a link");
        why
    });
    assert!(told.iter().all(|why| *why == told[0]), "{told:?}");
}

#[test]
fn a_kept_config_that_becomes_a_link_outside_is_noticed() {
    let (tree, inside, outside) = inside_and_outside();
    tree.file(Path::new("inside").join(TOML), &toml("inside"));
    tree.file("outside/config.toml", &toml("outside"));
    let projects = beneath(&[&inside]);
    assert_eq!(kept(&projects, &inside).config.name, "inside");

    fs::remove_file(inside.join(TOML)).expect("it is there");
    tree.link(Path::new("inside").join(TOML), outside.join("config.toml"));
    invalid(&projects, &inside);
}

#[tokio::test]
async fn what_is_opened_reaches_what_is_in_it_and_nothing_outside() {
    let (tree, inside, outside) = inside_and_outside();
    tree.file("inside/a/file", "inside");
    tree.file("outside/file", "outside");
    tree.link("inside/a/out", &outside);
    let (_, directory) = beneath(&[&inside]).open(&inside.join("a")).await.expect("it is allowed");
    assert_eq!(directory.read_to_string("file").expect("it is in it"), "inside");
    for path in ["out/file", "../../outside/file", "../a/file"] {
        directory.read_to_string(path).expect_err(path);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_is_swapped_all_the_time_never_leads_outside() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    let (tree, inside, outside) = inside_and_outside();
    for (folder, word) in [("inside", "inside"), ("outside", "secret")] {
        tree.project(Path::new(folder).join("a"), word);
        tree.file(Path::new(folder).join("a/b/file"), word);
    }
    let (directory, other) = (inside.join("a"), tree.link("inside/link", outside.join("a")));
    let swap = || renameat_with(CWD, &directory, CWD, &other, RenameFlags::EXCHANGE).expect("both are there");
    let projects = beneath(&[&inside]);
    let end = Instant::now() + Duration::from_secs(1);
    let (found, opened) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while Instant::now() < end {
                swap();
            }
        });
        let finder = scope.spawn(|| {
            let mut found = 0;
            while Instant::now() < end {
                match projects.find_blocking(&directory.join("b")).map(|discovery| discovery.sighting) {
                    Ok(Sighting::Config(config)) => {
                        assert_eq!(config.config.name, "inside");
                        found += 1;
                    }
                    // The config was swapped after the directory was found.
                    Ok(Sighting::Nothing | Sighting::Invalid(_)) | Err(_) => {}
                }
            }
            found
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut opened = 0;
        while Instant::now() < end {
            if let Ok((_, open)) = runtime.block_on(projects.open(&directory.join("b"))) {
                assert_eq!(open.read_to_string("file").expect("it is in it"), "inside");
                opened += 1;
            }
        }
        (finder.join().expect("it does not panic"), opened)
    });
    assert!(found > 0 && opened > 0, "{found} {opened}");
}
