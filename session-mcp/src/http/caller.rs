//! Who sent a request, for a session manager, which rmcp tells nothing of requests.

use std::cell::Cell;

use axum::http::request::Parts;
use session_core::Owner;

use super::legacy::Validated;

tokio::task_local! {
    static CALLER: Caller;
}

/// Who sent the request that is being answered.
pub(super) struct Caller {
    owner: Owner,
    /// What else the request says, if its session may have to be restored.
    parts: Cell<Option<Box<Parts>>>,
    /// The session that the request is for, once it is validated.
    validated: Cell<Option<Validated>>,
}

impl Caller {
    pub(super) fn new(owner: Owner, parts: Option<Parts>) -> Self {
        Self { owner, parts: Cell::new(parts.map(Box::new)), validated: Cell::new(None) }
    }

    /// Runs a request of this caller's.
    pub(super) fn scope<T>(self, request: impl Future<Output = T>) -> impl Future<Output = T> {
        CALLER.scope(self, request)
    }

    /// Whose request is being answered. Outside of one nobody is authenticated.
    pub(super) fn owner() -> Owner {
        CALLER.try_with(|caller| caller.owner).unwrap_or(Owner::Anonymous)
    }

    /// Notes the session that the request is for, to be taken by what is done with it next.
    pub(super) fn has_validated(validated: Validated) {
        let _ = CALLER.try_with(|caller| caller.validated.set(Some(validated)));
    }

    /// Takes the session that the request is for, if that was validated for it, which can be done once.
    pub(super) fn take_validated() -> Option<Validated> {
        CALLER.try_with(|caller| caller.validated.take()).ok().flatten()
    }

    /// Takes what else the request says, which can be done once.
    pub(super) fn take_parts() -> Option<Parts> {
        CALLER.try_with(|caller| caller.parts.take()).ok().flatten().map(|parts| *parts)
    }
}
