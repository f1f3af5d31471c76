//! What a Redis store can be told.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::url::{InvalidRedisUrl, RedisUrl};

/// What a Redis store can be told. As text, durations are written with their unit (`"2s"`, `"500ms"`), and an unknown
/// key is refused by its name. `Debug` shows no credentials.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a configuration is written as a literal over `..RedisConfig::new(url)`")]
pub struct RedisConfig {
    /// Which server or servers.
    pub url: RedisUrl,
    /// What every key begins with.
    #[serde(default)]
    pub key_prefix: KeyPrefix,
    /// How long one operation may take in all, connecting and retrying included.
    #[serde(default = "default_deadline", deserialize_with = "positive")]
    pub deadline: Duration,
}

impl RedisConfig {
    /// How long one operation may take unless told otherwise.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(2);

    /// The default configuration for these servers.
    #[must_use]
    pub fn new(url: RedisUrl) -> Self {
        Self { url, key_prefix: KeyPrefix::default(), deadline: Self::DEFAULT_DEADLINE }
    }
}

impl FromStr for RedisConfig {
    type Err = InvalidRedisUrl;

    /// The default configuration for the servers that a URL names.
    fn from_str(url: &str) -> Result<Self, InvalidRedisUrl> {
        url.parse().map(Self::new)
    }
}

fn default_deadline() -> Duration {
    RedisConfig::DEFAULT_DEADLINE
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let deadline: Duration = humantime_serde::deserialize(deserializer)?;
    if deadline.is_zero() { Err(de::Error::custom("the deadline must be longer than nothing")) } else { Ok(deadline) }
}

/// What every key in Redis begins with, `mcp` by default: 1 to 64 letters, digits and `_-.:`, ASCII only.
///
/// Braces have a meaning in Redis Cluster and are refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// The longest prefix in bytes.
    pub const MAX_BYTES: usize = 64;

    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self("mcp".to_owned())
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyPrefix {
    type Err = InvalidPrefix;

    fn from_str(prefix: &str) -> Result<Self, InvalidPrefix> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if (1..=Self::MAX_BYTES).contains(&prefix.len()) && prefix.bytes().all(allowed) {
            Ok(Self(prefix.to_owned()))
        } else {
            Err(InvalidPrefix)
        }
    }
}

impl<'de> Deserialize<'de> for KeyPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A text that no key begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key prefix is 1 to 64 ASCII letters, digits and `_-.:`")]
pub struct InvalidPrefix;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(config: &str) -> Result<RedisConfig, serde_json::Error> {
        serde_json::from_str(config)
    }

    #[test]
    fn only_the_url_has_to_be_said() {
        let config = parse(r#"{ "url": "redis://db" }"#).expect("valid");
        assert_eq!(config, "redis://db".parse().expect("valid"));
        assert_eq!(config.deadline, Duration::from_secs(2));
        assert_eq!(config.key_prefix.as_str(), "mcp");
    }

    #[test]
    fn a_misspelled_key_is_named() {
        let error = parse(r#"{ "url": "redis://db", "dedline": "1s" }"#).expect_err("there is no such key");
        assert!(error.to_string().contains("dedline"), "{error}");
    }

    #[test]
    fn a_deadline_of_nothing_is_refused() {
        assert!(parse(r#"{ "url": "redis://db", "deadline": "0s" }"#).is_err());
    }

    #[test]
    fn a_prefix_with_braces_spaces_or_nothing_is_refused() {
        for prefix in ["", "a{b}", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(prefix.parse::<KeyPrefix>(), Err(InvalidPrefix), "{prefix:?}");
        }
        assert!("shop:sessions-1.2_b".parse::<KeyPrefix>().is_ok());
    }

    #[test]
    fn an_error_never_repeats_the_url() {
        for url in ["redis://u:geheim@", "redis://u:geheim@h:port", "http://u:geheim@h", "redis://u:geheim@h/x"] {
            let error = parse(&format!(r#"{{ "url": "{url}" }}"#)).expect_err("not a URL of ours");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
    }
}
