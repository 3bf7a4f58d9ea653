//! One repository, for an operator.

use std::sync::{Arc, atomic::AtomicBool};

use http::Uri;
use moka::sync::Cache;

use super::{connection::Connection, error::OperatorError, names::NamePages, tokens::Tokens};
use crate::{
    app::App,
    oci::{Digest, Repository},
    referrers::ManifestKey,
    store::{Capability, Recorded, TagState},
    upstream::{Permission, Registry},
};

/// One repository, as the operator may use it.
pub struct RepositorySession {
    pub(super) app: Arc<App>,
    pub(super) tokens: Tokens,
    /// Manifests that were read and need not be read again.
    pub(super) read: Arc<Cache<ManifestKey, ()>>,
    /// The upstream was seen to have no referrers API.
    pub(super) no_api: AtomicBool,
    repository: Repository,
}

/// How many digests are read from the database at a time.
const PIECE: usize = 1000;

impl RepositorySession {
    pub(super) fn new(
        app: Arc<App>,
        connection: Arc<Connection>,
        read: Arc<Cache<ManifestKey, ()>>,
        repository: Repository,
        deletes: bool,
    ) -> Self {
        let scope = |actions| format!("repository:{repository}:{actions}");
        let most = scope(if deletes { "pull,push,delete" } else { "pull,push" });
        let tokens = Tokens::new(connection, vec![most, scope("pull")]);
        Self { app, tokens, read, no_api: AtomicBool::new(false), repository }
    }

    /// Which repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn key(&self, digest: &Digest) -> ManifestKey {
        self.app.upstream.key(self.repository.clone(), digest.clone())
    }

    /// The repository's tags, of which nothing is read yet.
    pub fn tags(&self) -> NamePages {
        // Invariant: a name in its grammar holds no character that a path can't.
        NamePages::from(Uri::try_from(format!("/v2/{}/tags/list", self.repository)).unwrap_or_default())
    }

    /// The next page of those; `None` after the last. An error where the list doesn't end, and one that
    /// [is "not found"](OperatorError::is_not_found) where the registry knows no tags of it, or not for these credentials.
    pub async fn next_tags(&self, pages: &mut NamePages) -> Result<Option<Vec<String>>, OperatorError> {
        pages.next(&self.tokens).await
    }

    /// Some digests of this repository that the database has, from behind `after` on.
    pub async fn recorded(&self, which: Recorded, after: Option<&Digest>) -> Result<Vec<Digest>, OperatorError> {
        Ok(self.app.store.recorded(&self.app.upstream.name, &self.repository, which, after, PIECE).await?)
    }

    /// What is known about a subject's referrers tag.
    pub async fn tag(&self, subject: &Digest) -> Result<Option<TagState>, OperatorError> {
        Ok(self.app.store.tag(&self.key(subject)).await?)
    }

    /// What was learned about the registry in this repository.
    pub async fn capabilities(&self) -> Result<Vec<Capability>, OperatorError> {
        Ok(self.app.store.capabilities(&self.app.upstream.name, Some(&self.repository)).await?)
    }

    /// Writes a subject's referrers tag if it is stale. `false`: it still is, since something that was sent earlier may
    /// change it once more.
    pub async fn flush(&self, subject: &Digest) -> Result<bool, OperatorError> {
        let key = self.key(subject);
        self.tokens.with(async |registry| self.app.tags.flush_now(registry, &key).await).await
    }

    /// Settles what pushes and deletes left open about a subject, as a query does.
    pub async fn settle(&self, subject: &Digest) -> Result<(), OperatorError> {
        let key = self.key(subject);
        let settled = self.tokens.with(async |registry| {
            let permission = self.permission(registry, &key).await;
            match permission.permit() {
                Ok(permit) => {
                    let asked = matches!(permission, Permission::Asked(_));
                    self.app.listing.settle(registry, permit, std::slice::from_ref(&key), asked).await
                }
                Err(refusal) => Err(refusal.into()),
            }
        });
        settled.await
    }

    /// The access check of a subject's list, as of any caller's.
    pub(super) async fn permission(&self, registry: &Registry, subject: &ManifestKey) -> Permission {
        self.app.listing.permission(registry, subject, std::slice::from_ref(subject)).await
    }
}
