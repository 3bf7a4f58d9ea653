//! What a tag of the upstream's says about referrers, put into the database.

use std::sync::Arc;

use http::StatusCode;

use super::{error::OperatorError, repository::RepositorySession};
use crate::{
    carrier::{self, Lost},
    error::Error,
    oci::{Digest, ErrorCode, MAX_MANIFEST, RawManifest, Reading, ReferrersTag},
    referrers::{Claim, ManifestKey, RelationTag},
    relations::{self, ROUNDS},
    store::{Applied, Basis, Close, TagVerdict, Verdict},
    upstream::{Registry, reference_uri},
};

/// What was found under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// A list of referrers.
    List,
    /// A referrer, or the carrier of an artifact manifest.
    Referrer,
    /// Nothing about referrers.
    Nothing,
}

/// What a tag is, by its name: the one place that decides it.
enum TagMeaning {
    /// A subject's referrers tag.
    ReferrersTag(Digest),
    /// Whatever is under it refers to a subject.
    Relation(RelationTag),
    /// Nothing.
    Nothing,
}

impl RepositorySession {
    fn meaning(&self, tag: &str) -> TagMeaning {
        if let Some(subject) = ReferrersTag::parse(tag).filter(|_| self.app.upstream.keeps_tags()) {
            return TagMeaning::ReferrersTag(subject);
        }
        match relations::subject_of(tag, &self.app.upstream.referrers) {
            Some(subject) => TagMeaning::Relation(RelationTag { tag: tag.into(), subject }),
            None => TagMeaning::Nothing,
        }
    }

    /// Puts what a tag says into the database.
    pub async fn import_tag(&self, tag: &str) -> Result<Imported, OperatorError> {
        let imported = self.tokens.with(async |registry| {
            match self.meaning(tag) {
                TagMeaning::ReferrersTag(subject)
                    if self.app.tags.read_once(registry, &self.key(&subject), false).await? =>
                {
                    return Ok(Imported::List);
                }
                TagMeaning::Relation(tag) if self.import_relation(registry, &tag).await? => {
                    return Ok(Imported::Referrer);
                }
                _ => {}
            }
            self.import_tagged(registry, tag).await
        });
        imported.await
    }

    /// Puts what a manifest says into the database.
    pub async fn import_digest(&self, digest: &Digest) -> Result<(), OperatorError> {
        let key = self.key(digest);
        self.tokens.with(async |registry| self.import_manifest(registry, &key, true).await.map(drop)).await
    }

    /// What refers by its tag. `false` where nothing does.
    async fn import_relation(&self, registry: &Registry, tag: &RelationTag) -> Result<bool, Error> {
        let store = &*self.app.store;
        let mut key = self.key(&tag.subject);
        for _ in 0..ROUNDS {
            let known = store.look_at_tag(&key, &tag.tag).await?;
            let relation = match relations::read_tag(registry, store, &key, tag, known.on.as_ref()).await? {
                Some(TagVerdict::On(relation)) => relation,
                Some(TagVerdict::Off) | None => return Ok(false),
            };
            if relation.referrer != key {
                // What it is on is to be looked at before the upstream is asked.
                key = relation.referrer.clone();
                continue;
            }
            if known.on.as_ref() == Some(&key.digest) {
                return Ok(true);
            }
            self.referrers_tag_first(registry, &tag.subject).await?;
            let basis = Basis { version: known.seen.version, alone: false };
            let applied = store.apply_tag(&key, tag, TagVerdict::On(relation), basis, Close::Nothing).await?;
            if applied == Applied::Done {
                return Ok(true);
            }
        }
        Err(Error::Incomplete)
    }

    /// Arrivals follow the order of the subject's referrers tag, whichever tag comes first.
    async fn referrers_tag_first(&self, registry: &Registry, subject: &Digest) -> Result<(), Error> {
        let key = self.key(subject);
        if self.app.upstream.keeps_tags() && !self.app.tags.is_checked(&key) {
            self.app.tags.read_once(registry, &key, true).await?;
        }
        Ok(())
    }

