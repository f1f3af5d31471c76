//! Runs of a minute, which `tests/run --full` includes: many clients, clients that die, the store's rules again and
//! again, and an end under load.

mod draining;
mod dying;
mod mixing;
mod peer;
mod suite;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other long run of this process is on. They measure time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
