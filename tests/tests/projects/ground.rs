//! Many projects in one folder.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use session_mcp::project::{Project, Projects, Sighting};
use tempfile::TempDir;

/// A folder of projects: their configs are JSON or TOML, with an id or without.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: TempDir,
    places: Vec<Place>,
    numbers: HashMap<Place, usize>,
}

/// Where a session can work, as its record has it: all three belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) directory: String,
    pub(crate) config_path: String,
    pub(crate) project: String,
}

impl Place {
    /// What an answer says, whose parts are called like this.
    pub(crate) fn said(answer: &Value, config_path: &str, project: &str) -> Self {
        let text = |pointer: &str| {
            let text = answer.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_else(|| panic!("no {pointer} in {answer}")).to_owned()
        };
        Self { directory: text("/working_directory"), config_path: text(config_path), project: text(project) }
    }
}

impl Ground {
    /// Makes so many projects, each with two directories: its root, and one far beneath that.
    pub(crate) async fn new(projects: usize) -> Self {
        let folder = tempfile::tempdir().expect("the system has room for a temporary folder");
        let canonical = folder.path().canonicalize().expect("the folder was just made");
        let finder = Projects::default();
        let mut places = Vec::new();
        for number in 0..projects {
            let root = canonical.join(format!("project-{number}"));
            let beneath = root.join("src/deep/below");
            fs::create_dir_all(&beneath).expect("the folder is ours");
            let (config_path, id) = write_config(&root, number);
            let project = found(&finder, &root).await;
            assert!(id.is_none_or(|id| id == project), "the id of {}", root.display());
            for directory in [&root, &beneath] {
                let (directory, config_path) = (text(directory), config_path.clone());
                places.push(Place { directory, config_path, project: project.clone() });
            }
        }
        let ids: HashSet<_> = places.iter().map(|place| &place.project).collect();
        assert_eq!(ids.len(), projects, "each has an id of its own");
        let numbers = places.iter().cloned().zip(0..).collect();
        Self { folder, places, numbers }
    }

    /// The folder that all projects are in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The places. Those of even numbers are roots.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Which place that is.
    ///
    /// # Panics
    ///
    /// If it is none: the directory of one project, and the config or the id of another.
    #[track_caller]
    pub(crate) fn number(&self, place: &Place) -> usize {
        *self.numbers.get(place).unwrap_or_else(|| panic!("a mixture: {place:?}"))
    }
}

/// What a project is called.
pub(crate) fn name(number: usize) -> String {
    format!("Project {number}")
}

/// Writes the config of a project, and returns its path and its id, if it has one.
fn write_config(root: &Path, number: usize) -> (String, Option<String>) {
    let name = name(number);
    let id = (number % 4 < 2).then(|| format!("7a1e2f86-1a4f-4c8e-9d55-{number:012x}"));
    let is_json = number.is_multiple_of(2);
    let path = root.join(if is_json { ".codebase-mcp/config.json" } else { ".session-mcp.toml" });
    let config = if is_json {
        serde_json::json!({ "version": "1.0", "project": { "name": name, "id": id } }).to_string()
    } else {
        let id = id.as_ref().map(|id| format!("id = \"{id}\"\n")).unwrap_or_default();
        format!("version = \"1.0\"\n[project]\nname = \"{name}\"\n{id}")
    };
    fs::create_dir_all(path.parent().expect("it is in the root")).expect("the folder is ours");
    fs::write(&path, config).expect("the folder is ours");
    (text(&path), id)
}

async fn found(projects: &Projects, directory: &Path) -> String {
    match projects.find(directory).await.expect("the folder is ours").sighting {
        Sighting::Config(found) => Project::of(&found).id,
        other => panic!("no project in {}: {other:?}", directory.display()),
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("temporary folders have plain names").to_owned()
}
