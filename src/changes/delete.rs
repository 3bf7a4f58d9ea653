//! A delete of a manifest by its digest: the caller's own request first, as it came. Only its success, or a 404 beside a 200
//! to the same caller in the same repository, changes anything.

use http::{Request, Response, StatusCode};

use super::Changes;
use crate::{
    error::Error,
    referrers::ManifestKey,
    relations::{self, CorroboratingOk, holds},
    step::step,
    store::{AttemptId, AttemptKind, Seen, Verdict},
    upstream::{Body, Registry},
};

impl Changes {
    /// Deletes what the upstream holds, and its rows. `key`: the form that the upstream holds. `absent`: whether the upstream
    /// answered 404 to this caller when it was asked for it just now; `None`: it was not asked.
    pub async fn delete(
        &self,
        registry: &Registry,
        request: Request<Body>,
        key: &ManifestKey,
        absent: Option<bool>,
    ) -> Result<Response<Body>, Error> {
        let store = &*self.store;
        let attempt = relations::begin(registry, AttemptKind::Delete, key, None);
        let seen = match store.begin(&attempt).await {
            Ok(seen) => seen,
            // What is no referrer can go without the store. A referrer can't: it would stay listed.
            Err(error) if store.look(key).await?.version > 0 => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, repository = %key.repository, digest = %key.digest, "a delete goes unrecorded");
                return Ok(registry.forward(request).await?);
            }
        };
        step("delete-noted");
        let again = copy(&request);
        let answer = relations::forward(registry, store, request, attempt.id).await?;
        step("delete-answered");
        let listed = is_protected(&answer) && self.tags.lists(key).await.unwrap_or_default();
        let answer = if listed {
            self.delete_listed(registry, again, key, seen, attempt.id, answer).await?
        } else {
            self.conclude_delete(registry, key, (seen, absent), attempt.id, &answer).await?;
            answer
        };
        step("delete-recorded");
        Ok(answer)
    }

    /// Applies the upstream's answer, and has the tags say what the rows say.
    async fn conclude_delete(
        &self,
        registry: &Registry,
        key: &ManifestKey,
        (seen, absent): (Seen, Option<bool>),
        id: AttemptId,
        answer: &Response<Body>,
    ) -> Result<(), Error> {
        let store = &*self.store;
        let deleted = match answer.status() {
            status if status.is_success() => true,
            StatusCode::NOT_FOUND if relations::is_definite(answer) => {
                self.is_gone(registry, key, (seen, absent)).await
            }
            _ => false,
        };
        if !deleted {
            relations::end_unsuccessful(store, id, answer).await;
            return Ok(());
        }
        let subjects = self.subjects(key).await?;
        relations::confirm(registry, store, key, Verdict::Deleted, seen, (id, answer)).await?;
        step("delete-applied");
        self.tags.flush_all(registry, &subjects).await;
        Ok(())
    }

    /// Whether a 404 to a delete is to be believed of a digest that has rows: the manifest itself must be 404 to this
    /// caller, beside a 200.
    async fn is_gone(&self, registry: &Registry, key: &ManifestKey, (seen, absent): (Seen, Option<bool>)) -> bool {
        if seen.version == 0 {
            return false; // nothing to forget
        }
        let Ok(subjects) = self.subjects(key).await else { return false };
        let gone = async {
            let absent = match absent {
                Some(absent) => absent,
                None => !holds(registry, key).await?,
            };
            Ok::<_, Error>(absent && CorroboratingOk::new(false, subjects).is_there(registry).await?)
        };
        gone.await.unwrap_or_default()
    }

    /// The upstream protects what a tagged index lists, and the tag does list it: the tag is written without it, with these
    /// credentials, and the delete is sent again. `refused`: what was said the first time.
    async fn delete_listed(
        &self,
        registry: &Registry,
        request: Request<Body>,
        key: &ManifestKey,
        seen: Seen,
        id: AttemptId,
        refused: Response<Body>,
    ) -> Result<Response<Body>, Error> {
        let store = &*self.store;
        let Some(out) = self.tags.take_out(registry, key).await else {
            relations::end_unsuccessful(store, id, &refused).await;
            return Ok(refused);
        };
        step("delete-taken-out");
        let deleted = async {
            let mut answer = relations::forward(registry, store, request, id).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                // Some registries drop by themselves what no list names any more.
                *answer.status_mut() = StatusCode::ACCEPTED;
                *answer.body_mut() = Body::EMPTY;
            }
            if answer.status().is_success() {
                relations::confirm(registry, store, key, Verdict::Deleted, seen, (id, &answer)).await?;
            } else {
                // A refusal may be of what another delete took away: what is there now is asked for.
                relations::end(store, id, true).await;
            }
            Ok(answer)
        };
        let deleted = deleted.await;
        step("delete-applied");
        self.tags.put_back(registry, out).await;
        step("delete-put-back");
        deleted
    }

    /// To whom a manifest refers.
    async fn subjects(&self, key: &ManifestKey) -> Result<Vec<ManifestKey>, Error> {
        Ok(key.siblings(self.store.subjects(key).await?))
    }
}

/// Whether a refusal is of the kind by which registries protect what a tagged index lists: zot 405, Docker Hub 403,
/// GitLab 409.
fn is_protected(answer: &Response<Body>) -> bool {
    matches!(answer.status(), StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::CONFLICT)
        && relations::is_definite(answer)
}

/// The same request, without a body.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::EMPTY);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}
