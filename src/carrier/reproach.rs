//! Whether an upstream can have refused an artifact manifest for its kind only.

use serde::{Deserialize, de::IgnoredAny};

use super::codec::Original;
use crate::oci::{Algorithm, Digest, RawManifest, is_media_type};

/// An artifact manifest with what the specifications name, and nothing else.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Plain {
    #[serde(rename = "mediaType")]
    _media_type: IgnoredAny,
    artifact_type: String,
    #[serde(default)]
    blobs: Vec<PlainContent>,
    #[serde(default)]
    subject: Option<PlainContent>,
    #[serde(default, rename = "annotations")]
    _annotations: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlainContent {
    media_type: String,
    digest: String,
    #[serde(rename = "size")]
    _size: IgnoredAny,
    #[serde(default, rename = "annotations")]
    _annotations: IgnoredAny,
}

/// How many blobs are asked for before something is learned.
const MAX_BLOBS: usize = 8;

/// The digests of its blobs, if an upstream that takes artifact manifests has nothing to refuse about this one other than
/// that one of these, or its subject, is absent. With anything about it that `carrier` leaves out or says in another way, a
/// pusher could have it refused on purpose, and its carrier taken.
pub fn beyond_reproach(original: &Original, carrier: &RawManifest) -> Option<Vec<Digest>> {
    let plain: Plain = serde_json::from_slice(&original.raw().bytes).ok()?;
    let known = |content: &PlainContent| {
        let digest = Digest::parse(&content.digest).ok()?;
        (is_media_type(&content.media_type) && digest.algorithm() == Some(Algorithm::Sha256)).then_some(digest)
    };
    let subject_ok = plain.subject.as_ref().is_none_or(|subject| known(subject).is_some());
    let shorter = original.raw().bytes.len() <= carrier.bytes.len();
    let few = plain.blobs.len() <= MAX_BLOBS;
    (is_media_type(&plain.artifact_type) && subject_ok && shorter && few)
        .then(|| plain.blobs.iter().map(known).collect())?
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    #[test]
    fn rewrite_capability_comes_only_from_a_manifest_that_nothing_else_could_be_refused_for() {
        const KIND: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let blob = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1}}"#);
        let blobs_of = |members: &str| {
            let bytes = format!(r#"{{"mediaType":"{KIND}",{members}}}"#).into();
            let original = Original::parse(&RawManifest { bytes, media_type: MediaType::parse(KIND) }).unwrap();
            beyond_reproach(&original, &original.carry(None, None)).map(|blobs| blobs.len())
        };
        assert_eq!(blobs_of(r#""artifactType":"a/b""#), Some(0));
        assert_eq!(blobs_of(&format!(r#""artifactType":"a/b","blobs":[{blob}],"annotations":{{"a":"b"}}"#)), Some(1));
        for members in [
            r#""blobs":[]"#.to_owned(),
            r#""artifactType":"sbom""#.to_owned(),
            r#""artifactType":"a/b","config":{}"#.to_owned(),
            format!(r#""artifactType":"a/b","refers":{}"#, blob.replace("a/b", MediaType::IMAGE)),
            format!(r#""artifactType":"a/b","blobs":[{}]"#, blob.replace("a/b", "a")),
            format!(r#""artifactType":"a/b","blobs":[{}]"#, [&*blob; MAX_BLOBS + 1].join(",")),
            format!(r#""artifactType":"a/b"{}"#, " ".repeat(1000)),
        ] {
            assert_eq!(blobs_of(&members), None, "{members}");
        }
    }
}