    async fn import_tagged(&self, registry: &Registry, tag: &str) -> Result<Imported, Error> {
        let head = registry.head_tag(reference_uri(self.repository(), &tag)).await?;
        match head.status {
            StatusCode::OK => {}
            // Deleted since the tags were listed.
            StatusCode::NOT_FOUND => return Ok(Imported::Nothing),
            _ => return Err(head.refusal().into()),
        }
        if head.length().is_some_and(|length| length > MAX_MANIFEST) {
            return Err(Error::bad(ErrorCode::SizeInvalid, "it is larger than the 4 MiB that manifests may have"));
        }
        let no_digest = || Error::bad(ErrorCode::DigestInvalid, "the registry does not say its digest");
        let digest = head.digest().ok_or_else(no_digest)?;
        self.import_manifest(registry, &self.key(&digest), true).await
    }

    /// What a manifest says in its bytes. `children`: those of an index are looked at as well, but for the images of
    /// single platforms.
    async fn import_manifest(&self, registry: &Registry, key: &ManifestKey, children: bool) -> Result<Imported, Error> {
        if self.read.contains_key(key) {
            return Ok(Imported::Nothing);
        }
        if self.is_known(key).await? {
            return Ok(Imported::Referrer);
        }
        let store = &*self.app.store;
        for _ in 0..ROUNDS {
            let seen = store.look(key).await?;
            let (raw, claim) = match registry.manifest(key).await? {
                None => return Ok(Imported::Nothing),
                Some(Reading::Unreadable(_, error)) => return Err(error.into()),
                Some(Reading::Plain(raw)) => (raw, None),
                Some(Reading::Refers(raw, manifest)) => {
                    let claim = Claim::of(key.clone(), &raw, &manifest);
                    (raw, claim)
                }
            };
            self.import_native_of(registry, key).await?;
            let Some(claim) = claim else {
                let imported = self.import_other(registry, key, &raw, children).await?;
                self.read.insert(key.clone(), ());
                return Ok(imported);
            };
            self.referrers_tag_first(registry, claim.subject()).await?;
            let relation = carrier::with_original(registry, store, claim, &raw).await.held(StatusCode::OK);
            let verdict = Verdict::Held(Arc::new(relation.ok_or(Error::Bug)?));
            if self.is_known(key).await? {
                return Ok(Imported::Referrer); // its subject's referrers tag named it
            }
            let basis = Basis { version: seen.version, alone: false };
            if store.apply(key, verdict, basis, Close::Nothing).await? == Applied::Done {
                return Ok(Imported::Referrer);
            }
        }
        Err(Error::Incomplete)
    }

    async fn is_known(&self, key: &ManifestKey) -> Result<bool, Error> {
        let store = &*self.app.store;
        let subjects = key.siblings(store.subjects(key).await?);
        if subjects.is_empty() {
            return Ok(store.alias(key).await?.is_some());
        }
        Ok(!store.listed_among(&subjects, std::slice::from_ref(&key.digest)).await?.is_empty())
    }

    /// A manifest that names no subject: it may carry another, or stand over some that do.
    async fn import_other(
        &self,
        registry: &Registry,
        key: &ManifestKey,
        raw: &RawManifest,
        children: bool,
    ) -> Result<Imported, Error> {
        if let Some((original, _)) = carrier::original_of(raw) {
            let found = carrier::recover(registry, &*self.app.store, &key.sibling(original)).await?;
            return Ok(if matches!(found, Lost::Found(_)) { Imported::Referrer } else { Imported::Nothing });
        }
        let mut imported = Imported::Nothing;
        if children && raw.media_type.is_index() {
            // Also of images of single platforms: scanners attach reports to these.
            for image in raw.entries().unwrap_or_default() {
                self.import_native_of(registry, &key.sibling(image)).await?;
            }
            for child in raw.children() {
                // In their order: it may be a list under a tag that doesn't say whose.
                let child = Box::pin(self.import_manifest(registry, &key.sibling(child), false)).await?;
                if child == Imported::Referrer {
                    imported = Imported::Referrer;
                }
            }
        }
        Ok(imported)
    }
}
