//! From a directory upward.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use session_mcp::project::{DirectoryError, ProjectSettings, Projects, SkipReason};

use crate::trees::{
    JSON, TOML, Tree, anywhere, config, find, invalid, json, kept, name, nothing, pairs, settings, toml,
};
use crate::unreadable::{as_nobody, forbid, open_tree};

#[test]
fn the_nearest_config_counts() {
    let tree = Tree::new();
    tree.project("", "outer");
    let inner = tree.project("a/b", "inner");
    let deep = tree.folder("a/b/c/d");
    let projects = anywhere();

    assert_eq!(name(&projects, &tree.at("a")), "outer");
    assert_eq!(name(&projects, &tree.at("a/b")), "inner");
    let found = config(&projects, &deep);
    assert_eq!((found.path.as_path(), found.root.as_path()), (inner.as_path(), tree.at("a/b").as_path()));
    assert_eq!(find(&projects, &deep).directory, deep);
}

#[test]
fn of_two_names_in_a_directory_the_first_counts() {
    let tree = Tree::new();
    tree.file(TOML, &toml("second"));
    let projects = anywhere();
    assert_eq!(name(&projects, tree.root()), "second");

    tree.project("", "first");
    assert_eq!(name(&projects, tree.root()), "first");

    let config_names = vec![TOML.into(), JSON.into()];
    let turned = Projects::new(&[], &ProjectSettings { config_names, ..settings() }).expect("the names are good");
    assert_eq!(name(&turned, tree.root()), "second");
}

#[test]
fn a_nearer_config_of_the_second_name_counts_before_one_of_the_first() {
    let tree = Tree::new();
    tree.project("", "far");
    tree.file(Path::new("near").join(TOML), &toml("near"));
    assert_eq!(name(&anywhere(), &tree.at("near")), "near");
}

#[test]
fn a_config_that_cannot_be_used_is_not_passed_over() {
    let tree = Tree::new();
    tree.project("", "outer");
    let projects = anywhere();
    let too_long = format!("{}{}", json("long"), " ".repeat(64 * 1024));
    for (folder, content) in [("empty", ""), ("bad", "{"), ("untyped", "[]"), ("long", too_long.as_str())] {
        let path = tree.file(Path::new(folder).join(JSON), content);
        assert_eq!(invalid(&projects, &tree.at(folder)).path, path, "{folder}");
    }
}

#[test]
fn a_config_may_be_as_long_as_is_promised() {
    let tree = Tree::new();
    let content = json("long");
    tree.file(JSON, &format!("{content}{}", " ".repeat(64 * 1024 - content.len())));
    assert_eq!(name(&anywhere(), tree.root()), "long");
}

#[test]
fn what_is_called_like_a_config_and_is_no_file_is_passed_over() {
    let tree = Tree::new();
    tree.project("", "outer");
    let passed = [
        tree.folder(Path::new("folder").join(TOML)),
        tree.link(Path::new("dangling").join(TOML), "nowhere"),
        tree.link(Path::new("loop").join(TOML), TOML),
        tree.link(Path::new("linked folder").join(TOML), ".."),
        tree.folder("pipe").join(TOML),
        tree.folder("socket").join(TOML),
    ];
    rustix::fs::mkfifoat(rustix::fs::CWD, &passed[4], 0o600.into()).expect("a pipe can be made");
    let _listener = UnixListener::bind(&passed[5]).expect("a socket can be made");

    let projects = anywhere();
    for path in passed {
        let discovery = find(&projects, path.parent().expect("it is in a folder"));
        assert_eq!(pairs(&discovery.skipped), [(path.as_path(), SkipReason::NotAFile)]);
        assert_eq!(name(&projects, &discovery.directory), "outer");
    }
}

#[test]
fn a_file_where_the_configs_folder_would_be_is_nothing() {
    let tree = Tree::new();
    tree.project("", "outer");
    tree.file("inner/.codebase-mcp", "");
    assert_eq!(name(&anywhere(), &tree.at("inner")), "outer");
}

#[test]
fn a_linked_directory_is_the_one_it_leads_to() {
    let tree = Tree::new();
    tree.project("real", "real");
    let real = tree.folder("real/src");
    tree.project("decoy", "decoy");
    let link = tree.link("decoy/link", "../real/src");

    let discovery = find(&anywhere(), &link);
    assert_eq!(discovery.directory, real);
    assert_eq!(name(&anywhere(), &link), "real");
}

