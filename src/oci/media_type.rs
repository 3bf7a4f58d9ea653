//! Media types of manifests (image-spec 1.1, media-types.md).

/// What every request of backref's own accepts: distribution answers 404 for a manifest whose type is not named,
/// and does not expand `*/*`.
pub const MANIFEST_ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.artifact.manifest.v1+json, \
    application/vnd.cncf.oras.artifact.manifest.v1+json";

/// Artifact manifests: of the OCI image-spec 1.1's release candidates and Proposal A, and of the ORAS artifacts-spec 1.0.
const ARTIFACTS: [&str; 2] =
    ["application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json"];

/// A media type without its parameters, in lower case: type and subtype have no case (RFC 9110, 8.3.1), and the lower
/// case is the spelling that clients compare with letter by letter, so descriptors have it too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MediaType(Box<str>);

impl MediaType {
    /// `application/vnd.oci.image.index.v1+json`, what a referrers list is.
    pub const INDEX: &'static str = "application/vnd.oci.image.index.v1+json";

    /// `application/vnd.oci.image.manifest.v1+json`
    pub const IMAGE: &'static str = "application/vnd.oci.image.manifest.v1+json";

    /// Takes the type out of a `Content-Type` or `mediaType` value.
    pub fn parse(value: &str) -> Self {
        Self(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().into())
    }

    /// Whether it is an image index or a Docker manifest list: these have no config whose type could stand for the
    /// artifact type.
    pub fn is_index(&self) -> bool {
        matches!(&*self.0, Self::INDEX | "application/vnd.docker.distribution.manifest.list.v2+json")
    }

    /// Whether it is an artifact manifest, in either of its kinds: what many registries refuse.
    pub fn is_artifact(&self) -> bool {
        ARTIFACTS.contains(&&*self.0)
    }

    /// Whether it is an artifact manifest of the ORAS artifacts-spec.
    pub fn is_oras(&self) -> bool {
        &*self.0 == ARTIFACTS[1]
    }

    /// Whether it is one of the six of [`MANIFEST_ACCEPT`].
    pub fn is_manifest(&self) -> bool {
        MANIFEST_ACCEPT.split(", ").any(|known| known == &*self.0)
    }

    /// `type/subtype`, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no type was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// RFC 6838, 4.2: `type/subtype`, each a restricted name.
pub fn is_media_type(text: &str) -> bool {
    let name_ok = |name: &str| {
        name.len() <= 127
            && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| name_ok(kind) && name_ok(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_compared_without_case_and_parameters() {
        let odd = MediaType::parse(" Application/Vnd.OCI.Image.Index.v1+JSON ; charset=\"UTF-8\"");
        assert_eq!((&odd, odd.as_str()), (&MediaType::parse(MediaType::INDEX), MediaType::INDEX));
        assert!(odd.is_index() && odd.is_manifest() && !odd.is_artifact());
        assert!(MediaType::parse("APPLICATION/VND.CNCF.ORAS.ARTIFACT.MANIFEST.V1+JSON").is_artifact());
        for other in ["application/json", "application/vnd.oci.image.index.v1", "text/html; a=application/json"] {
            assert!(!MediaType::parse(other).is_manifest(), "{other}");
        }
        assert!(MediaType::parse(" ; q=1").is_empty());
    }
}
