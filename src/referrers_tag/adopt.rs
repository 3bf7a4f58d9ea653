//! What clients themselves do to a referrers tag, or to an index that was one. Their request goes on as it came, while the
//! tag's lock is held; what their list names is put into the database, and the tag is written again if it lacks anything.

use http::{Request, Response};

use super::{
    keeper::ReferrersTags,
    read::{Found, find},
};
use crate::{
    error::Error,
    oci::ReferrersList,
    referrers::ManifestKey,
    relations::is_definite,
    step::step,
    store::{TagOutcome, Until},
    upstream::{Body, Registry},
};

impl ReferrersTags {
    /// Lets through what a client does to the tag of `subject`, with the `list` that it puts there if it does, and has the
    /// tag say again what the rows say. Nothing that the client says counts before the upstream has carried out its request.
    pub async fn adopt(
        &self,
        registry: &Registry,
        request: Request<Body>,
        subject: &ManifestKey,
        list: Option<&ReferrersList>,
    ) -> Result<Response<Body>, Error> {
        let tag_lock = self.locks.of(subject);
        // As long as the upstream itself may be waited for.
        let patience = registry.upstream().settings.answer_timeout;
        let locked = tokio::time::timeout(patience, tag_lock.acquire()).await.map_err(|_| Error::TagBusy)?;
        self.keep_what_goes(registry, subject).await?;
        step("adopt-imported");
        // The client's list may lack any of the rows.
        let before = self.lease(registry, subject, true).await?;
        step("adopt-begun");
        let answer = registry.forward(request).await;
        step("adopt-answered");
        let standing = before.standing().map(Until::At);
        let definite = answer.as_ref().is_ok_and(is_definite);
        let refused = definite && answer.as_ref().is_ok_and(|answer| !answer.status().is_success());
        let unsettled = if definite { standing } else { Some(Until::In(registry.upstream().longest())) };
        let undo = refused.then_some(before);
        self.store.end_tag(subject, TagOutcome { holds: None, undo, unsettled, release: true }).await?;
        let answer = answer?;
        step("adopt-settled");
        if refused {
            return Ok(answer);
        }
        // What was tried before was tried with another tag.
        self.backoff.invalidate(subject);
        self.checked.invalidate(subject);
        if let Some(list) = list
            && self.check(registry, subject, list).await?.unclear
        {
            // A write that was sent earlier may wipe the client's list out: it is acknowledged once its entries have rows.
            return Err(Error::Incomplete);
        }
        match self.write(registry, subject, None, &locked).await {
            Ok(Some(replaced)) => replaced.finish(self, registry).await,
            Ok(None) => {}
            Err(error) => {
                let (repository, subject) = (&subject.repository, &subject.digest);
                tracing::info!(%error, %repository, %subject, "a referrers tag is stale");
            }
        }
        Ok(answer)
    }

    /// Puts what the tag names into the database, since the tag is about to be gone. If that can't be found out now, nothing
    /// is sent: nobody else might know of it afterwards.
    async fn keep_what_goes(&self, registry: &Registry, subject: &ManifestKey) -> Result<(), Error> {
        let known = self.store.tag(subject).await?.and_then(|state| state.index);
        let known = known.or_else(|| self.checked.get(subject).flatten());
        if let Found::List(digest, list) = find(self, registry, subject, known.as_ref()).await? {
            if self.check(registry, subject, &list).await?.unclear {
                return Err(Error::Incomplete);
            }
            self.checked.insert(subject.clone(), Some(digest));
        }
        Ok(())
    }
}
