//! Whether a push may be sent: the one place that asks every policy.

use std::sync::Arc;

use super::{
    artifact_type::artifact_type_must_be,
    gate::{Gates, Pushed},
    subject_exists::subject_must_exist,
};
use crate::{
    config::{Gate, Subject},
    error::Error,
    listing::Listing,
    metrics::Metrics,
    relations::SetTag,
    store::Store,
    upstream::Registry,
};

/// The policies that are set.
pub struct Policies {
    gates: Gates,
    subject: Subject,
    store: Arc<dyn Store>,
}

impl Policies {
    /// As the settings have them.
    pub fn new(
        gates: Vec<Gate>,
        subject: Subject,
        store: Arc<dyn Store>,
        listing: Arc<Listing>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let gates = Gates { all: gates, store: store.clone(), listing, metrics };
        Self { gates, subject, store }
    }

    /// Judges a push that sets these tags. Nothing was sent yet but questions of this caller's.
    pub async fn judge(&self, registry: &Registry, tags: &[SetTag], pushed: &Pushed<'_>) -> Result<(), Error> {
        artifact_type_must_be(&registry.upstream().referrers.artifact_type, pushed)?;
        self.gates.pass(registry, tags, pushed).await?;
        if self.subject.must_exist
            && let Some(subject) = &pushed.manifest.subject
        {
            subject_must_exist(registry, &*self.store, pushed.key, &subject.digest).await?;
        }
        Ok(())
    }
}
