//! One repository, for an operator.

use std::sync::{Arc, atomic::AtomicBool};

use http::Uri;
use moka::sync::Cache;
use serde_json::Value;

use super::{connection::Connection, error::OperatorError, tokens::Tokens};
use crate::{
    app::App,
    error::Error,
    oci::{Digest, ErrorCode, Repository},
    referrers::ManifestKey,
    store::{Capability, Recorded, TagState},
    upstream::{Permission, Registry, next_page},
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

/// A page of names: of tags, or of repositories.
pub struct TagsPage {
    /// The names.
    pub names: Vec<String>,
    /// Where the next page is.
    pub next: Option<Uri>,
}

/// Enough for some hundred thousand names. Registries that page are far below it. As many at a time as there are jobs.
const MAX_LIST: usize = 16 << 20;

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

    /// A page of the repository's tags. The first is had with `None`. Nothing where the registry knows no tags of it, or
    /// not for these credentials.
    pub async fn tags(&self, page: Option<Uri>) -> Result<Option<TagsPage>, OperatorError> {
        // Invariant: a name in its grammar holds no character that a path can't.
        let first = || Uri::try_from(format!("/v2/{}/tags/list", self.repository)).unwrap_or_default();
        let uri = page.unwrap_or_else(first);
        match self.tokens.with(async |registry| page_of_names(registry, &uri, "tags").await).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
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

/// One page of a list of names, and where the next is. `field`: what the list is called.
pub(super) async fn page_of_names(registry: &Registry, from: &Uri, field: &str) -> Result<TagsPage, Error> {
    let (headers, body) = registry.page(from.clone(), MAX_LIST).await?;
    let next = next_page(&headers).map(Uri::try_from).transpose().map_err(|_| Error::Incomplete)?;
    if next.as_ref() == Some(from) {
        return Err(Error::bad(ErrorCode::Unsupported, "the registry says that the page of a list follows itself"));
    }
    let mut list: Value = serde_json::from_slice(&body).map_err(|_| Error::Incomplete)?;
    let names = match list.get_mut(field).map(Value::take) {
        // Registries of Go write an empty list so.
        None | Some(Value::Null) => Vec::new(),
        Some(names) => serde_json::from_value(names).map_err(|_| Error::Incomplete)?,
    };
    Ok(TagsPage { names, next })
}
