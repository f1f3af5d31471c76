//! From flags, variables and a file to one configuration.

use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::{Format as _, Serialized, Toml};
use figment::{Error, Figment};

use crate::config::Config;

use super::cli::Cli;
use super::variables::Variables;

/// Merges what flags, variables and the file say, in this order of precedence, over the defaults.
///
/// # Errors
///
/// [`SettingsError`] names the key and where it was set.
pub(super) fn load(cli: &Cli) -> Result<Config, SettingsError> {
    let mut figment = Figment::new();
    if let Some(path) = &cli.config {
        figment = figment.merge(Toml::string(&read(path)?));
    }
    figment = figment.merge(Variables::new()).merge(Serialized::defaults(cli));
    if figment.contains("redis") && !figment.contains("store") {
        return Err(SettingsError::NoStore);
    }
    let config: Config =
        figment.extract().map_err(|error| SettingsError::Invalid(describe(error, cli.config.as_deref())))?;
    if config.require_principal && config.http.is_some() && config.tokens.is_none() {
        return Err(SettingsError::NoTokens);
    }
    Ok(config)
}

fn read(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the config file {}: {source}; pass the path of a TOML file to --config", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There are settings for a Redis store and no word of one.
    #[error(
        "`redis` is set and `store` is not: set `store` to redis://…, or to `memory` where `redis` is to be ignored"
    )]
    NoStore,
    /// Nobody could say who they are.
    #[error("`require_principal` is set and `tokens` is not, which would refuse everybody: set `tokens`, see --help")]
    NoTokens,
    /// A setting is unknown or cannot be used.
    #[error("{0}")]
    Invalid(String),
}

/// Says in one sentence which setting is wrong, where it was set, and what would be right. Never the value, which can
/// hold a password.
fn describe(error: Error, file: Option<&Path>) -> String {
    let origin = error.metadata.as_ref().map_or("", |metadata| metadata.name.as_ref());
    let place = if origin.contains("environment") {
        Place::Variable
    } else if origin.contains("TOML") {
        Place::File(file.unwrap_or(Path::new("the config file")))
    } else {
        Place::Flag
    };
    let key = error.path.join(".");
    match error.kind {
        Kind::UnknownField(name, known) => {
            let section = error.path.split_last().map(|(_, section)| section.join(".")).unwrap_or_default();
            let full = |key: &str| if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            // What does not look like a key may be a value in the wrong place, with a password in it.
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let unknown = if is_plain { place.name(&full(&name)) } else { format!("key in {}", place.whole()) };
            if (&*section, &*name) == ("redis", "url") {
                return format!("unknown {unknown}; the servers are in `{}`", place.spell("store"));
            }
            match nearest(&name, known) {
                Some(near) => format!("unknown {unknown}; did you mean `{}`?", place.spell(&full(near))),
                None => format!("unknown {unknown}; the keys are {}", known.join(", ")),
            }
        }
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("the {} must be {}{}", place.name(&key), article(&expected), hint(&key))
        }
        Kind::UnknownVariant(_, known) => format!("the {} must be one of {}", place.name(&key), known.join(", ")),
        Kind::MissingField(field) => {
            format!("`{}` needs `{field}`: set the {}", place.spell(&key), place.name(&format!("{key}.{field}")))
        }
        Kind::Message(message) if key.is_empty() => format!("cannot read {}: {}", place.whole(), bare(&message)),
        Kind::Message(_) if key == "http" => {
            format!("the {} must be an address and a port{}", place.name(&key), hint(&key))
        }
        Kind::Message(message) => format!("the {} cannot be used: {message}", place.name(&key)),
        kind => format!("the {} cannot be used: {kind}", place.name(&key)),
    }
}

/// Where a setting was made.
enum Place<'a> {
    Flag,
    Variable,
    File(&'a Path),
}

impl Place<'_> {
    /// A key as it is spelled here.
    fn spell(&self, key: &str) -> String {
        match self {
            // A flag that can be repeated is named for one of what its key lists.
            Self::Flag if key.starts_with("allowed_") => format!("--{}", key.trim_end_matches('s').replace('_', "-")),
            Self::Flag => format!("--{}", key.replace('_', "-")),
            Self::Variable => format!("{}{}", Variables::PREFIX, key.replace('.', "__").to_uppercase()),
            Self::File(_) => key.to_owned(),
        }
    }

    /// A key with what it is here.
    fn name(&self, key: &str) -> String {
        let spelled = self.spell(key);
        match self {
            Self::Flag => format!("flag `{spelled}`"),
            Self::Variable => format!("variable `{spelled}`"),
            Self::File(path) => format!("key `{spelled}` in {}", path.display()),
        }
    }

    fn whole(&self) -> String {
        match self {
            Self::Flag => "the flags".to_owned(),
            Self::Variable => format!("the variables {}…", Variables::PREFIX),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// A parser's message without the line it quotes, which can hold a password.
fn bare(message: &str) -> String {
    let lines: Vec<&str> = message.lines().filter(|line| !line.contains('|') && !line.trim().is_empty()).collect();
    lines.join(": ")
}

/// What is expected, in a person's words.
fn article(expected: &str) -> String {
    match expected {
        "a boolean" => "true or false".to_owned(),
        "u32" | "u64" | "usize" => "a whole number".to_owned(),
        "a nonzero u32" => "a whole number above 0".to_owned(),
        section if section.starts_with("struct ") => "a section with keys of its own".to_owned(),
        expected if expected.starts_with("a ") || expected.starts_with("an ") => expected.to_owned(),
        expected => format!("a {expected}"),
    }
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate));
    scored.filter(|(score, _)| *score > 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate)
}

/// What a time or an address looks like.
fn hint(key: &str) -> &'static str {
    match key {
        "http" => ", such as \"127.0.0.1:8787\"",
        "limits.evict_after" => TIME,
        key if key.starts_with("redis.") && (key.ends_with("deadline") || key.ends_with("timeout")) => SHORT_TIME,
        key if ["timeout", "lifetime", "interval"].iter().any(|word| key.ends_with(word)) => TIME,
        _ => "",
    }
}

const SHORT_TIME: &str = " with its unit, such as \"500ms\" or \"2s\"";
const TIME: &str = " with its unit, such as \"30m\" or \"24h\"";
