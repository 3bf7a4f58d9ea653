//! What an upstream can do in a repository, learned from its answers: asked of this process' memory, and of the database once.

use crate::{error::Error, oci::Repository, store::Store, upstream::Upstream};

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

async fn read(store: &dyn Store, upstream: &Upstream, repository: &Repository) -> Result<(), Error> {
    let all = store.capabilities(&upstream.name, Some(repository)).await?;
    upstream.capabilities.know(repository, all.into_iter().map(|one| (one.what, one.remaining)));
    Ok(())
}
