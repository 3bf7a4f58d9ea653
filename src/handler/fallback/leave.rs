//! A referrer that is deleted leaves its subject's tag first: registries refuse to delete what a tagged index lists.

use http::HeaderMap;

use crate::{error::Error, handler::exchange::Hop, referrers::ManifestKey, turns::Leaving, upstream::headers};

/// Keeps a referrer out of its subjects' tags while it is being deleted.
pub(in crate::handler) struct Out {
    subjects: Vec<ManifestKey>,
    leaving: Vec<Leaving>,
    /// Some tag may still name it.
    named: bool,
}

impl Out {
    /// Tags were written for it.
    pub(in crate::handler) fn touched(&self) -> bool {
        !self.subjects.is_empty()
    }

    /// It was a referrer, and no tag names it any more.
    pub(in crate::handler) fn took_it_out(&self) -> bool {
        !self.subjects.is_empty() && !self.named
    }
}

impl Hop {
    /// Writes the tags that name a referrer without it. A caller who may not do that deletes first, and the tags are owed.
    pub(in crate::handler) async fn take_out(&self, caller: &HeaderMap, referrer: &ManifestKey) -> Result<Out, Error> {
        let mut out = Out { subjects: Vec::new(), leaving: Vec::new(), named: false };
        if !self.keeps_tags() {
            return Ok(out);
        }
        let caller = headers::on_behalf(caller);
        for subject in self.handler.app.store.subjects(referrer).await? {
            for subject in self.forms(&referrer.sibling(subject)).await {
                let leaving = self.handler.app.turns.of(&subject).leave(referrer.digest.clone());
                if !self.is_written_without(&caller, &subject, &leaving).await {
                    // Read again before it is written: somebody may push anew what it goes on to name.
                    self.handler.app.store.forget_tag(&subject).await?;
                    out.named = true;
                }
                out.leaving.push(leaving);
                out.subjects.push(subject);
            }
        }
        Ok(out)
    }

    /// `false`: the tag may go on to name who is leaving.
    async fn is_written_without(&self, caller: &HeaderMap, subject: &ManifestKey, leaving: &Leaving) -> bool {
        // As with a push, it would cost as much as the list is long, for nothing.
        if self.handler.app.turns.written.get(subject).is_some_and(|pace| pace.is_in_vain()) {
            return false;
        }
        let write = async {
            let taken = leaving.turn.take().await;
            self.write(caller, subject, &leaving.turn, taken).await
        };
        match tokio::time::timeout(super::PATIENCE, write).await {
            Ok(Ok(Some(after))) => after.finish(self, caller).await,
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::info!(%error, subject = %subject.digest, "deleted while a referrers tag names it");
                return false;
            }
            // What was sent may still be carried out: the tag is unsettled.
            Err(_) => return false,
        }
        true
    }

    /// The delete is over: the tags say again what is on record.
    pub(in crate::handler) async fn put_back(&self, caller: &HeaderMap, out: Out) {
        let Out { subjects, leaving, .. } = out;
        drop(leaving);
        for subject in subjects {
            self.maintain(caller, &subject).await;
        }
    }
}
