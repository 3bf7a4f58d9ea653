//! The way out: what the registry's own list lacks is pushed again, and what was needed for backref alone is taken away.

use http::{HeaderValue, Method, StatusCode, header};

use super::{error::OperatorError, repository::RepositorySession};
use crate::{
    carrier::{self, Artifact},
    error::Error,
    oci::{Digest, RawManifest, Reading},
    referrers::{Claim, ManifestKey},
    relations,
    upstream::{Body, Refusal, Registry, manifest_uri},
};

/// What is to be done beside pushing again.
#[derive(Clone, Copy, Debug, Default)]
pub struct MigrateOptions {
    /// Nothing: it is only said what would be done.
    pub dry_run: bool,
    /// Artifact manifests take the place of their carriers, where the registry takes them.
    pub originals: bool,
    /// Referrers tags with backref's mark go, once the registry's own list has what they name.
    pub remove_tags: bool,
}

/// What became of one subject, or would.
#[derive(Debug, Default)]
pub struct Migrated {
    /// Referrers that were pushed again.
    pub pushed: Vec<Digest>,
    /// Artifact manifests that took the place of their carriers.
    pub originals: Vec<Digest>,
    /// Artifact manifests that the registry doesn't take.
    pub refused: Vec<Digest>,
    /// Referrers that the registry's own list doesn't have all the same.
    pub unlisted: Vec<Digest>,
    /// Referrers that no API can list: their bytes name no subject.
    pub by_tag_alone: Vec<Digest>,
    /// The referrers tag is gone.
    pub removed_tag: bool,
}

impl RepositorySession {
    /// Gives the registry's own list of a subject what it lacks. `None`: it has no such list.
    pub async fn migrate(&self, subject: &Digest, options: MigrateOptions) -> Result<Option<Migrated>, OperatorError> {
        let key = self.key(subject);
        self.tokens.with(async |registry| self.migrate_as(registry, &key, options).await).await
    }

    async fn migrate_as(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        options: MigrateOptions,
    ) -> Result<Option<Migrated>, Error> {
        let Some(listed) = self.own_list(registry, subject).await? else { return Ok(None) };
        let stated = self.app.tags.recorded(subject, false).await?;
        let by_tag_alone =
            self.app.tags.recorded(subject, true).await?.into_iter().filter(|one| !stated.contains(one)).collect();
        let mut done = Migrated { by_tag_alone, ..Migrated::default() };
        for referrer in stated.iter().filter(|one| !listed.contains(one)) {
            if options.dry_run || self.push_again(registry, &subject.sibling(referrer.clone())).await? {
                done.pushed.push(referrer.clone());
            }
        }
        let (store, upstream) = (&*self.app.store, registry.upstream());
        if !options.dry_run
            && done.pushed.is_empty()
            && let Some(one) = stated.first()
            && !relations::lists_pushes(store, upstream, self.repository()).await?
        {
            // What the registry says to a push tells whether it needs tags from now on.
            self.push_again(registry, &subject.sibling(one.clone())).await?;
        }
        if options.originals {
            for carrier in &stated {
                self.migrate_original(registry, &subject.sibling(carrier.clone()), options, &mut done).await?;
            }
        }
        if options.dry_run {
            return Ok(Some(done));
        }
        let listed = self.own_list(registry, subject).await?.unwrap_or_default();
        done.unlisted =
            self.app.tags.recorded(subject, false).await?.into_iter().filter(|one| !listed.contains(one)).collect();
        if done.unlisted.is_empty() {
            if options.remove_tags {
                done.removed_tag = self.app.tags.retire(registry, subject, &listed).await?;
            }
            if relations::lists_pushes(store, upstream, self.repository()).await? {
                self.app.tags.need_no_tag(subject).await;
            }
        }
        Ok(Some(done))
    }

    /// Pushes a referrer with the bytes that the registry gives, the way of a client's push. `false`: it is gone.
    async fn push_again(&self, registry: &Registry, key: &ManifestKey) -> Result<bool, Error> {
        let (raw, manifest) = match registry.manifest(key).await? {
            None => return Ok(false),
            Some(Reading::Refers(raw, manifest)) => (raw, manifest),
            Some(Reading::Plain(_) | Reading::Unreadable(..)) => return Err(Error::unconfirmed(StatusCode::OK)),
        };
        let claim = Claim::of(key.clone(), &raw, &manifest).ok_or(Error::Bug)?;
        let claim = carrier::with_original(registry, &*self.app.store, claim, &raw).await;
        self.push(registry, key, &raw, Some(claim)).await?;
        Ok(true)
    }

    /// Puts an artifact manifest in the place of its carrier, if `carrier` is one and the registry takes the other.
    async fn migrate_original(
        &self,
        registry: &Registry,
        carrier: &ManifestKey,
        options: MigrateOptions,
        done: &mut Migrated,
    ) -> Result<(), Error> {
        let store = &*self.app.store;
        let alias = store.alias(carrier).await?.filter(|alias| !alias.is_original(&carrier.digest));
        let Some(alias) = alias else { return Ok(()) };
        let key = carrier.sibling(alias.original);
        if options.dry_run {
            done.originals.push(key.digest);
            return Ok(());
        }
        let Some(bytes) = store.original(&key).await? else { return Ok(()) };
        let (raw, manifest) = RawManifest::parse(bytes, Some(&alias.media_type))?;
        let claim = Artifact::parse(key.clone(), &raw, manifest)?.claim();
        match self.push(registry, &key, &raw, claim).await {
            Ok(()) => {}
            Err(Error::Refused(Refusal::Unclear(status, _))) if carrier::may_be_of_kind(status) => {
                done.refused.push(key.digest);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let place = self.app.tasks.place(registry.holder()).await?;
        let answer = self.app.changes.delete(registry, carrier, &place).await?;
        if !answer.status().is_success() {
            return Err(Refusal::of(answer.status(), answer.headers()).into());
        }
        done.originals.push(key.digest);
        Ok(())
    }

    async fn push(
        &self,
        registry: &Registry,
        key: &ManifestKey,
        raw: &RawManifest,
        claim: Option<Claim>,
    ) -> Result<(), Error> {
        let mut request = registry.request(Method::PUT, manifest_uri(key), Body::from(raw.bytes.clone()));
        let kind = HeaderValue::from_str(raw.media_type.as_str()).map_err(|_| Error::Bug)?;
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        let place = self.app.tasks.place(registry.holder()).await?;
        let mut change = self.app.changes.begin(registry);
        let answer = change.push(request, claim).await;
        let answer = change.finish(&place, answer).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(Refusal::of(answer.status(), answer.headers()).into())
    }

    /// Whether artifact manifests of this repository can be had by their own digests through backref alone.
    pub async fn has_originals(&self) -> Result<bool, OperatorError> {
        Ok(self.app.store.has_aliases(&self.app.upstream.name, self.repository()).await?)
    }
}
