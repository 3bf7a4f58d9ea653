//! What clients themselves do to a referrers tag, or to an index that was one. Their request goes on as it came, while the
//! tag's lock is held; what their list names is put into the database, and the tag is written again if it lacks anything.

use http::{Request, Response};

use super::{
    keeper::ReferrersTags,
    look::Look,
    write::{LOOKS, Plan, Wrote},
};
use crate::{
    error::Error,
    oci::{Digest, Listed, ReferrersList},
    referrers::ManifestKey,
    relations::is_definite,
    step::step,
    store::{TagOutcome, TagState, TagWrite, Until},
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
        // As long as the upstream itself may be waited for.
        let patience = registry.upstream().settings.answer_timeout;
        let locked = tokio::time::timeout(patience, self.locks.lock(subject)).await.map_err(|_| Error::TagBusy)?;
        let (before, kept) = self.keep_what_goes(registry, subject).await?;
        step("adopt-begun");
        let answer = registry.forward(request).await;
        step("adopt-answered");
        let standing = before.standing().map(Until::At);
        let definite = answer.as_ref().is_ok_and(is_definite);
        let taken = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        let unsettled = if definite { standing } else { Some(Until::In(registry.upstream().longest())) };
        let undo = (definite && !taken).then_some(before);
        self.store.end_tag(subject, TagOutcome { holds: None, undo, unsettled, release: true }).await?;
        step("adopt-settled");
        if definite && !taken {
            return answer.map_err(Error::from);
        }
        // What was tried before was tried with another tag.
        self.backoff.invalidate(subject);
        self.checked.invalidate(subject);
        let answer = answer?;
        if !taken {
            // It may be there, or come: the tag is stale, and read before it is written.
            return Ok(answer);
        }
        if let Some(list) = list
            && self.check(registry, subject, list).await?.unclear
        {
            // A write that was sent earlier may wipe the client's list out: it is acknowledged once its entries have rows.
            return Err(Error::Incomplete);
        }
        let plan = Plan { kept: &kept, shown: true, ..Plan::default() };
        match self.write(registry, subject, plan, &locked).await.and_then(Wrote::definite) {
            Ok(Some(replaced)) => replaced.finish(self, registry).await,
            Ok(None) => {}
            Err(error) => {
                self.say_stale(subject, &error);
            }
        }
        Ok(answer)
    }

    /// Puts what the tag names into the database, since the tag is about to be gone, and takes the lease on it. Gives what was
    /// known before, and the entries of which the database can't know. If one can't be found out about now, nothing is sent:
    /// nobody else might know of it afterwards.
    async fn keep_what_goes(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
    ) -> Result<(TagState, Vec<Listed>), Error> {
        for _ in 0..LOOKS {
            let before = self.known(subject).await?;
            let look = self.look(registry, subject, before.index.as_ref()).await?;
            if matches!(&look, Look::List(read) if read.checked.unclear) {
                return Err(Error::Incomplete);
            }
            if let Look::List(_) = look {
                // As an import does, whatever comes of the client's list.
                self.write_down(registry, subject, &before, &look).await?;
            }
            step("adopt-imported");
            let leased = self.lease(registry, subject, TagWrite::Clients).await?;
            // Who was deleted since the look may have come back around backref, and be in the tag.
            let is_as_seen = match &look {
                Look::Known(digest) => leased.index.as_ref() == Some(digest),
                Look::List(read) => self.are_listed(subject, read.named()).await?,
                Look::Nothing | Look::Foreign(_) => true,
            };
            if is_as_seen {
                return Ok((leased, look.undecided().to_vec()));
            }
            let unsettled = leased.standing().map(Until::At);
            let outcome = TagOutcome { holds: None, undo: Some(leased), unsettled, release: true };
            self.store.end_tag(subject, outcome).await?;
        }
        Err(Error::TagBusy)
    }

    async fn are_listed(&self, subject: &ManifestKey, digests: &[Digest]) -> Result<bool, Error> {
        let forms = self.forms(subject).await;
        Ok(self.store.listed_among(&forms, digests).await?.len() == digests.len())
    }
}
