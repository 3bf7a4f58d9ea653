//! What the connections of one worker have in common.

use super::{options::Options, places::Places};

/// What the connections of one worker have in common.
pub(super) struct Serving<S> {
    pub(super) options: Options,
    pub(super) service: S,
    pub(super) places: Places,
}
