//! What is kept, and that it holds.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::SystemTime;

use session_mcp::project::Sighting;

use crate::trees::{JSON, TOML, Tree, anywhere, config, find, invalid, json, kept, name, nothing, toml};

#[test]
fn a_config_is_read_once_as_long_as_it_stays_the_same() {
    let tree = Tree::new();
    tree.project("", "kept");
    let deep = tree.folder("a/b");
    let projects = anywhere();
    let first = kept(&projects, tree.root());
    for directory in [tree.root(), &deep, &tree.at("a")] {
        assert!(Arc::ptr_eq(&first, &config(&projects.clone(), directory)));
    }
}

#[test]
fn a_config_of_the_same_size_and_modification_time_is_noticed() {
    let tree = Tree::new();
    let path = tree.project("", "one");
    let projects = anywhere();
    assert_eq!(kept(&projects, tree.root()).config.name, "one");
    let modified = fs::metadata(&path).and_then(|found| found.modified()).expect("it is there");

    fs::write(&path, json("two")).expect("it can be written");
    File::options().write(true).open(&path).and_then(|file| file.set_modified(modified)).expect("it is ours");
    assert_eq!(name(&projects, tree.root()), "two");
}

#[test]
fn every_change_of_a_new_config_is_noticed() {
    let tree = Tree::new();
    let projects = anywhere();
    // Many of these fall into one tick of the file system's clock, and all are of one size.
    for number in 100..600 {
        tree.project("", &format!("name {number}"));
        assert_eq!(name(&projects, tree.root()), format!("name {number}"));
        assert_eq!(name(&projects, tree.root()), format!("name {number}"));
    }
}

#[test]
fn a_config_from_the_future_is_read_every_time() {
    let tree = Tree::new();
    let path = tree.project("", "future");
    let future = SystemTime::now() + std::time::Duration::from_secs(1_000_000);
    File::options().write(true).open(&path).and_then(|file| file.set_modified(future)).expect("it is ours");
    let projects = anywhere();
    assert!(!Arc::ptr_eq(&config(&projects, tree.root()), &config(&projects, tree.root())));
}

#[test]
fn a_nearer_config_that_appears_counts() {
    let tree = Tree::new();
    tree.project("", "far");
    let deep = tree.folder("a/b");
    let projects = anywhere();
    assert_eq!(kept(&projects, &deep).config.name, "far");

    tree.file(Path::new("a").join(TOML), &toml("near"));
    assert_eq!(name(&projects, &deep), "near");
    tree.project("a", "nearer by its name");
    assert_eq!(name(&projects, &deep), "nearer by its name");
    tree.file("a/b/.git", "gitdir: elsewhere");
    nothing(&projects, &deep);
}

#[test]
fn a_config_that_goes_is_noticed_and_the_next_one_counts() {
    let tree = Tree::new();
    tree.project("", "far");
    let near = tree.project("a", "near");
    let projects = anywhere();
    assert_eq!(kept(&projects, &tree.at("a")).config.name, "near");

    fs::remove_file(&near).expect("it is there");
    assert_eq!(name(&projects, &tree.at("a")), "far");
    fs::remove_file(tree.at(JSON)).expect("it is there");
    nothing(&projects, &tree.at("a"));
    tree.project("a", "again");
    assert_eq!(name(&projects, &tree.at("a")), "again");
}

#[test]
fn a_link_that_is_replaced_is_noticed() {
    let tree = Tree::new();
    tree.file("one.toml", &toml("one"));
    tree.file("two.toml", &toml("two"));
    let link = tree.link(TOML, "one.toml");
    let projects = anywhere();
    assert_eq!(kept(&projects, tree.root()).config.name, "one");

    fs::remove_file(&link).expect("it is there");
    tree.link(TOML, "two.toml");
    assert_eq!(name(&projects, tree.root()), "two");
}

#[test]
fn a_directory_link_that_is_replaced_is_noticed() {
    let tree = Tree::new();
    tree.project("one", "one");
    tree.project("two", "two");
    let link = tree.link("current", "one");
    let projects = anywhere();
    assert_eq!(kept(&projects, &link).config.name, "one");

    fs::remove_file(&link).expect("it is there");
    tree.link("current", "two");
    assert_eq!(name(&projects, &link), "two");
}

