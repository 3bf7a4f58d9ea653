//! A manifest DELETE by tag, which distribution 3 knows: of a tag that says who refers to whom, the relation goes with it;
//! a referrers tag comes back with what is on record.

use http::{Request, Response};

use crate::{
    error::Error,
    handler::{
        exchange::{Exchange, Hop},
        tags::subject_of,
    },
    oci::{Digest, ReferrersTag, Repository},
    referrers::{ManifestKey, RelationTag},
    store::{AttemptKind, TagVerdict},
    upstream::Body,
};

impl Exchange {
    pub(in crate::handler) async fn untag(
        self,
        repository: Repository,
        tag: Box<str>,
    ) -> Result<Response<Body>, Error> {
        if let Some(subject) = ReferrersTag::parse(&tag).filter(|_| self.hop.keeps_tags()) {
            return self.untag_list(repository, subject).await;
        }
        let Some(subject) = subject_of(&tag, &self.hop.handler.app.config.referrers) else { return self.proxy().await };
        let Self { head, hop, .. } = self;
        let tag = RelationTag { tag, subject };
        let subject = hop.key(repository, tag.subject.clone());
        let known = hop.handler.app.store.look_at_tag(&subject, &tag.tag).await?;
        // Where it is on nothing that is known, no manifest is meant: the subject stands for it.
        let on_record = known.on.is_some();
        let key = known.on.map_or_else(|| subject.clone(), |digest| subject.sibling(digest));
        let request = Request::from_parts(head, Body::EMPTY);
        let tasks = hop.handler.app.tasks.clone();
        // A client that leaves changes nothing from here on.
        let task = tasks.spawn(async move { take_off(&hop, request, &key, &tag, on_record).await });
        task.await.map_err(|_| Error::Bug)?
    }

    /// A subject's list goes, and comes back with what is on record.
    async fn untag_list(self, repository: Repository, subject: Digest) -> Result<Response<Body>, Error> {
        let Self { head, hop, .. } = self;
        let subject = hop.key(repository, subject);
        let tasks = hop.handler.app.tasks.clone();
        let request = Request::from_parts(head, Body::EMPTY);
        let task = tasks.spawn(async move { hop.absorb(request, &subject, None).await });
        task.await.map_err(|_| Error::Bug)?
    }
}

async fn take_off(
    hop: &Hop,
    request: Request<Body>,
    key: &ManifestKey,
    tag: &RelationTag,
    on_record: bool,
) -> Result<Response<Body>, Error> {
    let caller = request.headers().clone();
    let attempt = hop.tag_attempt(AttemptKind::Delete, key, tag);
    let seen = match hop.handler.app.store.begin(&attempt).await {
        Ok(seen) => seen,
        // A tag that nobody is known by can go without the store.
        Err(error) if on_record => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, repository = %key.repository, tag = %tag.tag, "a delete goes unrecorded");
            return hop.forward(request).await;
        }
    };
    let answer = hop.forward_attempt(request, attempt.id).await?;
    if answer.status().is_success() {
        hop.conclude_tag(&caller, key, tag, Some(TagVerdict::Off), seen, attempt.id).await?;
    } else {
        hop.end_unsuccessful(attempt.id, &answer).await;
    }
    Ok(answer)
}
