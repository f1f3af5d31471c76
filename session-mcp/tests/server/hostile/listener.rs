//! Everything that is logged in this process, but for what rmcp logs, which no server of ours lets through.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What was logged since the first test began to listen.
pub(super) struct Log(Mutex<String>);

impl Log {
    /// Whether a text is in the log.
    pub(super) fn said(&self, text: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(text)
    }
}

/// Begins to listen, at every level.
pub(super) fn listen() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| Log(Mutex::new(String::new())));
    tracing::subscriber::set_global_default(Listener(log)).unwrap_or_default();
    tracing::trace!("a test listens");
    assert!(log.said("a test listens"), "somebody else listens");
    log
}

struct Listener(&'static Log);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.target().starts_with("rmcp")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Written(self.0));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Written(self.0));
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Written(self.0));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Written(&'static Log);

impl Visit for Written {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut log = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(log, "{field}={value:?}").expect("a text takes everything");
    }
}
