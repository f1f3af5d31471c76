//! What DELETE means to a session manager, past rmcp.

use std::cell::Cell;

tokio::task_local! {
    static DELETION: Cell<Option<Deletion>>;
}

/// What became of the session that a DELETE names.
///
/// rmcp closes a session for DELETE, for idleness and at shutdown alike and answers 202 in any case. Within
/// [`watch`](Self::watch) the session manager knows which it is, and this travels back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deletion {
    /// It has ended.
    Ended,
    /// There is none of this `Mcp-Session-Id`.
    Unknown,
    /// Its `Mcp-Session-Id` may only read it.
    ReadOnly,
}

impl Deletion {
    /// Runs a DELETE and says what became of its session; `None` if it was refused before.
    pub(super) async fn watch<T>(request: impl Future<Output = T>) -> (T, Option<Self>) {
        DELETION.scope(Cell::new(None), async { (request.await, DELETION.with(Cell::get)) }).await
    }

    /// Whether a DELETE is being answered.
    pub(super) fn is_asked() -> bool {
        DELETION.try_with(|_| ()).is_ok()
    }

    /// Notes what became of the session, for the DELETE that is being answered.
    pub(super) fn note(self) {
        let _ = DELETION.try_with(|slot| slot.set(Some(self)));
    }
}
