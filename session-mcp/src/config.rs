//! What an operator can set.

#[cfg(feature = "redis")]
mod redis;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use session_core::{InvalidLifetime, JournalLimits, Lifetimes, Limits, Rate};

use crate::principal::Principal;
use crate::project::ProjectSettings;

#[cfg(feature = "redis")]
pub use self::redis::RedisSettings;

/// What an operator can set. Every field has a default; an unknown key is refused by its name.
///
/// ```
/// # use session_mcp::Config;
/// # use std::time::Duration;
/// let config: Config = serde_json::from_str(r#"{ "idle_timeout": "30m", "limits": { "sessions": 500 } }"#)?;
/// assert_eq!(config.idle_timeout, Duration::from_secs(1800));
/// assert!(serde_json::from_str::<Config>(r#"{ "idle_timout": "30m" }"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a configuration is written as a literal over `..Config::default()`")]
pub struct Config {
    /// Where the binary listens for HTTP; stdio if it is not set. [`serve_http`](crate::serve_http) is given its
    /// listener instead.
    #[serde(deserialize_with = "address")]
    pub http: Option<SocketAddr>,
    /// Where the sessions are kept.
    pub store: StoreUrl,
    /// How long a session lives without being used.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long a session lives at all.
    #[serde(with = "humantime_serde")]
    pub absolute_lifetime: Duration,
    /// How often at the latest the memory of expired sessions is freed.
    #[serde(with = "humantime_serde")]
    pub sweep_interval: Duration,
    /// How long requests are still served when the server is to end and `/readyz` says so: as long as a balancer takes
    /// to notice.
    #[serde(with = "humantime_serde")]
    pub drain_delay: Duration,
    /// How long calls in flight are waited for when the server is to end.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// Which values of `Host` are served over HTTP, as names or `name:port`; `*` alone for any.
    #[serde(deserialize_with = "list")]
    pub allowed_hosts: Vec<String>,
    /// Which values of `Origin` are served over HTTP, `:*` for any port; `*` alone for any. Requests without one are
    /// not from a browser and are always served.
    #[serde(deserialize_with = "list")]
    pub allowed_origins: Vec<String>,
    /// The longest request body over HTTP, in bytes.
    pub body_limit: usize,
    /// The file of the bearer tokens that are served over HTTP, and nobody without one; see
    /// [`Tokens`](crate::Tokens). Not set, the application's own authentication says who calls, or nobody does.
    pub tokens: Option<PathBuf>,
    /// Whether a request over HTTP is refused whose caller is not authenticated, by `tokens` or by the application's
    /// own authentication. With `tokens` it always is.
    pub require_principal: bool,
    /// Who calls over stdio; anonymous if it is not set.
    pub local_principal: Option<Principal>,
    /// Whether the schemas ask clients to repeat the handle in a header, on which a balancer can route. A handle is a
    /// secret where callers are not authenticated, so it needs `tokens` or `require_principal`.
    pub handle_header: bool,
    /// How long the handler of a session of a protocol version before 2026-07-28 is kept while nobody uses it. It is
    /// made again for the session's next request; what it remembered outside of its session is gone then.
    #[serde(with = "humantime_serde")]
    pub handler_idle_timeout: Duration,
    /// Whether a call of a protocol version before 2026-07-28 is refused while what its client is told cannot be kept
    /// for when it is cut off. Not set, it is answered, and a client that is cut off then has to call again.
    pub require_resumability: bool,
    /// The directories that sessions can work in, and in what is beneath them; any directory, if there are none, which
    /// over HTTP lets callers look for config files wherever this process can.
    #[serde(deserialize_with = "paths")]
    pub allowed_roots: Vec<PathBuf>,
    /// How the project of a directory is found.
    pub projects: ProjectSettings,
    /// How much clients can make the store keep.
    pub limits: LimitsConfig,
    /// How much of what they are told is kept for clients of protocol versions before 2026-07-28 that are cut off.
    pub journal: JournalConfig,
    /// How the servers are used, where the store is one of servers.
    #[cfg(feature = "redis")]
    pub redis: RedisSettings,
    /// How the binary writes its log.
    pub log_format: LogFormat,
}

impl Config {
    /// The lifetimes of new sessions.
    ///
    /// # Errors
    ///
    /// [`InvalidLifetime`] names the one that no session can have.
    pub fn lifetimes(&self) -> Result<Lifetimes, InvalidLifetime> {
        Lifetimes::new(self.idle_timeout, self.absolute_lifetime)
    }

