//! Points in time as people and programs read them.

use std::time::{Duration, UNIX_EPOCH};

use session_core::Timestamp;

/// RFC 3339 with milliseconds, in UTC. The format knows no year after 9999; no session reaches it.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let millis = time.as_millis().min(253_402_300_799_999);
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
}
