//! Artifact manifests as image manifests: for upstreams that refuse the former. Pure, and the same for ever: what was
//! rewritten by one release is recognised by every later one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::oci::{Algorithm, Digest, ManifestError, MediaType, RawManifest, is_media_type};

/// `{}`: what an artifact without blobs gets for a layer (image-spec 1.1, "Guidance for an Empty Descriptor").
pub const EMPTY_BLOB: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// By which [`EMPTY_BLOB`] is known.
pub const EMPTY_DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// An artifact manifest, read. What can be large stays in its bytes: as maps and lists, four megabytes could take fifty.
#[derive(Clone, Debug)]
pub struct Original {
    raw: RawManifest,
    digest: Digest,
    artifact_type: Option<String>,
    subject: Option<Content>,
    without_blobs: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    blobs: Option<Vec<Content>>,
    #[serde(default)]
    subject: Option<Content>,
    #[serde(default)]
    refers: Option<Content>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// A descriptor as manifests hold it. `data` is left out: upstreams need not take it, and the original has it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Of the content.
    pub media_type: String,
    /// Of the content.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    #[serde(default, deserialize_with = "unless_null", skip_serializing_if = "Vec::is_empty")]
    urls: Vec<String>,
    #[serde(default, deserialize_with = "unless_null", skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct CarrierFields {
    schema_version: u8,
    media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    config: Content,
    layers: Vec<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refers: Option<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

/// `null` is as good as nothing, as everywhere in Go's JSON.
fn unless_null<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Content {
    fn plain(media_type: &str, digest: &str, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest.to_owned(),
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            artifact_type: None,
        }
    }

    /// A carrier, as who refers to it names it.
    pub fn carrier(digest: &Digest, size: usize) -> Self {
        Self::plain(MediaType::IMAGE, digest.as_str(), size as u64)
    }
}

impl Original {
    /// Reads an artifact manifest. Refuses what Proposal A forbids: a manifest among the blobs (it could close a loop),
    /// a subject that is no manifest; and one whose bytes don't say that they are one, since only they are left when it
    /// is to be found again.
    pub fn parse(raw: &RawManifest) -> Result<Self, ManifestError> {
        let fields: Fields = serde_json::from_slice(&raw.bytes)?;
        if fields.media_type.as_deref().map(MediaType::parse).as_ref() != Some(&raw.media_type) {
            let reason = format!("an artifact manifest says what it is: {}", raw.media_type.as_str());
            return Err(ManifestError::Field { field: "mediaType", reason });
        }
        let is_manifest = |content: &Content| MediaType::parse(&content.media_type).is_manifest();
        let odd = |field, reason: String| Err(ManifestError::Field { field, reason });
        if let Some(blob) = fields.blobs.iter().flatten().find(|blob| is_manifest(blob)) {
            return odd(
                "blobs",
                format!("{} is a manifest ({}): refer to it as the subject", blob.digest, blob.media_type),
            );
        }
        if let Some(blob) = fields.blobs.iter().flatten().find(|blob| Digest::parse(&blob.digest).is_err()) {
            return odd("blobs", format!("{:?} is no digest", blob.digest));
        }
        if let Some(subject) = fields.subject.iter().chain(&fields.refers).find(|subject| !is_manifest(subject)) {
            return odd("subject", format!("{} is no media type of a manifest", subject.media_type));
        }
        let subject = fields.subject.or(fields.refers);
        Ok(Self {
            digest: raw.digest(Algorithm::Sha256),
            raw: raw.clone(),
            artifact_type: fields.artifact_type.filter(|text| !text.is_empty()),
            subject: subject.map(|subject| Content::plain(&subject.media_type, &subject.digest, subject.size)),
            without_blobs: fields.blobs.is_none_or(|blobs| blobs.is_empty()),
        })
    }

    /// The manifest as it was pushed.
    pub fn raw(&self) -> &RawManifest {
        &self.raw
    }

    /// By which its carrier's config names it.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether its carrier needs [`EMPTY_BLOB`] for a layer.
    pub fn is_without_blobs(&self) -> bool {
        self.without_blobs
    }

    /// Whom it refers to, as it was pushed, by `subject` or by Proposal E's `refers`: media type, digest and size.
    pub fn subject(&self) -> Option<&Content> {
        self.subject.as_ref()
    }

