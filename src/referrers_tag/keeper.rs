//! What keeping referrers tags takes: the store, the locks, and what was seen of tags just now.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;

use super::{backoff::Backoff, lock::TagLocks, places::Places};
use crate::{
    error::Error,
    locks::Locks,
    oci::{Digest, ReferrersTag, Repository},
    referrers::ManifestKey,
    relations::holds,
    repeats::Repeats,
    store::{Store, TagState, TagWrite},
    tasks::Tasks,
    upstream::{CallerKey, Registry, reference_uri},
};

/// Keeps the referrers tags of one upstream.
pub struct ReferrersTags {
    pub(super) store: Arc<dyn Store>,
    pub(super) tasks: Tasks,
    pub(super) locks: TagLocks,
    /// Places for those who read what tags name.
    pub(super) places: Places,
    /// Tags that were written just now, or can't be.
    pub(super) backoff: Cache<ManifestKey, Backoff>,
    /// Subjects whose tag need not be read again yet, with what it resolved to; also those that have none.
    pub(super) checked: Cache<ManifestKey, Option<Digest>>,
    /// Indexes that tags resolved to not long ago, and whose they were.
    pub(super) indexes: Cache<ManifestKey, Digest>,
    /// By repository: one caller at a time has a referrer taken out of its tags.
    pub(super) taking_out: Locks<(Arc<str>, Repository)>,
    /// Callers whose write of a tag was refused just now.
    pub(super) may_not_write: Cache<(CallerKey, Arc<str>, Repository), ()>,
    /// Repositories whose replaced indexes could not be deleted not long ago.
    pub(super) keep_replaced: Cache<(Arc<str>, Repository), ()>,
    repeats: Repeats,
}

/// How many subjects are remembered, of each kind, and for how long what a tag resolved to.
const REMEMBERED: u64 = 100_000;
const KEPT: Duration = Duration::from_mins(10);

/// For how long a caller whose write was refused isn't tried again.
const REFUSED: Duration = Duration::from_secs(5);

/// How often another process's lease is asked about, and for how long.
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(2);

impl ReferrersTags {
    /// `recheck`: for how long a tag that was read need not be looked at again.
    pub fn new(store: Arc<dyn Store>, tasks: Tasks, recheck: Duration) -> Self {
        fn cache<K: std::hash::Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>(
            time: Duration,
        ) -> Cache<K, V> {
            Cache::builder().max_capacity(REMEMBERED).time_to_live(time).build()
        }
        Self {
            store,
            tasks,
            locks: TagLocks::default(),
            places: Places::default(),
            backoff: cache(KEPT),
            checked: cache(recheck),
            indexes: cache(KEPT),
            taking_out: Locks::default(),
            repeats: Repeats::default(),
            may_not_write: cache(REFUSED),
            keep_replaced: cache(KEPT),
        }
    }

    /// A tag in the registry lacks what is on record, and whoever pushed could not write it.
    pub(super) fn say_stale(&self, subject: &ManifestKey, error: &Error) {
        let Some(left_out) = self.repeats.due("stale") else { return };
        let ManifestKey { upstream, repository, digest } = subject;
        tracing::warn!(
            %upstream, %repository, subject = %digest, left_out,
            "a referrers tag is not written: {error}. The next push of somebody who may writes it, or `backref repair`"
        );
    }

    /// Whether a subject's tag was looked at not long ago.
    pub fn is_checked(&self, subject: &ManifestKey) -> bool {
        self.checked.contains_key(subject)
    }

    /// Someone saw what a subject's tag resolves to now: where that is something new, it is read by the next query.
    pub fn saw(&self, subject: &ManifestKey, index: Option<&Digest>) {
        if self.checked.get(subject).is_some_and(|known| known.as_ref() != index) {
            self.checked.invalidate(subject);
        }
    }

    /// Whose index a manifest is, or was not long ago.
    pub async fn subject_of(&self, registry: &Registry, index: &ManifestKey) -> Result<Option<ManifestKey>, Error> {
        // What is a referrer itself is deleted as one.
        if !registry.upstream().keeps_tags() || self.store.look(index).await?.version > 0 {
            return Ok(None);
        }
        let subject = match self.indexes.get(index) {
            Some(subject) => Some(subject),
            None => self.store.subject_of_index(index).await?,
        };
        Ok(subject.map(|subject| index.sibling(subject)))
    }

    /// Takes the lease on a tag from other processes as well: commands write tags beside `serve`.
    pub(super) async fn lease(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        sends: TagWrite,
    ) -> Result<TagState, Error> {
        let lease = registry.upstream().longest();
        let waiting = async {
            loop {
                if let Some(state) = self.store.begin_tag(subject, lease, sends).await? {
                    return Ok(state);
                }
                // Another process gives no sign when it is done.
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or(Err(Error::TagBusy))
    }

    /// What is known of a tag, also of one of which nothing is.
    pub(super) async fn known(&self, subject: &ManifestKey) -> Result<TagState, Error> {
        Ok(self.store.tag(subject).await?.unwrap_or_default())
    }

    /// Whether a 404 of a subject's tag is to be believed: it may mean "not yours to see". `shown`: the upstream has just
    /// shown this caller a manifest of the repository, or carried out their change there. Otherwise it is asked for the
    /// subject.
    pub(super) async fn is_shown(&self, registry: &Registry, subject: &ManifestKey, shown: bool) -> bool {
        if shown {
            return true;
        }
        let Ok(alias) = self.store.alias(subject).await else { return false };
        let held = alias.map_or_else(|| subject.clone(), |alias| subject.sibling(alias.carrier));
        holds(registry, &held).await.unwrap_or_default()
    }

    /// A manifest under each of its digests. Where that can't be read now, the other form is left to the next push.
    pub(super) async fn forms(&self, key: &ManifestKey) -> Vec<ManifestKey> {
        self.known_forms(key).await.unwrap_or_else(|_| vec![key.clone()])
    }

    /// A manifest under each of its digests.
    pub async fn known_forms(&self, key: &ManifestKey) -> Result<Vec<ManifestKey>, Error> {
        let alias = self.store.alias(key).await?;
        let other = alias.map(|alias| key.sibling(alias.other_form(&key.digest).clone()));
        Ok(std::iter::once(key.clone()).chain(other).collect())
    }
}

/// `/v2/<name>/manifests/sha256-<hex>`
pub(super) fn tag_uri(subject: &ManifestKey) -> http::Uri {
    reference_uri(&subject.repository, &ReferrersTag::from(&subject.digest))
}
