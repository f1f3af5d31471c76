//! What a Redis store can be told besides where it is.

use std::time::Duration;

use serde::Deserialize;
use session_core::Limits;
use session_redis::{Credentials, Durability, KeyPrefix, RedisConfig, RedisUrl, TlsFiles};

/// What a Redis store can be told besides its URL, which is [`Config::store`](crate::Config::store), and its limits,
/// which are the same for every store. Without effect on other stores.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "settings are written as a literal over `..RedisSettings::default()`")]
pub struct RedisSettings {
    /// What every key begins with. Deployments with different prefixes share a Redis and do not see each other.
    pub key_prefix: KeyPrefix,
    /// How long one operation may take in all, connecting and retrying included.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// How many replicas must know of the end of a session before it is answered; see [`Durability`].
    pub durability: Option<Durability>,
    /// Files for TLS, where the URL asks for it.
    pub tls: TlsFiles,
    /// As whom to connect to sentinels. Those in the URL are for the server.
    pub sentinel_credentials: Option<Credentials>,
    /// How many bytes of sessions each process keeps as it saw them last, roughly, so that they are not sent again as
    /// long as nobody has changed them; 0 for none.
    pub cache: u64,
}

impl RedisSettings {
    /// The whole configuration of the store.
    pub(crate) fn of(&self, url: RedisUrl, limits: Limits) -> RedisConfig {
        let Self { key_prefix, deadline, durability, tls, sentinel_credentials, cache } = self.clone();
        RedisConfig { url, key_prefix, deadline, durability, tls, sentinel_credentials, cache, limits }
    }
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            key_prefix: KeyPrefix::default(),
            deadline: RedisConfig::DEFAULT_DEADLINE,
            durability: None,
            tls: TlsFiles::default(),
            sentinel_credentials: None,
            cache: RedisConfig::DEFAULT_CACHE,
        }
    }
}
