//! Why a body ended early.

use crate::stall::Stalled;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing moved for `limits.stall_timeout`.
    #[error(transparent)]
    Stalled(#[from] Stalled),
    /// The upstream answered before it accepted the body.
    #[error("the upstream answered before it accepted the body")]
    NotWanted,
    /// The connection that it came over failed.
    #[error(transparent)]
    Connection(#[from] hyper::Error),
}
