//! `subject.on_delete = "referrers"`: what a deleted subject leaves behind goes too, each as if its client had asked for it;
//! first where a registry keeps a subject as long as something refers to it.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use http::{Response, StatusCode};
use tokio::task::JoinSet;

use crate::{
    changes::Changes,
    error::Error,
    oci::error_codes,
    referrers::ManifestKey,
    tasks::Place,
    upstream::{Body, Registry, short_answer},
};

/// How many manifests go with one subject at most: its referrers, theirs, and so on.
const MOST: usize = 1000;

/// How many are deleted at a time.
const AT_A_TIME: usize = 4;

/// How long the client's answer waits for it; it goes on after that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a delete was refused since something refers to the manifest, as GitLab's registry does; with the answer whole.
pub async fn is_for_referrers(answer: Response<Body>) -> (Response<Body>, bool) {
    if answer.status() != StatusCode::CONFLICT {
        return (answer, false);
    }
    let (answer, body) = short_answer(answer).await;
    let is_it = body.is_some_and(|body| error_codes(&body).iter().any(|code| code == "MANIFEST_REFERENCED"));
    (answer, is_it)
}

/// Deletes the referrers of what was deleted, or is to be, with the same caller's credentials. `of`: the subject's forms.
/// `place`: that of the delete, which this is a part of. Whether all of them are known to be gone.
pub async fn delete_referrers(changes: &Changes, registry: &Registry, of: Vec<ManifestKey>, place: Place) -> bool {
    let cascade = Cascade {
        changes: changes.clone(),
        registry: registry.clone(),
        place: place.clone(),
        waiting: VecDeque::new(),
        referred_to: VecDeque::new(),
        found: HashSet::new(),
    };
    let deleting = changes.tasks.detached(place, cascade.delete(of));
    let Ok(are_gone) = tokio::time::timeout(PATIENCE, deleting).await else {
        tracing::debug!("the referrers of a deleted subject are deleted after the answer");
        return false;
    };
    are_gone.unwrap_or_default()
}

struct Cascade {
    changes: Changes,
    registry: Registry,
    place: Place,
    waiting: VecDeque<ManifestKey>,
    /// Those that the upstream keeps as long as something refers to them.
    referred_to: VecDeque<ManifestKey>,
    found: HashSet<ManifestKey>,
}

/// What became of one of them.
enum Deleted {
    /// It is gone; its forms. A 404 counts as that, beside what this caller deleted in the repository just now.
    Gone(Vec<ManifestKey>),
    /// It is to go after what refers to it; its forms, the one first that was to go.
    ReferredTo(Vec<ManifestKey>),
    Kept,
}

impl Cascade {
    async fn delete(mut self, of: Vec<ManifestKey>) -> bool {
        let Some(repository) = of.first().map(|key| key.repository.clone()) else { return true };
        self.find(&of).await;
        let mut under_way = JoinSet::new();
        let (mut deleted, mut kept, mut deleted_before) = (0, 0, 0);
        loop {
            while under_way.len() < AT_A_TIME
                && let Some(key) = self.waiting.pop_front()
            {
                under_way.spawn(delete_one(self.changes.clone(), self.registry.clone(), self.place.clone(), key));
            }
            match under_way.join_next().await {
                // As long as some went, what they referred to may go next.
                None if deleted > deleted_before => {
                    deleted_before = deleted;
                    self.waiting = std::mem::take(&mut self.referred_to);
                }
                None => break,
                Some(Ok(Ok(Deleted::Gone(forms)))) => {
                    deleted += 1;
                    self.find(&forms).await;
                }
                Some(Ok(Ok(Deleted::ReferredTo(forms)))) => {
                    self.find(&forms).await;
                    self.referred_to.extend(forms.into_iter().next());
                }
                // Not this caller's to delete: what refers to it has its subject still.
                Some(Ok(Ok(Deleted::Kept))) => kept += 1,
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
        kept += self.referred_to.len();
        let full = self.found.len() == MOST;
        if kept > 0 || full {
            tracing::warn!(%repository, deleted, kept, full, "some referrers of a deleted subject stay");
        }
        self.changes.metrics.cascade_deletes(deleted, kept);
        kept == 0 && !full
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

async fn delete_one(changes: Changes, registry: Registry, place: Place, key: ManifestKey) -> Result<Deleted, Error> {
    // The one that is to go comes first.
    let forms = changes.tags.known_forms(&key).await?;
    let (answer, is_referred_to) = is_for_referrers(changes.delete(&registry, &key, &place).await?).await;
    Ok(match answer.status() {
        status if status.is_success() || status == StatusCode::NOT_FOUND => Deleted::Gone(forms),
        _ if is_referred_to => Deleted::ReferredTo(forms),
        _ => Deleted::Kept,
    })
}
