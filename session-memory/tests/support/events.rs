//! What an observer was told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_core::{Event, Locator, Subject};

/// Keeps what it is told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    /// An observer that tells this.
    pub(crate) fn observer(&self) -> impl Fn(&Event) + Send + Sync + use<> {
        let told = self.clone();
        move |event: &Event| told.events().push(*event)
    }

    /// What was told since the last time, in order.
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events())
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which session an event is about.
pub(crate) fn locator(event: &Event) -> Locator {
    match event.subject {
        Subject::One(locator) => locator,
        Subject::All { .. } => panic!("it is about one session"),
    }
}
