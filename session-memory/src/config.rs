//! What a memory store can be told.

use std::time::Duration;

use serde::Deserialize;
use session_core::Limits;

/// What a memory store can be told. As text, durations are written with their unit (`"1h"`, `"250ms"`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "written as a literal over `..MemoryConfig::default()`")]
pub struct MemoryConfig {
    /// How much clients can make the store keep. Set by whoever makes the store, and not read from text here: limits
    /// are the same for every kind of store.
    #[serde(skip)]
    pub limits: Limits,
    /// How often memory is freed of what has expired, an hour by default and a millisecond at least. How long sessions
    /// live does not depend on it.
    #[serde(with = "humantime_serde")]
    pub sweep_interval: Duration,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { limits: Limits::default(), sweep_interval: Duration::from_secs(60 * 60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(config: &str) -> Result<MemoryConfig, serde_json::Error> {
        serde_json::from_str(config)
    }

    #[test]
    fn the_sweep_is_hourly_unless_told_otherwise() {
        assert_eq!(parse("{}").expect("nothing has to be said").sweep_interval, Duration::from_secs(3_600));
        let config = parse(r#"{ "sweep_interval": "1m 30s" }"#).expect("a duration with units");
        assert_eq!(config.sweep_interval, Duration::from_secs(90));
    }

    #[test]
    fn a_misspelled_key_is_named() {
        let error = parse(r#"{ "sweep_intervall": "1h" }"#).expect_err("there is no such key");
        assert!(error.to_string().contains("sweep_intervall"), "{error}");
    }
}
