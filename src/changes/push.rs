//! A push: from the noted attempt to the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};

use super::Change;
use crate::{
    error::Error,
    oci::{
        Digest,
        header::{CONTENT_DIGEST, OCI_SUBJECT, content_digest},
    },
    referrers::{Claim, ManifestKey, Relation},
    relations::{self, DigestTagCopy, NotedTag},
    step::step,
    store::{AttemptKind, Verdict},
    upstream::Body,
};

impl Change<'_> {
    /// Forwards a push. One that claims a subject is noted first, and its relation is in the database when this is done.
    pub async fn push(&mut self, request: Request<Body>, claim: Option<Claim>) -> Result<Response<Body>, Error> {
        let Some(claim) = claim else {
            let mut answer = self.registry.forward(request).await?;
            // It is backref's own word, never the upstream's.
            answer.headers_mut().remove(OCI_SUBJECT);
            return Ok(answer);
        };
        let store = self.store;
        let referrer = claim.referrer().clone();
        let copy = DigestTagCopy::of(self.registry, &request, &claim);
        let bytes = if let Body::Full(Some(bytes)) = request.body() { bytes.clone() } else { Bytes::new() };
        let attempt = relations::begin(self.registry, AttemptKind::Push, &referrer, Some(claim.subject().clone()));
        let seen = store.begin(&attempt).await?;
        step("push-noted");

        let mut answer = relations::forward(self.registry, store, request, (&referrer, attempt.id)).await?;
        step("push-answered");
        let Some(relation) = claim.held(answer.status()) else {
            relations::end_unsuccessful(store, (&referrer, attempt.id), &answer).await;
            return Ok(answer);
        };
        let is_listed = answer.headers().get(OCI_SUBJECT).is_some_and(|said| said == relation.subject.as_str());
        let (relation, seen) = match held_as(&relation, &bytes, &answer) {
            // Under another digest than was thought: nobody has waited for that one.
            Some(held) => {
                let seen = store.look(&held.referrer).await?;
                (Arc::new(held), seen)
            }
            None => (Arc::new(relation), seen),
        };
        let referrer = relation.referrer.clone();
        let verdict = Verdict::Held(relation.clone());
        relations::confirm(self.registry, store, &referrer, verdict, seen, (attempt.id, &answer)).await?;
        step("push-recorded");
        if let Some(copy) = copy {
            copy.write(self.registry, store, &relation, self.metrics).await;
        }
        let subject = referrer.sibling(relation.subject.clone());
        relations::learn_listing(self.registry, store, &subject, &referrer.digest, is_listed).await;
        self.changed.push(subject);
        created(&mut answer, &referrer.digest, Some(relation.subject.as_str()));
        Ok(answer)
    }

    /// Applies what became of a push to the tags that it set, and by which manifests refer. The error says why that is not
    /// known.
    pub async fn conclude_tags(
        &mut self,
        key: &ManifestKey,
        noted: Vec<NotedTag>,
        answer: Result<Response<Body>, Error>,
    ) -> Result<Response<Body>, Error> {
        let (changed, failed) = relations::conclude_noted(self.registry, self.store, key, noted, &answer).await;
        self.changed.extend(changed);
        failed.map_or(answer, Err)
    }
}

/// The relation under the digest by which the upstream says that it holds these bytes, where that is another than was
/// thought: a push by tag may name the algorithm (`digest=` in its query, which olareg honours).
fn held_as(relation: &Relation, bytes: &[u8], answer: &Response<Body>) -> Option<Relation> {
    let said = content_digest(answer.headers()).filter(|said| *said != relation.referrer.digest)?;
    (Digest::of(said.algorithm()?, bytes) == said).then(|| relation.under(said))
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
