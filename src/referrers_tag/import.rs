//! What a referrers tag names that was there before backref, or was pushed around it: read when its subject is asked about,
//! by one reader a subject, whoever asks, and to its end, whoever leaves.

use std::{sync::Arc, time::Duration};

use super::{
    keeper::ReferrersTags,
    read::{Found, find},
};
use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    step::step,
    store::{TagHolds, TagState},
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
    /// waits for all of it, or gets [`Error::Incomplete`] with what was read kept; later it waits for one look.
    pub async fn import(
        self: &Arc<Self>,
        registry: &Registry,
        _: &ReadPermit,
        subject: &ManifestKey,
    ) -> Result<(), Error> {
        if !registry.upstream().keeps_tags() || self.is_checked(subject) {
            return Ok(());
        }
        Box::pin(self.look(registry, subject)).await
    }

    async fn look(self: &Arc<Self>, registry: &Registry, subject: &ManifestKey) -> Result<(), Error> {
        let read_before = self.store.tag(subject).await?.is_some_and(|state| state.checked_at.is_some());
        let (tags, registry, subject) = (self.clone(), registry.clone(), subject.clone());
        let reading = async {
            let place = self.tasks.place(registry.holder()).await?;
            self.tasks
                .detached(place, async move { tags.read_once(&registry, &subject).await })
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

    /// Reads the tag into rows, unless somebody else just has. `false`: it is some other manifest's tag.
    pub async fn read_once(&self, registry: &Registry, subject: &ManifestKey) -> Result<bool, Error> {
        let tag_lock = self.locks.of(subject);
        let locked = tokio::time::timeout(PATIENCE, tag_lock.acquire()).await;
        let _locked = locked.map_err(|_| Error::Incomplete)?;
        if self.is_checked(subject) {
            return Ok(true);
        }
        let _place = self.places.take(registry.holder()).await?;
        self.read(registry, subject).await
    }

    async fn read(&self, registry: &Registry, subject: &ManifestKey) -> Result<bool, Error> {
        let before = self.store.tag(subject).await?;
        let known = before.as_ref().and_then(|state| state.index.as_ref());
        let found = find(self, registry, subject, known).await?;
        step("import-found");
        let (index, checked) = match found {
            Found::Known(digest) => {
                let marked = before.as_ref().is_some_and(|state| state.marked);
                let fresh = before.as_ref().filter(|state| !state.is_stale()).map(|state| state.version);
                let all = match fresh {
                    Some(version) => Some(version),
                    None => self.version_of(registry, subject, &digest).await?,
                };
                self.write_down(subject, (Some(digest.clone()), marked), all, before.as_ref()).await?;
                self.checked.insert(subject.clone(), Some(digest));
                return Ok(true);
            }
            Found::List(digest, list) => {
                let checked = self.check(registry, subject, &list).await?;
                step("import-checked");
                if checked.unclear {
                    return Err(Error::Incomplete);
                }
                let foreign = checked.is_foreign(&list);
                (Some(digest), Some((list, checked)).filter(|_| !foreign))
            }
            Found::Nothing => (None, None),
            Found::Foreign(digest) => (digest, None),
        };
        let is_another = index.is_some() && checked.is_none();
        let content = match self.content(registry, subject, &[]).await {
            // It can't be written whole; it was read all the same.
            Err(Error::TagTooLarge) => None,
            content => Some(content?),
        };
        let (holds, all) = match checked {
            Some((list, checked)) => {
                let all = content.filter(|_| checked.is_sound()).filter(|content| {
                    let named: std::collections::HashSet<&Digest> =
                        list.entries.iter().map(|entry| &entry.digest).collect();
                    content.entries.iter().all(|entry| named.contains(&entry.digest))
                });
                // Known by its digest, it would not be read again: nor what it names by then.
                ((index.clone().filter(|_| checked.is_all()), list.marked), all)
            }
            None => ((None, false), content.filter(|content| content.entries.is_empty())),
        };
        self.write_down(subject, holds, all.map(|content| content.version), before.as_ref()).await?;
        step("import-seen");
        self.checked.insert(subject.clone(), index);
        Ok(!is_another)
    }

    /// Writes down what the tag was seen to hold: `all` of a version, or not all. `before`: what was known before the look.
    async fn write_down(
        &self,
        subject: &ManifestKey,
        (index, marked): (Option<Digest>, bool),
        all: Option<i64>,
        before: Option<&TagState>,
    ) -> Result<(), Error> {
        let Some(state) = self.store.tag(subject).await? else { return Ok(()) };
        // Something that was sent before the look could still have changed the tag since.
        let settled = state.unsettled_until.is_none_or(|until| before.is_some_and(|before| until < before.at));
        let version = match (all, settled) {
            // Of that version, not of today's: what was committed meanwhile is not in it.
            (Some(version), true) => version.max(state.tag_version),
            (Some(_), false) => state.tag_version,
            (None, _) => state.tag_version.min(state.version - 1),
        };
        match self.store.see_tag(subject, TagHolds { version, index, marked }, &state).await {
            // Somebody else wrote it meanwhile: theirs is newer.
            Ok(_) => {}
            // It is read again in time; what it named has its rows.
            Err(error) => tracing::warn!(%error, "what a referrers tag holds could not be written down"),
        }
        Ok(())
    }
}
