//! The registry's own lists of referrers, for an operator.

use std::{collections::HashSet, sync::atomic::Ordering};

use http::StatusCode;

use super::{error::OperatorError, repository::RepositorySession};
use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    upstream::{NativeAnswer, Refusal, Registry, native_list, native_page, native_path, reference_uri},
};

impl RepositorySession {
    /// Whether the registry has a referrers API: asked about a digest that nothing has.
    pub async fn has_api(&self) -> Result<bool, OperatorError> {
        // Invariant: 64 zeros are a sha256 digest.
        let zero = Digest::parse(&format!("sha256:{}", "0".repeat(64))).map_err(|_| Error::Bug)?;
        let path = native_path(self.repository(), &zero);
        self.tokens.with(async |registry| Ok(native_page(registry, &path).await?.is_some())).await
    }

    /// The digest of what a tag is on; `None`: it is gone.
    pub async fn digest_of(&self, tag: &str) -> Result<Option<Digest>, OperatorError> {
        let asked = self.tokens.with(async |registry| {
            let head = registry.head_tag(reference_uri(self.repository(), &tag)).await?;
            match head.status {
                StatusCode::OK => Ok(head.digest()),
                StatusCode::NOT_FOUND => Ok(None),
                _ => Err(head.refusal().into()),
            }
        });
        asked.await
    }

    /// Puts what the registry's own list of a subject names into the database, as a query does.
    pub async fn import_native(&self, subject: &Digest) -> Result<(), OperatorError> {
        let key = self.key(subject);
        self.tokens.with(async |registry| self.import_native_of(registry, &key).await).await
    }

    /// The same. Nothing where the registry was seen to have no such list.
    pub(super) async fn import_native_of(&self, registry: &Registry, subject: &ManifestKey) -> Result<(), Error> {
        let upstream = &self.app.upstream;
        if !upstream.asks_native() || upstream.capabilities.has_no_api(self.repository()) {
            return Ok(());
        }
        match self.app.listing.authorise(registry, subject).await?.permission.permit() {
            Ok(_) | Err(Refusal::Absent) => Ok(()),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The registry's own list, of both forms of a subject. `None`: it has no such API.
    pub(super) async fn own_list(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
    ) -> Result<Option<HashSet<Digest>>, Error> {
        if self.no_api.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut all = HashSet::new();
        for form in self.app.tags.known_forms(subject).await? {
            let Some(listed) = list_of(registry, &form).await? else {
                self.no_api.store(true, Ordering::Relaxed);
                return Ok(None);
            };
            all.extend(listed);
        }
        Ok(Some(all))
    }
}

/// All that the registry's own list of a subject names. `None`: it has no such API.
pub(super) async fn list_of(registry: &Registry, subject: &ManifestKey) -> Result<Option<Vec<Digest>>, Error> {
    Ok(match native_list(registry, subject, None).await? {
        NativeAnswer::List(list) => Some(list.digests),
        NativeAnswer::NoApi | NativeAnswer::AsKnown(_) => None,
    })
}
