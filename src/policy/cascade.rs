//! `subject.on_delete = "referrers"`: what a deleted subject leaves behind goes too, each as if its client had asked for it.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use http::{Method, Request, StatusCode};
use tokio::task::JoinSet;

use crate::{
    changes::Changes,
    error::Error,
    referrers::ManifestKey,
    tasks::Place,
    upstream::{Body, Registry, manifest_uri},
};

/// How many manifests go with one subject at most: its referrers, theirs, and so on.
const MOST: usize = 1000;

/// How many are deleted at a time.
const AT_A_TIME: usize = 4;

/// How long the client's answer waits for it; it goes on after that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Deletes the referrers of what was deleted, with the same caller's credentials. `of`: the subject's forms. `place`: that of
/// the delete, which this is a part of.
pub async fn delete_referrers(changes: &Changes, registry: &Registry, of: Vec<ManifestKey>, place: Place) {
    let cascade = Cascade {
        changes: changes.clone(),
        registry: registry.clone(),
        place: place.clone(),
        waiting: VecDeque::new(),
        found: HashSet::new(),
    };
    let deleting = changes.tasks.detached(place, cascade.delete(of));
    if tokio::time::timeout(PATIENCE, deleting).await.is_err() {
        tracing::debug!("the referrers of a deleted subject are deleted after the answer");
    }
}

struct Cascade {
    changes: Changes,
    registry: Registry,
    place: Place,
    waiting: VecDeque<ManifestKey>,
    found: HashSet<ManifestKey>,
}

impl Cascade {
    async fn delete(mut self, of: Vec<ManifestKey>) {
        let Some(repository) = of.first().map(|key| key.repository.clone()) else { return };
        self.find(&of).await;
        let mut under_way = JoinSet::new();
        let (mut deleted, mut kept) = (0, 0);
        loop {
            while under_way.len() < AT_A_TIME
                && let Some(key) = self.waiting.pop_front()
            {
                under_way.spawn(delete_one(self.changes.clone(), self.registry.clone(), self.place.clone(), key));
            }
            match under_way.join_next().await {
                None => break,
                Some(Ok(Ok(Some(forms)))) => {
                    deleted += 1;
                    self.find(&forms).await;
                }
                // Not this caller's to delete: what refers to it has its subject still.
                Some(Ok(Ok(None))) => kept += 1,
                // No registry, or no store: the others would fare no better.
                Some(failed) => {
                    kept += 1 + self.waiting.len();
                    self.waiting.clear();
                    if let Ok(Err(error)) = failed {
                        tracing::warn!(%error, %repository, "the referrers of a deleted subject could not all be deleted");
                    }
                }
            }
        }
        let full = self.found.len() == MOST;
        if kept > 0 || full {
            tracing::warn!(%repository, deleted, kept, full, "some referrers of a deleted subject stay");
        }
        self.changes.metrics.cascade_deletes(deleted, kept);
    }

    /// Adds the referrers of these. Not those by a tag alone: whoever may push could have anything deleted so.
    async fn find(&mut self, subjects: &[ManifestKey]) {
        for subject in subjects {
            match self.changes.store.stated(subject, MOST).await {
                Ok(stated) => {
                    for key in stated.into_iter().map(|digest| subject.sibling(digest)) {
                        if self.found.len() < MOST && self.found.insert(key.clone()) {
                            self.waiting.push_back(key);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "the referrers of a deleted subject could not be read"),
            }
        }
    }
}

/// Its forms, if it is gone; a 404 counts as that, beside what this caller deleted in the repository just now.
async fn delete_one(
    changes: Changes,
    registry: Registry,
    place: Place,
    key: ManifestKey,
) -> Result<Option<Vec<ManifestKey>>, Error> {
    let forms = changes.tags.known_forms(&key).await?;
    let mut request = Request::new(Body::EMPTY);
    *request.method_mut() = Method::DELETE;
    *request.uri_mut() = manifest_uri(&key);
    *request.headers_mut() = registry.caller().headers().clone();
    let mut change = changes.begin(&registry);
    let answer = change.delete(request, &key).await;
    let status = change.finish(&place, answer).await?.status();
    Ok((status.is_success() || status == StatusCode::NOT_FOUND).then_some(forms))
}
