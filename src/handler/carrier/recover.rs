//! The two forms of a manifest, found again in the upstream when they are on record no more: its store was deleted, or
//! another backref made the carrier, or it was copied from another registry.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use crate::{
    config::RewriteMode,
    error::Error,
    handler::{
        carrier::artifact::{Artifact, Carried, Record},
        carrier::blobs::Blob,
        exchange::Hop,
        push::MAX_MANIFEST,
    },
    oci::{Algorithm, Digest, MediaType, RawManifest},
    referrers::{Alias, Claim, ManifestKey},
    rewrite::{self, Content},
    store::{Basis, Close, Verdict},
};

/// How many artifact manifests, each the subject of the one before, are followed, and how large each may be. Whoever may
/// read can have this done: all that it takes is bounded.
const DEPTH: usize = 8;
const MAX_SUBJECT: usize = 512 << 10;

/// How many forms of a subject are tried, the likely ones first.
const FORMS: usize = 4;

/// What a digest is that no manifest has.
pub(in crate::handler) enum Lost {
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
    pub(in crate::handler) async fn recover(&self, caller: &HeaderMap, key: &ManifestKey) -> Result<Lost, Error> {
        let artifact = match self.blob(caller, key, MAX_MANIFEST).await? {
            Blob::Nothing => return Ok(Lost::Nothing),
            Blob::Unreadable => return Ok(Lost::Unreadable),
            Blob::Bytes(bytes) => match read(key, bytes) {
                Some(artifact) => artifact,
                None => return Ok(Lost::Nothing),
            },
        };
        let forms = self.subject_forms(caller, &artifact, DEPTH).await?;
        for carrier in artifact.original.carriers(&forms, self.config_type()) {
            let carrier_key = key.sibling(carrier.digest(Algorithm::Sha256));
            let seen = self.handler.app.store.look(&carrier_key).await?;
            if self.holds(caller, &carrier_key).await? {
                return self.record_again(artifact.carried(carrier)?, seen.version).await.map(Lost::Found);
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
    pub(in crate::handler) async fn with_original(&self, caller: &HeaderMap, claim: Claim, raw: &RawManifest) -> Claim {
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
        let Blob::Bytes(bytes) = self.blob(caller, &original, MAX_MANIFEST).await? else { return Ok(None) };
        let Some(artifact) =
            read(&original, bytes).filter(|artifact| artifact.original.raw().bytes.len() as u64 == size)
        else {
            return Ok(None);
        };
        let forms = self.subject_forms(caller, &artifact, DEPTH).await?;
        let mut carriers = artifact.original.carriers(&forms, self.config_type());
        let Some(carrier) = carriers.find(|carrier| carrier.bytes == raw.bytes) else { return Ok(None) };
        let ready = artifact.carried(carrier)?;
        Ok(match ready.record {
            Record::Relation(claim) if ready.key == *key => Some(claim),
            _ => None,
        })
    }

    /// The forms in which the upstream may hold an artifact manifest's subject, other than the one that is named.
    async fn subject_forms(
        &self,
        caller: &HeaderMap,
        artifact: &Artifact,
        depth: usize,
    ) -> Result<Vec<Content>, Error> {
        let Some(subject) = artifact.original.subject() else { return Ok(Vec::new()) };
        let Ok(digest) = Digest::parse(&subject.digest) else { return Ok(Vec::new()) };
        let key = artifact.key.sibling(digest);
        if let Some(alias) = self.handler.app.store.alias(&key).await? {
            return Ok(vec![Content::carrier(&alias.carrier, alias.carrier_size)]);
        }
        if depth == 0 || !MediaType::parse(&subject.media_type).is_artifact() {
            return Ok(Vec::new());
        }
        let Blob::Bytes(bytes) = self.blob(caller, &key, MAX_SUBJECT).await? else { return Ok(Vec::new()) };
        let Some(subject) = read(&key, bytes) else { return Ok(Vec::new()) };
        let forms = Box::pin(self.subject_forms(caller, &subject, depth - 1)).await?;
        let carriers = subject.original.carriers(&forms, self.config_type()).take(FORMS);
        let named = |carrier: RawManifest| Content::carrier(&carrier.digest(Algorithm::Sha256), carrier.bytes.len());
        Ok(carriers.map(named).collect())
    }

    fn config_type(&self) -> Option<&str> {
        self.handler.app.config.rewrite.config_type.as_deref()
    }
}

fn read(key: &ManifestKey, bytes: bytes::Bytes) -> Option<Artifact> {
    let (raw, manifest) = RawManifest::parse(bytes, None).ok()?;
    raw.media_type.is_artifact().then(|| Artifact::parse(key.clone(), &raw, manifest).ok())?
}