#[test]
fn a_path_is_what_it_leads_to_however_it_is_spelled() {
    let tree = Tree::new();
    tree.project("a", "a");
    let plain = tree.folder("a/b");
    for spelled in ["a/b/", "a//b", "a/./b", "a/b/.", "a/b/../b", "a/../a/b"] {
        assert_eq!(find(&anywhere(), &tree.at(spelled)).directory, plain, "{spelled}");
    }
    let doubled = PathBuf::from(format!("/{}", plain.display()));
    assert_eq!(find(&anywhere(), &doubled).directory, plain);
}

#[test]
fn a_linked_config_is_read_where_it_leads_to() {
    let tree = Tree::new();
    tree.file("shared/base.json", &json("shared"));
    let path = tree.link(Path::new("a").join(JSON), "../../shared/base.json");
    tree.file("shared/folder/config.json", &json("folder"));
    tree.link("b/.codebase-mcp", "../shared/folder");

    let found = config(&anywhere(), &tree.at("a"));
    assert_eq!((found.config.name.as_str(), &found.path, &found.root), ("shared", &path, &tree.at("a")));
    assert_eq!(name(&anywhere(), &tree.at("b")), "folder");
}

#[test]
fn a_path_through_a_loop_of_links_is_refused() {
    let tree = Tree::new();
    tree.link("one", "two");
    tree.link("two", "one");
    let refused = anywhere().find_blocking(&tree.at("one/src")).expect_err("it leads nowhere");
    assert_eq!(refused, DirectoryError::Missing);
}

#[test]
fn a_path_that_is_relative_missing_or_a_file_is_refused() {
    let tree = Tree::new();
    let file = tree.file("file", "");
    let projects = anywhere();
    let refused = |path: &Path| projects.find_blocking(path).expect_err("it is refused");

    assert_eq!(refused(Path::new("src")), DirectoryError::Relative);
    assert_eq!(refused(Path::new("./src")), DirectoryError::Relative);
    assert_eq!(refused(&tree.at("missing")), DirectoryError::Missing);
    assert_eq!(refused(&tree.at("missing/deeper")), DirectoryError::Missing);
    assert_eq!(refused(&file), DirectoryError::NotADirectory);
    assert_eq!(refused(&file.join("deeper")), DirectoryError::NotADirectory);
    assert_eq!(refused(&tree.link("linked", "file")), DirectoryError::NotADirectory);
}

#[test]
fn a_path_that_is_no_text_or_too_long_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let tree = Tree::new();
    let odd = tree.folder(OsStr::from_bytes(b"\xff"));
    let linked = tree.link("linked", &odd);
    let projects = anywhere();
    for path in [Path::new(""), Path::new("/a\0b"), &odd, &linked, &PathBuf::from(format!("/{}", "a/".repeat(2048)))] {
        assert_eq!(projects.find_blocking(path).expect_err("it is refused"), DirectoryError::NotText, "{path:?}");
    }
    let name_of_256 = tree.at("n".repeat(256));
    assert_eq!(projects.find_blocking(&name_of_256).expect_err("there is none"), DirectoryError::Missing);
}

#[test]
fn names_of_any_script_and_of_255_bytes_are_names() {
    let tree = Tree::new();
    let projects = anywhere();
    for folder in ["проект", "工程/源", "a b\tc", "e\u{301}", "\u{e9}", "🦀", "-rf", "it's \"$HOME\"", &"n".repeat(255)]
    {
        tree.project(folder, "unicode");
        let deep = tree.folder(Path::new(folder).join("deep"));
        assert_eq!(config(&projects, &deep).root, tree.at(folder), "{folder}");
    }
}

#[test]
fn a_path_of_nearly_4096_bytes_is_searched_all_the_way() {
    let tree = Tree::new();
    let long = "d".repeat(250);
    let levels = (4095 - tree.root().as_os_str().len()) / (long.len() + 1);
    tree.project("", "far");
    let mut directory = tree.root().to_owned();
    for _ in 0..levels {
        directory.push(&long);
        fs::create_dir(&directory).expect("it is not too long");
    }
    let rest = 4094 - directory.as_os_str().len();
    if rest > 0 {
        directory.push("d".repeat(rest));
        fs::create_dir(&directory).expect("it is not too long");
    }
    let discovery = find(&anywhere(), &directory);
    assert_eq!(name(&anywhere(), &directory), "far");
    // Its config file's path would be longer than a path can be.
    assert!(discovery.skipped.iter().all(|skipped| skipped.reason == SkipReason::Unreadable), "{discovery:?}");
}

