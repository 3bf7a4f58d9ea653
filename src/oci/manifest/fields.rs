//! The members of a manifest that matter to lists of referrers, as its text has them.

use serde_json::value::RawValue;

use super::{error::ManifestError, subject::Named};
use crate::oci::{json, media_type::MediaType};

/// The members of a manifest by name, each in every spelling that some reader takes for it.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) media_type: Field<'a>,
    pub(super) artifact_type: Field<'a>,
    pub(super) config: Field<'a>,
    pub(super) layers: Field<'a>,
    pub(super) manifests: Field<'a>,
    pub(super) annotations: Field<'a>,
    pub(super) blobs: Field<'a>,
    pub(super) subject: Named,
    pub(super) refers: Named,
}

/// All members that some reader takes for one field.
#[derive(Default)]
pub(super) struct Field<'a> {
    /// The first and the last value: every reader takes one of them.
    values: Option<(&'a RawValue, &'a RawValue)>,
    doubled: bool,
    folded: bool,
}

impl<'a> Fields<'a> {
    /// Reads the text of a manifest; an error where it is no JSON object.
    pub(super) fn read(text: &'a str) -> Result<Self, ManifestError> {
        const NAMES: [&str; 9] =
            ["mediaType", "artifactType", "config", "layers", "manifests", "annotations", "blobs", "subject", "refers"];
        let mut fields = Self::default();
        json::members(text, &NAMES, |name, exact, value| match NAMES[name] {
            "mediaType" => fields.media_type.add(exact, value),
            "artifactType" => fields.artifact_type.add(exact, value),
            "config" => fields.config.add(exact, value),
            "layers" => fields.layers.add(exact, value),
            "manifests" => fields.manifests.add(exact, value),
            "annotations" => fields.annotations.add(exact, value),
            "blobs" => fields.blobs.add(exact, value),
            "subject" => fields.subject.add("subject", exact, value),
            _ => fields.refers.add("refers", exact, value),
        })?;
        Ok(fields)
    }

    /// Checks that the manifest is of one kind for every reader (CVE-2021-41190): not an index and an image manifest
    /// at once, and of no other media type than the one that is `given`.
    pub(super) fn check_kind(&self, given: &MediaType) -> Result<(), ManifestError> {
        if self.manifests.is_given() {
            for (other, name) in [(&self.config, "config"), (&self.layers, "layers")] {
                if other.is_given() {
                    return Err(ManifestError::Mixed(name));
                }
            }
        }
        for body in self.media_type.both().into_iter().filter_map(json::string) {
            if MediaType::parse(&body) != *given {
                return Err(ManifestError::MediaType { given: given.as_str().into(), body: body.into_owned() });
            }
        }
        Ok(())
    }

    /// The media type that the manifest itself gives; the last one, if it gives two.
    pub(super) fn own_media_type(&self) -> Option<MediaType> {
        let own = json::string(self.media_type.last()?)?;
        Some(MediaType::parse(&own)).filter(|own| !own.is_empty())
    }
}

impl<'a> Field<'a> {
    /// One field of an object; an error where the text is none.
    pub(super) fn of_text(object: &'a str, name: &str) -> Result<Self, serde_json::Error> {
        let mut field = Self::default();
        json::members(object, &[name], |_, exact, value| field.add(exact, value))?;
        Ok(field)
    }

    fn add(&mut self, exact: bool, value: &'a RawValue) {
        self.doubled = self.values.is_some();
        self.folded |= !exact;
        self.values = Some((self.values.map_or(value, |(first, _)| first), value));
    }

    fn both(&self) -> impl IntoIterator<Item = &'a RawValue> + use<'a> {
        self.values.into_iter().flat_map(|(first, last)| [first, last])
    }

    /// Whether some reader finds a value other than `null`.
    fn is_given(&self) -> bool {
        self.both().into_iter().any(|value| !json::is_null(value))
    }

    /// The last value, which is what most readers take; `None` where it is absent or `null`.
    pub(super) fn last(&self) -> Option<&'a RawValue> {
        self.values.map(|(_, last)| last).filter(|value| !json::is_null(value))
    }

    /// The value that every reader takes; an error where two could take two.
    pub(super) fn only(&self, name: &'static str) -> Result<Option<&'a RawValue>, ManifestError> {
        match (self.doubled, self.folded) {
            (true, _) => Err(ManifestError::Duplicate(name)),
            (false, true) => Err(ManifestError::CaseFolded(name)),
            (false, false) => Ok(self.last()),
        }
    }
}
