//! What an upstream can do in a repository, learned from its answers: asked of this process' memory, and of the database once.

use std::time::Duration;

use crate::{
    error::Error,
    oci::{Digest, Repository},
    referrers::ManifestKey,
    store::Store,
    upstream::{Capabilities, NativeAnswer, Registry, Upstream, native_list},
};

/// Whether something is known to hold of a repository.
pub async fn is_known(
    store: &dyn Store,
    upstream: &Upstream,
    repository: &Repository,
    what: &str,
) -> Result<bool, Error> {
    if let Some(known) = upstream.capabilities.has(repository, what) {
        return Ok(known);
    }
    read(store, upstream, repository).await?;
    Ok(upstream.capabilities.has(repository, what).unwrap_or_default())
}

/// Remembers that something holds of a repository, for as long as the settings say.
pub async fn remember(
    store: &dyn Store,
    upstream: &Upstream,
    repository: &Repository,
    what: &str,
) -> Result<(), Error> {
    store.learn(&upstream.name, repository, what, upstream.rewrite.remember).await?;
    read(store, upstream, repository).await
}

/// For how long it is believed that a registry has a list of its own, unless an answer contradicts it: by a query or a push.
const API_KEPT: Duration = Duration::from_hours(30 * 24);

/// Remembers that the upstream has a list of referrers of its own; `of_pushes`: also that what is pushed is in it.
pub async fn remember_api(
    store: &dyn Store,
    upstream: &Upstream,
    repository: &Repository,
    of_pushes: bool,
) -> Result<(), Error> {
    upstream.capabilities.saw_api(repository, true);
    store.learn(&upstream.name, repository, Capabilities::REFERRERS_API, API_KEPT).await?;
    if of_pushes {
        store.learn(&upstream.name, repository, Capabilities::LISTS_PUSHES, API_KEPT).await?;
    }
    read(store, upstream, repository).await
}

/// Whether what is pushed is in the upstream's own list, so that no referrers tag is needed.
pub async fn lists_pushes(store: &dyn Store, upstream: &Upstream, repository: &Repository) -> Result<bool, Error> {
    Ok(upstream.asks_native() && is_known(store, upstream, repository, Capabilities::LISTS_PUSHES).await?)
}

/// After a push that was carried out: `says`, whether the upstream said that it lists it (`OCI-Subject`). It is believed once
/// its list has it, since Docker Hub has said so without a list. Where it says so no more, tags are needed again.
pub async fn learn_listing(
    registry: &Registry,
    store: &dyn Store,
    subject: &ManifestKey,
    referrer: &Digest,
    says: bool,
) {
    let (upstream, repository) = (registry.upstream(), &subject.repository);
    let learning = async {
        match (says, lists_pushes(store, upstream, repository).await?) {
            (true, false) if upstream.asks_native() && !upstream.capabilities.has_no_api(repository) => {
                match native_list(registry, subject, None).await.map_err(Error::from)? {
                    NativeAnswer::List(list) if list.digests.contains(referrer) => {
                        remember_api(store, upstream, repository, true).await?;
                    }
                    NativeAnswer::NoApi => upstream.capabilities.saw_api(repository, false),
                    NativeAnswer::List(_) | NativeAnswer::AsKnown(_) => {}
                }
            }
            (false, true) => {
                forget(store, upstream, repository, &[Capabilities::LISTS_PUSHES]).await?;
            }
            _ => {}
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = learning.await {
        tracing::debug!(%error, %repository, "whether the registry lists what is pushed is not known");
    }
}

/// The upstream has no list of referrers of its own any more: it is forgotten that it had, and tags are needed again.
pub async fn lose_api(store: &dyn Store, upstream: &Upstream, repository: &Repository) -> Result<(), Error> {
    upstream.capabilities.saw_api(repository, false);
    forget(store, upstream, repository, &[Capabilities::REFERRERS_API, Capabilities::LISTS_PUSHES]).await
}

/// Forgets what rested on a list of the upstream's own, so that tags are needed again.
async fn forget(
    store: &dyn Store,
    upstream: &Upstream,
    repository: &Repository,
    forgotten: &[&str],
) -> Result<(), Error> {
    for what in forgotten {
        store.learn(&upstream.name, repository, what, Duration::ZERO).await?;
    }
    store.need_tags(&upstream.name, repository).await?;
    read(store, upstream, repository).await
}

async fn read(store: &dyn Store, upstream: &Upstream, repository: &Repository) -> Result<(), Error> {
    let all = store.capabilities(&upstream.name, Some(repository)).await?;
    upstream.capabilities.know(repository, all.into_iter().map(|one| (one.what, one.remaining)));
    Ok(())
}
