//! The upstream's own list of referrers, one more source that names some: what it names is read like a referrers tag's
//! entries, and the answer is made from the rows.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use http::HeaderMap;
use moka::sync::Cache;

use crate::{
    error::Error,
    oci::{Digest, Listed, ReferrersList, Repository},
    referrers::ManifestKey,
    referrers_tag::{AT_A_TIME, ReferrersTags},
    relations::{self, CorroboratingOk, holds},
    store::{Applied, Basis, Finding, Seen, Store, Verdict},
    tasks::Tasks,
    upstream::{
        Capabilities, ListHash, NativeAnswer, NativeList, ReadError, ReadPermit, Refusal, Registry, native_list,
    },
};

/// What the upstream's own lists said last.
pub(super) struct NativeLists {
    store: Arc<dyn Store>,
    tags: Arc<ReferrersTags>,
    tasks: Tasks,
    /// By subject: the list whose entries are all in the rows, and the version of the set by then.
    read: Cache<ManifestKey, Known>,
}

/// A list that need not be read again.
#[derive(Clone, Copy)]
struct Known {
    hash: ListHash,
    names_any: bool,
    version: i64,
}

/// What the upstream was asked for, of one subject.
pub(super) enum Asked {
    /// Nothing: it isn't known whether it has a list of its own here, so it is to be asked with a permit.
    Nothing,
    /// Nothing that counts: its list is longer than is read.
    TooMuch,
    /// For its list, which it is known to have.
    List(NativeAnswer),
}

impl Asked {
    /// The head of an answer that names somebody.
    pub(super) fn names_somebody(&self) -> Option<&HeaderMap> {
        match self {
            Self::List(NativeAnswer::AsKnown(headers)) => Some(headers),
            Self::List(NativeAnswer::List(list)) if !list.digests.is_empty() => Some(&list.headers),
            _ => None,
        }
    }
}

/// How many subjects are remembered.
const REMEMBERED: u64 = 100_000;

/// How long a query waits until what a list names was read; what was read by then is kept.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many referrers that a list doesn't name are asked about at most, each time that it is another.
const UNNAMED: usize = 256;

impl NativeLists {
    /// Nothing was asked yet.
    pub(super) fn new(store: Arc<dyn Store>, tags: Arc<ReferrersTags>, tasks: Tasks) -> Self {
        Self { store, tags, tasks, read: Cache::new(REMEMBERED) }
    }

    /// Whether the upstream may have lists of its own in a repository.
    pub(super) fn may_be(registry: &Registry, repository: &Repository) -> bool {
        let upstream = registry.upstream();
        upstream.asks_native() && !upstream.capabilities.has_no_api(repository)
    }

    /// Asks for the list of `subject` where the upstream is known to have one. Its failure is the answer's: nothing else can
    /// say what was pushed around backref.
    pub(super) async fn ask_if_known(&self, registry: &Registry, subject: &ManifestKey) -> Result<Asked, Error> {
        let (upstream, repository) = (registry.upstream(), &subject.repository);
        if !relations::is_known(&*self.store, upstream, repository, Capabilities::REFERRERS_API).await? {
            return Ok(Asked::Nothing);
        }
        match native_list(registry, subject, self.known(subject).await?).await {
            Ok(answer) => Ok(Asked::List(answer)),
            // What was pushed through backref is on record.
            Err(ReadError::TooLong(why)) => {
                tracing::warn!(%repository, subject = %subject.digest, "the registry's own list is not read: {why}");
                Ok(Asked::TooMuch)
            }
            Err(error) => Err(refused(registry, error.into())),
        }
    }

    /// The hash of the list that names somebody and need not be read again, since nobody has changed the set.
    async fn known(&self, subject: &ManifestKey) -> Result<Option<ListHash>, Error> {
        let Some(known) = self.read.get(subject).filter(|known| known.names_any) else { return Ok(None) };
        Ok((self.version(subject).await? == known.version).then_some(known.hash))
    }

    /// Asks for the list of `subject`, and remembers whether the upstream has such lists in its repository: only with a permit,
    /// since a registry says of what it hides that it isn't there. What it can't say now is nothing.
    pub(super) async fn ask_anew(
        &self,
        registry: &Registry,
        _: &ReadPermit,
        subject: &ManifestKey,
    ) -> Result<Option<NativeAnswer>, Error> {
        let (upstream, repository) = (registry.upstream(), &subject.repository);
        match native_list(registry, subject, self.known(subject).await?).await.map_err(Error::from) {
            Ok(NativeAnswer::NoApi) => {
                upstream.capabilities.saw_api(repository, false);
                Ok(None)
            }
            Ok(answer) => {
                relations::remember_api(&*self.store, upstream, repository, false).await?;
                Ok(Some(answer))
            }
            Err(error) => {
                tracing::debug!(%error, %repository, "whether the registry lists referrers is not known");
                Ok(None)
            }
        }
    }

