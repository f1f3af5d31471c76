//! Who writes, and the how-manieth write it is.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store as the sessions know it that it writes to: a random number, and a number for each of its writes, by which
/// the server tells a write that arrives twice from two writes.
#[derive(Debug)]
pub(crate) struct Writer {
    id: String,
    writes: AtomicU64,
}

impl Writer {
    /// # Panics
    ///
    /// If the operating system has no randomness to give: two writers could be taken for one.
    pub(crate) fn new() -> Self {
        let id = getrandom::u64().expect("the operating system gives random bytes");
        Self { id: format!("{id:016x}"), writes: AtomicU64::new(0) }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The number of the next write.
    pub(crate) fn next(&self) -> u64 {
        self.writes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The next write, as the server is told of it where it keeps nothing else of its writer.
    pub(crate) fn sign(&self) -> Signature {
        Signature { writer: self.id.clone(), number: self.next() }
    }
}

/// A write that arrives once however often it is sent.
#[derive(Debug)]
pub(crate) struct Signature {
    writer: String,
    number: u64,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.writer, self.number)
    }
}
