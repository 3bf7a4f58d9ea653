//! A push: from the noted attempt to the answer.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use super::Changes;
use crate::{
    error::Error,
    oci::{Digest, header::CONTENT_DIGEST},
    referrers::{Claim, ManifestKey},
    relations::{self, DigestTagCopy, Tagging},
    step::step,
    store::{AttemptKind, Verdict},
    upstream::{Body, Registry},
};

/// `OCI-Subject` (distribution-spec 1.1, "Pushing Manifests with Subject"): backref's own word, never the upstream's.
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Changes {
    /// Forwards a push. One that claims a subject is noted first, and answered when its relation is in the database and its
    /// subject's tag has it or is stale.
    pub async fn push(
        &self,
        registry: &Registry,
        request: Request<Body>,
        claim: Option<Claim>,
    ) -> Result<Response<Body>, Error> {
        let Some(claim) = claim else {
            let mut answer = registry.forward(request).await?;
            answer.headers_mut().remove(OCI_SUBJECT);
            return Ok(answer);
        };
        let store = &*self.store;
        let referrer = claim.referrer().clone();
        let copy = DigestTagCopy::of(registry, &request, &claim);
        let attempt = relations::begin(registry, AttemptKind::Push, &referrer, Some(claim.subject().clone()));
        let seen = store.begin(&attempt).await?;
        step("push-noted");

        let mut answer = relations::forward(registry, store, request, attempt.id).await?;
        step("push-answered");
        let Some(relation) = claim.held(answer.status()) else {
            relations::end_unsuccessful(store, attempt.id, &answer).await;
            return Ok(answer);
        };
        let subject = relation.subject.clone();
        let verdict = Verdict::Held(Arc::new(relation));
        relations::confirm(registry, store, &referrer, verdict, seen, (attempt.id, &answer)).await?;
        step("push-recorded");
        let copied = async {
            if let Some(copy) = copy {
                copy.write(registry, &self.metrics).await;
            }
        };
        let changed = referrer.sibling(subject.clone());
        tokio::join!(self.tags.flush(registry, &changed), copied);
        step("push-maintained");
        created(&mut answer, &referrer.digest, Some(subject.as_str()));
        Ok(answer)
    }

    /// A push that sets tags by which manifests refer: `push`, with the attempts on those tags around it.
    pub async fn with_tags(
        &self,
        registry: &Registry,
        key: &ManifestKey,
        taggings: Vec<Tagging>,
        push: impl Future<Output = Result<Response<Body>, Error>>,
    ) -> Result<Response<Body>, Error> {
        let noted = relations::note_tags(registry, &*self.store, key, taggings).await?;
        let answer = push.await;
        let (changed, failed) = relations::conclude_noted(registry, &*self.store, key, noted, &answer).await;
        self.tags.flush_all(registry, &changed).await;
        failed.map_or(answer, Err)
    }
}

/// What a client is told of the manifest that it pushed.
pub(super) fn created(answer: &mut Response<Body>, digest: &Digest, subject: Option<&str>) {
    *answer.status_mut() = StatusCode::CREATED;
    for (name, digest) in [(CONTENT_DIGEST, Some(digest.as_str())), (OCI_SUBJECT, subject)] {
        // Invariant: digests in their grammar are visible ASCII.
        if let Some(Ok(value)) = digest.map(HeaderValue::from_str) {
            answer.headers_mut().insert(name, value);
        }
    }
}
