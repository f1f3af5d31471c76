//! Counting what passes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What went through a proxy since it was started, all connections together.
#[derive(Debug, Default)]
pub struct Traffic {
    connections: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    round_trips: AtomicU64,
}

impl Traffic {
    /// How many connections reached the server.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many bytes went to the server.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many bytes came from the server.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// How often something was sent after something was received, or for the first time, on the same connection. For
    /// a client that does one thing after another, that is the number of round trips.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    pub(super) fn connection(&self) -> ConnectionTraffic<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionTraffic { total: self, asking: AtomicBool::new(false) }
    }
}

/// The part of one connection.
#[derive(Debug)]
pub(super) struct ConnectionTraffic<'a> {
    total: &'a Traffic,
    /// Whether the last bytes were the client's.
    asking: AtomicBool,
}

impl ConnectionTraffic<'_> {
    pub(super) fn sent(&self, bytes: usize) {
        self.total.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        if !self.asking.swap(true, Ordering::Relaxed) {
            self.total.round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        self.total.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.asking.store(false, Ordering::Relaxed);
    }
}
