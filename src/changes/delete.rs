//! A delete of a manifest by its digest: the caller's own request first, as it came. Only its success, or a 404 beside a 200
//! to the same caller in the same repository, changes anything.

use http::{Request, Response, StatusCode};

use super::Change;
use crate::{
    error::Error,
    referrers::ManifestKey,
    referrers_tag::TakeOut,
    relations::{self, CorroboratingOk, holds},
    step::step,
    store::{AttemptId, AttemptKind, Seen, Verdict},
    upstream::Body,
};

impl Change<'_> {
    /// Deletes what the upstream holds, and its rows. `key`: the form that the upstream holds.
    pub async fn delete(&mut self, request: Request<Body>, key: &ManifestKey) -> Result<Response<Body>, Error> {
        let store = self.store;
        let attempt = relations::begin(self.registry, AttemptKind::Delete, key, None);
        let seen = match store.begin(&attempt).await {
            Ok(seen) => seen,
            // What is no referrer can go without the store. A referrer can't: it would stay listed.
            Err(error) if store.look(key).await?.version > 0 => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, repository = %key.repository, digest = %key.digest, "a delete goes unrecorded");
                return Ok(self.registry.forward(request).await?);
            }
        };
        step("delete-noted");
        let again = copy(&request);
        let answer = relations::forward(self.registry, store, request, (key, attempt.id)).await?;
        step("delete-answered");
        let protected = is_protected(&answer) && self.tags.lists(key).await.unwrap_or_default();
        let answer = if protected || self.is_kept(key, &answer).await {
            self.delete_listed(again, key, seen, attempt.id, answer).await?
        } else if self.is_deleted(key, seen, &answer).await {
            let subjects = self.subjects(key).await?;
            relations::confirm(self.registry, store, key, Verdict::Deleted, seen, (attempt.id, &answer)).await?;
            self.changed.extend(subjects);
            step("delete-applied");
            answer
        } else {
            relations::end_unsuccessful(store, (key, attempt.id), &answer).await;
            answer
        };
        Ok(answer)
    }

    /// Whether an answer to a delete says that the manifest is gone. A 404 does where the manifest itself is 404 to this
    /// caller as well, asked for after `seen` was read, beside a 200; and only of a digest that has rows, since of another
    /// there is nothing to forget.
    async fn is_deleted(&self, key: &ManifestKey, seen: Seen, answer: &Response<Body>) -> bool {
        if answer.status().is_success() {
            return true;
        }
        if answer.status() != StatusCode::NOT_FOUND || !relations::is_definite(answer) {
            return false;
        }
        let gone = async {
            // Asked whatever the database has, so that the number of requests doesn't tell.
            let gone = !holds(self.registry, key).await? && seen.version > 0;
            Ok::<_, Error>(
                gone && CorroboratingOk::new(false, self.subjects(key).await?).is_there(self.registry).await?,
            )
        };
        gone.await.unwrap_or_default()
    }

    /// Whether the upstream has accepted a delete, and keeps the manifest all the same since a tagged index lists it, as Pulp
    /// does.
    async fn is_kept(&self, key: &ManifestKey, answer: &Response<Body>) -> bool {
        answer.status() == StatusCode::ACCEPTED
            && self.tags.lists(key).await.unwrap_or_default()
            && holds(self.registry, key).await.unwrap_or_default()
    }

    /// The upstream protects what a tagged index lists, and the tag may list it: the tag is written without it, with these
    /// credentials, and the delete is sent again. `refused`: what was said the first time.
    async fn delete_listed(
        &mut self,
        request: Request<Body>,
        key: &ManifestKey,
        seen: Seen,
        id: AttemptId,
        refused: Response<Body>,
    ) -> Result<Response<Body>, Error> {
        let store = self.store;
        // Without the database there is nothing to write.
        let (taken, out) = self.tags.take_out(self.registry, key).await.unwrap_or_default();
        let answer = match taken {
            TakeOut::Out => {
                step("delete-taken-out");
                let answer = self.delete_again(request, key, seen, id).await;
                step("delete-applied");
                answer
            }
            TakeOut::Refused => {
                relations::end_unsuccessful(store, (key, id), &refused).await;
                Ok(refused)
            }
            TakeOut::Unknown => {
                // Another delete may have come through meanwhile, and the tag was the last that knew of what came back.
                relations::end(store, (key, id), true).await;
                Ok(refused)
            }
        };
        self.changed.extend(self.tags.put_back(self.registry, out).await);
        step("delete-put-back");
        answer
    }

    /// Sends a delete again, whose first attempt is `first`.
    async fn delete_again(
        &self,
        request: Request<Body>,
        key: &ManifestKey,
        seen: Seen,
        first: AttemptId,
    ) -> Result<Response<Body>, Error> {
        let store = self.store;
        // Its time begins anew.
        let attempt = relations::begin(self.registry, AttemptKind::Delete, key, None);
        if let Err(error) = store.begin(&attempt).await {
            relations::end(store, (key, first), true).await;
            return Err(error.into());
        }
        relations::end(store, (key, first), false).await;
        let mut answer = relations::forward(self.registry, store, request, (key, attempt.id)).await?;
        let is_kept = self.is_kept(key, &answer).await;
        if is_kept || !self.is_deleted(key, seen, &answer).await {
            // A refusal may be of what another delete took away: what is there now is asked for.
            relations::end(store, (key, attempt.id), true).await;
            return Ok(answer);
        }
        if answer.status() == StatusCode::NOT_FOUND {
            // Some registries drop by themselves what no list names any more.
            *answer.status_mut() = StatusCode::ACCEPTED;
            *answer.body_mut() = Body::EMPTY;
        }
        relations::confirm(self.registry, store, key, Verdict::Deleted, seen, (attempt.id, &answer)).await?;
        Ok(answer)
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
