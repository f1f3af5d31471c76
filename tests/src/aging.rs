//! Time that passes for sessions, and for nobody else.

use std::time::Duration;

use redis::{Client, cmd};
use session_mcp::Config;

/// Makes the last use of each session in this Redis so long ago, where sessions have the idle timeout that they have by
/// default.
///
/// # Panics
///
/// If Redis does not answer.
pub async fn age(url: &str, idle: Duration) {
    // The time since a session's last use is what its key has lost of its life.
    let script = "for _, key in ipairs(redis.call('KEYS', '*')) do \
                  if redis.call('TYPE', key).ok == 'hash' then redis.call('PEXPIRE', key, ARGV[1]) end end";
    let left = Config::default().idle_timeout.saturating_sub(idle).as_millis().to_string();
    let client = Client::open(url).expect("a URL of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis is there");
    cmd("EVAL").arg(script).arg(0).arg(left).exec_async(&mut connection).await.expect("the keys are there");
}