#[test]
fn twenty_directories_are_looked_at_and_no_more() {
    let tree = Tree::new();
    tree.project("", "top");
    let mut path = PathBuf::new();
    let directories: Vec<PathBuf> = (2..=25)
        .map(|level| {
            path.push(format!("level{level}"));
            tree.folder(&path)
        })
        .collect();
    let projects = anywhere();

    // The tree's root is level 1, so the directory of level 20 is the last that it is found from.
    assert_eq!(name(&projects, &directories[18]), "top");
    for (above, directory) in directories[19..].iter().enumerate() {
        let stopped = &directories[above];
        assert_eq!(pairs(&nothing(&projects, directory)), [(stopped.as_path(), SkipReason::Levels)]);
    }

    let one = Projects::new(&[], &ProjectSettings { max_levels: 1, ..settings() }).expect("one is enough");
    assert_eq!(name(&one, tree.root()), "top");
    assert_eq!(pairs(&nothing(&one, &directories[0])), [(directories[0].as_path(), SkipReason::Levels)]);
}

#[test]
fn the_home_folder_is_nobodys_project() {
    let tree = Tree::new();
    tree.project("", "above");
    let taken = tree.project("home/me", "home");
    tree.project("home/me/work", "work");
    let other = tree.folder("home/me/other");
    let linked = tree.link("linked", "home/me");

    for home in [tree.at("home/me"), linked] {
        let projects = Projects::new(&[], &ProjectSettings { home: Some(home), ..settings() }).expect("it is there");
        assert_eq!(name(&projects, &tree.at("home/me/work")), "work");
        for directory in [&other, &tree.at("home/me")] {
            assert_eq!(name(&projects, directory), "above");
            assert_eq!(pairs(&find(&projects, directory).skipped), [(taken.as_path(), SkipReason::Home)]);
        }
    }
}

#[test]
fn a_home_folder_without_a_config_is_not_worth_a_word() {
    let tree = Tree::new();
    tree.project("", "above");
    let home = tree.folder("home");
    let projects =
        Projects::new(&[], &ProjectSettings { home: Some(home.clone()), ..settings() }).expect("it is there");
    assert_eq!(find(&projects, &home).skipped, []);
    assert_eq!(name(&projects, &home), "above");
}

#[test]
fn nothing_is_found_for_the_root_of_the_file_system() {
    let skipped = nothing(&anywhere(), Path::new("/"));
    assert!(skipped.iter().all(|skipped| skipped.reason == SkipReason::FilesystemRoot), "{skipped:?}");
}

#[test]
fn directories_are_never_listed() {
    let tree = open_tree();
    let config = tree.project("", "top");
    let crowded = tree.folder("crowded/deep");
    for (path, mode) in [(config.parent().expect("a folder"), 0o755), (&config, 0o644), (&crowded, 0o755)] {
        forbid(path, mode);
    }
    // Whoever may not list a directory may still go through it.
    forbid(&tree.at("crowded"), 0o311);
    let discovery = as_nobody(move || find(&anywhere(), &crowded));
    forbid(&tree.at("crowded"), 0o755);
    assert_eq!(discovery.skipped, []);
    assert!(matches!(discovery.sighting, session_mcp::project::Sighting::Config(_)), "{discovery:?}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "long: two folders get a hundred thousand files each"]
fn a_folder_of_a_hundred_thousand_files_is_not_scanned() {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

    let tree = Tree::new();
    tree.project("", "top");
    let deep = tree.folder("crowded/deep");
    for folder in [tree.at("crowded"), deep.clone()] {
        for number in 0..100_000 {
            fs::File::create(folder.join(number.to_string())).expect("there is room");
        }
    }
    let watch = init(CreateFlags::NONBLOCK).expect("there is room for a watch");
    for folder in [tree.at("crowded"), deep.clone()] {
        add_watch(&watch, folder, WatchFlags::ACCESS | WatchFlags::ONLYDIR).expect("it is there");
    }
    let is_read = || rustix::io::read(&watch, &mut [0; 4096]).is_ok();

    let projects = anywhere();
    for directory in [&deep, &tree.at("crowded")] {
        assert_eq!(name(&projects, directory), "top");
        assert!(!is_read(), "nobody reads what is in {}", directory.display());
    }
    fs::read_dir(&deep).expect("it is there").next().expect("a file").expect("it can be read");
    assert!(is_read(), "whoever does is seen");
}

#[test]
fn a_file_that_two_names_mean_is_each_directorys_own() {
    let tree = Tree::new();
    tree.file("shop/sub/config.json", &json("shop"));
    let names = ["config.json", "sub/config.json"].map(Into::into).to_vec();
    let projects = Projects::new(&[], &ProjectSettings { config_names: names, ..settings() }).expect("valid");
    kept(&projects, &tree.at("shop"));
    for directory in ["shop/sub", "shop"] {
        assert_eq!(config(&projects, &tree.at(directory)).root, tree.at(directory));
    }
}
