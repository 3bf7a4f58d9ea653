//! The two forms of a manifest, found again in the upstream when they are on record no more: its store was deleted, or
//! another backref made the carrier, or it was copied from another registry.

use http::{HeaderMap, StatusCode};

use super::{
    artifact::{Artifact, Carried, Record},
    blobs::Blob,
    exchange::Hop,
    push::MAX_MANIFEST,
};
use crate::{
    config::RewriteMode,
    error::Error,
    oci::{Algorithm, Digest, MediaType, RawManifest},
    referrers::{Alias, Claim, ManifestKey},
    rewrite::{self, Content},
    store::{Basis, Close, Verdict},
};
use std::sync::Arc;

/// How many artifact manifests, each the subject of the one before, are followed.
const DEPTH: usize = 8;

/// What a digest is that no manifest has.
pub(super) enum Lost {
    /// No artifact manifest.
    Nothing,
    /// A blob that can't be read: it may be one.
    Unreadable,
    /// An artifact manifest without a carrier.
    Original,
    /// An artifact manifest with its carrier, on record again.
    Found(Alias),
}

impl Hop {
    /// Looks a digest up as a blob. If that is an artifact manifest, its carrier is computed and asked for.
    pub(super) async fn recover(&self, caller: &HeaderMap, key: &ManifestKey) -> Result<Lost, Error> {
        let artifact = match self.blob(caller, key).await? {
            Blob::Nothing => return Ok(Lost::Nothing),
            Blob::Unreadable => return Ok(Lost::Unreadable),
            Blob::Bytes(bytes) => match read(key, bytes) {
                Some(artifact) => artifact,
                None => return Ok(Lost::Nothing),
            },
        };
        for carrier in self.carriers(caller, &artifact, DEPTH).await? {
            let ready = artifact.carried(carrier)?;
            let seen = self.handler.app.store.look(&ready.key).await?;
            if self.holds(caller, &ready.key).await? {
                return self.record_again(ready, seen.version).await.map(Lost::Found);
            }
        }
        Ok(Lost::Original)
    }

    async fn record_again(&self, carried: Carried, version: i64) -> Result<Alias, Error> {
        let store = &self.handler.app.store;
        let alias = match carried.record {
            Record::Forms(pushed) => {
                let alias = pushed.alias.clone();
                store.keep(&carried.key, pushed).await?;
                Some(alias)
            }
            Record::Relation(claim) => {
                let relation = claim.held(StatusCode::OK).ok_or(Error::Bug)?;
                let alias = relation.pushed.as_ref().map(|pushed| pushed.alias.clone());
                let basis = Basis { version, alone: false };
                // Changed by somebody else meanwhile: then that is on record.
                store.apply(&carried.key, Verdict::Held(Arc::new(relation)), basis, Close::Nothing).await?;
                alias
            }
        };
        alias.ok_or(Error::Bug)
    }

    /// The claim of a manifest, with the artifact manifest that it carries if it is a carrier. What can't be found out
    /// now is found out when it is asked for.
    pub(super) async fn with_original(&self, caller: &HeaderMap, claim: Claim, raw: &RawManifest) -> Claim {
        if self.handler.app.config.rewrite.mode == RewriteMode::Never {
            return claim;
        }
        match self.claim_of_original(caller, claim.referrer(), raw).await {
            Ok(Some(with_original)) => with_original,
            Ok(None) => claim,
            Err(error) => {
                tracing::debug!(%error, "whether a manifest is a carrier could not be found out");
                claim
            }
        }
    }

    async fn claim_of_original(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        raw: &RawManifest,
    ) -> Result<Option<Claim>, Error> {
        let Some((digest, size)) = rewrite::original_of(raw).filter(|(_, size)| *size <= MAX_MANIFEST as u64) else {
            return Ok(None);
        };
        let original = key.sibling(digest);
        let Blob::Bytes(bytes) = self.blob(caller, &original).await? else { return Ok(None) };
        let Some(artifact) =
            read(&original, bytes).filter(|artifact| artifact.original.raw().bytes.len() as u64 == size)
        else {
            return Ok(None);
        };
        let carriers = self.carriers(caller, &artifact, DEPTH).await?;
        let Some(carrier) = carriers.into_iter().find(|carrier| carrier.bytes == raw.bytes) else { return Ok(None) };
        let ready = artifact.carried(carrier)?;
        Ok(match ready.record {
            Record::Relation(claim) if ready.key == *key => Some(claim),
            _ => None,
        })
    }

    /// Every carrier that an artifact manifest can have: with its subject as it was named, or in a form that the
    /// upstream may hold of it.
    async fn carriers(&self, caller: &HeaderMap, artifact: &Artifact, depth: usize) -> Result<Vec<RawManifest>, Error> {
        let config_type = self.handler.app.config.rewrite.config_type.as_deref();
        let mut forms = Vec::new();
        if let Some(subject) = artifact.original.subject()
            && let Ok(digest) = Digest::parse(&subject.digest)
        {
            let key = artifact.key.sibling(digest);
            if let Some(alias) = self.handler.app.store.alias(&key).await? {
                forms.push(Content::carrier(&alias.carrier, alias.carrier_size));
            } else if depth > 0
                && MediaType::parse(&subject.media_type).is_artifact()
                && let Blob::Bytes(bytes) = self.blob(caller, &key).await?
                && let Some(subject) = read(&key, bytes)
            {
                let carriers = Box::pin(self.carriers(caller, &subject, depth - 1)).await?;
                forms.extend(
                    carriers
                        .iter()
                        .map(|carrier| Content::carrier(&carrier.digest(Algorithm::Sha256), carrier.bytes.len())),
                );
            }
        }
        Ok(artifact.original.carriers(&forms, config_type))
    }
}

fn read(key: &ManifestKey, bytes: bytes::Bytes) -> Option<Artifact> {
    let (raw, manifest) = RawManifest::parse(bytes, None).ok()?;
    raw.media_type.is_artifact().then(|| Artifact::parse(key.clone(), &raw, manifest).ok())?
}
