//! An artifact manifest with the digest that it has for clients, and what is recorded of its carrier.

use bytes::Bytes;

use super::codec::Original;
use crate::{
    oci::{Algorithm, Digest, Manifest, ManifestError, MediaType, RawManifest, Subject, Via},
    referrers::{Alias, Claim, ManifestKey, Pushed},
};

/// An artifact manifest.
pub struct Artifact {
    /// Its digest for clients.
    pub key: ManifestKey,
    /// Its bytes, read.
    pub original: Original,
    /// What it says about referrers.
    pub manifest: Manifest,
}

/// A carrier, and what is to be recorded once the upstream holds it.
pub struct Carried {
    /// Its digest.
    pub key: ManifestKey,
    /// Its bytes.
    pub raw: RawManifest,
    /// What is recorded.
    pub record: CarriedRecord,
}

/// What is recorded of a carrier.
pub enum CarriedRecord {
    /// Whom it refers to, and both forms.
    Relation(Claim),
    /// Both forms.
    Forms(Pushed),
}

impl Artifact {
    /// Of a manifest whose media type is an artifact manifest's.
    pub fn parse(key: ManifestKey, raw: &RawManifest, manifest: Manifest) -> Result<Self, ManifestError> {
        Ok(Self { key, original: Original::parse(raw)?, manifest })
    }

    /// Of a blob; `None` where that is no artifact manifest.
    pub fn of_blob(key: &ManifestKey, bytes: Bytes) -> Option<Self> {
        let (raw, manifest) = RawManifest::parse(bytes, None).ok()?;
        raw.media_type.is_artifact().then(|| Self::parse(key.clone(), &raw, manifest).ok())?
    }

    /// One that has its subject by a tag.
    pub fn by_tag(key: ManifestKey, bytes: Bytes, subject: &Digest) -> Result<Self, ManifestError> {
        let (raw, _) = RawManifest::parse(bytes, None)?;
        let manifest = raw.described(Subject { digest: subject.clone(), via: Via::Tag })?;
        Self::parse(key, &raw, manifest)
    }

    /// What it claims, as it was pushed.
    pub fn claim(&self) -> Option<Claim> {
        Claim::of(self.key.clone(), self.original.raw(), &self.manifest)
    }

    /// One of its carriers. Lists take the artifact type from what was pushed: a carrier had to leave some out.
    pub fn carried(&self, raw: RawManifest) -> Result<Carried, ManifestError> {
        let (original, digest) = (self.original.raw(), raw.digest(Algorithm::Sha256));
        let pushed = Pushed {
            alias: Alias {
                original: self.key.digest.clone(),
                original_size: original.bytes.len(),
                media_type: original.media_type.as_str().to_owned(),
                carrier: digest.clone(),
                carrier_size: raw.bytes.len(),
            },
            bytes: original.bytes.clone(),
            descriptor: original.descriptor(&self.key.digest, &self.manifest).render(),
        };
        let key = self.key.sibling(digest);
        let (raw, mut manifest) = RawManifest::parse(raw.bytes, Some(MediaType::IMAGE))?;
        if let Some(by_tag) = self.manifest.subject.as_ref().filter(|subject| subject.via == Via::Tag) {
            manifest = raw.described(by_tag.clone())?;
        }
        manifest.artifact_type = self.original.artifact_type().map(str::to_owned).or(manifest.artifact_type);
        let record = match Claim::of(key.clone(), &raw, &manifest) {
            Some(claim) => CarriedRecord::Relation(claim.carrying(pushed)),
            None => CarriedRecord::Forms(pushed),
        };
        Ok(Carried { key, raw, record })
    }
}
