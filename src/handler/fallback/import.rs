//! What a referrers tag names that was there before backref, or was pushed around it: read when its subject is asked about.

use http::HeaderMap;

use super::read::Found;
use crate::{
    error::Error,
    handler::{exchange::Hop, push::MAX_MANIFEST},
    oci::{Digest, Listed, ReferrersList},
    referrers::ManifestKey,
    step::step,
    store::{Holds, now_micros},
    upstream::ReadPermit,
};

impl Hop {
    /// Puts on record what the subject's tag names. The first time the answer waits for all of it, or is
    /// [`Error::Incomplete`] with what was learned kept; later it is done behind the answer.
    pub(in crate::handler) async fn import(
        &self,
        _: &ReadPermit,
        caller: &HeaderMap,
        subject: &ManifestKey,
    ) -> Result<(), Error> {
        let app = &self.handler.app;
        if !self.keeps_tags() || app.turns.checked.contains_key(subject) {
            return Ok(());
        }
        let read_before = app.store.tag(subject).await?.is_some_and(|state| state.checked_at.is_some());
        if !read_before {
            return self.read_tag(caller, subject).await.map(drop);
        }
        // Whoever asks meanwhile needs not start it again.
        app.turns.checked.insert(subject.clone(), ());
        let (hop, caller, subject) = (self.clone(), caller.clone(), subject.clone());
        app.tasks.spawn(async move {
            if let Err(error) = hop.read_tag(&caller, &subject).await {
                tracing::debug!(%error, repository = %subject.repository, "a referrers tag was not read again");
            }
        });
        Ok(())
    }

    /// Puts on record what the tag names. `false` where it is some other manifest's tag.
    pub(in crate::handler) async fn read_tag(&self, caller: &HeaderMap, subject: &ManifestKey) -> Result<bool, Error> {
        let app = &self.handler.app;
        let _place = app.imports.take(app.permits.who(caller)).await?;
        let turn = app.turns.of(subject);
        let taken = tokio::time::timeout(PATIENCE, turn.take()).await;
        let _taken = taken.map_err(|_| Error::Incomplete)?;
        if app.turns.checked.contains_key(subject) && app.store.tag(subject).await?.is_none() {
            return Ok(true); // somebody else just looked, and there was nothing
        }
        let began = now_micros();
        let before = app.store.tag(subject).await?;
        let known = before.as_ref().and_then(|state| state.tag.as_ref());
        let mut others = false;
        let found = self.find(caller, subject, known).await?;
        step("import-found");
        let list = match found {
            Found::Known(digest) => {
                let marked = before.as_ref().is_some_and(|state| state.marked);
                let paid = before.filter(|state| !state.is_owed()).map(|state| state.version);
                let all = if paid.is_some() { paid } else { self.is_content(subject, &digest).await? };
                self.saw(subject, Some(digest), marked, all, began).await?;
                app.turns.checked.insert(subject.clone(), ());
                return Ok(true);
            }
            Found::List(digest, list) => {
                let checked = self.check(caller, subject, &list).await?;
                step("import-checked");
                if checked.unclear {
                    return Err(Error::Incomplete);
                }
                others = checked.is_foreign(&list);
                Some((digest, list, checked)).filter(|_| !others)
            }
            Found::Nothing => None,
            Found::Foreign => {
                others = true;
                None
            }
        };
        let (version, entries) = self.content(subject, &[], &[]).await?;
        match list {
            Some((digest, list, checked)) => {
                let names = |entry: Listed| list.entries.iter().any(|one| one.digest == entry.digest);
                let all = checked.is_sound() && entries.into_iter().all(names);
                // Known by its digest, it would not be read again: nor what it names by then.
                let digest = Some(digest).filter(|_| checked.is_all());
                self.saw(subject, digest, list.marked, all.then_some(version), began).await?;
            }
            None => self.saw(subject, None, false, entries.is_empty().then_some(version), began).await?,
        }
        step("import-seen");
        app.turns.checked.insert(subject.clone(), ());
        Ok(!others)
    }

    /// The version of which an index is what the tag should hold: written before, and unsettled since.
    async fn is_content(&self, subject: &ManifestKey, index: &Digest) -> Result<Option<i64>, Error> {
        let (version, entries) = self.content(subject, &[], &[]).await?;
        let descriptors = entries.iter().map(|entry| &*entry.descriptor);
        let list = ReferrersList::render(&subject.digest, descriptors, MAX_MANIFEST);
        Ok(list.filter(|(digest, _)| digest == index).map(|_| version))
    }

    /// Writes down what the tag was seen to hold, by a look that `began` then: all of a version, or not all.
    async fn saw(
        &self,
        subject: &ManifestKey,
        tag: Option<Digest>,
        marked: bool,
        all: Option<i64>,
        began: i64,
    ) -> Result<(), Error> {
        let store = &self.handler.app.store;
        let Some(state) = store.tag(subject).await? else { return Ok(()) };
        // Something that was sent before the look could still have changed it since.
        let settled = state.unsettled_until.is_none_or(|until| until < began);
        let version = match (all, settled) {
            // Of that version, not of today's: what was committed meanwhile is not in it.
            (Some(version), true) => version.max(state.tag_version),
            (Some(_), false) => state.tag_version,
            (None, _) => state.tag_version.min(state.version - 1),
        };
        if let Err(error) = store.see_tag(subject, Holds { version, tag, marked }).await {
            // It is read again in time; what it named is on record.
            tracing::warn!(%error, "what a referrers tag holds could not be written down");
        }
        Ok(())
    }
}

/// How long a turn that another has is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
