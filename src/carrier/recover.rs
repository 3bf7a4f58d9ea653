//! The two forms of a manifest, found in the upstream when the database has them no more: it was deleted, or another
//! backref made the carrier, or the carrier was copied from another registry.

use std::sync::Arc;

use http::StatusCode;

use super::{
    artifact::{Artifact, Carried, CarriedRecord},
    codec::{Content, original_of},
};
use crate::{
    error::Error,
    oci::{Algorithm, Digest, MAX_MANIFEST, MediaType, RawManifest},
    referrers::{Alias, Claim, ManifestKey},
    store::{Basis, Close, Store, Verdict},
    upstream::{Blob, Registry},
};

/// How many artifact manifests, each the subject of the one before, are followed, and how large each may be. Whoever may
/// read can have this done: all that it takes is bounded.
const DEPTH: usize = 8;
const MAX_SUBJECT: usize = 512 << 10;

/// How many forms of a subject are tried, the likely ones first.
const FORMS: usize = 4;

/// What a digest is that no manifest has.
pub enum Lost {
    /// No artifact manifest.
    Nothing,
    /// A blob that can't be read: it may be one.
    Unreadable,
    /// An artifact manifest without a carrier.
    Original,
    /// An artifact manifest with its carrier, in the database again.
    Found(Alias),
}

/// Looks a digest up as a blob. If that is an artifact manifest, its carrier is computed and asked for.
pub async fn recover(registry: &Registry, store: &dyn Store, key: &ManifestKey) -> Result<Lost, Error> {
    let artifact = match registry.blob(key, MAX_MANIFEST).await? {
        Blob::Nothing => return Ok(Lost::Nothing),
        Blob::Unreadable => return Ok(Lost::Unreadable),
        Blob::Bytes(bytes) => match Artifact::of_blob(key, bytes) {
            Some(artifact) => artifact,
            None => return Ok(Lost::Nothing),
        },
    };
    let forms = subject_forms(registry, store, &artifact, DEPTH).await?;
    for carrier in artifact.original.carriers(&forms, config_type(registry)) {
        let carrier_key = key.sibling(carrier.digest(Algorithm::Sha256));
        let seen = store.look(&carrier_key).await?;
        match registry.head(&carrier_key).await?.status {
            StatusCode::OK => {
                let carried = artifact.carried(carrier)?;
                return record_again(store, carried, seen.version).await.map(Lost::Found);
            }
            StatusCode::NOT_FOUND => {}
            status => return Err(Error::unconfirmed(status)),
        }
    }
    Ok(Lost::Original)
}

async fn record_again(store: &dyn Store, carried: Carried, version: i64) -> Result<Alias, Error> {
    let alias = match carried.record {
        CarriedRecord::Forms(pushed) => {
            let alias = pushed.alias.clone();
            store.keep(&carried.key, pushed).await?;
            Some(alias)
        }
        CarriedRecord::Relation(claim) => {
            let relation = claim.held(StatusCode::OK).ok_or(Error::Bug)?;
            let alias = relation.pushed.as_ref().map(|pushed| pushed.alias.clone());
            let basis = Basis { version, alone: false };
            // Changed by somebody else meanwhile: then the database has that.
            store.apply(&carried.key, Verdict::Held(Arc::new(relation)), basis, Close::Nothing).await?;
            alias
        }
    };
    alias.ok_or(Error::Bug)
}

/// The claim of a manifest, with the artifact manifest that it carries if it is a carrier. What can't be found out now is
/// found out when it is asked for.
pub async fn with_original(registry: &Registry, store: &dyn Store, claim: Claim, raw: &RawManifest) -> Claim {
    if !registry.upstream().rewrites() {
        return claim;
    }
    // Others are told apart without a look at any blob.
    let Some((digest, size)) = original_of(raw).filter(|(_, size)| *size <= MAX_MANIFEST as u64) else { return claim };
    match claim_of_carrier(registry, store, claim.referrer(), raw, digest, size).await {
        Ok(Some(with_original)) => with_original,
        Ok(None) => claim,
        Err(error) => {
            tracing::debug!(%error, "whether a manifest is a carrier could not be found out");
            claim
        }
    }
}

async fn claim_of_carrier(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    raw: &RawManifest,
    original: Digest,
    size: u64,
) -> Result<Option<Claim>, Error> {
    let original = key.sibling(original);
    let Blob::Bytes(bytes) = registry.blob(&original, MAX_MANIFEST).await? else { return Ok(None) };
    if bytes.len() as u64 != size {
        return Ok(None);
    }
    let Some(artifact) = Artifact::of_blob(&original, bytes) else { return Ok(None) };
    let forms = subject_forms(registry, store, &artifact, DEPTH).await?;
    let mut carriers = artifact.original.carriers(&forms, config_type(registry));
    let Some(carrier) = carriers.find(|carrier| carrier.bytes == raw.bytes) else { return Ok(None) };
    let made = artifact.carried(carrier)?;
    Ok(match made.record {
        CarriedRecord::Relation(claim) if made.key == *key => Some(claim),
        _ => None,
    })
}

/// The forms in which the upstream may hold an artifact manifest's subject, other than the one that is named.
async fn subject_forms(
    registry: &Registry,
    store: &dyn Store,
    artifact: &Artifact,
    depth: usize,
) -> Result<Vec<Content>, Error> {
    let Some(subject) = artifact.original.subject() else { return Ok(Vec::new()) };
    let Ok(digest) = Digest::parse(&subject.digest) else { return Ok(Vec::new()) };
    let key = artifact.key.sibling(digest);
    if let Some(alias) = store.alias(&key).await? {
        return Ok(vec![Content::carrier(&alias.carrier, alias.carrier_size)]);
    }
    if depth == 0 || !MediaType::parse(&subject.media_type).is_artifact() {
        return Ok(Vec::new());
    }
    let Blob::Bytes(bytes) = registry.blob(&key, MAX_SUBJECT).await? else { return Ok(Vec::new()) };
    let Some(subject) = Artifact::of_blob(&key, bytes) else { return Ok(Vec::new()) };
    let forms = Box::pin(subject_forms(registry, store, &subject, depth - 1)).await?;
    let carriers = subject.original.carriers(&forms, config_type(registry)).take(FORMS);
    let named = |carrier: RawManifest| Content::carrier(&carrier.digest(Algorithm::Sha256), carrier.bytes.len());
    Ok(carriers.map(named).collect())
}

fn config_type(registry: &Registry) -> Option<&str> {
    registry.upstream().rewrite.config_type.as_deref()
}