    /// The artifact type, whatever it looks like.
    pub fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref()
    }

    /// The carrier. `subject`: the form that the upstream holds of the subject, where it isn't the one that was named.
    /// `config_type`: the one that an upstream insists on, if it does.
    pub fn carry(&self, subject: Option<&Content>, config_type: Option<&str>) -> RawManifest {
        let artifact_type = self.artifact_type().filter(|text| config_type.is_none() && is_media_type(text));
        let config_type = config_type.or(artifact_type).unwrap_or(self.raw.media_type.as_str());
        // Invariant: `parse` read it before.
        let fields: Fields = serde_json::from_slice(&self.raw.bytes).unwrap_or_default();
        let layers = match fields.blobs {
            Some(blobs) if !blobs.is_empty() => blobs,
            _ => vec![Content::plain(EMPTY_TYPE, EMPTY_DIGEST, EMPTY_BLOB.len() as u64)],
        };
        let stored = |own: Content| subject.cloned().unwrap_or(own);
        let carrier = CarrierFields {
            schema_version: 2,
            media_type: MediaType::IMAGE.to_owned(),
            config: Content::plain(config_type, self.digest.as_str(), self.raw.bytes.len() as u64),
            artifact_type: artifact_type.map(str::to_owned),
            layers,
            subject: fields.subject.map(stored),
            refers: fields.refers.map(stored),
            annotations: fields.annotations,
        };
        // Invariant: strings, numbers and maps with string keys serialize without fail.
        let bytes = serde_json::to_vec(&carrier).unwrap_or_default();
        RawManifest { bytes: bytes.into(), media_type: MediaType::parse(MediaType::IMAGE) }
    }

    /// Every carrier that it can have, with a subject in one of these forms, or named as it was; the likely ones come
    /// first, each is made when it is asked for. No other manifest is a carrier of it.
    pub fn carriers<'a>(
        &'a self,
        subjects: &'a [Content],
        config_type: Option<&'a str>,
    ) -> impl Iterator<Item = RawManifest> + 'a {
        let subjects = subjects.iter().filter(|_| self.subject.is_some()).map(Some).chain([None]);
        subjects.flat_map(move |subject| {
            let config_types = config_type.map(Some).into_iter().chain([None]);
            config_types.map(move |config_type| self.carry(subject, config_type))
        })
    }
}