    /// Says in the log of a server over HTTP that whoever calls it may choose any directory.
    #[cfg(feature = "http")]
    pub(crate) fn warn_if_unconfined(&self) {
        if self.allowed_roots.is_empty() {
            tracing::warn!(
                "callers can let their sessions work in any directory that this process can read; set `allowed_roots`, or \
                 the flag --allowed-root of the program"
            );
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(ToString::to_string).collect();
        Self {
            http: None,
            store: StoreUrl::memory(),
            idle_timeout: Lifetimes::DEFAULT_IDLE,
            absolute_lifetime: Lifetimes::DEFAULT_ABSOLUTE,
            sweep_interval: Duration::from_secs(60 * 60),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(10),
            allowed_hosts: list(&["localhost", "127.0.0.1", "::1"]),
            allowed_origins: list(&["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"]),
            body_limit: 4 * 1024 * 1024,
            tokens: None,
            require_principal: false,
            local_principal: None,
            handle_header: false,
            handler_idle_timeout: Duration::from_secs(10 * 60),
            require_resumability: false,
            allowed_roots: Vec::new(),
            projects: ProjectSettings::default(),
            limits: LimitsConfig::default(),
            journal: JournalConfig::default(),
            #[cfg(feature = "redis")]
            redis: RedisSettings::default(),
            log_format: LogFormat::Text,
        }
    }
}

/// How much clients can make a store keep; see [`Limits`]. None of it can be 0, but where it says so.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "limits are written as a literal over `..LimitsConfig::default()`")]
pub struct LimitsConfig {
    /// Live sessions in all.
    pub sessions: u64,
    /// Live sessions of one principal.
    pub sessions_per_principal: u64,
    /// How long a principal's own session must have been idle before their next one may take its place: at least three
    /// heartbeats of a call in flight, which is 30 seconds, or the idle timeout if that is shorter. An open stream
    /// counts as a use no more often than at every third of the idle timeout.
    #[serde(with = "humantime_serde")]
    pub evict_after: Duration,
    /// Sessions that one principal may open in a minute; 0 for any number.
    pub created_per_minute: u32,
    /// Handles of one session.
    pub grants: usize,
    /// Values of one session.
    pub state_names: usize,
    /// Bytes of one value.
    pub value_bytes: usize,
    /// Bytes of one session.
    pub session_bytes: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            sessions: limits.sessions,
            sessions_per_principal: limits.sessions_per_principal,
            evict_after: limits.evict_after,
            created_per_minute: limits.creation_rate.map_or(0, |rate| rate.count),
            grants: limits.grants,
            state_names: limits.state_names,
            value_bytes: limits.value_bytes,
            session_bytes: limits.session_bytes,
        }
    }
}

impl From<&LimitsConfig> for Limits {
    fn from(config: &LimitsConfig) -> Self {
        let rate = Rate { count: config.created_per_minute, per: Duration::from_secs(60) };
        Self {
            sessions: config.sessions,
            sessions_per_principal: config.sessions_per_principal,
            evict_after: config.evict_after,
            creation_rate: (rate.count > 0).then_some(rate),
            grants: config.grants,
            state_names: config.state_names,
            value_bytes: config.value_bytes,
            session_bytes: config.session_bytes,
        }
    }
}

/// How much of what clients are told is kept, for each session; see [`JournalLimits`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "limits are written as a literal over `..JournalConfig::default()`")]
pub struct JournalConfig {
    /// Messages, and as many more of what processes tell one another of the session.
    pub entries: usize,
    /// Bytes of either.
    pub bytes: usize,
    /// For how long.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// How long a call can take without being kept; at most 50 ms, and a third of the idle timeout. One that is over
    /// sooner, and says nothing before its answer, is answered with no more work than that; a client that is cut off
    /// just then has no event to go on from, and calls again. At 0, and with
    /// [`require_resumability`](Config::require_resumability), each call is kept from its beginning.
    #[serde(with = "humantime_serde")]
    pub after: Duration,
}

impl Default for JournalConfig {
    fn default() -> Self {
        let JournalLimits { entries, bytes, keep } = JournalLimits::default();
        Self { entries, bytes, keep, after: Duration::from_millis(25) }
    }
}

impl From<&JournalConfig> for JournalLimits {
    fn from(config: &JournalConfig) -> Self {
        Self { entries: config.entries, bytes: config.bytes, keep: config.keep }
    }
}

/// Where sessions are kept: `memory`, or a Redis URL in one of the forms `redis://`, `redis+unix://`,
/// `redis+cluster://` and `redis+sentinel://`, or with `rediss` for TLS. `Debug` shows the form alone, since a URL can
/// hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    const SCHEMES: [&str; 7] =
        ["redis", "rediss", "redis+unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"];

    /// The memory of this process.
    #[must_use]
    pub fn memory() -> Self {
        Self("memory".to_owned())
    }

    /// Which form it has: `memory`, or a URL's scheme.
    #[must_use]
    pub fn form(&self) -> &str {
        self.0.split_once("://").map_or(&self.0, |(scheme, _)| scheme)
    }

    /// The whole of it, password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreUrl {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<Self, InvalidStoreUrl> {
        let known = text == "memory" || text.split_once("://").is_some_and(|(form, _)| Self::SCHEMES.contains(&form));
        if known { Ok(Self(text.to_owned())) } else { Err(InvalidStoreUrl) }
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({})", self.form())
    }
}

