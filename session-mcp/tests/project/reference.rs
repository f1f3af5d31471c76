//! Discovery finds what ten lines find, in any tree.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use proptest::prelude::{Strategy, prop, proptest};
use proptest::sample::Index;
use session_mcp::project::{ProjectSettings, Projects, Sighting};

use crate::trees::{JSON, TOML, Tree, json, settings, toml};

/// What is done to a folder of a tree. The folders are counted as they are made.
#[derive(Clone, Debug)]
enum Deed {
    Folder(&'static str),
    Json(bool),
    Toml(bool),
    /// A folder, or a link to nothing, of a config file's name.
    Passed(bool),
    Git(bool),
    /// A link to another folder, which is then one more.
    Link(Index),
    /// A link of a config file's name to a config file elsewhere.
    LinkedConfig,
}

fn deeds() -> impl Strategy<Value = Vec<(Index, Deed)>> {
    let deed = proptest::prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "ü"]).prop_map(Deed::Folder),
        1 => prop::bool::ANY.prop_map(Deed::Json),
        1 => prop::bool::ANY.prop_map(Deed::Toml),
        1 => prop::bool::ANY.prop_map(Deed::Passed),
        1 => prop::bool::ANY.prop_map(Deed::Git),
        2 => prop::arbitrary::any::<Index>().prop_map(Deed::Link),
        1 => proptest::prelude::Just(Deed::LinkedConfig),
    ];
    prop::collection::vec((prop::arbitrary::any::<Index>(), deed), 0..40)
}

/// Does what can be done, and returns every path that leads to a folder.
fn grow(tree: &Tree, deeds: &[(Index, Deed)]) -> Vec<PathBuf> {
    let elsewhere = tree.file("elsewhere/config.toml", &toml("linked"));
    let mut folders = vec![tree.folder("top")];
    for (index, deed) in deeds {
        let folder = index.get(&folders).clone();
        // What is there already stays; such a deed is none.
        match deed {
            Deed::Folder(name) => {
                if fs::create_dir(folder.join(name)).is_ok() {
                    folders.push(folder.join(name));
                }
            }
            Deed::Json(good) if !folder.join(JSON).exists() => {
                let _ = fs::create_dir(folder.join(".codebase-mcp"));
                write(&folder.join(JSON), &json("json"), *good);
            }
            Deed::Toml(good) if folder.join(TOML).symlink_metadata().is_err() => {
                write(&folder.join(TOML), &toml("toml"), *good);
            }
            Deed::Passed(true) => drop(fs::create_dir_all(folder.join(JSON))),
            Deed::Passed(false) => drop(symlink("nothing", folder.join(TOML))),
            Deed::Git(true) => drop(fs::write(folder.join(".git"), "gitdir: elsewhere")),
            Deed::Git(false) => drop(fs::create_dir(folder.join(".git"))),
            Deed::Link(target) => {
                let link = folder.join("link");
                if symlink(target.get(&folders), &link).is_ok() {
                    folders.push(link);
                }
            }
            Deed::LinkedConfig => drop(symlink(&elsewhere, folder.join(TOML))),
            Deed::Json(_) | Deed::Toml(_) => {}
        }
    }
    folders
}

/// Writes a config file, or one that is too long. An ill-formed one would take longer: it might be in the midst of
/// being written, so that it is read again before it is an answer.
fn write(path: &Path, content: &str, is_good: bool) {
    let Ok(mut file) = File::create(path) else { return };
    file.write_all(content.as_bytes()).expect("it can be written");
    if !is_good {
        file.set_len(1_000_000).expect("it can be made longer");
    }
}

/// The config file that a directory belongs to.
fn reference(directory: &Path, levels: usize) -> Option<PathBuf> {
    for folder in directory.canonicalize().expect("it is there").ancestors().take(levels) {
        for name in [JSON, TOML] {
            if folder.join(name).is_file() {
                return Some(folder.join(name));
            }
        }
        if folder.join(".git").is_file() {
            return None;
        }
    }
    None
}

proptest! {
    #[test]
    fn discovery_finds_what_the_reference_finds(deeds in deeds(), levels in 1_usize..8) {
        let tree = Tree::new();
        let settings = ProjectSettings { max_levels: levels, cross_mounts: true, ..settings() };
        let projects = Projects::new(&[], &settings).expect("the settings are good");
        for directory in grow(&tree, &deeds) {
            let found = match crate::trees::find(&projects, &directory).sighting {
                Sighting::Nothing => None,
                Sighting::Config(found) => Some(found.path.clone()),
                Sighting::Invalid(why) => Some(why.path.clone()),
            };
            assert_eq!(found, reference(&directory, levels), "{}", directory.display());
        }
    }
}