/// The digest and size of the blob that is the original, if `manifest` could be a carrier: one of
/// [`Original::carriers`] tells. Others are told apart without a look at any blob.
pub fn original_of(manifest: &RawManifest) -> Option<(Digest, u64)> {
    let fields: CarrierFields = serde_json::from_slice(&manifest.bytes).ok()?;
    let made = serde_json::to_vec(&fields).ok()? == manifest.bytes;
    let typed = fields.artifact_type.as_ref().is_none_or(|kind| *kind == fields.config.media_type);
    let digest = Digest::parse(&fields.config.digest).ok()?;
    (made && typed).then_some((digest, fields.config.size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

    fn raw(json: String) -> RawManifest {
        RawManifest { bytes: json.into(), media_type: MediaType::parse(ARTIFACT) }
    }

    fn content(kind: &str, seed: u8) -> String {
        let digest = Digest::of(Algorithm::Sha256, &[seed]);
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{seed},"data":"AA=="}}"#)
    }

    fn artifact(kind: Option<&str>, blobs: &[u8], subject: Option<u8>, note: &str) -> String {
        let kind =
            kind.map_or(String::new(), |kind| format!(r#""artifactType":{},"#, serde_json::to_string(kind).unwrap()));
        let blobs: Vec<String> = blobs.iter().map(|seed| content("application/x", *seed)).collect();
        let subject =
            subject.map_or(String::new(), |seed| format!(r#","subject":{}"#, content(MediaType::IMAGE, seed)));
        let note = serde_json::to_string(note).unwrap();
        format!(
            r#"{{"mediaType":"{ARTIFACT}", {kind}"blobs":[{}]{subject},"annotations":{{"note":{note}}}}}"#,
            blobs.join(",")
        )
    }

    proptest! {
        #[test]
        fn carrier_gives_back_the_original_byte_for_byte(
            kind in proptest::option::of("[a-z]{1,5}/[a-z.+]{1,9}|sbom||[ -~]{1,9}"),
            blobs in proptest::collection::vec(any::<u8>(), 0..5),
            subject in proptest::option::of(any::<u8>()),
            note in "\\PC{0,20}",
        ) {
            let original = Original::parse(&raw(artifact(kind.as_deref(), &blobs, subject, &note))).unwrap();
            let carrier = original.carry(None, None);
            let undone = Some((original.digest().clone(), original.raw().bytes.len() as u64));
            prop_assert_eq!(original_of(&carrier), undone.clone());
            let profiled = original.carry(None, Some("application/vnd.oci.image.config.v1+json"));
            prop_assert_eq!(original_of(&profiled), undone);
            let text = std::str::from_utf8(&carrier.bytes).unwrap();
            prop_assert!(!text.contains(r#""data":"#));
            let json: serde_json::Value = serde_json::from_str(text).unwrap();
            prop_assert!(!json["layers"].as_array().unwrap().is_empty());
            if let Some(kind) = json["artifactType"].as_str() {
                prop_assert!(is_media_type(kind));
            }
            let (_, manifest) = RawManifest::parse(carrier.bytes.clone(), Some(MediaType::IMAGE)).unwrap();
            prop_assert_eq!(manifest.subject.is_some(), subject.is_some());
        }

        #[test]
        fn carrier_with_one_changed_byte_is_no_carrier(at in 0..400usize, byte in any::<u8>()) {
            let original = Original::parse(&raw(artifact(Some("a/b"), &[1, 2], Some(3), "x"))).unwrap();
            let mut bytes = original.carry(None, None).bytes.to_vec();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let forms = [Content::plain(MediaType::IMAGE, "blake3:00", 9)];
            prop_assert!(original.carriers(&forms, Some("c/d")).all(|carrier| carrier.bytes != bytes));
        }
    }

    #[test]
    fn carrier_bytes_are_the_same_in_every_release() {
        let golden = include_str!("../../tests/fixtures/carriers.txt");
        let mut made = String::new();
        for (kind, blobs, subject) in
            [(Some("application/spdx+json"), &[1, 2][..], Some(3)), (Some("sbom"), &[], Some(3)), (None, &[7], None)]
        {
            let original = Original::parse(&raw(artifact(kind, blobs, subject, "é\n"))).unwrap();
            made.push_str(std::str::from_utf8(&original.carry(None, None).bytes).unwrap());
            made.push('\n');
        }
        assert_eq!(made, golden, "carriers that are out there would no longer be known:\n{made}");
    }

    #[test]
    fn carrier_is_not_made_of_a_manifest_that_proposal_a_forbids() {
        let own = format!(r#""mediaType":"{ARTIFACT}""#);
        let manifest_blob = format!(r#"{{{own},"blobs":[{}]}}"#, content(MediaType::INDEX, 1));
        let blob_subject = format!(r#"{{{own},"subject":{}}}"#, content("application/x", 1));
        for (json, part) in [
            (manifest_blob, "is a manifest"),
            (blob_subject, "no media type of a manifest"),
            ("{}".to_owned(), "says what it is"),
        ] {
            let error = Original::parse(&raw(json)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn carrier_is_the_same_for_a_null_member_as_for_an_absent_one() {
        let blob = content("a/b", 1).replace(r#","data":"AA==""#, "");
        let nulls = blob.replace('}', r#","urls":null,"annotations":null,"artifactType":null}"#);
        let made = |blob: &str| {
            let json = format!(r#"{{"mediaType":"{ARTIFACT}","blobs":[{blob}],"subject":null,"annotations":null}}"#);
            let carrier = Original::parse(&raw(json)).unwrap().carry(None, None);
            serde_json::from_slice::<serde_json::Value>(&carrier.bytes).unwrap()["layers"].clone()
        };
        assert_eq!(made(&nulls), made(&blob));
    }

    #[test]
    fn carrier_has_one_candidate_for_each_form_of_its_subject() {
        let original = Original::parse(&raw(artifact(None, &[], Some(3), ""))).unwrap();
        let stored = Content::carrier(&Digest::parse("blake3:00").unwrap(), 9);
        let carriers = original.carriers(std::slice::from_ref(&stored), Some("c/d"));
        let carriers: Vec<_> = carriers.map(|carrier| carrier.bytes).collect();
        let made = [(Some(&stored), Some("c/d")), (Some(&stored), None), (None, Some("c/d")), (None, None)];
        assert_eq!(carriers, made.map(|(subject, config_type)| original.carry(subject, config_type).bytes));
        let without = Original::parse(&raw(artifact(None, &[], None, ""))).unwrap();
        assert_eq!(without.carriers(&[stored], None).count(), 1);
    }

    #[test]
    fn carrier_is_told_from_other_image_manifests_without_reading_blobs() {
        let config = content("application/vnd.oci.empty.v1+json", 2).replace(r#","data":"AA==""#, "");
        let attached = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"a/b","config":{config},"layers":[]}}"#,
            MediaType::IMAGE
        );
        assert_eq!(original_of(&raw(attached)), None);
    }
}