/// A text that names no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a store is `memory` or a URL that begins with redis://, redis+unix://, redis+cluster:// or redis+sentinel://, or \
     with rediss for TLS"
)]
pub struct InvalidStoreUrl;

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "server", derive(clap::ValueEnum, serde::Serialize))]
#[expect(clippy::exhaustive_enums, reason = "for people or for programs")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// An address and a port; `localhost` is one, too.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let numeric = text.strip_prefix("localhost:").map_or(text.clone(), |port| format!("127.0.0.1:{port}"));
    let parsed = numeric.parse().map_err(|_| D::Error::custom("it is an address and a port, such as 127.0.0.1:8787"));
    parsed.map(Some)
}

/// A list, or one text with commas between the items, as a variable has it.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Items;

    impl<'de> Visitor<'de> for Items {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(said(text.split(',')))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list: Vec<String> = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(said(list.iter().map(String::as_str)))
        }
    }

    deserializer.deserialize_any(Items)
}

/// A list of paths, or one text with commas between them. One that is empty is refused: it is a variable that was not
/// set, and no roots at all would be any directory.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Paths {
        Text(String),
        List(Vec<PathBuf>),
    }

    let paths = match Paths::deserialize(deserializer).map_err(|_| D::Error::custom(PATHS))? {
        Paths::Text(text) => text.split(',').map(|path| PathBuf::from(path.trim())).collect(),
        Paths::List(paths) => paths,
    };
    if paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(D::Error::custom(PATHS));
    }
    Ok(paths)
}

const PATHS: &str = "it is a list of directories, none of them empty; leave it out to let sessions work anywhere";

/// The items that say something.
fn said<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_store_url_never_shows_its_password() {
        let url: StoreUrl = "redis://user:hunter2@db:6379".parse().expect("a known form");
        let config = Config { store: url, ..Config::default() };
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("user"), "{shown}");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn every_form_of_a_url_is_one_that_redis_has() {
        for form in StoreUrl::SCHEMES {
            let parsed = format!("{form}://host/master").parse::<session_redis::RedisUrl>();
            assert_ne!(parsed.err(), Some(session_redis::InvalidRedisUrl::Form), "{form}");
        }
    }

    #[test]
    fn an_address_is_a_host_of_numbers_or_localhost_and_a_port() {
        let from = |text: &str| serde_json::from_value::<Config>(serde_json::json!({ "http": text }));
        for text in ["127.0.0.1:8787", "localhost:8787"] {
            let config = from(text).expect("an address");
            assert_eq!(config.http, Some(SocketAddr::from(([127, 0, 0, 1], 8787))));
        }
        for text in ["localhost", "8787", "127.0.0.1", "localhost:x", "example.com:80"] {
            let error = from(text).expect_err("no address").to_string();
            assert!(error.contains("such as 127.0.0.1:8787"), "{error}");
        }
    }

    #[test]
    fn a_list_is_a_list_or_one_text_with_commas() {
        let from = |json: &str| serde_json::from_str::<Config>(json).expect("valid").allowed_hosts;
        assert_eq!(from(r#"{ "allowed_hosts": ["a", "b:1"] }"#), ["a", "b:1"]);
        assert_eq!(from(r#"{ "allowed_hosts": "a, b:1" }"#), ["a", "b:1"]);
        assert!(from(r#"{ "allowed_hosts": ["", " "] }"#).is_empty());
    }

    #[test]
    fn a_root_that_is_empty_is_refused_and_not_passed_over() {
        let from = |json: &str| serde_json::from_str::<Config>(json).map(|config| config.allowed_roots);
        assert_eq!(
            from(r#"{ "allowed_roots": ["/a", "/b, c"] }"#).expect("valid"),
            [Path::new("/a"), Path::new("/b, c")]
        );
        assert_eq!(from(r#"{ "allowed_roots": "/a, /b" }"#).expect("valid"), [Path::new("/a"), Path::new("/b")]);
        assert!(from(r#"{ "allowed_roots": [] }"#).expect("valid").is_empty());
        for empty in [r#""""#, r#"" , ""#, r#""/a,""#, r#"[""]"#, r#"["/a", ""]"#, "7"] {
            let error = from(&format!(r#"{{ "allowed_roots": {empty} }}"#)).expect_err("no directory").to_string();
            assert!(error.contains("leave it out"), "{empty}: {error}");
        }
    }

    #[test]
    fn no_creations_per_minute_means_any_number() {
        let limits = Limits::from(&LimitsConfig { created_per_minute: 0, ..LimitsConfig::default() });
        assert_eq!(limits.creation_rate, None);
        assert_eq!(Limits::from(&LimitsConfig::default()), Limits::default());
    }
}
