//! What a Redis store can be told.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use session_core::Limits;

use crate::url::{Credentials, InvalidRedisUrl, RedisUrl};

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
    /// How long one operation may take in all, connecting and retrying included; at most
    /// [`MAX_DEADLINE`](Self::MAX_DEADLINE).
    #[serde(default = "default_deadline", deserialize_with = "positive")]
    pub deadline: Duration,
    /// What the end of a session waits for. Nothing but the master unless told otherwise: see [`Durability`].
    #[serde(default)]
    pub durability: Option<Durability>,
    /// Whom to trust, and how to be trusted, where the URL asks for TLS.
    #[serde(default)]
    pub tls: TlsFiles,
    /// As whom to connect to the sentinels, which have users and passwords of their own; those in the URL are for the
    /// server.
    #[serde(default)]
    pub sentinel_credentials: Option<Credentials>,
    /// How many bytes of sessions this process keeps as it saw them last, roughly; 0 for none. A session that nobody
    /// has changed since is not sent again: the server is asked at each load whether that is so, and so it is never
    /// stale. It tells by what this library writes: whoever edits a session's fields by hand removes the field `k`.
    #[serde(default = "default_cache")]
    pub cache: u64,
    /// How much clients can make the store keep. Set by whoever makes the store, and not read from text here: limits
    /// are the same for every kind of store.
    #[serde(skip)]
    pub limits: Limits,
}

impl RedisConfig {
    /// How long one operation may take unless told otherwise.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(2);

    /// How much of its sessions a process keeps as it saw them last unless told otherwise: 32 MiB.
    pub const DEFAULT_CACHE: u64 = 32 * 1024 * 1024;

    /// The longest that one operation may take: an hour.
    pub const MAX_DEADLINE: Duration = Duration::from_secs(60 * 60);

    /// The default configuration for these servers.
    #[must_use]
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            key_prefix: KeyPrefix::default(),
            deadline: Self::DEFAULT_DEADLINE,
            durability: None,
            tls: TlsFiles::default(),
            sentinel_credentials: None,
            cache: Self::DEFAULT_CACHE,
            limits: Limits::default(),
        }
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

fn default_cache() -> u64 {
    RedisConfig::DEFAULT_CACHE
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration: Duration = humantime_serde::deserialize(deserializer)?;
    if duration.is_zero() || duration > RedisConfig::MAX_DEADLINE {
        return Err(de::Error::custom("it must be longer than nothing and at most an hour"));
    }
    Ok(duration)
}

/// What the end of a session waits for, so that a failover does not bring the session back.
///
/// Redis replicates after it has answered: a master that dies at the wrong moment takes the latest writes with it. With
/// this, `delete` and `end_all` ask by `WAIT` until so many replicas have the end too, which takes one round trip more,
/// and are unavailable if they do not in time. The session is ended on the master all the same, without waiting for
/// anything: what waits is the answer. Ends of one process that wait on one master wait one after the other, and each
/// for what all of them did. It makes a return much less likely and not impossible: `WAIT` does not choose which
/// replica is promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a number and a time")]
pub struct Durability {
    /// How many replicas must have it, one at least.
    pub replicas: NonZeroU32,
    /// How long they may take. The operation's deadline holds as well.
    #[serde(deserialize_with = "positive")]
    pub timeout: Duration,
}

/// Files for TLS, each in PEM. Read once, when the store is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "written as a literal over `..TlsFiles::default()`")]
pub struct TlsFiles {
    /// The certificate authorities to trust, in place of the system's.
    pub ca: Option<PathBuf>,
    /// This client's certificate, with those that lead to its authority, if the servers ask for one.
    pub certificate: Option<PathBuf>,
    /// The certificate's private key.
    pub key: Option<PathBuf>,
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
    fn everything_can_be_said() {
        let config = parse(
            r#"{
                "url": "rediss+sentinel://a/m", "key_prefix": "shop", "deadline": "500ms",
                "durability": { "replicas": 1, "timeout": "100ms" },
                "tls": { "ca": "/ca.pem", "certificate": "/client.pem", "key": "/client.key" },
                "sentinel_credentials": { "user": "watcher", "password": "geheim" }
            }"#,
        );
        let config = config.expect("valid");
        let durability = config.durability.expect("said");
        assert_eq!((durability.replicas.get(), durability.timeout), (1, Duration::from_millis(100)));
        assert_eq!(config.tls.key.as_deref(), Some("/client.key".as_ref()));
        let sentinel = config.sentinel_credentials.as_ref().expect("said");
        assert_eq!((sentinel.user(), sentinel.password()), (Some("watcher"), Some("geheim")));
        assert!(!format!("{config:?}").contains("geheim"));
    }

    #[test]
    fn a_misspelled_key_is_named_beside_those_there_are() {
        for (key, known, config) in [
            ("dedline", "deadline", r#"{ "url": "redis://db", "dedline": "1s" }"#),
            ("cert", "certificate", r#"{ "url": "redis://db", "tls": { "cert": "/x" } }"#),
            ("replica", "replicas", r#"{ "url": "redis://db", "durability": { "replica": 1, "timeout": "1s" } }"#),
            ("pass", "password", r#"{ "url": "redis://db", "sentinel_credentials": { "pass": "x" } }"#),
        ] {
            let error = parse(config).expect_err("there is no such key").to_string();
            assert!(error.contains(&format!("`{key}`")) && error.contains(&format!("`{known}`")), "{error}");
        }
    }

    #[test]
    fn limits_are_not_read_from_text() {
        assert!(parse(r#"{ "url": "redis://db", "limits": {} }"#).is_err());
    }

    #[test]
    fn a_time_of_nothing_and_no_replicas_are_refused() {
        for config in [
            r#"{ "url": "redis://db", "deadline": "0s" }"#,
            r#"{ "url": "redis://db", "durability": { "replicas": 1, "timeout": "0s" } }"#,
            r#"{ "url": "redis://db", "durability": { "replicas": 0, "timeout": "1s" } }"#,
        ] {
            assert!(parse(config).is_err(), "{config}");
        }
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
