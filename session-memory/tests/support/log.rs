//! What the store logs, as the thread of one test hears it.

use std::cell::RefCell;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

type Listener = Box<dyn FnMut(Level, Option<u64>)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Calls `listener` for each event of the store on this thread, with its level and what it says to have looked at.
pub(crate) fn listen(listener: impl FnMut(Level, Option<u64>) + 'static) {
    LISTENER.set(Some(Box::new(listener)));
    // One subscriber for all threads: what a call site is told when it is first met is told to every test.
    tracing::subscriber::set_global_default(Log).unwrap_or_default();
}

struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("session_memory")
    }

    fn event(&self, event: &Event<'_>) {
        let mut looked_at = LookedAt(None);
        event.record(&mut looked_at);
        LISTENER.with_borrow_mut(|listener| {
            if let Some(listener) = listener {
                listener(*event.metadata().level(), looked_at.0);
            }
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct LookedAt(Option<u64>);

impl Visit for LookedAt {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "looked_at" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
