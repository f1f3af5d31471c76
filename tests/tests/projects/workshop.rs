//! A project that is worked on in a git checkout.

use std::path::Path;

use serde_json::{Value, json};
use session_tests::Checkout;

/// A checkout with a committed config file, and folders beneath its root.
#[derive(Debug)]
pub(crate) struct Workshop {
    checkout: Checkout,
    config: &'static str,
    name: &'static str,
    id: &'static str,
}

impl Workshop {
    /// One whose config is JSON.
    pub(crate) fn shop() -> Self {
        Self::new(".codebase-mcp/config.json", "Shop", "7a1e2f86-1a4f-4c8e-9d55-0d1c6f2b7f10")
    }

    /// One whose config is TOML.
    pub(crate) fn blog() -> Self {
        Self::new(".session-mcp.toml", "Blog", "1c9b3f70-52d6-4e0b-8a3e-6f0d2b9c4e21")
    }

    fn new(config: &'static str, name: &'static str, id: &'static str) -> Self {
        let workshop = Self { checkout: Checkout::new(), config, name, id };
        workshop.checkout.write("src/parts/deep/part.txt", "a part");
        workshop.write(id, "");
        workshop.checkout.commit();
        workshop
    }

    /// Writes the config anew, with another id and more in it than the project.
    pub(crate) fn write(&self, id: &str, more: &str) {
        let text = if self.is_json() {
            format!(
                "{{\n  \"version\": \"1.0\",{more}\n  \"project\": {{ \"name\": \"{}\", \"id\": \"{id}\" }}\n}}\n",
                self.name
            )
        } else {
            format!("version = \"1.0\"\n{more}\n[project]\nname = \"{}\"\nid = \"{id}\"\n", self.name)
        };
        self.checkout.write(self.config, &text);
    }

    fn is_json(&self) -> bool {
        Path::new(self.config).extension().is_some_and(|format| format == "json")
    }

    pub(crate) fn checkout(&self) -> &Checkout {
        &self.checkout
    }

    pub(crate) fn root(&self) -> &str {
        self.checkout.path()
    }

    /// A folder three levels beneath the root.
    pub(crate) fn deep(&self) -> String {
        format!("{}/src/parts/deep", self.root())
    }

    pub(crate) fn config_path(&self) -> String {
        format!("{}/{}", self.root(), self.config)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn id(&self) -> &'static str {
        self.id
    }

    /// The project as answers tell of it.
    pub(crate) fn info(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "root": self.root(), "config_path": self.config_path() })
    }

    /// The record of a session that works in this directory of it.
    pub(crate) fn record(&self, directory: &str) -> [Value; 3] {
        [json!(directory), json!(self.config_path()), json!(self.id)]
    }
}
