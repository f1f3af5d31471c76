//! Config files of projects: what they say, why one cannot be used, and that the published schema judges the same.

mod accepted;
mod agreement;
mod damaged;
mod refused;
mod schema;
mod warned;

use std::path::Path;

use session_mcp::project::{InvalidConfig, ProjectConfig};

type Parsed = Result<(ProjectConfig, Vec<String>), InvalidConfig>;

fn json(text: &str) -> Parsed {
    ProjectConfig::parse(Path::new("p/config.json"), text.as_bytes())
}

fn toml(text: &str) -> Parsed {
    ProjectConfig::parse(Path::new("p/.session-mcp.toml"), text.as_bytes())
}
