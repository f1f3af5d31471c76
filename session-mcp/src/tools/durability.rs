//! How long sessions last, as models are told.

use std::time::Duration;

use session_core::Lifetimes;

/// How long the sessions of a store last at most. The descriptions of `open_session` and of the handle say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// As long as the server's process.
    Process,
    /// Longer than the server's process, which may be replaced by another.
    Store,
}

/// How long a session lasts, in a sentence.
pub(super) fn lasts(lifetimes: Lifetimes, durability: Durability) -> String {
    let (idle, absolute) = (words(lifetimes.idle()), words(lifetimes.absolute()));
    match durability {
        Durability::Process => format!(
            "A session ends after {idle} without use, after {absolute} in any case, and with the server's process."
        ),
        Durability::Store => format!(
            "A session ends after {idle} without use and after {absolute} in any case; it outlives the server's process."
        ),
    }
}

/// A duration as people say it: `24h`, `7days`.
fn words(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
