//! Pushes and deletes as the upstream, the rows and the referrers tag see them: an attempt, the caller's request, what came
//! of it. ARCHITECTURE.md walks through each.

mod delete;
mod push;
mod push_artifact;
mod push_index;
mod untag;

use std::sync::Arc;

use http::{Method, Response};

use crate::{
    error::Error,
    metrics::Metrics,
    referrers::ManifestKey,
    referrers_tag::ReferrersTags,
    step::step,
    store::Store,
    tasks::{Place, Tasks},
    upstream::{Body, Registry, manifest_uri},
};

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

/// A push or delete under way, and what comes of it.
pub struct Change<'a> {
    /// On whose behalf.
    pub registry: &'a Registry,
    /// The rows.
    pub store: &'a dyn Store,
    /// The referrers tags.
    pub tags: &'a Arc<ReferrersTags>,
    metrics: &'a Metrics,
    /// The subjects whose sets of referrers it may have changed.
    changed: Vec<ManifestKey>,
}

impl Changes {
    /// A change on behalf of a caller.
    pub fn begin<'a>(&'a self, registry: &'a Registry) -> Change<'a> {
        Change { registry, store: &*self.store, tags: &self.tags, metrics: &self.metrics, changed: Vec::new() }
    }

    /// Deletes a manifest in the caller's name, from the attempt to its tags. `place`: that of whatever this is a part of.
    pub async fn delete(&self, registry: &Registry, key: &ManifestKey, place: &Place) -> Result<Response<Body>, Error> {
        let request = registry.request(Method::DELETE, manifest_uri(key), Body::EMPTY);
        let mut change = self.begin(registry);
        let answer = change.delete(request, key).await;
        change.finish(place, answer).await
    }
}

impl Change<'_> {
    /// Whatever the answer is, the tags of the subjects whose sets may have changed have what they are to have, or are
    /// stale. `place`: that of the change, of which a late write of a tag is a part.
    pub async fn finish(self, place: &Place, answer: Result<Response<Body>, Error>) -> Result<Response<Body>, Error> {
        if let Ok(answer) = &answer {
            place.answered(answer.status());
        }
        self.tags.flush_all(self.registry, &self.changed, place).await;
        step("change-maintained");
        answer
    }
}
