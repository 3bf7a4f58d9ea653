//! What the connections of one worker have in common.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::options::Options;

/// What the connections of one worker have in common.
pub(super) struct Serving<S> {
    pub(super) options: Options,
    pub(super) service: S,
    /// Of which each connection has one.
    pub(super) places: Arc<Semaphore>,
}
