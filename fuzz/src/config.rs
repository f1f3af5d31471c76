//! What an operator can write.

use std::fmt::Debug;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format as _, Toml};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use session_core::Limits;
use session_mcp::{Config, StoreUrl};
use session_redis::{Credentials, InvalidRedisUrl, KeyPrefix, RedisUrl, Topology};

/// What stands for a password in a text.
const PASSWORD: &str = "hunter2";

/// Reads a text as a whole configuration, in TOML and in JSON, and as the texts that one can hold.
///
/// Nothing panics. What cannot be used is refused without being repeated; what can be is not shown with its password,
/// and a URL means the same servers however it is written.
pub fn config(text: &str) {
    store(text);
    key_prefix(text);
    settings(text);
}

fn store(text: &str) {
    let url = match (text.parse::<StoreUrl>(), text.parse::<RedisUrl>()) {
        (Ok(store), Ok(url)) => {
            assert_eq!((store.expose(), text.split_once("://").map(|(form, _)| form)), (text, Some(store.form())));
            url
        }
        (Ok(store), Err(error)) => {
            assert!(
                text == "memory" || error != InvalidRedisUrl::Form,
                "{} is a form of one and not of both",
                store.form()
            );
            return is_silent(&error, text);
        }
        (Err(error), Err(_)) => return is_silent(&error, text),
        (Err(_), Ok(_)) => panic!("a URL that is no store"),
    };
    assert!(!secret(url.credentials()) || is_elsewhere(&url) || !shows(&url), "a password is shown");
    let again: RedisUrl = written(&url).parse().expect("a URL that was written by its parts");
    assert!(again == url, "it means other servers");
}

/// Whether the credentials hold the password.
fn secret(credentials: Option<&Credentials>) -> bool {
    let parts = credentials.map(|credentials| [credentials.user(), credentials.password()]);
    parts.into_iter().flatten().flatten().any(|part| part.contains(PASSWORD))
}

/// Whether what is no secret holds the password, too.
fn is_elsewhere(url: &RedisUrl) -> bool {
    match url.topology() {
        Topology::Sentinel { sentinels, master } => {
            master.contains(PASSWORD) || sentinels.iter().any(|server| server.host.contains(PASSWORD))
        }
        topology => topology.to_string().contains(PASSWORD),
    }
}

fn shows(shown: &impl Debug) -> bool {
    format!("{shown:?}").contains(PASSWORD)
}

/// Whether an error repeats nothing of a text with a password.
fn is_silent(error: &impl std::error::Error, text: &str) {
    assert!(!text.contains(PASSWORD) || !format!("{error} {error:?}").contains(PASSWORD), "an error says a password");
}

/// A URL of the same meaning.
fn written(url: &RedisUrl) -> String {
    let encoded = |part: Option<&str>| utf8_percent_encode(part.unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let credentials = url.credentials().map_or_else(String::new, |credentials| {
        format!("{}:{}@", encoded(credentials.user()), encoded(credentials.password()))
    });
    let (scheme, database) = (if url.tls() { "rediss" } else { "redis" }, url.database());
    let listed = url.topology().to_string().replace(", ", ",");
    match url.topology() {
        Topology::Unix { path } => {
            let path = encoded(path.to_str().and_then(|path| path.strip_prefix('/')));
            format!("{scheme}+unix://{credentials}/{path}?db={database}")
        }
        Topology::Cluster { .. } => format!("{scheme}+cluster://{credentials}{listed}"),
        Topology::Sentinel { master, .. } => format!("{scheme}+sentinel://{credentials}{listed}/{master}/{database}"),
        _ => format!("{scheme}://{credentials}{listed}/{database}"),
    }
}

fn key_prefix(text: &str) {
    match text.parse::<KeyPrefix>() {
        Ok(prefix) => assert_eq!(prefix.as_str(), text),
        Err(error) => is_silent(&error, text),
    }
}

fn settings(text: &str) {
    let from_toml = Figment::from(Toml::string(text)).extract::<Config>();
    match &from_toml {
        Ok(config) => usable(config),
        // The others are written by whoever shows them; what the configuration itself says is shown as it is.
        Err(errors) => {
            for error in errors.clone() {
                if let Kind::Message(message) = &error.kind
                    && !error.path.is_empty()
                {
                    assert!(!message.contains(PASSWORD), "an error says a password");
                }
            }
        }
    }
    if let Ok(config) = serde_json::from_str::<Config>(text) {
        usable(&config);
    }
}

/// A configuration that was read shows nothing it should not, and holds nothing that overflows.
fn usable(config: &Config) {
    let shown = format!("{:?} {:?}", config.store, config.redis.sentinel_credentials);
    assert!(!shown.contains(PASSWORD), "a password is shown");
    let _ = config.lifetimes();
    let limits = Limits::from(&config.limits);
    assert_eq!(limits.creation_rate.map_or(0, |rate| rate.count), config.limits.created_per_minute);
    store(config.store.expose());
}
