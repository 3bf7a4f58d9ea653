//! Taking a referrers tag away that is not needed any more.

use std::collections::HashSet;

use super::{
    keeper::ReferrersTags,
    look::{Found, find},
    send::{Answer, delete},
};
use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    store::{TagHolds, TagOutcome, TagWrite, Until},
    upstream::Registry,
};

impl ReferrersTags {
    /// Deletes the index under a subject's tag, if it has backref's mark and names nobody but who is `listed` elsewhere. `false`:
    /// there is no such tag, or it stays.
    pub async fn retire(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        listed: &HashSet<Digest>,
    ) -> Result<bool, Error> {
        let _locked = self.locks.lock(subject).await;
        let before = self.lease(registry, subject, TagWrite::All).await?;
        let standing = before.standing().map(Until::At);
        let outcome = |holds, unsettled| TagOutcome { holds, undo: None, unsettled, release: true };
        let index = match find(self, registry, subject, None).await {
            Ok(Found::List(index, list)) if list.marked => {
                list.entries.iter().all(|entry| listed.contains(&entry.digest)).then_some(index)
            }
            Ok(_) => None,
            Err(error) => {
                self.store.end_tag(subject, outcome(None, standing)).await?;
                return Err(error);
            }
        };
        let Some(index) = index else {
            self.store.end_tag(subject, outcome(None, standing)).await?;
            return Ok(false);
        };
        match delete(registry, &subject.sibling(index)).await {
            Answer::Done => {
                let holds = TagHolds { version: before.version, index: None, marked: false };
                self.store.end_tag(subject, outcome(Some(holds), standing)).await?;
                Ok(true)
            }
            Answer::No(status, _) => {
                self.store.end_tag(subject, outcome(None, standing)).await?;
                Err(Error::TagRefused(status))
            }
            Answer::Unknown(error) => {
                self.store.end_tag(subject, outcome(None, Some(Until::In(registry.upstream().longest())))).await?;
                Err(error)
            }
        }
    }
}
