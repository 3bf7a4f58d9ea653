//! Pushes and deletes as the upstream, the rows and the referrers tag see them: an attempt, the caller's request, what came
//! of it. ARCHITECTURE.md walks through each.

mod delete;
mod push;
mod push_artifact;
mod push_index;
mod untag;

use std::sync::Arc;

use crate::{metrics::Metrics, referrers_tag::ReferrersTags, store::Store, tasks::Tasks};

/// What changes work with, besides a caller. Cheap to clone.
#[derive(Clone)]
pub struct Changes {
    /// The rows.
    pub store: Arc<dyn Store>,
    /// The referrers tags.
    pub tags: Arc<ReferrersTags>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where changes go on when their client has left.
    pub tasks: Tasks,
}
