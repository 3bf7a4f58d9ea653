//! Taking a referrers tag away that is not needed any more.

use std::collections::HashSet;

use super::{
    keeper::ReferrersTags,
    look::{Found, find},
    send::{Answer, delete},
};
use crate::{
    error::Error,
    oci::{Digest, ReferrersList},
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
        let (mut holds, mut unsettled) = (None, standing);
        let retired = match find(self, registry, subject, None).await {
            Ok(Found::List(index, list)) if list.marked && names_only(&list, listed) => {
                match delete(registry, &subject.sibling(index)).await {
                    Answer::Done => {
                        holds = Some(TagHolds { version: before.version, index: None, marked: false });
                        Ok(true)
                    }
                    Answer::No(status, _) => Err(Error::TagRefused(status)),
                    Answer::Unknown(error) => {
                        unsettled = Some(Until::In(registry.upstream().longest()));
                        Err(error)
                    }
                }
            }
            Ok(_) => Ok(false),
            Err(error) => Err(error),
        };
        self.store.end_tag(subject, TagOutcome { holds, undo: None, unsettled, release: true }).await?;
        retired
    }
}

fn names_only(list: &ReferrersList, listed: &HashSet<Digest>) -> bool {
    list.entries.iter().all(|entry| listed.contains(&entry.digest))
}
