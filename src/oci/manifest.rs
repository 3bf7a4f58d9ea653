//! Manifests: the exact bytes that were pushed, and the few fields that say who refers to whom.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Algorithm, Annotations, Descriptor, Digest, MediaType, manifest_error::ManifestError};

/// A manifest as it came over the wire. Digests are computed from these bytes, never from a copy written anew.
#[derive(Clone, Debug)]
pub struct RawManifest {
    /// The body, byte for byte.
    pub bytes: Bytes,
    /// Of the `Content-Type`, or of the body's `mediaType` where there was none.
    pub media_type: MediaType,
}

/// What a manifest says about its place among the referrers.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Whom it refers to, where it says so.
    pub subject: Option<Subject>,
    /// `artifactType`, else the config's media type (never for an index); empty counts as absent.
    pub artifact_type: Option<String>,
    /// The manifest's own annotations.
    pub annotations: Option<Annotations>,
}

/// Whom a manifest refers to, and by which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The digest, as it was written.
    pub digest: Digest,
    /// Which way the manifest says it.
    pub via: Via,
}

/// How a relation is known. Only `subject` counts for the OCI 1.1 list (distribution-spec 1.1, "Listing Referrers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The `subject` field.
    Subject,
    /// The `refers` field of the reference-types working group's Proposal E.
    Refers,
    /// A tag that says so, and nothing in the manifest.
    Tag,
}

impl RawManifest {
    /// The digest of the bytes.
    pub fn digest(&self, algorithm: Algorithm) -> Digest {
        Digest::of(algorithm, &self.bytes)
    }

    /// Takes a pushed body and its `Content-Type` and reads what it says. Refuses what two readers could read
    /// differently (CVE-2021-41190 and its kin): keys that stand twice or differ in case, an index that is an image
    /// manifest too, two media types.
    pub fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<(Self, Manifest), ManifestError> {
        let [media_type, artifact_type, config, layers, manifests, annotations, subject, refers, _blobs] =
            fields(std::str::from_utf8(&bytes)?, TOP)?;
        if manifests.is_some() {
            for (other, name) in [(config, "config"), (layers, "layers")] {
                if other.is_some() {
                    return Err(ManifestError::Mixed(name));
                }
            }
        }
        let body_type = media_type.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let media_type = match (content_type.map(MediaType::parse), body_type) {
            (Some(header), Some(body)) if !header.is_empty() && header.as_str() != body => {
                return Err(ManifestError::MediaType { header: header.as_str().into(), body });
            }
            (Some(header), _) if !header.is_empty() => header,
            (_, body) => MediaType::parse(&body.unwrap_or_default()),
        };

        let subject = match (subject_of("subject", subject)?, subject_of("refers", refers)?) {
            (Some(subject), Some(refers)) if subject != refers => return Err(ManifestError::TwoSubjects),
            (Some(digest), _) => Some(Subject { digest, via: Via::Subject }),
            (None, Some(digest)) => Some(Subject { digest, via: Via::Refers }),
            (None, None) => None,
        };
        let manifest = match subject {
            Some(_) => described(subject, &media_type, artifact_type, config, annotations)?,
            None => Manifest { subject, artifact_type: None, annotations: None },
        };
        Ok((Self { bytes, media_type }, manifest))
    }

    /// What lists say of a manifest whose bytes name no subject, and that has one all the same.
    pub fn described(&self, subject: Subject) -> Result<Manifest, ManifestError> {
        let [_, artifact_type, config, _, _, annotations, ..] = fields(std::str::from_utf8(&self.bytes)?, TOP)?;
        described(Some(subject), &self.media_type, artifact_type, config, annotations)
    }

    /// The digests that an index lists; none of what is no index.
    pub fn entries(&self) -> Result<Vec<Digest>, ManifestError> {
        let [manifests] = fields(std::str::from_utf8(&self.bytes)?, ["manifests"])?;
        let entries: Vec<&RawValue> = value("manifests", manifests)?.unwrap_or_default();
        let entry = |raw: &&RawValue| {
            let refuse = |reason: String| ManifestError::Field { field: "manifests", reason };
            let [digest] = fields(raw.get(), ["digest"]).map_err(|error| refuse(error.to_string()))?;
            let digest: String = value("digest", digest)?.ok_or_else(|| refuse("an entry has no digest".into()))?;
            Digest::parse(&digest).map_err(|error| refuse(error.to_string()))
        };
        entries.iter().map(entry).collect()
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
}

const TOP: [&str; 9] =
    ["mediaType", "artifactType", "config", "layers", "manifests", "annotations", "subject", "refers", "blobs"];

fn described(
    subject: Option<Subject>,
    media_type: &MediaType,
    artifact_type: Option<&RawValue>,
    config: Option<&RawValue>,
    annotations: Option<&RawValue>,
) -> Result<Manifest, ManifestError> {
    let named = |text: &String| !text.is_empty();
    let mut artifact_type = value("artifactType", artifact_type)?.filter(named);
    if let (None, Some(config), false) = (&artifact_type, config, media_type.is_index()) {
        let [config_type] = fields(config.get(), ["mediaType"])?;
        artifact_type = value("config.mediaType", config_type)?.filter(named);
    }
    let annotations = annotations.map(Annotations::parse).transpose()?.flatten();
    Ok(Manifest { subject, artifact_type, annotations })
}

fn subject_of(field: &'static str, raw: Option<&RawValue>) -> Result<Option<Digest>, ManifestError> {
    let Some(raw) = raw else { return Ok(None) };
    let refuse = |reason: String| ManifestError::Subject { field, reason };
    let [digest, _media_type, _size] =
        fields(raw.get(), ["digest", "mediaType", "size"]).map_err(|error| refuse(error.to_string()))?;
    let digest: String = value("digest", digest)?.ok_or_else(|| refuse("it has no digest".into()))?;
    Digest::parse(&digest).map(Some).map_err(|error| refuse(error.to_string()))
}

fn value<'a, T: Deserialize<'a>>(field: &'static str, raw: Option<&'a RawValue>) -> Result<Option<T>, ManifestError> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|error| ManifestError::Field { field, reason: error.to_string() })
}

