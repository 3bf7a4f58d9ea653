//! Having a tag say what the rows say: at once for a push, later for a long list, or for an operator.

use std::{sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{
    keeper::ReferrersTags,
    lock::Locked,
    write::{Plan, Replaced},
};
use crate::{error::Error, referrers::ManifestKey, relations, tasks::Place, upstream::Registry};

/// How long a push waits for its tags. After that it is answered: the tag is stale, and written all the same.
const PATIENCE: Duration = Duration::from_secs(2);

impl ReferrersTags {
    /// Has the tags of these subjects, in both their forms, say what the rows say, one subject after the other. What can't be
    /// written now stays stale. `place`: that of the change for which this is done; a write that outlives it keeps the place.
    pub async fn flush_all(self: &Arc<Self>, registry: &Registry, subjects: &[ManifestKey], place: &Place) {
        if !registry.upstream().keeps_tags() {
            return;
        }
        for subject in subjects {
            // What can't be read now is written to no tag, and stale.
            match relations::lists_pushes(&*self.store, registry.upstream(), &subject.repository).await {
                Ok(false) => self.flush(registry, subject, place).await,
                Ok(true) => self.need_no_tag(subject).await,
                Err(_) => {}
            }
        }
    }

    /// The upstream's own list has the set.
    pub async fn need_no_tag(&self, subject: &ManifestKey) {
        for (form, version) in self.stale(subject).await {
            if let Err(error) = self.store.need_no_tag(&form, version).await {
                tracing::warn!(%error, "a referrers tag that is not needed counts as pending");
            }
        }
    }

    async fn flush(self: &Arc<Self>, registry: &Registry, subject: &ManifestKey, place: &Place) {
        let mut stale = self.stale(subject).await;
        let Some((first, _)) = stale.first() else { return };
        let mut waits_until = self.due(&stale);
        let later = waits_until.map(|_| registry.holder().caller);
        let Some(mut waiter) = self.locks.of(first).wait(later) else { return };
        let (done, wait) = oneshot::channel::<()>();
        let (tags, registry, subject) = (self.clone(), registry.clone(), subject.clone());
        drop(self.tasks.detached(place.clone(), async move {
            let mut done = Some(done);
            loop {
                if let Some(due) = waits_until {
                    tags.tasks.sleep_until(due).await;
                }
                let mut replaced = Vec::new();
                for (subject, version) in &stale {
                    match tags.flush_version(&registry, subject, *version, true).await {
                        Ok(index) => replaced.extend(index),
                        Err(error) => {
                            tags.say_stale(subject, &error);
                        }
                    }
                }
                // The tags have it: who pushed need not wait for what is left to do.
                drop(done.take());
                for (index, _locked) in replaced {
                    index.finish(&tags, &registry).await;
                }
                if waiter.is_done() {
                    break;
                }
                stale = tags.stale(&subject).await;
                waits_until = tags.due(&stale);
            }
        }));
        if later.is_none() {
            // Done, or given up: whoever wrote has said why. Or late: it goes on.
            drop(tokio::time::timeout(PATIENCE, wait).await);
        }
    }

    /// The forms of a subject whose tags lack something, with the version that they lack. What can't be read now is found by
    /// the next push.
    async fn stale(&self, subject: &ManifestKey) -> Vec<(ManifestKey, i64)> {
        let mut stale = Vec::new();
        for subject in self.forms(subject).await {
            if let Ok(Some(state)) = self.store.tag(&subject).await
                && state.tag_version < state.version
            {
                stale.push((subject, state.version));
            }
        }
        // The locks of both are held at once: in one order for all, or two would wait for each other.
        stale.sort_by(|(one, _), (other, _)| one.digest.cmp(&other.digest));
        stale
    }

    /// When the first of them is to be written; `None`: now.
    fn due(&self, stale: &[(ManifestKey, i64)]) -> Option<Instant> {
        let due = |(subject, version): &(ManifestKey, i64)| self.backoff.get(subject)?.due(*version);
        stale.iter().map(due).min().flatten()
    }

    /// Writes the tag if it is stale, all of it, and waits for that. `false`: it was written, but something that was sent
    /// earlier may still change it. The error says why it stays stale.
    pub async fn flush_now(&self, registry: &Registry, subject: &ManifestKey) -> Result<bool, Error> {
        let Some(before) = self.store.tag(subject).await? else { return Ok(true) };
        if relations::lists_pushes(&*self.store, registry.upstream(), &subject.repository).await? {
            self.need_no_tag(subject).await;
            return Ok(true);
        }
        let flushed = self.flush_version(registry, subject, before.version, false).await;
        let busy = matches!(flushed, Err(Error::TagBusy));
        match flushed {
            Ok(Some((replaced, _locked))) => replaced.finish(self, registry).await,
            Ok(None) | Err(Error::TagBusy) => {}
            Err(error) => return Err(error),
        }
        let has_it = self.store.tag(subject).await?.is_none_or(|state| state.tag_version >= before.version);
        // Whoever had the lock may have written all of it.
        if busy && !has_it { Err(Error::TagBusy) } else { Ok(has_it) }
    }

    /// Writes the tag, unless it has all of that version by now. `shown`: the upstream has just carried out this caller's
    /// change.
    async fn flush_version(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        version: i64,
        shown: bool,
    ) -> Result<Option<(Replaced, Locked)>, Error> {
        let locked = self.locks.lock(subject).await;
        // Whoever had the lock before found that there is no more to be done: those who waited needn't find out again.
        if self.backoff.get(subject).is_some_and(|backoff| backoff.has_tried(version)) {
            return Ok(None);
        }
        match self.store.tag(subject).await? {
            Some(state) if state.tag_version < version => {
                let plan = Plan { shown, ..Plan::default() };
                let replaced = self.write(registry, subject, plan, &locked).await?.definite()?;
                Ok(replaced.map(|replaced| (replaced, locked)))
            }
            _ => Ok(None),
        }
    }
}
