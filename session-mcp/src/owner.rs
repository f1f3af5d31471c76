//! Whose a call is.

use session_core::Owner;

/// Decides whose sessions a call opens and finds.
///
/// Nobody is authenticated yet, so every caller is anonymous and a handle is a bearer capability. This is the one
/// place that knows.
pub(crate) fn owner() -> Owner {
    Owner::Anonymous
}