/// The values of the `known` keys of a JSON object, in their order; `null` counts as absent. Other keys are passed
/// over, unless a reader that folds case (as Go's `encoding/json` does) would take them for a known one.
fn fields<'a, const N: usize>(
    json: &'a str,
    known: [&'static str; N],
) -> Result<[Option<&'a RawValue>; N], ManifestError> {
    let mut refused = None;
    let mut reader = serde_json::Deserializer::from_str(json);
    let found = reader.deserialize_map(Known { names: known, refused: &mut refused });
    if let Some(refused) = refused {
        return Err(refused);
    }
    let found = found?;
    reader.end()?;
    Ok(found.map(|value| value.filter(|raw| raw.get() != "null")))
}

/// Takes the members of an object as they come, so that one with a million keys costs no more than one with ten.
struct Known<'r, const N: usize> {
    names: [&'static str; N],
    refused: &'r mut Option<ManifestError>,
}

impl<'de, const N: usize> Visitor<'de> for Known<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(Key(key)) = map.next_key()? {
            let Some(place) = self.names.iter().position(|name| folds_to(&key, name)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let name = self.names[place];
            if key != name {
                *self.refused = Some(ManifestError::CaseFolded { found: key.into_owned(), known: name });
            } else if found[place].replace(map.next_value()?).is_some() {
                *self.refused = Some(ManifestError::Duplicate(name));
            }
            if self.refused.is_some() {
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(found)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Unicode's simple folding, as far as it reaches ASCII letters: `ſ` folds to `s`, the Kelvin sign to `k`.
fn folds_to(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    fn parse(json: &str) -> Result<Manifest, ManifestError> {
        RawManifest::parse(Bytes::copy_from_slice(json.as_bytes()), Some(IMAGE)).map(|(_, manifest)| manifest)
    }

    fn subject() -> String {
        format!(r#"{{"mediaType":"{IMAGE}","size":2,"digest":"sha256:{}"}}"#, "0".repeat(64))
    }

    #[test]
    fn the_artifact_type_falls_back_to_the_config() {
        let s = subject();
        let read = |rest: &str| parse(&format!(r#"{{"subject":{s},{rest}}}"#)).unwrap().artifact_type;
        assert_eq!(read(r#""artifactType":"a/b","config":{"mediaType":"c/d"}"#).as_deref(), Some("a/b"));
        assert_eq!(read(r#""artifactType":"","config":{"mediaType":"c/d"}"#).as_deref(), Some("c/d"));
        assert_eq!(read(r#""config":{"mediaType":""}"#), None);
        let index = format!(r#"{{"subject":{s},"config":{{"mediaType":"c/d"}}}}"#);
        let (_, manifest) = RawManifest::parse(index.into(), Some(MediaType::INDEX)).unwrap();
        assert_eq!(manifest.artifact_type, None);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let s = subject();
        for (json, part) in [
            (format!(r#"{{"subject":{s},"subject":{s}}}"#), "twice"),
            (format!(r#"{{"subject":{s},"\u0073ubject":{s}}}"#), "twice"),
            (format!(r#"{{"Subject":{s}}}"#), "\"Subject\""),
            (format!(r#"{{"ſubject":{s}}}"#), "could be read"),
            (r#"{"manifests":[],"layers":[]}"#.into(), "beside"),
            (r#"{"mediaType":"a/b"}"#.into(), "Content-Type"),
            (r#"{"subject":{"Digest":"x"}}"#.into(), "could be read"),
            (r#"{"subject":{"digest":"sha256:00"}}"#.into(), "64"),
            (r#"{"subject":"sha256"}"#.into(), "no descriptor"),
            (format!(r#"{{"subject":{s},"refers":{{"digest":"blake3:00"}}}}"#), "different"),
            (format!(r#"{{"subject":{s},"annotations":{{"a":1}}}}"#), "annotations"),
            ("[]".into(), "object"),
            ("{\"a\":\"\u{1}\"}".into(), "control"),
            ("{} {}".into(), "trailing"),
            (String::new(), "EOF"),
        ] {
            let error = parse(&json).expect_err(&json).to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn an_index_lists_what_every_reader_reads() {
        let entries =
            |json: String| RawManifest { bytes: json.into(), media_type: MediaType::parse(MediaType::INDEX) }.entries();
        assert_eq!(
            entries(r#"{"manifests":[{"digest":"a:b","size":1}]}"#.into()).unwrap(),
            [Digest::parse("a:b").unwrap()]
        );
        assert_eq!(entries(r#"{"layers":[]}"#.into()).unwrap(), []);
        for odd in [r#"{"digest":"a:b","Digest":"a:c"}"#, r#"{"size":1}"#, r#"{"digest":"a:b","digest":"a:c"}"#, "1"] {
            assert!(entries(format!(r#"{{"manifests":[{odd}]}}"#)).is_err(), "{odd}");
        }
    }

    #[test]
    fn null_and_unknown_fields_pass() {
        assert_eq!(parse(r#"{"subject":null,"fsLayers":[[[{}]]]}"#).unwrap().subject, None);
        let refers = parse(&format!(r#"{{"refers":{}}}"#, subject())).unwrap().subject.unwrap();
        assert_eq!(refers.via, Via::Refers);
    }
}
