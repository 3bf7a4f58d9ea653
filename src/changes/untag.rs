//! A delete of a tag that says who refers to whom: the relation goes with it.

use http::{Request, Response};

use super::Change;
use crate::{
    error::Error,
    referrers::{ManifestKey, RelationTag},
    relations,
    store::{AttemptKind, TagVerdict},
    upstream::Body,
};

impl Change<'_> {
    /// Deletes the tag. `subject`: whom the tag names.
    pub async fn untag(
        &mut self,
        request: Request<Body>,
        subject: &ManifestKey,
        tag: &RelationTag,
    ) -> Result<Response<Body>, Error> {
        let store = self.store;
        let known = store.look_at_tag(subject, &tag.tag).await?;
        // Where the tag is on nothing that is known, no manifest is meant: the subject stands for it.
        let has_rows = known.on.is_some();
        let key = known.on.map_or_else(|| subject.clone(), |digest| subject.sibling(digest));
        let attempt = relations::begin_tag_attempt(self.registry, AttemptKind::Delete, &key, tag);
        let seen = match store.begin(&attempt).await {
            Ok(seen) => seen,
            // A tag that nobody is known by can go without the store.
            Err(error) if has_rows => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, repository = %key.repository, tag = %tag.tag, "a delete goes unrecorded");
                return Ok(self.registry.forward(request).await?);
            }
        };
        let answer = relations::forward(self.registry, store, request, (&key, attempt.id)).await?;
        if answer.status().is_success() {
            let verdict = Some(TagVerdict::Off);
            let subject =
                relations::confirm_tag(self.registry, store, &key, tag, verdict, (attempt.id, seen, &answer)).await?;
            self.changed.push(subject);
        } else {
            relations::end_unsuccessful(store, (&key, attempt.id), &answer).await;
        }
        Ok(answer)
    }
}
