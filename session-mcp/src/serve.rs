//! How serving can fail.

use session_core::BoxError;

use crate::lifespan::StartError;

/// Why serving did not begin, or ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration cannot be served.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The connection or the listener broke.
    #[error("the connection broke: {0}")]
    Connection(BoxError),
}
