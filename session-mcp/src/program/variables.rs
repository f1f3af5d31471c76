//! What the environment says.

use figment::providers::Env;
use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

/// The variables that begin with `SESSION_MCP_`, sections apart by two underscores.
///
/// figment reads a value as TOML would, where it can: `007` is the number 7. Those that are texts stay as they are,
/// since a password may look like anything.
pub(super) struct Variables(Env);

impl Variables {
    pub(super) const PREFIX: &str = "SESSION_MCP_";

    pub(super) fn new() -> Self {
        Self(Env::prefixed(Self::PREFIX).ignore(&["config"]).split("__"))
    }
}

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut data = Dict::new();
        for (key, text) in self.0.iter() {
            let value = if is_text(key.as_str()) {
                Value::from(text)
            } else {
                let Ok(value) = text.parse();
                value
            };
            insert(&mut data, key.as_str(), value);
        }
        Ok(Profile::Default.collect(data))
    }
}

fn is_text(key: &str) -> bool {
    let in_section = |section: &str| key.starts_with(section) && key != "redis.durability.replicas";
    ["store", "tokens"].contains(&key) || in_section("redis.") || in_section("local_principal.")
}

/// Puts a value where a path of keys leads.
fn insert(data: &mut Dict, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        data.insert(path.to_owned(), value);
        return;
    };
    let section = data.entry(section.to_owned()).or_insert_with(|| Dict::new().into());
    if let Value::Dict(_, section) = section {
        insert(section, rest, value);
    }
}
