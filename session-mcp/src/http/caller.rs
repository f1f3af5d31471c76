//! Who sent a request, for a session manager, which rmcp tells nothing of requests.

use session_core::Owner;

tokio::task_local! {
    static OWNER: Owner;
}

/// Runs a request of this owner's.
pub(super) async fn called_by<T>(owner: Owner, request: impl Future<Output = T>) -> T {
    OWNER.scope(owner, request).await
}

/// Whose request is being answered. Outside of one nobody is authenticated.
pub(super) fn caller() -> Owner {
    OWNER.try_with(|owner| *owner).unwrap_or(Owner::Anonymous)
}