#[test]
fn a_directory_that_is_replaced_is_noticed() {
    let tree = Tree::new();
    tree.project("live", "one");
    tree.project("next", "two");
    let projects = anywhere();
    assert_eq!(kept(&projects, &tree.at("live")).config.name, "one");

    fs::rename(tree.at("live"), tree.at("last")).expect("it can be moved");
    fs::rename(tree.at("next"), tree.at("live")).expect("it can be moved");
    let found = config(&projects, &tree.at("live"));
    assert_eq!((found.config.name.as_str(), &found.root), ("two", &tree.at("live")));
}

#[test]
fn a_directory_that_moved_and_left_a_link_is_found_where_it_is() {
    let tree = Tree::new();
    tree.project("old", "moved");
    let projects = anywhere();
    assert_eq!(kept(&projects, &tree.at("old")).root, tree.at("old"));

    fs::rename(tree.at("old"), tree.at("new")).expect("it can be moved");
    tree.link("old", "new");
    let found = find(&projects, &tree.at("old"));
    assert_eq!(found.directory, tree.at("new"));
    assert_eq!(config(&projects, &tree.at("old")).root, tree.at("new"));
}

#[test]
fn an_invalid_config_that_is_corrected_counts_and_the_other_way_round() {
    let tree = Tree::new();
    let path = tree.file(JSON, "{");
    let projects = anywhere();
    invalid(&projects, tree.root());
    fs::write(&path, json("good")).expect("it can be written");
    assert_eq!(kept(&projects, tree.root()).config.name, "good");
    fs::write(&path, "{").expect("it can be written");
    invalid(&projects, tree.root());
}

#[test]
fn those_who_ask_at_once_share_one_reading() {
    const THREADS: usize = 8;
    let tree = Tree::new();
    tree.project("", "shared");
    kept(&anywhere(), tree.root());
    for _ in 0..50 {
        let (projects, start) = (anywhere(), Barrier::new(THREADS));
        let ask = || {
            start.wait();
            config(&projects, tree.root())
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it finds a config")).collect()
        });
        assert!(found.iter().all(|one| Arc::ptr_eq(one, &found[0])), "it was read more than once");
    }
}

#[test]
fn a_config_that_is_replaced_while_it_is_read_is_one_of_the_two() {
    let tree = Tree::new();
    let path = tree.project("", "one");
    let (short, long) = (json("one"), format!("{}{}", json("two"), " ".repeat(60_000)));
    let projects = anywhere();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = [0, 0];
                    while !is_over.load(Ordering::Relaxed) {
                        match name(&projects, tree.root()).as_str() {
                            "one" => seen[0] += 1,
                            "two" => seen[1] += 1,
                            other => panic!("{other}"),
                        }
                    }
                    seen
                })
            })
            .collect();
        for round in 0..2_000 {
            let next = tree.file("next", if round % 2 == 0 { &long } else { &short });
            fs::rename(next, &path).expect("it can be replaced");
        }
        is_over.store(true, Ordering::Relaxed);
        let seen = readers.into_iter().map(|reader| reader.join().expect("every answer is whole"));
        let seen = seen.fold([0, 0], |sum, seen| [sum[0] + seen[0], sum[1] + seen[1]]);
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    });
}

#[test]
fn a_config_that_is_written_in_place_while_it_is_read_is_never_half_of_one() {
    let tree = Tree::new();
    let path = tree.project("", "one");
    let projects = anywhere();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // A file that is empty at the moment may be all there is for a while, and is then told to be invalid.
                if let Sighting::Config(found) = find(&projects, tree.root()).sighting {
                    assert!(["one", "two"].contains(&found.config.name.as_str()), "{found:?}");
                }
            }
        });
        for round in 0..2_000 {
            fs::write(&path, json(if round % 2 == 0 { "two" } else { "one" })).expect("it can be written");
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().expect("every answer is whole");
    });
    assert_eq!(name(&projects, tree.root()), "one");
}

#[test]
fn no_more_is_kept_than_is_promised() {
    let tree = Tree::new();
    let projects = anywhere();
    let folder = |number: usize| tree.at(format!("project{number}"));
    for number in 0..=3_000 {
        tree.project(format!("project{number}"), "one of many");
    }
    let first = kept(&projects, &folder(0));
    for number in 1..=3_000 {
        config(&projects, &folder(number));
    }
    assert!(!Arc::ptr_eq(&first, &config(&projects, &folder(0))), "it was the least recently used of 3,000");
}
