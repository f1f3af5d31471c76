//! Which project it is, and who said so.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::discovery::FoundConfig;
use super::shown::shown;

/// A project: what is worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Project {
    /// Its id, from its config file or whoever else named it. A project in a directory that has none gets one from the
    /// directory's canonical path: the same at each replica that sees the same path.
    pub id: String,
    /// Whether the id was derived from the directory's path, and so changes when the directory moves.
    pub is_id_derived: bool,
    /// Its name, if whoever named it said so.
    pub name: Option<String>,
    /// Its canonical directory, if it has one here.
    pub root: Option<PathBuf>,
    /// Its config file, if it has one.
    pub config_path: Option<PathBuf>,
    /// What it is, in the words of its config file.
    pub description: Option<String>,
}

impl Project {
    /// The project that a config file says.
    #[must_use]
    pub fn of(found: &FoundConfig) -> Self {
        let id = found.config.id.unwrap_or_else(|| derived_id(&found.root));
        Self {
            id: id.to_string(),
            is_id_derived: found.config.id.is_none(),
            name: Some(found.config.name.clone()),
            root: Some(found.root.clone()),
            config_path: Some(found.path.clone()),
            description: found.config.description.clone(),
        }
    }

    /// A project that has a directory and no config file.
    pub(super) fn of_directory(root: &Path) -> Self {
        Self {
            is_id_derived: true,
            name: root.file_name().map(|name| name.to_string_lossy().into_owned()),
            root: Some(root.to_owned()),
            ..Self::elsewhere(&derived_id(root).to_string(), None)
        }
    }

    /// A project that has no directory here.
    pub(super) fn elsewhere(id: &str, name: Option<String>) -> Self {
        // A UUID is the same in every spelling.
        let id = Uuid::try_parse(id).map_or_else(|_| id.to_owned(), |id| id.to_string());
        Self { id, is_id_derived: false, name, root: None, config_path: None, description: None }
    }

    /// Whether a caller who says this means the project: its id in any case of letters, or its name as it is.
    pub(super) fn is_meant_by(&self, said: &str) -> bool {
        self.id.eq_ignore_ascii_case(said) || self.name.as_deref() == Some(said)
    }

    /// The project in words, for somebody who has to choose.
    pub(super) fn in_words(&self) -> String {
        let name = self.name.as_deref().unwrap_or("without a name");
        match &self.root {
            Some(root) => format!("{name} ({}) in {}", self.id, shown(root)),
            None => format!("{name} ({})", self.id),
        }
    }
}

/// Whether an id is the one that is derived from this directory.
pub(super) fn is_derived(id: &str, root: &Path) -> bool {
    Uuid::try_parse(id).is_ok_and(|id| id == derived_id(root))
}

/// The id of a directory's project: a UUID of version 5 over its path.
fn derived_id(root: &Path) -> Uuid {
    Uuid::new_v5(&NAMESPACE, root.as_os_str().as_encoded_bytes())
}

/// The namespace of derived ids. To change it changes the id of every project without one.
const NAMESPACE: Uuid = Uuid::from_u128(0x8a4f_6f3e_37b1_5f0c_9a52_d1c6_0e7b_24f9);

/// Who said which project it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvedBy {
    /// Which of those who are asked, in their order.
    pub tier: Tier,
    /// Whether the project's id was derived from its directory.
    pub is_id_derived: bool,
}

impl ResolvedBy {
    pub(super) fn new(tier: Tier, project: &Project) -> Self {
        Self { tier, is_id_derived: project.is_id_derived }
    }

    /// Its name, for programs: the tier's, with `_derived_id` behind it if the id was derived.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match (self.tier, self.is_id_derived) {
            (Tier::Argument, false) => "argument",
            (Tier::Argument, true) => "argument_derived_id",
            (Tier::Config, false) => "config",
            (Tier::Config, true) => "config_derived_id",
            (Tier::Session, false) => "session",
            (Tier::Session, true) => "session_derived_id",
            (Tier::Tracker, _) => "tracker",
            (Tier::Default, false) => "default",
            (Tier::Default, true) => "default_derived_id",
        }
    }
}

impl fmt::Display for ResolvedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ResolvedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for ResolvedBy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResolvedBy".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let tiers = [Tier::Argument, Tier::Config, Tier::Session, Tier::Tracker, Tier::Default];
        let all = tiers.into_iter().flat_map(|tier| [false, true].map(|is_id_derived| Self { tier, is_id_derived }));
        let mut names: Vec<&str> = all.map(Self::as_str).collect();
        names.dedup();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}

/// Who can say which project it is, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tier {
    /// The call.
    Argument,
    /// The config file that the session's working directory belongs to.
    Config,
    /// The session itself, which was given a project that has no config file.
    Session,
    /// The tracker.
    Tracker,
    /// The settings.
    Default,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{derived_id, is_derived};

    #[test]
    fn a_path_has_the_id_that_it_has_everywhere_and_for_good() {
        let id = "f0ddbc7f-d589-5205-88d8-df1d2b17303c";
        assert_eq!(derived_id(Path::new("/srv/shop")).to_string(), id);
        assert!(is_derived(id, Path::new("/srv/shop")) && !is_derived(id, Path::new("/srv")));
    }
}
