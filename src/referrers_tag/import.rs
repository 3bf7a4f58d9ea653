//! What a referrers tag names that was there before backref, or was pushed around it: read when its subject is asked about,
//! by one reader a subject, whoever asks, and to its end, whoever leaves.

use std::{sync::Arc, time::Duration};

use super::{keeper::ReferrersTags, look::Look};
use crate::{
    error::Error,
    referrers::ManifestKey,
    shares::Holder,
    step::step,
    upstream::{ReadPermit, Registry},
};

/// How long the first query of a subject waits until all that its tag names was read; what was read by then is kept.
const FIRST: Duration = Duration::from_secs(20);

/// How long a later query waits until the tag was looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a lock that another has is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

impl ReferrersTags {
    /// Has the rows of a subject say what its tag names, unless that was looked at not long ago. The first time, the query
    /// waits for all of it, or gets [`Error::Incomplete`] with what was read kept; later it waits for one look. `shown`: the
    /// upstream has just shown this caller a manifest of the repository.
    pub async fn import(
        self: &Arc<Self>,
        registry: &Registry,
        _: &ReadPermit,
        subject: &ManifestKey,
        shown: bool,
    ) -> Result<(), Error> {
        if !registry.upstream().keeps_tags() || self.is_checked(subject) {
            return Ok(());
        }
        Box::pin(self.wait_for_read(registry, subject, shown)).await
    }

    async fn wait_for_read(
        self: &Arc<Self>,
        registry: &Registry,
        subject: &ManifestKey,
        shown: bool,
    ) -> Result<(), Error> {
        let read_before = self.store.tag(subject).await?.is_some_and(|state| state.checked_at.is_some());
        let (tags, registry, subject) = (self.clone(), registry.clone(), subject.clone());
        let reading = async {
            let place = self.tasks.place(registry.holder()).await?;
            self.tasks
                .detached(place, async move {
                    tags.read_unless_checked(&registry, &subject, shown, Some(registry.holder())).await
                })
                .await
                .ok_or(Error::Bug)?
        };
        let patience = if read_before { AGAIN } else { FIRST };
        match tokio::time::timeout(patience, reading).await {
            Ok(Ok(_)) => Ok(()),
            // What is known is the answer, as long as the tag can't be looked at.
            Ok(Err(error)) if read_before => {
                tracing::debug!(%error, "a referrers tag was not looked at again");
                Ok(())
            }
            Err(_) if read_before => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Incomplete),
        }
    }

    /// Reads the tag into rows, unless somebody else just has, for an operator. `shown`: the upstream has just shown them a
    /// manifest of the repository. `false`: it is some other manifest's tag.
    pub async fn read_once(&self, registry: &Registry, subject: &ManifestKey, shown: bool) -> Result<bool, Error> {
        self.read_unless_checked(registry, subject, shown, None).await
    }

    /// `holder`: whose share of the places for readers is taken; an operator has no others beside them.
    async fn read_unless_checked(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        shown: bool,
        holder: Option<Holder>,
    ) -> Result<bool, Error> {
        let locked = tokio::time::timeout(PATIENCE, self.locks.lock(subject)).await;
        let _locked = locked.map_err(|_| Error::Incomplete)?;
        if self.is_checked(subject) {
            return Ok(true);
        }
        let _place = match holder {
            Some(holder) => Some(self.places.take(holder).await?),
            None => None,
        };
        self.read(registry, subject, shown).await
    }

    async fn read(&self, registry: &Registry, subject: &ManifestKey, shown: bool) -> Result<bool, Error> {
        let before = self.known(subject).await?;
        let look = self.look(registry, subject, before.index.as_ref()).await?;
        step("import-checked");
        match &look {
            Look::List(read) if read.checked.unclear => return Err(Error::Incomplete),
            Look::Nothing if !self.is_shown(registry, subject, shown).await => return Ok(true),
            _ => {}
        }
        self.write_down(registry, subject, &before, &look).await?;
        step("import-seen");
        self.checked.insert(subject.clone(), look.index().cloned());
        Ok(!matches!(look, Look::Foreign(_)))
    }
}