    /// The upstream, which had a list of its own, has none any more, as this caller with a permit saw it: what was pushed needs
    /// a tag again.
    pub(super) async fn lose(&self, registry: &Registry, _: &ReadPermit, subject: &ManifestKey) -> Result<(), Error> {
        let (upstream, repository) = (registry.upstream(), &subject.repository);
        relations::lose_api(&*self.store, upstream, repository).await?;
        tracing::info!(%repository, "the registry has no list of referrers of its own here any more");
        Ok(())
    }

    /// Has the rows say what the list names: read by one task, which goes on when its client leaves.
    pub(super) async fn read(
        self: &Arc<Self>,
        registry: &Registry,
        _: &ReadPermit,
        subject: &ManifestKey,
        list: NativeList,
    ) -> Result<(), Error> {
        let version = self.version(subject).await?;
        if self.read.get(subject).is_some_and(|known| known.hash == list.hash && known.version == version) {
            return Ok(());
        }
        let place = self.tasks.place(registry.holder()).await?;
        let (lists, registry, subject) = (self.clone(), registry.clone(), subject.clone());
        let reading =
            self.tasks.detached(place, async move { lists.read_list(&registry, &subject, list, version).await });
        let read = tokio::time::timeout(PATIENCE, Box::pin(reading)).await.map_err(|_| Error::Incomplete)?;
        read.ok_or(Error::Bug)?
    }

    async fn read_list(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        list: NativeList,
        version: i64,
    ) -> Result<(), Error> {
        let NativeList { digests, hash, .. } = list;
        let names_any = !digests.is_empty();
        let named: HashSet<Digest> = digests.iter().cloned().collect();
        // Its descriptors are not believed: some have a wrong type, and no annotations.
        let entries = digests.into_iter().map(|digest| Listed { digest, descriptor: String::new() }).collect();
        let added = self.tags.take_named(registry, subject, &ReferrersList { entries, marked: false }).await?;
        let (gone, asked_all) = self.ask_about_unnamed(registry, subject, &named).await?;
        // Only where nobody else changed the set: who was deleted meanwhile may come back into the same list.
        if asked_all && self.version(subject).await? == version + added + gone {
            self.read.insert(subject.clone(), Known { hash, names_any, version: version + added + gone });
        }
        Ok(())
    }

    /// Asks about the referrers that the list doesn't name: some registries lose some of their lists, and absence alone says
    /// nothing. Gives how many are gone, and whether all were asked about.
    async fn ask_about_unnamed(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        named: &HashSet<Digest>,
    ) -> Result<(i64, bool), Error> {
        let store = &*self.store;
        let rows = self.tags.recorded(subject, false).await?;
        let unnamed: Vec<Digest> = rows.into_iter().filter(|one| !named.contains(one)).collect();
        let asked_all = unnamed.len() <= UNNAMED;
        let asking = stream::iter(unnamed.into_iter().take(UNNAMED)).map(async |digest| {
            let key = subject.sibling(digest);
            // What was known is read before the upstream is asked.
            let seen = store.look(&key).await?;
            Ok::<_, Error>((!holds(registry, &key).await?).then_some((key, seen)))
        });
        let asked: Vec<Result<_, Error>> = asking.buffered(AT_A_TIME).collect().await;
        let absent: Vec<_> = asked.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
        // A list is no manifest: a registry may show one and hide the other.
        if absent.is_empty() || !CorroboratingOk::new(false, vec![subject.clone()]).is_there(registry).await? {
            return Ok((0, asked_all));
        }
        let finding = |(key, seen): (ManifestKey, Seen)| Finding {
            key,
            verdict: Verdict::Absent,
            basis: Basis { version: seen.version, alone: true },
        };
        let applied = store.apply_all(absent.into_iter().map(finding).collect()).await?;
        let gone = applied.iter().filter(|one| **one == Applied::Done).count();
        Ok((i64::try_from(gone).unwrap_or(i64::MAX), asked_all))
    }

    async fn version(&self, subject: &ManifestKey) -> Result<i64, Error> {
        Ok(self.store.tag(subject).await?.map_or(0, |state| state.version))
    }
}

/// Why a list could not be had, as an answer to the client.
fn refused(registry: &Registry, error: Error) -> Error {
    match error {
        Error::Refused(refusal @ Refusal::Denied(..)) => registry.to_client(refusal).into(),
        error => error,
    }
}
