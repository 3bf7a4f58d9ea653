//! A manifest's exact bytes, and what they say of its place among the referrers.

use bytes::Bytes;

use serde_json::value::RawValue;

use super::{
    annotations::Annotations,
    error::ManifestError,
    fields::{Field, Fields},
    subject::Subject,
};
use crate::oci::{
    descriptor::Descriptor,
    digest::{Algorithm, Digest},
    json,
    media_type::MediaType,
};

/// A manifest as it came over the wire. Digests are computed from these bytes, never from a copy written anew.
#[derive(Clone, Debug)]
pub struct RawManifest {
    /// The body, byte for byte.
    pub bytes: Bytes,
    /// Of the `Content-Type`, or of the body's `mediaType` where there was none.
    pub media_type: MediaType,
}

/// What a manifest says about its place among the referrers. The default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Whom it refers to; `None` where it names nobody.
    pub subject: Option<Subject>,
    /// `artifactType`, else the config's media type (never for an index); empty counts as absent.
    pub artifact_type: Option<String>,
    /// The manifest's own annotations.
    pub annotations: Option<Annotations>,
}

impl RawManifest {
    /// The digest of the bytes.
    pub fn digest(&self, algorithm: Algorithm) -> Digest {
        Digest::of(algorithm, &self.bytes)
    }

    /// The descriptor by which lists name this manifest.
    pub fn descriptor<'a>(&'a self, digest: &'a Digest, manifest: &'a Manifest) -> Descriptor<'a> {
        Descriptor {
            media_type: self.media_type.as_str(),
            digest: digest.as_str(),
            size: self.bytes.len(),
            artifact_type: manifest.artifact_type.as_deref(),
            annotations: manifest.annotations.as_ref().map(Annotations::raw),
        }
    }

    /// What lists give of a manifest that is pushed, whose bytes name no subject and that has one all the same, by a
    /// tag. Refused is what two readers could read differently in what lists give; of what is no JSON object they give
    /// nothing.
    pub fn described(&self, subject: Subject) -> Result<Manifest, ManifestError> {
        let text = json::text(&self.bytes);
        match Fields::read(&text) {
            Ok(fields) => {
                std::str::from_utf8(&self.bytes)?;
                Manifest::strictly(Some(subject), &self.media_type, &fields)
            }
            Err(_) => Ok(Manifest { subject: Some(subject), ..Manifest::default() }),
        }
    }

    /// The same of a manifest that is read from the registry: what can't be given is left out.
    pub fn described_leniently(&self, subject: Subject) -> Manifest {
        let text = json::text(&self.bytes);
        match Fields::read(&text) {
            Ok(fields) => Manifest::leniently(Some(subject), &self.media_type, &fields),
            Err(_) => Manifest { subject: Some(subject), ..Manifest::default() },
        }
    }
}

impl Manifest {
    /// What lists give of it, if every reader reads the same.
    pub(super) fn strictly(
        subject: Option<Subject>,
        media_type: &MediaType,
        fields: &Fields<'_>,
    ) -> Result<Self, ManifestError> {
        let artifact_type = fields.artifact_type.only("artifactType")?;
        let mut artifact_type = artifact_type.map(|value| string("artifactType", value)).transpose()?.flatten();
        if artifact_type.is_none()
            && !media_type.is_index()
            && let Some(config) = fields.config.only("config")?
        {
            let odd = |error: serde_json::Error| ManifestError::Field { field: "config", reason: error.to_string() };
            let config_type = Field::of_text(config.get(), "mediaType").map_err(odd)?.only("mediaType")?;
            artifact_type = config_type.map(|value| string("config.mediaType", value)).transpose()?.flatten();
        }
        let annotations = fields.annotations.only("annotations")?;
        let annotations = annotations.map(Annotations::parse).transpose()?.flatten();
        Ok(Self { subject, artifact_type, annotations })
    }

    /// What lists give of it, as most readers read it: the last of two members of one name, whatever their case.
    pub(super) fn leniently(subject: Option<Subject>, media_type: &MediaType, fields: &Fields<'_>) -> Self {
        let named = |text: std::borrow::Cow<'_, str>| (!text.is_empty()).then(|| text.into_owned());
        let artifact_type = fields.artifact_type.last().and_then(json::string).and_then(named).or_else(|| {
            let config = fields.config.last().filter(|_| !media_type.is_index())?;
            json::string(Field::of_text(config.get(), "mediaType").ok()?.last()?).and_then(named)
        });
        Self { subject, artifact_type, annotations: fields.annotations.last().and_then(Annotations::read) }
    }
}

/// A string that lists give; empty counts as absent.
fn string(field: &'static str, value: &RawValue) -> Result<Option<String>, ManifestError> {
    let text = json::string(value).ok_or_else(|| ManifestError::Field { field, reason: "it is no string".into() })?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}
